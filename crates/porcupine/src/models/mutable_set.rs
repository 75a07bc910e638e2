//! A set from which elements can be removed: add, remove, and ask for one element.
//!
//! Source: the set of Lee and Mathur (OOPSLA 2025) and of Abdulla and others (2025). Initially
//! empty. Each element is an object of its own, so an operation on all of them, such as a read of
//! the whole set, has no place here. An answer may tell whether the operation changed anything
//! (`Changed`), or only that it was carried out (`Done`).

use std::hash::Hash;
use std::marker::PhantomData;

use crate::paths::{Act, Turn, decide_lock, decide_map};
use crate::{Meter, Model, Operation, Shortcut, partition_by};

/// An empty set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MutableSet<V>(PhantomData<fn() -> V>);

impl<V> Default for MutableSet<V> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// What is asked of a [`MutableSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MutableSetInput<V> {
    /// Let this element be in it.
    Add(V),
    /// Let this element not be in it.
    Remove(V),
    /// Is this element in it?
    Contains(V),
}

/// What a [`MutableSet`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MutableSetOutput {
    /// To an add or remove: the element is there, or is not; maybe that was so before.
    Done,
    /// To an add or remove: whether the element was not there before, or was there.
    Changed(bool),
    /// To a question for an element.
    Contains(bool),
}

impl<V> MutableSetInput<V> {
    fn element(&self) -> &V {
        match self {
            Self::Add(element) | Self::Remove(element) | Self::Contains(element) => element,
        }
    }
}

impl<V: Clone + Eq + Hash> Model for MutableSet<V> {
    /// Whether the one element is there.
    type State = bool;
    type Input = MutableSetInput<V>;
    type Output = MutableSetOutput;

    fn init(&self) -> bool {
        false
    }

    fn step(
        &self,
        there: &bool,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<bool> {
        let wanted = match (input, output) {
            (MutableSetInput::Contains(_), Some(MutableSetOutput::Contains(seen))) => {
                return (seen == there).then_some(*there);
            }
            (MutableSetInput::Contains(_), _) | (_, Some(MutableSetOutput::Contains(_))) => {
                return None;
            }
            (MutableSetInput::Add(_), _) => true,
            (MutableSetInput::Remove(_), _) => false,
        };
        match output {
            Some(MutableSetOutput::Changed(changed)) => {
                (*changed == (*there != wanted)).then_some(wanted)
            }
            _ => Some(wanted),
        }
    }

    fn partition(&self, history: &[Operation<Self::Input, Self::Output>]) -> Vec<Vec<usize>> {
        partition_by(history, |operation| operation.input.element().clone())
    }

    fn is_read_only(&self, _: &Self::Input, output: Option<&Self::Output>) -> bool {
        matches!(output, Some(MutableSetOutput::Changed(false) | MutableSetOutput::Contains(_)))
    }

    fn shortcut(
        &self,
        history: &[Operation<Self::Input, Self::Output>],
        part: &[usize],
        meter: &Meter,
    ) -> Option<Shortcut> {
        let is = |output: MutableSetOutput| {
            part.iter().any(|&index| history[index].output == Some(output))
        };
        let fits =
            |&index: &usize| is_answer(&history[index].input, history[index].output.as_ref());
        if !part.iter().all(fits) {
            return None;
        }
        // Who added and removed an element takes turns, as who takes and gives back a lock.
        if !is(MutableSetOutput::Done) {
            // A question without an answer needs no place.
            let counts = |index: &usize| {
                let operation = &history[*index];
                let asks = matches!(operation.input, MutableSetInput::Contains(_));
                !(asks && operation.is_indeterminate())
            };
            let part: Vec<usize> = part.iter().copied().filter(counts).collect();
            return decide_lock(history, &part, turn, meter);
        }
        if is(MutableSetOutput::Changed(true)) {
            return None;
        }
        // An add may change nothing, so it is a write.
        decide_map(history, part, act, meter)
    }
}

fn is_answer<V>(input: &MutableSetInput<V>, output: Option<&MutableSetOutput>) -> bool {
    let asks = matches!(input, MutableSetInput::Contains(_));
    match output {
        None => true,
        Some(output) => asks == matches!(output, MutableSetOutput::Contains(_)),
    }
}

fn turn<V>(input: &MutableSetInput<V>, output: Option<&MutableSetOutput>) -> Turn {
    let there = matches!(input, MutableSetInput::Add(_));
    match output {
        Some(MutableSetOutput::Contains(seen)) => Turn::Sees(*seen),
        Some(MutableSetOutput::Changed(false)) => Turn::Sees(there),
        _ => Turn::To(there),
    }
}

fn act<V>(input: &MutableSetInput<V>, output: Option<&MutableSetOutput>) -> Act<Option<()>> {
    let value = |there: bool| there.then_some(());
    let there = matches!(input, MutableSetInput::Add(_));
    match output {
        None if matches!(input, MutableSetInput::Contains(_)) => Act::Glance,
        Some(MutableSetOutput::Contains(seen)) => Act::Read(value(*seen)),
        Some(MutableSetOutput::Changed(false)) => Act::Read(value(there)),
        _ => Act::Write(value(there)),
    }
}
