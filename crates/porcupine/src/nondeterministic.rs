//! Specifications in which one step may lead to several states, made deterministic by power set.
//!
//! Not a second search: [`PowerSet`] is a [`Model`] whose state is the set of all states that are
//! possible so far. The invariant: a set is never empty (that is "not allowed") and holds no state
//! twice. Source: Porcupine's `NondeterministicModel` and its `ToModel`.

use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};

use crate::hash::Mixer;
use crate::{Meter, Model, Operation, Shortcut};

/// A sequential specification with a choice. See [`Model`] for what the methods share with it.
pub trait NondeterministicModel {
    /// One possible state.
    type State: Clone + Eq + Hash;
    /// What a client asks.
    type Input;
    /// What a client is answered.
    type Output;

    /// The possible states before the first operation; at least one.
    fn init(&self) -> Vec<Self::State>;

    /// All states that are possible after the operation; empty where it is not allowed in `state`.
    /// As in [`Model::step`], `output` is `None` for an indeterminate operation that took effect.
    fn step(
        &self,
        state: &Self::State,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Vec<Self::State>;

    /// As [`Model::partition`].
    fn partition(&self, history: &[Operation<Self::Input, Self::Output>]) -> Vec<Vec<usize>> {
        vec![(0..history.len()).collect()]
    }

    /// As [`Model::shortcut`]. An order must be one for which some choice of states exists.
    fn shortcut(
        &self,
        _history: &[Operation<Self::Input, Self::Output>],
        _part: &[usize],
        _meter: &Meter,
    ) -> Option<Shortcut> {
        None
    }

    /// As [`Model::heap_bytes`], for one possible state.
    fn heap_bytes(&self, _state: &Self::State) -> usize {
        0
    }
}

/// Makes a [`Model`] of a [`NondeterministicModel`].
///
/// States are compared as sets, quadratic in their number: meant for few choices at a time.
#[derive(Debug, Clone, Copy, Default)]
pub struct PowerSet<N>(pub N);

/// The states that are possible so far: a set, in no particular order.
#[derive(Debug, Clone)]
pub struct States<S>(Vec<S>);

impl<S: Eq> States<S> {
    fn merge(candidates: impl IntoIterator<Item = S>) -> Self {
        let mut unique = Vec::new();
        for state in candidates {
            if !unique.contains(&state) {
                unique.push(state);
            }
        }
        Self(unique)
    }

    /// The possible states.
    pub fn iter(&self) -> impl Iterator<Item = &S> {
        self.0.iter()
    }
}

impl<S: Eq> PartialEq for States<S> {
    // Neither side repeats a state, so equal size and inclusion one way are enough.
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().all(|state| other.0.contains(state))
    }
}

impl<S: Eq> Eq for States<S> {}

impl<S: Hash> Hash for States<S> {
    // A sum does not depend on the order, as equality does not.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let mixer = BuildHasherDefault::<Mixer>::default();
        let sum = self.0.iter().fold(0u64, |sum, state| sum.wrapping_add(mixer.hash_one(state)));
        hasher.write_u64(sum);
    }
}

impl<N: NondeterministicModel> Model for PowerSet<N> {
    type State = States<N::State>;
    type Input = N::Input;
    type Output = N::Output;

    fn init(&self) -> Self::State {
        States::merge(self.0.init())
    }

    fn step(
        &self,
        states: &Self::State,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Self::State> {
        let next = states.0.iter().flat_map(|state| self.0.step(state, input, output));
        let merged = States::merge(next);
        (!merged.0.is_empty()).then_some(merged)
    }

    fn partition(&self, history: &[Operation<Self::Input, Self::Output>]) -> Vec<Vec<usize>> {
        self.0.partition(history)
    }

    fn shortcut(
        &self,
        history: &[Operation<Self::Input, Self::Output>],
        part: &[usize],
        meter: &Meter,
    ) -> Option<Shortcut> {
        self.0.shortcut(history, part, meter)
    }

    fn heap_bytes(&self, states: &Self::State) -> usize {
        states.0.iter().map(|state| size_of::<N::State>() + self.0.heap_bytes(state)).sum()
    }
}
