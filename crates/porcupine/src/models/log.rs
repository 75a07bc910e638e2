//! A log: append an element, read at a position, read the whole.
//!
//! Source: the shared log of Corfu (Balakrishnan and others 2012) without holes, and the partitions
//! of Kafka-like brokers. Initially empty; positions count from 0. An append may be answered with
//! the position of its entry, or only with that it was carried out. A read at a position that has
//! no entry yet is `Seen::Value(None)`; one whose answer is not known is `Seen::Unknown`.

use std::hash::Hash;
use std::marker::PhantomData;

use super::Seen;
use crate::paths::{Entry, decide_log};
use crate::{Meter, Model, Operation, Shortcut};

/// An empty log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Log<V>(PhantomData<fn() -> V>);

impl<V> Default for Log<V> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// What is asked of a [`Log`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogInput<V> {
    /// Put this element behind the last one.
    Append(V),
    /// What is at this position?
    ReadAt(u64),
    /// What is in it?
    ReadAll,
}

/// What a [`Log`] answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LogOutput<V> {
    /// To an append.
    Appended,
    /// To an append: the position of its entry.
    Position(u64),
    /// To a read at a position.
    Entry(Seen<Option<V>>),
    /// To a read of the whole: all elements in order.
    All(Seen<Vec<V>>),
}

impl<V: Clone + Eq + Hash> Model for Log<V> {
    type State = Vec<V>;
    type Input = LogInput<V>;
    type Output = LogOutput<V>;

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
            (LogInput::Append(element), output) => {
                let fits = match output {
                    None | Some(LogOutput::Appended) => true,
                    Some(LogOutput::Position(position)) => *position == state.len() as u64,
                    Some(_) => false,
                };
                fits.then(|| [&state[..], std::slice::from_ref(element)].concat())
            }
            (LogInput::ReadAt(position), Some(LogOutput::Entry(seen))) => {
                let there = usize::try_from(*position).ok().and_then(|at| state.get(at));
                seen.fits(&there.cloned()).then(|| state.clone())
            }
            (LogInput::ReadAll, Some(LogOutput::All(seen))) => {
                seen.fits(state).then(|| state.clone())
            }
            _ => None,
        }
    }

    fn is_read_only(&self, input: &Self::Input, _: Option<&Self::Output>) -> bool {
        !matches!(input, LogInput::Append(_))
    }

    fn shortcut(
        &self,
        history: &[Operation<Self::Input, Self::Output>],
        part: &[usize],
        meter: &Meter,
    ) -> Option<Shortcut> {
        decide_log(history, part, entry, meter)
    }

    fn heap_bytes(&self, state: &Vec<V>) -> usize {
        state.capacity() * size_of::<V>()
    }
}

fn entry<'a, V>(input: &'a LogInput<V>, output: Option<&'a LogOutput<V>>) -> Entry<'a, V> {
    match (input, output) {
        (LogInput::Append(element), None | Some(LogOutput::Appended)) => {
            Entry::Append(element, None)
        }
        (LogInput::Append(element), Some(LogOutput::Position(position))) => {
            Entry::Append(element, Some(*position))
        }
        (LogInput::ReadAt(position), Some(LogOutput::Entry(Seen::Value(seen)))) => {
            Entry::At(*position, seen.as_ref())
        }
        (LogInput::ReadAll, Some(LogOutput::All(Seen::Value(all)))) => Entry::All(all),
        (LogInput::ReadAt(_), None | Some(LogOutput::Entry(Seen::Unknown))) => Entry::Glance,
        (LogInput::ReadAll, None | Some(LogOutput::All(Seen::Unknown))) => Entry::Glance,
        _ => Entry::Never,
    }
}
