//! A lock that gives each holder a fencing token, greater than all before.
//!
//! Source: Kleppmann, "How to do distributed locking" (2016), and Knossos' fenced mutex. Initially
//! free. Nobody is recorded as the holder, as in [`Mutex`](super::Mutex). Tokens are whole numbers:
//! between 5 and 6 there is none that an acquire without an answer may have got. Such an acquire is
//! taken to have got the least one that is left, which is never worse.

use crate::paths::{Fenced, decide_fenced_lock};
use crate::{Meter, Model, Operation, Shortcut};

/// A free lock that has given no token yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FencedLock;

/// What is asked of a [`FencedLock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FencedLockInput {
    /// Take the lock.
    Acquire,
    /// Give the lock back.
    Release,
}

/// What a [`FencedLock`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FencedLockOutput {
    /// To an acquire: it was taken, with this token.
    Granted(u64),
    /// To a release: it was given back.
    Released,
    /// It was held already, or was not held.
    Refused,
}

impl Model for FencedLock {
    /// Whether the lock is held, and the least token that may be given next.
    type State = (bool, u128);
    type Input = FencedLockInput;
    type Output = FencedLockOutput;

    fn init(&self) -> (bool, u128) {
        (false, 0)
    }

    fn step(
        &self,
        &(held, least): &(bool, u128),
        input: &FencedLockInput,
        output: Option<&FencedLockOutput>,
    ) -> Option<(bool, u128)> {
        match (input, output) {
            (FencedLockInput::Acquire, Some(FencedLockOutput::Granted(token))) => {
                let token = u128::from(*token);
                (!held && least <= token).then_some((true, token + 1))
            }
            (FencedLockInput::Acquire, None) => (!held).then_some((true, least + 1)),
            (FencedLockInput::Acquire, Some(FencedLockOutput::Refused)) => {
                held.then_some((held, least))
            }
            (FencedLockInput::Release, None | Some(FencedLockOutput::Released)) => {
                held.then_some((false, least))
            }
            (FencedLockInput::Release, Some(FencedLockOutput::Refused)) => {
                (!held).then_some((held, least))
            }
            _ => None,
        }
    }

    fn is_read_only(&self, _: &FencedLockInput, output: Option<&FencedLockOutput>) -> bool {
        output == Some(&FencedLockOutput::Refused)
    }

    fn shortcut(
        &self,
        history: &[Operation<FencedLockInput, FencedLockOutput>],
        part: &[usize],
        meter: &Meter,
    ) -> Option<Shortcut> {
        decide_fenced_lock(history, part, fenced, meter)
    }
}

fn fenced(input: &FencedLockInput, output: Option<&FencedLockOutput>) -> Fenced {
    match (input, output) {
        (FencedLockInput::Acquire, Some(FencedLockOutput::Granted(token))) => {
            Fenced::Take(Some(*token))
        }
        (FencedLockInput::Acquire, None) => Fenced::Take(None),
        (FencedLockInput::Acquire, Some(FencedLockOutput::Refused)) => Fenced::Sees(true),
        (FencedLockInput::Release, None | Some(FencedLockOutput::Released)) => Fenced::Free,
        (FencedLockInput::Release, Some(FencedLockOutput::Refused)) => Fenced::Sees(false),
        _ => Fenced::Never,
    }
}
