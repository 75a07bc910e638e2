//! A queue that promises no order: a bag with enqueue and dequeue.
//!
//! Source: Knossos' `unordered-queue`. Initially empty. Nil as in [`FifoQueue`](super::FifoQueue).
//! A dequeue whose answer is missing or unknown may have removed any element, so the model is
//! nondeterministic; check it as `PowerSet(UnorderedQueue::default())`.

use std::hash::Hash;
use std::marker::PhantomData;

use super::fifo_queue::pass;
use super::{QueueInput, QueueOutput, Seen};
use crate::paths::decide_bag;
use crate::{Meter, NondeterministicModel, Operation, Shortcut};

/// An empty bag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnorderedQueue<V>(PhantomData<fn() -> V>);

impl<V> Default for UnorderedQueue<V> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<V: Clone + Ord + Hash> NondeterministicModel for UnorderedQueue<V> {
    /// The elements, sorted.
    type State = Vec<V>;
    type Input = QueueInput<V>;
    type Output = QueueOutput<V>;

    fn init(&self) -> Vec<Vec<V>> {
        vec![Vec::new()]
    }

    fn step(
        &self,
        state: &Vec<V>,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Vec<Vec<V>> {
        match (input, output) {
            (QueueInput::Enqueue(element), None | Some(QueueOutput::Enqueued)) => {
                let mut next = state.clone();
                next.insert(state.partition_point(|other| other < element), element.clone());
                vec![next]
            }
            (QueueInput::Dequeue, Some(QueueOutput::Dequeued(Seen::Value(Some(element))))) => {
                state.binary_search(element).map(|at| without(state, at)).into_iter().collect()
            }
            (QueueInput::Dequeue, Some(QueueOutput::Dequeued(Seen::Value(None)))) => {
                if state.is_empty() { vec![Vec::new()] } else { Vec::new() }
            }
            (QueueInput::Dequeue, None | Some(QueueOutput::Dequeued(Seen::Unknown))) => {
                if state.is_empty() {
                    return vec![Vec::new()];
                }
                let first_of_kind = |at: &usize| *at == 0 || state[at - 1] != state[*at];
                (0..state.len()).filter(first_of_kind).map(|at| without(state, at)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn shortcut(
        &self,
        history: &[Operation<Self::Input, Self::Output>],
        part: &[usize],
        meter: &Meter,
    ) -> Option<Shortcut> {
        decide_bag(history, part, pass, meter)
    }

    fn heap_bytes(&self, state: &Vec<V>) -> usize {
        state.capacity() * size_of::<V>()
    }
}

fn without<V: Clone>(state: &[V], at: usize) -> Vec<V> {
    [&state[..at], &state[at + 1..]].concat()
}
