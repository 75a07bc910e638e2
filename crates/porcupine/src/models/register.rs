//! A register: read and write.
//!
//! Source: Lamport, "On interprocess communication" (1986), the atomic register. Initially the
//! value it is made with. Where a nil read means "really nothing", let `V` be an `Option` and read
//! `Seen::Value(None)`; where it means "unknown", read `Seen::Unknown`.

use std::hash::Hash;

use super::Seen;
use crate::model::whole_within;
use crate::paths::{Act, decide_register};
use crate::{Meter, Model, Operation, Shortcut};

/// A register with this initial value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Register<V>(pub V);

/// What is asked of a [`Register`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegisterInput<V> {
    /// What is the value?
    Read,
    /// Make this the value.
    Write(V),
}

/// What a [`Register`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegisterOutput<V> {
    /// To a read.
    Read(Seen<V>),
    /// To a write.
    Written,
}

impl<V: Clone + Eq + Hash> Model for Register<V> {
    type State = V;
    type Input = RegisterInput<V>;
    type Output = RegisterOutput<V>;

    fn init(&self) -> V {
        self.0.clone()
    }

    fn step(&self, state: &V, input: &Self::Input, output: Option<&Self::Output>) -> Option<V> {
        match (input, output) {
            (RegisterInput::Read, None) => None,
            (RegisterInput::Read, Some(RegisterOutput::Read(seen))) => {
                seen.fits(state).then(|| state.clone())
            }
            (RegisterInput::Write(new), None | Some(RegisterOutput::Written)) => Some(new.clone()),
            _ => None,
        }
    }

    fn is_read_only(&self, input: &Self::Input, _: Option<&Self::Output>) -> bool {
        matches!(input, RegisterInput::Read)
    }

    fn partition_within(
        &self,
        history: &[Operation<Self::Input, Self::Output>],
        meter: &Meter,
    ) -> Vec<Vec<usize>> {
        whole_within(history.len(), meter)
    }

    fn is_overwrite(&self, input: &Self::Input, output: Option<&Self::Output>) -> bool {
        matches!((input, output), (RegisterInput::Write(_), None | Some(RegisterOutput::Written)))
    }

    fn is_twin(
        &self,
        first: (&Self::Input, Option<&Self::Output>),
        second: (&Self::Input, Option<&Self::Output>),
    ) -> bool {
        let changes = |(input, output)| self.is_overwrite(input, output);
        first.0 == second.0 && changes(first) && changes(second)
    }

    fn shortcut(
        &self,
        history: &[Operation<Self::Input, Self::Output>],
        part: &[usize],
        meter: &Meter,
    ) -> Option<Shortcut> {
        decide_register(history, part, &self.0, act, meter)
    }
}

fn act<'a, V>(input: &'a RegisterInput<V>, output: Option<&'a RegisterOutput<V>>) -> Act<&'a V> {
    match (input, output) {
        (RegisterInput::Read, Some(RegisterOutput::Read(Seen::Value(value)))) => Act::Read(value),
        (RegisterInput::Read, None | Some(RegisterOutput::Read(Seen::Unknown))) => Act::Glance,
        (RegisterInput::Write(new), None | Some(RegisterOutput::Written)) => Act::Write(new),
        _ => Act::Never,
    }
}
