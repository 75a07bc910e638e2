//! The candidates of the search: lists from which operations are lifted and put back.
//!
//! Not a queue: lifting and putting back take constant time at any place, as long as they nest. The
//! invariant: a list holds the operations of its class that are not linearized. Source: Porcupine's
//! `lift` and `unlift`, which are Knuth's dancing links.

use crate::timeline::{Timeline, number};

/// The operations that are not linearized, as a circular list of each class.
///
/// Candidates are taken in this order: reads, because one that fits ends the choice; changes by the
/// time of their returns, because the next to return is the next that must be linearized; and
/// indeterminate operations last, because they can wait for ever, so most are never tried where all
/// is legal. The order decides how soon a linearization is found, never whether. Indeterminate
/// operations that overwrite are in no list: see `sights`.
pub(crate) struct Links {
    next: Vec<u32>,
    prev: Vec<u32>,
    // The heads of the lists are the numbers after the last operation, in the order of the classes.
    heads: [u32; 3],
    // For each class the number after its last operation.
    ends: [u32; 3],
}

impl Links {
    pub(crate) fn new(timeline: &Timeline) -> Self {
        let total = timeline.hiders;
        let heads = [number(total), number(total + 1), number(total + 2)];
        let ends = [number(timeline.reads), number(timeline.completed()), number(total)];
        let mut links = Self { next: vec![0; total + 3], prev: vec![0; total + 3], heads, ends };
        links.connect(heads[0], 0..ends[0]);
        links.connect(heads[1], ends[0]..ends[1]);
        links.connect(heads[2], ends[1]..ends[2]);
        links
    }

    fn connect(&mut self, head: u32, ops: std::ops::Range<u32>) {
        let mut last = head;
        for op in ops {
            self.next[last as usize] = op;
            self.prev[op as usize] = last;
            last = op;
        }
        self.next[last as usize] = head;
        self.prev[head as usize] = last;
    }

    pub(crate) fn first(&self) -> u32 {
        self.next[self.heads[0] as usize]
    }

    /// The first candidate that changes something.
    pub(crate) fn first_change(&self) -> u32 {
        self.next[self.heads[1] as usize]
    }

    pub(crate) fn after(&self, op: u32) -> u32 {
        self.next[op as usize]
    }

    /// The first operation from `candidate` on that can be linearized at this frontier.
    #[inline]
    pub(crate) fn callable(
        &self,
        mut candidate: u32,
        frontier: u32,
        timeline: &Timeline,
    ) -> Option<u32> {
        loop {
            let class = if candidate < self.ends[2] {
                if timeline.opens_at[candidate as usize] <= frontier {
                    return Some(candidate);
                }
                if timeline.opens_behind[candidate as usize] <= frontier {
                    candidate = self.next[candidate as usize];
                    continue;
                }
                self.ends.iter().position(|end| candidate < *end).unwrap_or(2)
            } else {
                (candidate - self.heads[0]) as usize
            };
            candidate = self.next[*self.heads.get(class + 1)? as usize];
        }
    }

    pub(crate) fn lift(&mut self, op: u32) {
        let (prev, next) = (self.prev[op as usize], self.next[op as usize]);
        self.next[prev as usize] = next;
        self.prev[next as usize] = prev;
    }

    /// Undoes [`Links::lift`]. Lifts must be undone in reverse order: the operation still points to
    /// the neighbours that it had.
    pub(crate) fn unlift(&mut self, op: u32) {
        let (prev, next) = (self.prev[op as usize], self.next[op as usize]);
        self.next[prev as usize] = op;
        self.prev[next as usize] = op;
    }
}
