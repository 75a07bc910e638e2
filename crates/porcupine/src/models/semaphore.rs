//! A semaphore: so many permits, each held by who took it.
//!
//! Source: the semaphore of Jepsen's tests of Hazelcast (2019), after Dijkstra (1965). Initially
//! nobody holds a permit. A client gives back only what it holds; where anybody may give back, let
//! all clients be `()`. There is no nil. An attempt that was answered "no" must take effect where
//! that is the right answer; one that is merely known to have had no effect is left out of the
//! history.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::marker::PhantomData;

use super::{MutexOutput, OwnedInput};
use crate::Model;

/// A semaphore of which nobody holds a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Semaphore<C> {
    permits: u32,
    clients: PhantomData<fn() -> C>,
}

impl<C> Semaphore<C> {
    /// One with so many permits.
    pub fn new(permits: u32) -> Self {
        Self { permits, clients: PhantomData }
    }
}

impl<C: Clone + Ord + Hash> Model for Semaphore<C> {
    /// How many permits each client holds that holds one.
    type State = BTreeMap<C, u32>;
    type Input = OwnedInput<C>;
    type Output = MutexOutput;

    fn init(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(
        &self,
        state: &Self::State,
        input: &Self::Input,
        output: Option<&MutexOutput>,
    ) -> Option<Self::State> {
        let client = input.client();
        let holds = state.get(client).copied().unwrap_or(0);
        let taken: u64 = state.values().map(|permits| u64::from(*permits)).sum();
        let (may, after) = match input {
            OwnedInput::Acquire(_) => (taken < u64::from(self.permits), holds.saturating_add(1)),
            OwnedInput::Release(_) => (holds > 0, holds.saturating_sub(1)),
        };
        if output == Some(&MutexOutput::Refused) {
            return (!may).then(|| state.clone());
        }
        may.then(|| {
            let mut next = state.clone();
            if after == 0 {
                next.remove(client);
            } else {
                next.insert(client.clone(), after);
            }
            next
        })
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

    fn heap_bytes(&self, state: &Self::State) -> usize {
        // The nodes of the tree are at least half full.
        state.len() * size_of::<(C, u32)>() * 2
    }
}
