//! Which workers are free: a bit set and the range of it that a generator may see.

use std::ops::Range;

use crate::seed::Stream;

/// A view on the free workers of a range. Cheap to copy and to narrow.
#[derive(Clone, Copy, Debug)]
pub struct Free<'a> {
    words: &'a [u64],
    first: usize,
    end: usize,
}

impl<'a> Free<'a> {
    /// The workers `range`; a bit that is set in `words` is a free one.
    pub fn new(words: &'a [u64], range: Range<usize>) -> Free<'a> {
        debug_assert!(range.end <= words.len() * 64);
        Free { words, first: range.start, end: range.end }
    }

    /// The same, for the part `range` of the workers.
    pub fn narrow(self, range: Range<usize>) -> Free<'a> {
        Free { words: self.words, first: range.start.max(self.first), end: range.end.min(self.end) }
    }

    /// All workers of this view, free or not.
    pub fn range(self) -> Range<usize> {
        self.first..self.end
    }

    /// Is that worker in view and free?
    pub fn contains(self, worker: usize) -> bool {
        self.range().contains(&worker) && self.words[worker / 64] >> (worker % 64) & 1 == 1
    }

    /// The free workers in rising order.
    pub fn iter(self) -> impl Iterator<Item = usize> + 'a {
        let (mut at, end, words) = (self.first, self.end, self.words);
        std::iter::from_fn(move || {
            while at < end {
                let rest = words[at / 64] >> (at % 64);
                if rest == 0 {
                    at = (at / 64 + 1) * 64;
                    continue;
                }
                let worker = at + rest.trailing_zeros() as usize;
                at = worker + 1;
                return (worker < end).then_some(worker);
            }
            None
        })
    }

    /// Are all workers of this view free?
    pub fn all(self) -> bool {
        self.iter().count() == self.range().len()
    }

    /// A free worker at random: no node may be favoured, whatever the order of completions.
    pub fn pick(self, stream: &mut Stream) -> Option<usize> {
        let len = self.range().len();
        if len == 0 {
            return None;
        }
        let start = self.first + stream.index(len);
        self.narrow(start..self.end)
            .iter()
            .next()
            .or_else(|| self.narrow(self.first..start).iter().next())
    }
}
