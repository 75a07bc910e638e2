//! A key-value store: get, put and delete.
//!
//! Source: Porcupine's key-value example, with deletes. Each key is a register of its own, so the
//! history is partitioned by key and a state is the value of one key. Initially every key is
//! missing. A get that really found nothing is `Seen::Value(None)`; one whose value is not known,
//! `Seen::Unknown`.

use std::hash::Hash;
use std::marker::PhantomData;

use super::Seen;
use crate::paths::{Act, decide_map};
use crate::{Meter, Model, Operation, Shortcut, partition_by, partition_by_within};

/// A key-value store without keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kv<K, V>(PhantomData<fn() -> (K, V)>);

impl<K, V> Default for Kv<K, V> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

/// What is asked of a [`Kv`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KvInput<K, V> {
    /// What is the value of this key?
    Get(K),
    /// Give this key this value.
    Put(K, V),
    /// Make this key missing.
    Delete(K),
}

/// What a [`Kv`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KvOutput<V> {
    /// To a get; `None` where the key is missing.
    Got(Seen<Option<V>>),
    /// To a put.
    Put,
    /// To a delete, whether the key was there or not.
    Deleted,
}

impl<K: Clone + Eq + Hash, V: Clone + Eq + Hash> Model for Kv<K, V> {
    type State = Option<V>;
    type Input = KvInput<K, V>;
    type Output = KvOutput<V>;

    fn init(&self) -> Option<V> {
        None
    }

    fn step(
        &self,
        state: &Option<V>,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Option<V>> {
        match (input, output) {
            (KvInput::Get(_), Some(KvOutput::Got(seen))) => seen.fits(state).then(|| state.clone()),
            (KvInput::Put(_, new), None | Some(KvOutput::Put)) => Some(Some(new.clone())),
            (KvInput::Delete(_), None | Some(KvOutput::Deleted)) => Some(None),
            _ => None,
        }
    }

    fn is_read_only(&self, input: &Self::Input, _: Option<&Self::Output>) -> bool {
        matches!(input, KvInput::Get(_))
    }

    fn is_overwrite(&self, input: &Self::Input, output: Option<&Self::Output>) -> bool {
        matches!(
            (input, output),
            (KvInput::Put(..), None | Some(KvOutput::Put))
                | (KvInput::Delete(_), None | Some(KvOutput::Deleted))
        )
    }

    fn is_twin(
        &self,
        first: (&Self::Input, Option<&Self::Output>),
        second: (&Self::Input, Option<&Self::Output>),
    ) -> bool {
        let changes = |(input, output)| self.is_overwrite(input, output);
        first.0 == second.0 && changes(first) && changes(second)
    }

    fn shortcut(
        &self,
        history: &[Operation<Self::Input, Self::Output>],
        part: &[usize],
        meter: &Meter,
    ) -> Option<Shortcut> {
        decide_map(history, part, act, meter)
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
}

fn act<'a, K, V>(input: &'a KvInput<K, V>, output: Option<&'a KvOutput<V>>) -> Act<Option<&'a V>> {
    match (input, output) {
        (KvInput::Get(_), Some(KvOutput::Got(Seen::Value(value)))) => Act::Read(value.as_ref()),
        (KvInput::Get(_), None | Some(KvOutput::Got(Seen::Unknown))) => Act::Glance,
        (KvInput::Put(_, new), None | Some(KvOutput::Put)) => Act::Write(Some(new)),
        (KvInput::Delete(_), None | Some(KvOutput::Deleted)) => Act::Write(None),
        _ => Act::Never,
    }
}

fn key<K, V>(input: &KvInput<K, V>) -> &K {
    match input {
        KvInput::Get(key) | KvInput::Put(key, _) | KvInput::Delete(key) => key,
    }
}
