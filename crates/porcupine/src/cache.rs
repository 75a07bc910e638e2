//! The cache of the search: configurations that were entered, as far as there is room.
//!
//! A configuration is what the future depends on: the frontier, which open operations are
//! linearized and which may count as linearized at no cost (a bit each for every slot), which
//! indeterminate operations are spent, and the state. Not a record of paths: the search keeps its
//! own stack. That is why the cache may forget anything at any time: the search then enters a
//! configuration a second time, which costs time and never an answer. It terminates all the same,
//! since every step linearizes an operation.
//!
//! Shards, each behind a lock, hold segments that split one by one (extendible hashing, Fagin and
//! others, 1979), so that nothing large is ever moved at once. A full segment that may not split
//! drops the older half of its records, sparing those at *cuts*: returns across which nothing is
//! open, where few configurations are the only link between what came before and what follows.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::hash::{absorb, mix};
use crate::sync::locked;
use crate::timeline::number;

/// Words of a record before the slot bits.
const HEADER: usize = 2;
/// Shards that several threads use.
const SHARDS: usize = 16;
/// Records in a full segment: an index has 12 bits, the tag beside it 20.
const FULL: usize = 1 << 12;
/// A segment of fewer records grows whatever the allowance.
const LEAST: usize = 64;
const MOST_DEPTH: u32 = 24;
const EMPTY: u32 = u32::MAX;

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

pub(crate) struct Cache {
    shards: Vec<Mutex<Shard>>,
    /// One less than the number of shards in use.
    mask: AtomicUsize,
    layout: Layout,
    bytes: AtomicUsize,
    allowance: AtomicUsize,
    /// The shard that is next to shrink.
    hand: AtomicUsize,
}

/// Words of a record.
#[derive(Clone, Copy)]
struct Layout {
    /// Of the bits of linearized operations.
    done: usize,
    /// In all.
    stride: usize,
}

#[derive(Default)]
struct Shard {
    // For each value of the first `depth` bits of a hash its segment.
    directory: Vec<u32>,
    depth: u32,
    segments: Vec<Segment>,
}

struct Segment {
    // In the order in which they were added.
    records: Vec<u64>,
    // 20 bits of the hash, 12 of the position of the record.
    slots: Vec<u32>,
    depth: u32,
}

impl Cache {
    /// An empty cache of configurations with `done` words of bits for linearized operations and
    /// `free` words for those that may count as such.
    pub(crate) fn new(done: usize, free: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            mask: AtomicUsize::new(0),
            layout: Layout { done, stride: HEADER + done + free },
            bytes: AtomicUsize::new(0),
            allowance: AtomicUsize::new(usize::MAX),
            hand: AtomicUsize::new(0),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Lets the cache grow to so many bytes; there it forgets.
    pub(crate) fn allow(&self, bytes: usize) {
        self.allowance.store(bytes, Relaxed);
    }

    /// Forgets whole segments, each in its turn, until no more than the allowance is held.
    pub(crate) fn shrink(&self) {
        let allowance = self.allowance.load(Relaxed);
        for _ in 0..SHARDS {
            if self.bytes() <= allowance {
                return;
            }
            let at = self.hand.fetch_add(1, Relaxed);
            let shard = &mut *locked(&self.shards[at % SHARDS]);
            for segment in &mut shard.segments {
                if self.bytes() <= allowance {
                    return;
                }
                let dropped = std::mem::replace(segment, Segment::new(segment.depth));
                self.bytes.fetch_sub(dropped.bytes(), Relaxed);
            }
        }
    }

    /// Prepares for several threads. What was cached until now is forgotten, in effect.
    pub(crate) fn spread(&self) {
        self.mask.store(SHARDS - 1, Relaxed);
    }

    /// Adds a configuration unless a known one covers it: one that differs from it at most in
    /// having more operations that may count as linearized, or in its indeterminate operations,
    /// where `covers` holds for the number of their set. Returns whether it was added. `bits` are
    /// those of linearized operations, then those of the others; `cut` spares it.
    #[inline]
    pub(crate) fn enter(
        &self,
        at: Position,
        bits: &[u64],
        cut: bool,
        covers: impl Fn(u32) -> bool,
    ) -> bool {
        let first = pack(at.frontier, at.state);
        let (done, free) = bits.split_at(self.layout.done);
        let hash = hash(first, done);
        let shard = &mut *locked(&self.shards[hash as usize & self.mask.load(Relaxed)]);
        if shard.segments.is_empty() {
            shard.directory.push(0);
            shard.segments.push(Segment::new(0));
        }
        let same = |record: &[u64]| {
            record[0] == first
                && record[HEADER..HEADER + done.len()] == *done
                && record[HEADER + done.len()..].iter().zip(free).all(|(has, f)| f & !has == 0)
                && covers((record[1] >> 32) as u32)
        };
        let segment = shard.segment_of(hash);
        if shard.segments[segment].finds(self.layout, hash, same) {
            return false;
        }
        let segment = shard.make_room(self, hash);
        let header = [first, pack(at.optional, u32::from(cut))];
        shard.segments[segment].add(self.layout, hash, header.iter().chain(bits));
        true
    }
}

impl Shard {
    fn segment_of(&self, hash: u64) -> usize {
        // In two shifts: by 64 at once is not defined.
        self.directory[(hash >> 1 >> (63 - self.depth)) as usize] as usize
    }

    /// Makes room for one more record in the segment of `hash`, and returns that.
    fn make_room(&mut self, cache: &Cache, hash: u64) -> usize {
        loop {
            let at = self.segment_of(hash);
            let segment = &mut self.segments[at];
            let count = segment.records.len() / cache.layout.stride;
            let has_room = segment.records.capacity() - segment.records.len();
            if count < FULL && has_room >= cache.layout.stride && count * 2 < segment.slots.len() {
                return at;
            }
            let bytes = cache.bytes.load(Relaxed);
            let more = segment.bytes().max(1 << 10);
            let before = self.bytes_at(at);
            if count >= LEAST && bytes + more > cache.allowance.load(Relaxed) {
                self.segments[at].forget(cache.layout);
            } else if count < FULL {
                self.segments[at].grow(cache.layout);
            } else if self.segments[at].depth < MOST_DEPTH {
                let after = self.split(at, hash, cache.layout);
                cache.bytes.fetch_add(after, Relaxed);
                cache.bytes.fetch_sub(before, Relaxed);
                continue;
            } else {
                self.segments[at].forget(cache.layout);
            }
            cache.bytes.fetch_add(self.bytes_at(at) - before, Relaxed);
        }
    }

    fn bytes_at(&self, segment: usize) -> usize {
        self.segments[segment].bytes()
    }

    /// Splits a full segment, the one of `hash`; returns the bytes of both halves. (The directory
    /// is not counted: it has a word for a hundred kilobytes.)
    fn split(&mut self, at: usize, hash: u64, layout: Layout) -> usize {
        let depth = self.segments[at].depth + 1;
        if depth > self.depth {
            self.directory = self.directory.iter().flat_map(|segment| [*segment; 2]).collect();
            self.depth = depth;
        }
        let old = std::mem::replace(&mut self.segments[at], Segment::new(depth));
        let mut upper = Segment::new(depth);
        for record in old.records.chunks_exact(layout.stride) {
            let hash = hash_of(record, layout);
            let is_upper = (hash >> (64 - depth)) & 1 == 1;
            let half = if is_upper { &mut upper } else { &mut self.segments[at] };
            half.grow_for(layout);
            half.add(layout, hash, record.iter());
        }
        // The entries of the directory that share the first `depth` bits of the upper half.
        let width = 1 << (self.depth - depth);
        let first = ((hash >> (64 - depth)) | 1) as usize * width;
        self.directory[first..first + width].fill(number(self.segments.len()));
        let bytes = upper.bytes() + self.segments[at].bytes();
        self.segments.push(upper);
        bytes
    }
}

impl Segment {
    fn new(depth: u32) -> Self {
        Self { records: Vec::new(), slots: Vec::new(), depth }
    }

    fn bytes(&self) -> usize {
        self.records.capacity() * size_of::<u64>() + self.slots.len() * size_of::<u32>()
    }

    #[inline]
    fn finds(&self, layout: Layout, hash: u64, same: impl Fn(&[u64]) -> bool) -> bool {
        if self.slots.is_empty() {
            return false;
        }
        let mask = self.slots.len() - 1;
        let mut at = place(hash) & mask;
        loop {
            let slot = self.slots[at];
            if slot == EMPTY {
                return false;
            }
            let start = (slot & (FULL as u32 - 1)) as usize * layout.stride;
            if slot >> 12 == tag(hash) && same(&self.records[start..start + layout.stride]) {
                return true;
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a record for which there is room.
    #[inline]
    fn add<'a>(&mut self, layout: Layout, hash: u64, record: impl Iterator<Item = &'a u64>) {
        let position = number(self.records.len() / layout.stride);
        self.records.extend(record);
        self.index(hash, position);
    }

    fn index(&mut self, hash: u64, position: u32) {
        let mask = self.slots.len() - 1;
        let mut at = place(hash) & mask;
        while self.slots[at] != EMPTY {
            at = (at + 1) & mask;
        }
        self.slots[at] = tag(hash) << 12 | position;
    }

    fn grow_for(&mut self, layout: Layout) {
        let full = self.records.capacity() - self.records.len() < layout.stride;
        if full || self.records.len() / layout.stride * 2 >= self.slots.len() {
            self.grow(layout);
        }
    }

    /// Doubles the room.
    fn grow(&mut self, layout: Layout) {
        let room = (self.slots.len() / 2).max(4) * 2;
        self.records.reserve_exact(room * layout.stride - self.records.len());
        self.slots.resize(room * 2, EMPTY);
        self.rebuild(layout);
    }

    fn rebuild(&mut self, layout: Layout) {
        self.slots.fill(EMPTY);
        for position in 0..self.records.len() / layout.stride {
            let start = position * layout.stride;
            let hash = hash_of(&self.records[start..start + layout.stride], layout);
            self.index(hash, number(position));
        }
    }

    /// Drops the older half, but for up to a quarter that lies at cuts.
    fn forget(&mut self, layout: Layout) {
        let count = self.records.len() / layout.stride;
        let mut spared = count / 4;
        let mut kept = 0;
        for position in 0..count {
            let start = position * layout.stride;
            let spare = self.records[start + 1] as u32 != 0 && spared > 0;
            if position >= count / 2 || spare {
                spared -= usize::from(position < count / 2);
                self.records.copy_within(start..start + layout.stride, kept * layout.stride);
                kept += 1;
            }
        }
        self.records.truncate(kept * layout.stride);
        self.rebuild(layout);
    }
}

fn hash(first: u64, done: &[u64]) -> u64 {
    mix(done.iter().fold(absorb(0, first), |hash, word| absorb(hash, *word)))
}

fn hash_of(record: &[u64], layout: Layout) -> u64 {
    hash(record[0], &record[HEADER..HEADER + layout.done])
}

// The shard is in bits 0 to 3 of a hash, the directory takes the bits from 63 down.
fn place(hash: u64) -> usize {
    (hash >> 4) as usize
}

fn tag(hash: u64) -> u32 {
    // One value less than 20 bits have: no slot in use looks empty.
    ((hash >> 20) as u32 & 0xf_ffff).min(0xf_fffe)
}

fn pack(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(id: u64) -> Position {
        Position { frontier: (id >> 8) as u32, state: id as u32 & 0xff, optional: 0 }
    }

    #[test]
    fn finds_what_was_entered() {
        for shards in [false, true] {
            let cache = Cache::new(1, 1);
            if shards {
                cache.spread();
            }
            for id in 0..200_000 {
                assert!(cache.enter(at(id), &[id % 7, 3], false, |_| true));
            }
            for id in 0..200_000 {
                assert!(!cache.enter(at(id), &[id % 7, 1], false, |_| true), "less is covered");
                assert!(cache.enter(at(id), &[id % 7, 7], false, |_| true), "more is not");
            }
            assert!(cache.bytes() > 200_000 * 32);
        }
    }

    #[test]
    fn forgets_rather_than_grow_and_spares_cuts() {
        let cache = Cache::new(1, 0);
        cache.allow(1 << 20);
        for id in 0..1_000_000 {
            cache.enter(at(id), &[0], id < 1_000, |_| true);
        }
        assert!(cache.bytes() < 2 << 20, "{}", cache.bytes());
        let known = |id: u64| !cache.enter(at(id), &[0], false, |_| true);
        assert!(known(999_999), "the newest is there");
        let cuts = (0..1_000).filter(|id| known(*id)).count();
        assert!(cuts > 900, "{cuts}");
        assert!((10_000..11_000).filter(|id| known(*id)).count() < 100);
        cache.allow(1 << 16);
        cache.shrink();
        assert!(cache.bytes() <= 1 << 16, "{}", cache.bytes());
        assert!(cache.enter(at(3_000_000), &[0], false, |_| true));
    }
}
