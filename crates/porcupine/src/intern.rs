//! States and sets of indeterminate operations, each stored once and named by a number.
//!
//! Not a cache of results: nothing is ever dropped. The invariant: two values have the same number
//! if and only if they are equal, so configurations compare by numbers. Shared by the threads of a
//! search.

use std::hash::{BuildHasher, BuildHasherDefault, Hash};
use std::sync::{Arc, RwLock};

use crate::arena::Arena;
use crate::hash::{Mixer, mix};
use crate::sync::{reading, writing};
use crate::table::Table;

/// Every state that was met.
pub(crate) struct States<S>(RwLock<Store<Arc<S>>>);

struct Store<T> {
    arena: Arena<T>,
    table: Table,
    heap_bytes: usize,
}

impl<T> Store<T> {
    fn new(stride: usize) -> RwLock<Self> {
        let (arena, table) = (Arena::new(stride), Table::new());
        RwLock::new(Self { arena, table, heap_bytes: 0 })
    }

    fn bytes(&self) -> usize {
        self.arena.bytes() + self.table.bytes() + self.heap_bytes
    }
}

impl<S: Eq + Hash> Store<Arc<S>> {
    fn find(&self, hash: u64, state: &S) -> Option<(u32, Arc<S>)> {
        let id = self.table.find(hash, |id| *self.arena.get(id)[0] == *state)?;
        Some((id, self.arena.get(id)[0].clone()))
    }
}

impl<S: Eq + Hash> States<S> {
    pub(crate) fn new() -> Self {
        Self(Store::new(1))
    }

    /// The number of `state` and its only copy; `heap_bytes` is asked for its size when it is new.
    pub(crate) fn intern(&self, state: S, heap_bytes: impl Fn(&S) -> usize) -> (u32, Arc<S>) {
        let hash = BuildHasherDefault::<Mixer>::default().hash_one(&state);
        if let Some(known) = reading(&self.0).find(hash, &state) {
            return known;
        }
        let mut store = writing(&self.0);
        // Another thread may have been faster.
        if let Some(known) = store.find(hash, &state) {
            return known;
        }
        // The counters of the shared pointer are two words.
        store.heap_bytes += heap_bytes(&state) + size_of::<S>() + 2 * size_of::<usize>();
        let state = Arc::new(state);
        let id = store.arena.push([state.clone()]);
        store.table.insert(hash, id);
        (id, state)
    }

    pub(crate) fn bytes(&self) -> usize {
        reading(&self.0).bytes()
    }
}

/// The set of indeterminate operations that took effect where a thread is.
pub(crate) struct Spent {
    words: Vec<u64>,
    // The exclusive or of the hashes of its elements, so that one more or less costs one operation.
    hash: u64,
}

impl Spent {
    /// The empty set of numbers below `size`.
    pub(crate) fn new(size: usize) -> Self {
        Self { words: vec![0; size.div_ceil(64)], hash: 0 }
    }

    /// Adds `element`, or removes it.
    pub(crate) fn toggle(&mut self, element: usize) {
        self.words[element / 64] ^= 1 << (element % 64);
        self.hash ^= mix(element as u64 + 1);
    }

    pub(crate) fn contains(&self, element: usize) -> bool {
        self.words[element / 64] >> (element % 64) & 1 == 1
    }
}

/// Every set of indeterminate operations that was taken to have had effect.
///
/// There are far fewer of them than configurations, since completed operations do not change them:
/// that is why they are kept apart, as plain bitsets, and a configuration holds a number.
pub(crate) struct OptionalSets(RwLock<Store<u64>>);

impl OptionalSets {
    /// Sets of numbers below `size`, beginning with the empty set, whose number is 0.
    pub(crate) fn new(size: usize) -> Self {
        let sets = Self(Store::new(size.div_ceil(64)));
        sets.intern(&Spent::new(size));
        sets
    }

    /// Whether the set with this number is a part of `spent`, or all of it.
    pub(crate) fn covers(&self, id: u32, spent: &Spent) -> bool {
        id == 0
            || reading(&self.0)
                .arena
                .get(id)
                .iter()
                .zip(&spent.words)
                .all(|(part, whole)| part & !whole == 0)
    }

    /// The number of the set.
    pub(crate) fn intern(&self, spent: &Spent) -> u32 {
        let find = |store: &Store<u64>| {
            store.table.find(spent.hash, |id| store.arena.get(id) == spent.words)
        };
        if let Some(id) = find(&reading(&self.0)) {
            return id;
        }
        let mut store = writing(&self.0);
        if let Some(id) = find(&store) {
            return id;
        }
        let id = store.arena.push(spent.words.iter().copied());
        store.table.insert(spent.hash, id);
        id
    }

    pub(crate) fn bytes(&self) -> usize {
        reading(&self.0).bytes()
    }
}
