//! Several registers, read and written by transactions that take effect at once.
//!
//! Source: Knossos' `multi-register`. Linearizability of transactions is strict serializability.
//! Initially the map it is made with. A register that is not in the map reads as
//! `Seen::Value(None)`; a nil that means "unknown" is `Seen::Unknown`. Not partitioned: a
//! transaction may span keys. A transaction sees its own earlier writes.

use std::collections::BTreeMap;
use std::hash::Hash;

use super::Seen;
use crate::Model;

/// Registers with these initial values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct MultiRegister<K, V>(pub BTreeMap<K, V>);

/// One step of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access<K, V> {
    /// What is the value of this register?
    Read(K),
    /// Give this register this value.
    Write(K, V),
}

impl<K: Clone + Ord + Hash, V: Clone + Eq + Hash> Model for MultiRegister<K, V> {
    type State = BTreeMap<K, V>;
    /// A transaction.
    type Input = Vec<Access<K, V>>;
    /// What its reads saw, in order: one entry for each [`Access::Read`].
    type Output = Vec<Seen<Option<V>>>;

    fn init(&self) -> Self::State {
        self.0.clone()
    }

    fn step(
        &self,
        state: &Self::State,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Self::State> {
        let mut next = state.clone();
        let mut seen = output.map(|reads| reads.iter());
        for access in input {
            match access {
                Access::Write(key, value) => {
                    next.insert(key.clone(), value.clone());
                }
                Access::Read(key) => {
                    if let Some(reads) = &mut seen
                        && !reads.next()?.fits(&next.get(key).cloned())
                    {
                        return None;
                    }
                }
            }
        }
        let surplus = seen.is_some_and(|mut reads| reads.next().is_some());
        (!surplus).then_some(next)
    }

    fn is_read_only(&self, input: &Self::Input, _: Option<&Self::Output>) -> bool {
        input.iter().all(|access| matches!(access, Access::Read(_)))
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        // The nodes of the tree are at least half full.
        state.len() * size_of::<(K, V)>() * 2
    }
}
