//! A grow-only set: add an element, read all elements.
//!
//! Source: Knossos' `set` model. Initially empty. There is no nil: an empty read is the empty set,
//! and a read whose value is not known is `Seen::Unknown`. Adding what is there changes nothing.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::marker::PhantomData;

use super::Seen;
use crate::paths::{Grow, decide_set};
use crate::{Meter, Model, Operation, Shortcut};

/// An empty set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Set<V>(PhantomData<fn() -> V>);

impl<V> Default for Set<V> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// What is asked of a [`Set`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetInput<V> {
    /// Add this element.
    Add(V),
    /// What are the elements?
    Read,
}

/// What a [`Set`] answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SetOutput<V> {
    /// To an add.
    Added,
    /// To a read: all elements.
    Read(Seen<BTreeSet<V>>),
}

impl<V: Clone + Ord + Hash> Model for Set<V> {
    type State = BTreeSet<V>;
    type Input = SetInput<V>;
    type Output = SetOutput<V>;

    fn init(&self) -> BTreeSet<V> {
        BTreeSet::new()
    }

    fn step(
        &self,
        state: &BTreeSet<V>,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<BTreeSet<V>> {
        match (input, output) {
            (SetInput::Add(element), None | Some(SetOutput::Added)) => {
                let mut next = state.clone();
                next.insert(element.clone());
                Some(next)
            }
            (SetInput::Read, Some(SetOutput::Read(seen))) => {
                seen.fits(state).then(|| state.clone())
            }
            _ => None,
        }
    }

    fn is_read_only(&self, input: &Self::Input, _: Option<&Self::Output>) -> bool {
        matches!(input, SetInput::Read)
    }

    fn shortcut(
        &self,
        history: &[Operation<Self::Input, Self::Output>],
        part: &[usize],
        meter: &Meter,
    ) -> Option<Shortcut> {
        decide_set(history, part, grow, meter)
    }

    fn heap_bytes(&self, state: &BTreeSet<V>) -> usize {
        // The nodes of the tree are at least half full.
        state.len() * size_of::<V>() * 2
    }
}

fn grow<'a, V>(input: &'a SetInput<V>, output: Option<&'a SetOutput<V>>) -> Grow<'a, V> {
    match (input, output) {
        (SetInput::Add(element), None | Some(SetOutput::Added)) => Grow::Add(element),
        (SetInput::Read, Some(SetOutput::Read(Seen::Value(elements)))) => Grow::Read(elements),
        (SetInput::Read, None | Some(SetOutput::Read(Seen::Unknown))) => Grow::Glance,
        _ => Grow::Never,
    }
}
