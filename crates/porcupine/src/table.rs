//! A hash index from hashes to record numbers; the records live elsewhere.
//!
//! Not a map: it knows neither keys nor equality, the caller compares. Open addressing with linear
//! probing; a slot keeps 32 bits of the hash beside the number, so growing never touches a record
//! and almost no probe compares unequal records.

const EMPTY: u64 = u64::MAX;

pub(crate) struct Table {
    // hash (32 high bits) and record number (32 low bits)
    slots: Vec<u64>,
    len: usize,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self { slots: vec![EMPTY; 16], len: 0 }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u64>()
    }

    /// The number of the record with this hash for which `equal` holds.
    #[inline]
    pub(crate) fn find(&self, hash: u64, equal: impl Fn(u32) -> bool) -> Option<u32> {
        let tag = hash >> 32;
        let mask = self.slots.len() - 1;
        let mut at = tag as usize & mask;
        loop {
            let slot = self.slots[at];
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
        if (self.len + 1) * 3 > self.slots.len() * 2 {
            self.grow();
        }
        self.len += 1;
        Self::place(&mut self.slots, (hash >> 32 << 32) | u64::from(id));
    }

    fn grow(&mut self) {
        let mut larger = vec![EMPTY; self.slots.len() * 2];
        for slot in self.slots.drain(..).filter(|slot| *slot != EMPTY) {
            Self::place(&mut larger, slot);
        }
        self.slots = larger;
    }

    fn place(slots: &mut [u64], slot: u64) {
        let mask = slots.len() - 1;
        let mut at = (slot >> 32) as usize & mask;
        while slots[at] != EMPTY {
            at = (at + 1) & mask;
        }
        slots[at] = slot;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix;

    #[test]
    fn finds_what_was_inserted_even_when_all_hashes_collide() {
        for hash in [mix, |_: u64| 7] {
            let mut table = Table::new();
            for id in 0..1000u32 {
                assert_eq!(table.find(hash(u64::from(id)), |other| other == id), None);
                table.insert(hash(u64::from(id)), id);
            }
            for id in 0..1000u32 {
                assert_eq!(table.find(hash(u64::from(id)), |other| other == id), Some(id));
            }
        }
    }
}
