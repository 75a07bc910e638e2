//! A lock that knows who holds it, and may let its holder take it again.
//!
//! Source: the owner-aware and the reentrant mutex of Jepsen's tests of Hazelcast (2019). Initially
//! free. Only the holder gives it back, as many times as it took it. Clients are named in what is
//! asked, by whatever name the service knows them. With `()` for all clients it is a
//! [`Mutex`](super::Mutex), and with a limit a counter of permits. There is no nil. An attempt that
//! was answered "no" must take effect where that is the right answer; one that is merely known to
//! have had no effect is left out of the history.

use std::hash::Hash;
use std::marker::PhantomData;

use super::MutexOutput;
use crate::paths::{Hold, decide_owned_mutex};
use crate::{Meter, Model, Operation, Shortcut};

/// A free lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OwnedMutex<C> {
    most: u32,
    clients: PhantomData<fn() -> C>,
}

impl<C> OwnedMutex<C> {
    /// One that its holder can take so many times, in Hazelcast's words: with this lock acquire
    /// limit. `u32::MAX` is no limit for any history.
    pub fn reentrant(most: u32) -> Self {
        Self { most, clients: PhantomData }
    }
}

/// One that its holder cannot take again.
impl<C> Default for OwnedMutex<C> {
    fn default() -> Self {
        Self::reentrant(1)
    }
}

/// What a client asks of a lock with owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OwnedInput<C> {
    /// Take the lock, for this client.
    Acquire(C),
    /// Give the lock back, as this client.
    Release(C),
}

impl<C> OwnedInput<C> {
    /// Who asks.
    pub fn client(&self) -> &C {
        match self {
            Self::Acquire(client) | Self::Release(client) => client,
        }
    }
}

impl<C: Clone + Eq + Hash> Model for OwnedMutex<C> {
    /// Who holds it, and how many times.
    type State = Option<(C, u32)>;
    type Input = OwnedInput<C>;
    type Output = MutexOutput;

    fn init(&self) -> Self::State {
        None
    }

    fn step(
        &self,
        state: &Self::State,
        input: &Self::Input,
        output: Option<&MutexOutput>,
    ) -> Option<Self::State> {
        let holds = match state {
            Some((holder, holds)) if holder == input.client() => *holds,
            _ => 0,
        };
        let done = match input {
            OwnedInput::Acquire(client) => {
                let may = holds < self.most && (holds > 0 || state.is_none());
                may.then(|| Some((client.clone(), holds + 1)))
            }
            OwnedInput::Release(client) => {
                (holds > 0).then(|| (holds > 1).then(|| (client.clone(), holds - 1)))
            }
        };
        match output {
            Some(MutexOutput::Refused) => done.is_none().then(|| state.clone()),
            None | Some(MutexOutput::Done) => done,
        }
    }

    fn is_read_only(&self, _: &Self::Input, output: Option<&MutexOutput>) -> bool {
        output == Some(&MutexOutput::Refused)
    }

    fn is_twin(
        &self,
        first: (&Self::Input, Option<&MutexOutput>),
        second: (&Self::Input, Option<&MutexOutput>),
    ) -> bool {
        let changes = |output| output != Some(&MutexOutput::Refused);
        first.0 == second.0 && changes(first.1) && changes(second.1)
    }

    fn shortcut(
        &self,
        history: &[Operation<Self::Input, MutexOutput>],
        part: &[usize],
        meter: &Meter,
    ) -> Option<Shortcut> {
        decide_owned_mutex(history, part, self.most, hold, meter)
    }
}

fn hold<'a, C>(input: &'a OwnedInput<C>, output: Option<&'a MutexOutput>) -> Hold<&'a C> {
    match (input, output) {
        (_, Some(MutexOutput::Refused)) => Hold::Other,
        (OwnedInput::Acquire(client), _) => Hold::Take(client, None),
        (OwnedInput::Release(client), _) => Hold::Free(client),
    }
}
