//! A lock: acquire and release.
//!
//! Source: Knossos' `mutex` model. Initially free. Nobody is recorded as the holder: a release by
//! another client is allowed, since a lock service with leases takes locks away. There is no nil.
//! An attempt that was answered "no" must take effect where that is the right answer; one that is
//! merely known to have had no effect is left out of the history.

use crate::paths::{Turn, decide_lock};
use crate::{Meter, Model, Operation, Shortcut};

/// A free lock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Mutex;

/// What is asked of a [`Mutex`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MutexInput {
    /// Take the lock.
    Acquire,
    /// Give the lock back.
    Release,
}

/// What a [`Mutex`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MutexOutput {
    /// It was taken, or given back.
    Done,
    /// It was held already, or was not held.
    Refused,
}

impl Model for Mutex {
    /// Whether the lock is held.
    type State = bool;
    type Input = MutexInput;
    type Output = MutexOutput;

    fn init(&self) -> bool {
        false
    }

    fn step(&self, held: &bool, input: &MutexInput, output: Option<&MutexOutput>) -> Option<bool> {
        let wanted = *input == MutexInput::Acquire;
        match output {
            None | Some(MutexOutput::Done) => (*held != wanted).then_some(wanted),
            Some(MutexOutput::Refused) => (*held == wanted).then_some(*held),
        }
    }

    fn is_read_only(&self, _: &MutexInput, output: Option<&MutexOutput>) -> bool {
        output == Some(&MutexOutput::Refused)
    }

    fn shortcut(
        &self,
        history: &[Operation<MutexInput, MutexOutput>],
        part: &[usize],
        meter: &Meter,
    ) -> Option<Shortcut> {
        decide_lock(history, part, turn, meter)
    }
}

fn turn(input: &MutexInput, output: Option<&MutexOutput>) -> Turn {
    let held = *input == MutexInput::Acquire;
    match output {
        None | Some(MutexOutput::Done) => Turn::To(held),
        Some(MutexOutput::Refused) => Turn::Sees(held),
    }
}
