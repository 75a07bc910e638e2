//! A first-in first-out queue: enqueue and dequeue.
//!
//! Source: Herlihy and Wing, "Linearizability" (1990), section 2. Initially empty. A dequeue that
//! found the queue empty is `Seen::Value(None)`; one that was answered with something that is not
//! known is `Seen::Unknown`, and removes the first element if there is one.

use std::collections::VecDeque;
use std::hash::Hash;
use std::marker::PhantomData;

use super::Seen;
use crate::paths::{Pass, decide_queue};
use crate::{Meter, Model, Operation, Shortcut};

/// An empty queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FifoQueue<V>(PhantomData<fn() -> V>);

impl<V> Default for FifoQueue<V> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// What is asked of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueueInput<V> {
    /// Add this element.
    Enqueue(V),
    /// Remove an element.
    Dequeue,
}

/// What a queue answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QueueOutput<V> {
    /// To an enqueue.
    Enqueued,
    /// To a dequeue: the element, or `None` where the queue is empty.
    Dequeued(Seen<Option<V>>),
}

impl<V: Clone + Eq + Hash> Model for FifoQueue<V> {
    type State = VecDeque<V>;
    type Input = QueueInput<V>;
    type Output = QueueOutput<V>;

    fn init(&self) -> VecDeque<V> {
        VecDeque::new()
    }

    fn step(
        &self,
        state: &VecDeque<V>,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<VecDeque<V>> {
        let allowed = match (input, output) {
            (_, None) | (QueueInput::Enqueue(_), Some(QueueOutput::Enqueued)) => true,
            (QueueInput::Dequeue, Some(QueueOutput::Dequeued(seen))) => {
                seen.fits(&state.front().cloned())
            }
            _ => false,
        };
        allowed.then(|| {
            let mut next = state.clone();
            match input {
                QueueInput::Enqueue(element) => next.push_back(element.clone()),
                QueueInput::Dequeue => drop(next.pop_front()),
            }
            next
        })
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
        decide_queue(history, part, pass, meter)
    }

    fn heap_bytes(&self, state: &VecDeque<V>) -> usize {
        state.capacity() * size_of::<V>()
    }
}

/// Whether a collection that is asked like a queue was found empty: that is only allowed where it
/// is, and it stays so.
pub(super) fn found_nothing<V>(output: Option<&QueueOutput<V>>) -> bool {
    matches!(output, Some(QueueOutput::Dequeued(Seen::Value(None))))
}

/// What is left without the last element, or of nothing; `None` where it is not what was answered.
pub(super) fn take_last<V: Clone + Eq>(
    state: &[V],
    output: Option<&QueueOutput<V>>,
) -> Option<Vec<V>> {
    let fits = match output {
        None => true,
        Some(QueueOutput::Dequeued(seen)) => seen.fits(&state.last().cloned()),
        Some(QueueOutput::Enqueued) => false,
    };
    fits.then(|| state[..state.len().saturating_sub(1)].to_vec())
}

/// What an operation does, for the paths of all collections that are asked like queues.
pub(super) fn pass<'a, V>(
    input: &'a QueueInput<V>,
    output: Option<&'a QueueOutput<V>>,
) -> Pass<&'a V> {
    match (input, output) {
        (QueueInput::Enqueue(element), None | Some(QueueOutput::Enqueued)) => {
            Pass::Enqueue(element)
        }
        (QueueInput::Dequeue, Some(QueueOutput::Dequeued(Seen::Value(Some(element))))) => {
            Pass::Dequeue(element)
        }
        (QueueInput::Dequeue, Some(QueueOutput::Dequeued(Seen::Value(None)))) => Pass::Empty,
        (QueueInput::Dequeue, None | Some(QueueOutput::Dequeued(Seen::Unknown))) => Pass::Something,
        _ => Pass::Never,
    }
}
