//! A register with compare-and-set.
//!
//! Source: Porcupine's etcd model and Knossos' `cas-register`. Initially the value it is made with.
//! Nil as in [`Register`](super::Register): `Seen::Value(None)` or `Seen::Unknown`. A
//! compare-and-set that was answered "no" is an operation like any other, and must take effect at a
//! point where the value differs; one that is merely known to have failed is left out of the
//! history.

use std::hash::Hash;

use super::Seen;
use crate::model::whole_within;
use crate::paths::{Act, decide_register};
use crate::{Meter, Model, Operation, Shortcut};

/// A compare-and-set register with this initial value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CasRegister<V>(pub V);

/// What is asked of a [`CasRegister`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CasInput<V> {
    /// What is the value?
    Read,
    /// Make this the value.
    Write(V),
    /// If the value is the first, make it the second.
    Cas {
        /// The value that is expected.
        from: V,
        /// The value to replace it.
        to: V,
    },
}

/// What a [`CasRegister`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CasOutput<V> {
    /// To a read.
    Read(Seen<V>),
    /// To a write.
    Written,
    /// To a compare-and-set: whether the value was the expected one.
    Cas(bool),
}

impl<V: Clone + Eq + Hash> Model for CasRegister<V> {
    type State = V;
    type Input = CasInput<V>;
    type Output = CasOutput<V>;

    fn init(&self) -> V {
        self.0.clone()
    }

    fn step(&self, state: &V, input: &Self::Input, output: Option<&Self::Output>) -> Option<V> {
        match (input, output) {
            (CasInput::Read, Some(CasOutput::Read(seen))) => {
                seen.fits(state).then(|| state.clone())
            }
            (CasInput::Write(new), None | Some(CasOutput::Written)) => Some(new.clone()),
            (CasInput::Cas { from, to }, None | Some(CasOutput::Cas(true))) => {
                (from == state).then(|| to.clone())
            }
            (CasInput::Cas { from, .. }, Some(CasOutput::Cas(false))) => {
                (from != state).then(|| state.clone())
            }
            _ => None,
        }
    }

    fn is_read_only(&self, input: &Self::Input, output: Option<&Self::Output>) -> bool {
        matches!((input, output), (CasInput::Read, _) | (_, Some(CasOutput::Cas(false))))
    }

    fn partition_within(
        &self,
        history: &[Operation<Self::Input, Self::Output>],
        meter: &Meter,
    ) -> Vec<Vec<usize>> {
        whole_within(history.len(), meter)
    }

    fn is_overwrite(&self, input: &Self::Input, output: Option<&Self::Output>) -> bool {
        matches!((input, output), (CasInput::Write(_), None | Some(CasOutput::Written)))
    }

    fn is_twin(
        &self,
        first: (&Self::Input, Option<&Self::Output>),
        second: (&Self::Input, Option<&Self::Output>),
    ) -> bool {
        let changes =
            |(input, output)| !self.is_read_only(input, output) && act(input, output) != Act::Never;
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

fn act<'a, V>(input: &'a CasInput<V>, output: Option<&'a CasOutput<V>>) -> Act<&'a V> {
    match (input, output) {
        (CasInput::Read, Some(CasOutput::Read(Seen::Value(value)))) => Act::Read(value),
        (CasInput::Read, None | Some(CasOutput::Read(Seen::Unknown))) => Act::Glance,
        (CasInput::Write(new), None | Some(CasOutput::Written)) => Act::Write(new),
        (CasInput::Cas { from, to }, None | Some(CasOutput::Cas(true))) => Act::Swap(from, to),
        (CasInput::Cas { from, .. }, Some(CasOutput::Cas(false))) => Act::Differs(from),
        _ => Act::Never,
    }
}
