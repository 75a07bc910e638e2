//! Append-only storage of records that all have the same length.
//!
//! Not a map: records are found by the number that [`Arena::push`] returned. Storage grows by whole
//! chunks, so nothing is moved once a chunk is full and memory use is known exactly, without the
//! twofold peak of a growing vector.

use crate::timeline::number;

/// Elements in a full chunk, roughly.
const CHUNK: usize = 1 << 16;

pub(crate) struct Arena<T> {
    chunks: Vec<Vec<T>>,
    stride: usize,
    // Each chunk but the last holds 2^shift records.
    shift: u32,
    len: usize,
    bytes: usize,
}

impl<T> Arena<T> {
    /// An arena of records of `stride` elements each.
    pub(crate) fn new(stride: usize) -> Self {
        let shift = (CHUNK / stride.max(1)).max(1).ilog2();
        Self { chunks: Vec::new(), stride, shift, len: 0, bytes: 0 }
    }

    /// Bytes held, used or not.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a record of exactly `stride` elements and returns its number.
    ///
    /// # Panics
    /// If there are 2^32 records already; the search stops long before.
    pub(crate) fn push(&mut self, record: impl IntoIterator<Item = T>) -> u32 {
        let id = number(self.len);
        let full = self.stride << self.shift;
        let chunk = self.len >> self.shift;
        if chunk == self.chunks.len() {
            // The first chunk grows like any vector: most partitions are small.
            let capacity = if chunk == 0 { 0 } else { full };
            self.chunks.push(Vec::with_capacity(capacity));
            self.bytes += capacity * size_of::<T>();
        }
        let target = &mut self.chunks[chunk];
        let before = target.capacity();
        target.extend(record);
        self.bytes += (target.capacity() - before) * size_of::<T>();
        debug_assert_eq!(target.len(), ((self.len & ((1 << self.shift) - 1)) + 1) * self.stride);
        self.len += 1;
        id
    }

    /// The record with this number.
    pub(crate) fn get(&self, id: u32) -> &[T] {
        let id = id as usize;
        let start = (id & ((1 << self.shift) - 1)) * self.stride;
        &self.chunks[id >> self.shift][start..start + self.stride]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_chunk_borders() {
        for stride in [0, 1, 3, 70_000] {
            let mut arena = Arena::new(stride);
            let count = if stride > 1000 { 5 } else { 50_000 };
            for i in 0..count {
                assert_eq!(arena.push((0..stride).map(|j| i * 7 + j)), i as u32);
            }
            for i in 0..count {
                let expected: Vec<usize> = (0..stride).map(|j| i * 7 + j).collect();
                assert_eq!(arena.get(i as u32), expected);
            }
            assert_eq!(arena.len, count);
            assert!(arena.bytes() >= count * stride * size_of::<usize>());
        }
    }
}
