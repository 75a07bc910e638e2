//! The cache of the search: every configuration that was visited, and how it was reached.
//!
//! A configuration is what the future depends on: the frontier, which open operations are
//! linearized (a bit per slot), which indeterminate operations are, and the state. Not part of its
//! identity: the step that led to it first. Those steps make the configurations a tree with the
//! initial one as its root, so a path is read off the cache and the search needs no other stack.

use crate::arena::Arena;
use crate::hash::{absorb, mix};
use crate::table::Table;

/// Words of a record before the slot bits.
const HEADER: usize = 3;

/// A configuration without its slot bits.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Position {
    /// Returns passed.
    pub(crate) frontier: u32,
    /// Number of the state.
    pub(crate) state: u32,
    /// Number of the set of indeterminate operations that took effect.
    pub(crate) optional: u32,
}

/// How a configuration was reached first.
#[derive(Clone, Copy, Default)]
pub(crate) struct Origin {
    /// The operation that was linearized last.
    pub(crate) op: u32,
    /// The configuration before.
    pub(crate) parent: u32,
    /// Operations linearized in all.
    pub(crate) depth: u32,
}

pub(crate) struct Configurations {
    arena: Arena<u64>,
    table: Table,
}

impl Configurations {
    /// An empty cache of configurations with `words` words of slot bits.
    pub(crate) fn new(words: usize) -> Self {
        Self { arena: Arena::new(HEADER + words), table: Table::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.arena.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.arena.bytes() + self.table.bytes()
    }

    /// Whether a configuration is known that differs from this one at most in its indeterminate
    /// operations, and `covers` holds for the number of their set. `hash` is [`hash`] of this one.
    #[inline]
    pub(crate) fn knows(
        &self,
        hash: u64,
        at: Position,
        bits: &[u64],
        covers: impl Fn(u32) -> bool,
    ) -> bool {
        let first = pack(at.frontier, at.state);
        let same = |id| {
            let record = self.arena.get(id);
            record[0] == first && record[HEADER..] == *bits && covers(high(record[1]))
        };
        self.table.find(hash, same).is_some()
    }

    /// Adds a configuration and returns its number. `hash` is [`hash`] of it.
    #[inline]
    pub(crate) fn add(&mut self, hash: u64, at: Position, bits: &[u64], origin: Origin) -> u32 {
        let first = pack(at.frontier, at.state);
        let header = [first, pack(at.optional, origin.op), pack(origin.parent, origin.depth)];
        let id = self.arena.push(header.into_iter().chain(bits.iter().copied()));
        self.table.insert(hash, id);
        id
    }

    pub(crate) fn position(&self, id: u32) -> Position {
        let record = self.arena.get(id);
        Position { frontier: high(record[0]), state: low(record[0]), optional: high(record[1]) }
    }

    pub(crate) fn origin(&self, id: u32) -> Origin {
        let record = self.arena.get(id);
        Origin { op: low(record[1]), parent: high(record[2]), depth: low(record[2]) }
    }

    /// The slot bits.
    pub(crate) fn bits(&self, id: u32) -> &[u64] {
        &self.arena.get(id)[HEADER..]
    }

    /// The operations that lead from the initial configuration to this one.
    pub(crate) fn path(&self, id: u32) -> Vec<u32> {
        let mut origin = self.origin(id);
        let mut path = vec![0; origin.depth as usize];
        for place in path.iter_mut().rev() {
            *place = origin.op;
            origin = self.origin(origin.parent);
        }
        path
    }
}

/// The hash of a configuration, leaving out its indeterminate operations.
#[inline]
pub(crate) fn hash(at: Position, bits: &[u64]) -> u64 {
    mix(bits.iter().fold(absorb(0, pack(at.frontier, at.state)), |hash, word| absorb(hash, *word)))
}

fn pack(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

fn low(word: u64) -> u32 {
    word as u32
}
