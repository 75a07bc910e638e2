//! The sequential specification that a history is checked against.
//!
//! Not a simulation: a model never answers, it only judges whether an answer fits a state. The
//! invariant is purity: the same arguments give the same result, whatever was asked in between.
//! Source: Porcupine's `Model`, with associated types in place of casts.

use std::collections::HashMap;
use std::hash::Hash;

use crate::pace::each;
use crate::{Meter, Operation, Shortcut};

/// A deterministic sequential specification.
///
/// Where one answer (or a missing one) may lead to several states, implement
/// [`NondeterministicModel`](crate::NondeterministicModel) instead.
pub trait Model {
    /// The state of the object. `Eq` must hold only for states that no later step tells apart.
    type State: Clone + Eq + Hash;
    /// What a client asks.
    type Input;
    /// What a client is answered.
    type Output;

    /// The state before the first operation (of a partition).
    fn init(&self) -> Self::State;

    /// The state after the operation, or `None` where the model does not allow it in `state`.
    ///
    /// `output` is `None` for an indeterminate operation: the result is then the state after it
    /// took effect, whatever it would have answered. The search considers by itself that it never
    /// took effect, so an operation without effect in `state` may give `None` or the same state
    /// alike.
    fn step(
        &self,
        state: &Self::State,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Self::State>;

    /// Splits the history into parts (indices into `history`) which are linearizable one by one if
    /// and only if the whole is, such as the operations on one key. Every part starts in
    /// [`Model::init`]. The parts must hold every index exactly once; [`check`](crate::check)
    /// panics otherwise. By default there is one part. See [`partition_by`].
    fn partition(&self, history: &[Operation<Self::Input, Self::Output>]) -> Vec<Vec<usize>> {
        vec![(0..history.len()).collect()]
    }

    /// [`Model::partition`] on a budget: where `meter` is exceeded it may end early with anything,
    /// which is discarded. Worth having for histories of millions. By default as it is without.
    fn partition_within(
        &self,
        history: &[Operation<Self::Input, Self::Output>],
        _meter: &Meter,
    ) -> Vec<Vec<usize>> {
        self.partition(history)
    }

    /// Whether this operation leaves every state as it is, such as a read. A hint: the search takes
    /// such an operation as soon as it fits and need not try anything else there. `true` must hold
    /// for all states; the search panics when it sees that it does not. By default never.
    fn is_read_only(&self, _input: &Self::Input, _output: Option<&Self::Output>) -> bool {
        false
    }

    /// Whether this operation is allowed in every state and leaves the same one whatever was there
    /// before, such as a write. A hint: the search then takes it that an operation of this kind
    /// which nobody saw came directly before another one. `true` must hold for all states; the
    /// search panics when it sees that it does not. By default never.
    fn is_overwrite(&self, _input: &Self::Input, _output: Option<&Self::Output>) -> bool {
        false
    }

    /// Whether two operations, given by input and output, do the same in every state. A hint: the
    /// search then tries only the more urgent one. By default never.
    fn is_twin(
        &self,
        _first: (&Self::Input, Option<&Self::Output>),
        _second: (&Self::Input, Option<&Self::Output>),
    ) -> bool {
        false
    }

    /// Judges a part of the history in polynomial time, where the model knows how and the part
    /// allows it; `None` leaves it to the search. Asked by [`decide`](crate::decide) and not by
    /// [`check`](crate::check). An answer must be a proof, unless `meter` was exceeded: then it is
    /// discarded. By default `None`.
    fn shortcut(
        &self,
        _history: &[Operation<Self::Input, Self::Output>],
        _part: &[usize],
        _meter: &Meter,
    ) -> Option<Shortcut> {
        None
    }

    /// Bytes that a state owns outside of its own size, for
    /// [`Budget::bytes`](crate::Budget::bytes). By default none; an estimate will do.
    fn heap_bytes(&self, _state: &Self::State) -> usize {
        0
    }
}

/// Groups operations by a key, in order of first appearance: a [`Model::partition`] for objects
/// that are independent of each other.
pub fn partition_by<I, O, K: Eq + Hash>(
    history: &[Operation<I, O>],
    key: impl Fn(&Operation<I, O>) -> K,
) -> Vec<Vec<usize>> {
    group(history, &|| false, key)
}

/// [`partition_by`] on a budget: a [`Model::partition_within`].
pub fn partition_by_within<I, O, K: Eq + Hash>(
    history: &[Operation<I, O>],
    meter: &Meter,
    key: impl Fn(&Operation<I, O>) -> K,
) -> Vec<Vec<usize>> {
    group(history, &|| meter.exceeded(), key)
}

/// One part with all of `len` operations, on a budget: the default of [`Model::partition`] as a
/// [`Model::partition_within`].
pub(crate) fn whole_within(len: usize, meter: &Meter) -> Vec<Vec<usize>> {
    let mut part = Vec::with_capacity(len);
    // Out of budget: what there is will be discarded.
    let _ = each(0..len, &|| meter.exceeded(), |index| part.push(index));
    vec![part]
}

fn group<I, O, K: Eq + Hash>(
    history: &[Operation<I, O>],
    exceeded: &impl Fn() -> bool,
    key: impl Fn(&Operation<I, O>) -> K,
) -> Vec<Vec<usize>> {
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut part_of: HashMap<K, usize> = HashMap::new();
    let ended = each(history.iter().enumerate(), exceeded, |(index, operation)| {
        let part = *part_of.entry(key(operation)).or_insert(parts.len());
        if part == parts.len() {
            parts.push(Vec::new());
        }
        parts[part].push(index);
    });
    // Out of budget: what there is will be discarded.
    let _ = ended;
    parts
}
