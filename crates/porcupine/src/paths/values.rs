//! Which write made a value.
//!
//! Not a map that owns values: it holds numbers of clusters and asks the source for the value that
//! each one's write left. Not the search's table, which grows: here the size is known, and half of
//! the time is spent waiting for memory, so a slot carries a piece of the hash, and what is looked
//! up together is touched together ([`Values::touch`]). The invariant: for every value it finds the
//! cluster that was inserted first, and remembers whether another one came after it.

use std::hash::{BuildHasher, BuildHasherDefault, Hash};

use crate::hash::Mixer;

const EMPTY: u64 = u64::MAX;
/// Marks the cluster of a value that has several possible writes.
const AGAIN: u64 = 1 << 31;
const CLUSTER: u64 = AGAIN - 1;

pub(crate) struct Values {
    /// The high 32 bits of the hash, [`AGAIN`], and the cluster.
    slots: Vec<u64>,
}

/// The hash of a value, and what was in its slot when it was touched.
#[derive(Clone, Copy, Default)]
pub(crate) struct Touched {
    hash: u64,
    slot: u64,
}

impl Values {
    /// An empty index with room for `count` values.
    pub(crate) fn new(count: usize) -> Self {
        Self { slots: vec![EMPTY; (count + count / 2 + 2).next_power_of_two()] }
    }

    /// Asks memory for the slot of a value, so that several can arrive at once.
    #[inline]
    pub(crate) fn touch<T: Hash>(&self, value: T) -> Touched {
        let hash = BuildHasherDefault::<Mixer>::default().hash_one(value);
        Touched { hash, slot: self.slots[hash as usize & (self.slots.len() - 1)] }
    }

    /// The slot of `value`, or the one where it belongs. `value_of` gives a cluster's value.
    #[inline]
    fn slot<T: Copy + Eq>(
        &self,
        value: T,
        hash: u64,
        value_of: impl Fn(u32) -> Option<T>,
    ) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            let same = || value_of((slot & CLUSTER) as u32) == Some(value);
            if slot == EMPTY || (slot >> 32 == hash >> 32 && same()) {
                return at;
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a cluster by its value; returns the first one of the same value.
    #[inline]
    pub(crate) fn insert<T: Copy + Eq>(
        &mut self,
        value: T,
        touched: Touched,
        cluster: u32,
        value_of: impl Fn(u32) -> Option<T>,
    ) -> Option<u32> {
        let slot = self.slot(value, touched.hash, value_of);
        let known = &mut self.slots[slot];
        let first = (*known != EMPTY).then_some((*known & CLUSTER) as u32);
        *known = match *known {
            EMPTY => touched.hash >> 32 << 32 | u64::from(cluster),
            known => known | AGAIN,
        };
        first
    }

    #[inline]
    pub(crate) fn find<T: Copy + Eq>(
        &self,
        value: T,
        touched: Touched,
        value_of: impl Fn(u32) -> Option<T>,
    ) -> Writer {
        if touched.slot == EMPTY {
            return Writer::Nobody;
        }
        match self.slots[self.slot(value, touched.hash, value_of)] {
            EMPTY => Writer::Nobody,
            slot if slot & AGAIN != 0 => Writer::Several,
            slot => Writer::Cluster((slot & CLUSTER) as u32),
        }
    }
}

/// Who may have written a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    Nobody,
    /// The write of this cluster, and no other operation.
    Cluster(u32),
    Several,
}
