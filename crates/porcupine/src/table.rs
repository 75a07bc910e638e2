//! A hash index from hashes to record numbers; the records live elsewhere.
//!
//! Not a map: it knows neither keys nor equality, the caller compares. Extendible hashing (Fagin
//! and others, 1979): a directory of small open-addressing segments that split one by one. A table
//! that doubles as a whole would stop a large search for longer than its budget may be overdrawn,
//! and would need half as much memory again just then. A slot keeps 32 bits of the hash beside the
//! number, so growing touches no record and almost no probe compares unequal records.

use crate::timeline::number;

const EMPTY: u64 = u64::MAX;
/// Slots of a segment that is split and no longer doubled. The low 12 bits of a tag choose the
/// slot.
const FULL_SIZE: usize = 1 << 12;
/// Bits of a tag that may choose the segment: the other 20.
const MOST_DEPTH: u32 = 20;

pub(crate) struct Table {
    // Indexed by the first `depth` bits of a tag.
    directory: Vec<u32>,
    depth: u32,
    segments: Vec<Segment>,
    slots: usize,
}

struct Segment {
    // tag (the 32 high bits of the hash) and record number (32 low bits)
    slots: Vec<u64>,
    used: usize,
    // The first bits of a tag that its tags share.
    depth: u32,
}

impl Segment {
    fn new(slots: usize, depth: u32) -> Self {
        Self { slots: vec![EMPTY; slots], used: 0, depth }
    }

    fn place(&mut self, slot: u64) {
        let mask = self.slots.len() - 1;
        let mut at = (slot >> 32) as usize & mask;
        while self.slots[at] != EMPTY {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
        self.used += 1;
    }
}

impl Table {
    pub(crate) fn new() -> Self {
        let first = Segment::new(16, 0);
        Self { directory: vec![0], depth: 0, slots: 16, segments: vec![first] }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.slots * size_of::<u64>()
            + self.directory.capacity() * size_of::<u32>()
            + self.segments.capacity() * size_of::<Segment>()
    }

    fn segment_of(&self, tag: u64) -> usize {
        self.directory[(tag >> (32 - self.depth)) as usize] as usize
    }

    /// The number of the record with this hash for which `equal` holds.
    #[inline]
    pub(crate) fn find(&self, hash: u64, equal: impl Fn(u32) -> bool) -> Option<u32> {
        let tag = hash >> 32;
        let slots = &self.segments[self.segment_of(tag)].slots;
        let mask = slots.len() - 1;
        let mut at = tag as usize & mask;
        loop {
            let slot = slots[at];
            if slot == EMPTY {
                return None;
            }
            if slot >> 32 == tag && equal(slot as u32) {
                return Some(slot as u32);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds a record that [`Table::find`] did not find.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u64, id: u32) {
        let tag = hash >> 32;
        let mut segment = self.segment_of(tag);
        while (self.segments[segment].used + 1) * 3 > self.segments[segment].slots.len() * 2 {
            self.grow(segment, tag);
            segment = self.segment_of(tag);
        }
        self.segments[segment].place(tag << 32 | u64::from(id));
    }

    /// Doubles a segment, the one that holds `tag`, or splits it in two.
    fn grow(&mut self, segment: usize, tag: u64) {
        let depth = self.segments[segment].depth;
        let size = self.segments[segment].slots.len();
        if size >= FULL_SIZE && depth < MOST_DEPTH {
            return self.split(segment, tag);
        }
        // Beyond the full size only where all bits of the directory are used up: many equal tags.
        let old = std::mem::replace(&mut self.segments[segment], Segment::new(size * 2, depth));
        for slot in old.slots.into_iter().filter(|slot| *slot != EMPTY) {
            self.segments[segment].place(slot);
        }
        self.slots += size;
    }

    fn split(&mut self, segment: usize, tag: u64) {
        let depth = self.segments[segment].depth + 1;
        if depth > self.depth {
            self.directory = self.directory.iter().flat_map(|at| [*at, *at]).collect();
            self.depth = depth;
        }
        let size = self.segments[segment].slots.len();
        let old = std::mem::replace(&mut self.segments[segment], Segment::new(size, depth));
        let mut upper = Segment::new(size, depth);
        let is_upper = |tag: u64| (tag >> (32 - depth)) & 1 == 1;
        for slot in old.slots.into_iter().filter(|slot| *slot != EMPTY) {
            let half = if is_upper(slot >> 32) { &mut upper } else { &mut self.segments[segment] };
            half.place(slot);
        }
        // The entries of the directory that share the first `depth` bits of the upper half.
        let width = 1 << (self.depth - depth);
        let first = ((tag >> (32 - depth)) | 1) as usize * width;
        self.directory[first..first + width].fill(number(self.segments.len()));
        self.segments.push(upper);
        self.slots += size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix;

    #[test]
    fn finds_what_was_inserted_even_when_hashes_collide() {
        let hashes = [mix, |_| 7 << 32, |id| id << 60, |id| (id % 100) << 40];
        for (hash, count) in hashes.into_iter().zip([300_000, 4_000, 4_000, 20_000]) {
            let mut table = Table::new();
            for id in 0..count {
                assert_eq!(table.find(hash(u64::from(id)), |other| other == id), None);
                table.insert(hash(u64::from(id)), id);
            }
            for id in 0..count {
                assert_eq!(table.find(hash(u64::from(id)), |other| other == id), Some(id));
            }
            let slots: usize = table.segments.iter().map(|segment| segment.slots.len()).sum();
            assert_eq!(table.slots, slots);
        }
    }
}
