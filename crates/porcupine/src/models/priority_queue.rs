//! A priority queue: enqueue, and dequeue the least element.
//!
//! Source: Herlihy and Wing, "Linearizability" (1990), section 2.3. Initially empty. Where the
//! greatest comes first, let the elements be `std::cmp::Reverse`. A dequeue that found the queue
//! empty is `Seen::Value(None)`; one that was answered with something that is not known is
//! `Seen::Unknown`, and removes the least element if there is one.

use std::hash::Hash;
use std::marker::PhantomData;

use super::fifo_queue::{found_nothing, pass, take_last};
use super::{QueueInput, QueueOutput};
use crate::paths::decide_priority_queue;
use crate::{Meter, Model, Operation, Shortcut};

/// An empty priority queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PriorityQueue<V>(PhantomData<fn() -> V>);

impl<V> Default for PriorityQueue<V> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<V: Clone + Ord + Hash> Model for PriorityQueue<V> {
    /// The elements, the greatest first.
    type State = Vec<V>;
    type Input = QueueInput<V>;
    type Output = QueueOutput<V>;

    fn init(&self) -> Vec<V> {
        Vec::new()
    }

    fn step(
        &self,
        state: &Vec<V>,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Vec<V>> {
        match (input, output) {
            (QueueInput::Enqueue(element), None | Some(QueueOutput::Enqueued)) => {
                let mut next = state.clone();
                next.insert(state.partition_point(|other| other > element), element.clone());
                Some(next)
            }
            (QueueInput::Dequeue, output) => take_last(state, output),
            _ => None,
        }
    }

    fn is_read_only(&self, _: &Self::Input, output: Option<&Self::Output>) -> bool {
        found_nothing(output)
    }

    fn shortcut(
        &self,
        history: &[Operation<Self::Input, Self::Output>],
        part: &[usize],
        meter: &Meter,
    ) -> Option<Shortcut> {
        decide_priority_queue(history, part, pass, V::clone, meter)
    }

    fn heap_bytes(&self, state: &Vec<V>) -> usize {
        state.capacity() * size_of::<V>()
    }
}
