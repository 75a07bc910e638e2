//! A lock that knows who holds it and gives fencing tokens, and may let its holder take it again.
//!
//! Source: the fenced and the reentrant fenced mutex of Jepsen's tests of Hazelcast (2019), after
//! its `FencedLock`: a holder that takes the lock again gets the token that it has, and the next
//! holder a greater one. Initially free. Tokens are whole numbers, as in
//! [`FencedLock`](super::FencedLock): an acquire without an answer that was the first of its holder
//! got a token that is not known until the holder is told it by a later acquire; if it never is, it
//! is taken to have been the least one that was left, which is never worse.

use std::hash::Hash;
use std::marker::PhantomData;

use super::{FencedLockOutput, OwnedInput};
use crate::paths::{Hold, decide_owned_fenced_lock};
use crate::{Meter, Model, Operation, Shortcut};

/// A free lock that has given no token yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OwnedFencedLock<C> {
    most: u32,
    clients: PhantomData<fn() -> C>,
}

impl<C> OwnedFencedLock<C> {
    /// One that its holder can take so many times; see
    /// [`OwnedMutex::reentrant`](super::OwnedMutex::reentrant).
    pub fn reentrant(most: u32) -> Self {
        Self { most, clients: PhantomData }
    }
}

/// One that its holder cannot take again.
impl<C> Default for OwnedFencedLock<C> {
    fn default() -> Self {
        Self::reentrant(1)
    }
}

/// The state of an [`OwnedFencedLock`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fences<C> {
    /// Who holds it, how many times, and with which token if that is known.
    holder: Option<(C, u32, Option<u64>)>,
    /// The least token that may be given next, or may be the one that is not known.
    least: u128,
}

impl<C: Clone + Eq + Hash> Model for OwnedFencedLock<C> {
    type State = Fences<C>;
    type Input = OwnedInput<C>;
    type Output = FencedLockOutput;

    fn init(&self) -> Fences<C> {
        Fences { holder: None, least: 0 }
    }

    fn step(
        &self,
        state: &Fences<C>,
        input: &Self::Input,
        output: Option<&FencedLockOutput>,
    ) -> Option<Fences<C>> {
        let own = state.holder.as_ref().filter(|(holder, ..)| holder == input.client());
        let holds = own.map_or(0, |(_, holds, _)| *holds);
        let may = match input {
            OwnedInput::Acquire(_) => holds < self.most && (holds > 0 || state.holder.is_none()),
            OwnedInput::Release(_) => holds > 0,
        };
        let told = match (input, output) {
            (_, Some(FencedLockOutput::Refused)) => return (!may).then(|| state.clone()),
            (OwnedInput::Acquire(_), Some(FencedLockOutput::Granted(token))) => Some(*token),
            (OwnedInput::Release(_), Some(FencedLockOutput::Released)) | (_, None) => None,
            _ => return None,
        };
        if !may {
            return None;
        }
        let client = input.client().clone();
        let known = own.and_then(|(_, _, token)| *token);
        match input {
            OwnedInput::Acquire(_) => state.granted(client, holds + 1, known, told),
            OwnedInput::Release(_) if holds > 1 => {
                Some(Fences { holder: Some((client, holds - 1, known)), least: state.least })
            }
            OwnedInput::Release(_) => {
                let unknown = u128::from(known.is_none());
                Some(Fences { holder: None, least: state.least + unknown })
            }
        }
    }

    fn is_read_only(&self, _: &Self::Input, output: Option<&FencedLockOutput>) -> bool {
        output == Some(&FencedLockOutput::Refused)
    }

    fn shortcut(
        &self,
        history: &[Operation<Self::Input, FencedLockOutput>],
        part: &[usize],
        meter: &Meter,
    ) -> Option<Shortcut> {
        decide_owned_fenced_lock(history, part, self.most, hold, meter)
    }
}

impl<C> Fences<C> {
    /// After an acquire that was told this token: the one that is known, or a new one.
    fn granted(
        &self,
        client: C,
        holds: u32,
        known: Option<u64>,
        told: Option<u64>,
    ) -> Option<Self> {
        let (token, least) = match (known, told) {
            (Some(known), told) => {
                (told.is_none_or(|told| told == known).then_some(known).map(Some)?, self.least)
            }
            (None, Some(told)) => {
                let wide = u128::from(told);
                (wide >= self.least).then_some((Some(told), wide + 1))?
            }
            (None, None) => (None, self.least),
        };
        Some(Self { holder: Some((client, holds, token)), least })
    }
}

fn hold<'a, C>(input: &'a OwnedInput<C>, output: Option<&'a FencedLockOutput>) -> Hold<&'a C> {
    match (input, output) {
        (OwnedInput::Acquire(client), Some(FencedLockOutput::Granted(token))) => {
            Hold::Take(client, Some(*token))
        }
        (OwnedInput::Acquire(client), None) => Hold::Take(client, None),
        (OwnedInput::Release(client), None | Some(FencedLockOutput::Released)) => {
            Hold::Free(client)
        }
        _ => Hold::Other,
    }
}
