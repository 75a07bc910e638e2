//! States and sets of indeterminate operations, each stored once and named by a number.
//!
//! Not a cache of results: nothing is ever dropped. The invariant: two values have the same number
//! if and only if they are equal, so configurations compare by numbers.

use std::hash::{BuildHasher, BuildHasherDefault, Hash};

use crate::arena::Arena;
use crate::hash::{Mixer, mix};
use crate::table::Table;

/// Every state that was met.
pub(crate) struct States<S> {
    arena: Arena<S>,
    table: Table,
    heap_bytes: usize,
}

impl<S: Eq + Hash> States<S> {
    pub(crate) fn new() -> Self {
        Self { arena: Arena::new(1), table: Table::new(), heap_bytes: 0 }
    }

    pub(crate) fn get(&self, id: u32) -> &S {
        &self.arena.get(id)[0]
    }

    /// The number of `state`; `heap_bytes` is asked for its size when it is new.
    pub(crate) fn intern(&mut self, state: S, heap_bytes: impl Fn(&S) -> usize) -> u32 {
        let hash = BuildHasherDefault::<Mixer>::default().hash_one(&state);
        if let Some(id) = self.table.find(hash, |id| self.arena.get(id)[0] == state) {
            return id;
        }
        self.heap_bytes += heap_bytes(&state);
        let id = self.arena.push([state]);
        self.table.insert(hash, id);
        id
    }

    pub(crate) fn bytes(&self) -> usize {
        self.arena.bytes() + self.table.bytes() + self.heap_bytes
    }
}

/// Every set of indeterminate operations that was taken to have had effect.
///
/// There are far fewer of them than configurations, since completed operations do not change them:
/// that is why they are kept apart, as plain bitsets, and a configuration holds a number.
pub(crate) struct OptionalSets {
    arena: Arena<u64>,
    table: Table,
    // The set that the search is at, its number, and its hash: the exclusive or of the hashes of
    // its elements, so that one more or less costs one operation.
    current: Vec<u64>,
    hash: u64,
}

impl OptionalSets {
    /// Sets of numbers below `size`, beginning with the empty set, whose number is 0.
    pub(crate) fn new(size: usize) -> Self {
        let words = size.div_ceil(64);
        let current = vec![0; words];
        let mut sets = Self { arena: Arena::new(words), table: Table::new(), current, hash: 0 };
        sets.intern();
        sets
    }

    /// Adds `element` to the current set, or removes it.
    pub(crate) fn toggle(&mut self, element: usize) {
        self.current[element / 64] ^= 1 << (element % 64);
        self.hash ^= mix(element as u64 + 1);
    }

    /// Whether the set with this number is a part of the current set, or all of it.
    pub(crate) fn covers(&self, id: u32) -> bool {
        self.arena.get(id).iter().zip(&self.current).all(|(part, whole)| part & !whole == 0)
    }

    /// The number of the current set.
    pub(crate) fn intern(&mut self) -> u32 {
        if let Some(id) = self.table.find(self.hash, |id| self.arena.get(id) == self.current) {
            return id;
        }
        let id = self.arena.push(self.current.iter().copied());
        self.table.insert(self.hash, id);
        id
    }

    pub(crate) fn bytes(&self) -> usize {
        self.arena.bytes() + self.table.bytes()
    }
}
