//! A stack: push and pop, asked as enqueue and dequeue.
//!
//! Source: Herlihy and Wing, "Linearizability" (1990), with the order of a stack. Initially empty.
//! A pop that found the stack empty is `Seen::Value(None)`; one that was answered with something
//! that is not known is `Seen::Unknown`, and removes the last element if there is one.

use std::hash::Hash;
use std::marker::PhantomData;

use super::fifo_queue::{found_nothing, pass, take_last};
use super::{QueueInput, QueueOutput};
use crate::paths::decide_stack;
use crate::{Meter, Model, Operation, Shortcut};

/// An empty stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stack<V>(PhantomData<fn() -> V>);

impl<V> Default for Stack<V> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<V: Clone + Eq + Hash> Model for Stack<V> {
    /// The elements, the last one on top.
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
                next.push(element.clone());
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
        decide_stack(history, part, pass, meter)
    }

    fn heap_bytes(&self, state: &Vec<V>) -> usize {
        state.capacity() * size_of::<V>()
    }
}
