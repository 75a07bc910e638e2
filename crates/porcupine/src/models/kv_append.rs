//! A key-value store of strings: get, put and append.
//!
//! Source: Porcupine's key-value model for the MIT 6.824 laboratory. Partitioned by key; a state is
//! the string of one key. Initially every key holds the empty string, which is also what a missing
//! key reads as: there is no nil. A get whose value is not known is `Seen::Unknown`.

use std::hash::Hash;
use std::marker::PhantomData;

use super::Seen;
use crate::paths::{Text, decide_string};
use crate::{Meter, Model, Operation, Shortcut, partition_by, partition_by_within};

/// A store in which every key holds the empty string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KvAppend<K>(PhantomData<fn() -> K>);

impl<K> Default for KvAppend<K> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// What is asked of a [`KvAppend`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KvAppendInput<K> {
    /// What is the string of this key?
    Get(K),
    /// Replace the string of this key.
    Put(K, String),
    /// Add to the end of the string of this key.
    Append(K, String),
}

/// What a [`KvAppend`] answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KvAppendOutput {
    /// To a get.
    Got(Seen<String>),
    /// To a put or an append.
    Done,
}

impl<K: Clone + Eq + Hash> Model for KvAppend<K> {
    type State = String;
    type Input = KvAppendInput<K>;
    type Output = KvAppendOutput;

    fn init(&self) -> String {
        String::new()
    }

    fn step(
        &self,
        state: &String,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<String> {
        match (input, output) {
            (KvAppendInput::Get(_), Some(KvAppendOutput::Got(seen))) => {
                seen.fits(state).then(|| state.clone())
            }
            (KvAppendInput::Put(_, new), None | Some(KvAppendOutput::Done)) => Some(new.clone()),
            (KvAppendInput::Append(_, more), None | Some(KvAppendOutput::Done)) => {
                Some([state.as_str(), more].concat())
            }
            _ => None,
        }
    }

    fn is_read_only(&self, input: &Self::Input, _: Option<&Self::Output>) -> bool {
        matches!(input, KvAppendInput::Get(_))
    }

    fn is_overwrite(&self, input: &Self::Input, output: Option<&Self::Output>) -> bool {
        matches!((input, output), (KvAppendInput::Put(..), None | Some(KvAppendOutput::Done)))
    }

    fn is_twin(
        &self,
        first: (&Self::Input, Option<&Self::Output>),
        second: (&Self::Input, Option<&Self::Output>),
    ) -> bool {
        let changes = |(input, output): (&Self::Input, Option<&Self::Output>)| {
            !self.is_read_only(input, None) && !matches!(output, Some(&KvAppendOutput::Got(_)))
        };
        first.0 == second.0 && changes(first) && changes(second)
    }

    fn partition(&self, history: &[Operation<Self::Input, Self::Output>]) -> Vec<Vec<usize>> {
        partition_by(history, |operation| key(&operation.input).clone())
    }

    fn partition_within(
        &self,
        history: &[Operation<Self::Input, Self::Output>],
        meter: &Meter,
    ) -> Vec<Vec<usize>> {
        partition_by_within(history, meter, |operation| key(&operation.input).clone())
    }

    fn shortcut(
        &self,
        history: &[Operation<Self::Input, Self::Output>],
        part: &[usize],
        meter: &Meter,
    ) -> Option<Shortcut> {
        decide_string(history, part, text, meter)
    }

    fn heap_bytes(&self, state: &String) -> usize {
        state.capacity()
    }
}

fn text<'a, K>(input: &'a KvAppendInput<K>, output: Option<&'a KvAppendOutput>) -> Text<'a> {
    match (input, output) {
        (KvAppendInput::Get(_), Some(KvAppendOutput::Got(Seen::Value(found)))) => Text::Read(found),
        (KvAppendInput::Get(_), None | Some(KvAppendOutput::Got(Seen::Unknown))) => Text::Glance,
        (KvAppendInput::Put(_, new), None | Some(KvAppendOutput::Done)) => Text::Put(new),
        (KvAppendInput::Append(_, more), None | Some(KvAppendOutput::Done)) => Text::Append(more),
        _ => Text::Never,
    }
}

fn key<K>(input: &KvAppendInput<K>) -> &K {
    match input {
        KvAppendInput::Get(key) | KvAppendInput::Put(key, _) | KvAppendInput::Append(key, _) => key,
    }
}
