//! Which write made a value.
//!
//! Not a map that owns values: it holds numbers of clusters and asks the source for the value that
//! each one's write left, 4 bytes a slot. The invariant: for every value it finds the cluster that
//! was inserted first, and remembers whether another one came after it.

use std::hash::{BuildHasher, BuildHasherDefault, Hash};

use crate::hash::Mixer;

const EMPTY: u32 = u32::MAX;
/// Marks the cluster of a value that has several possible writes.
const AGAIN: u32 = 1 << 31;

pub(crate) struct Values {
    slots: Vec<u32>,
}

impl Values {
    /// An empty index with room for `count` values.
    pub(crate) fn new(count: usize) -> Self {
        Self { slots: vec![EMPTY; (count + count / 2 + 2).next_power_of_two()] }
    }

    /// The slot of `value`, or the one where it belongs. `value_of` gives a cluster's value.
    fn slot<T: Copy + Eq + Hash>(&self, value: T, value_of: impl Fn(u32) -> Option<T>) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = BuildHasherDefault::<Mixer>::default().hash_one(value) as usize & mask;
        while self.slots[at] != EMPTY && value_of(self.slots[at] & !AGAIN) != Some(value) {
            at = (at + 1) & mask;
        }
        at
    }

    pub(crate) fn insert<T: Copy + Eq + Hash>(
        &mut self,
        value: T,
        cluster: u32,
        value_of: impl Fn(u32) -> Option<T>,
    ) {
        let slot = self.slot(value, value_of);
        let known = &mut self.slots[slot];
        *known = if *known == EMPTY { cluster } else { *known | AGAIN };
    }

    pub(crate) fn find<T: Copy + Eq + Hash>(
        &self,
        value: T,
        value_of: impl Fn(u32) -> Option<T>,
    ) -> Writer {
        match self.slots[self.slot(value, value_of)] {
            EMPTY => Writer::Nobody,
            cluster if cluster & AGAIN != 0 => Writer::Several,
            cluster => Writer::Cluster(cluster),
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
