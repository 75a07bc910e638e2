//! Where a history of a register falls apart: blocks that every other is certainly before or after.
//!
//! Not an order: one is given. A *block* is a plain write with what follows it directly (or the
//! initial value), its zone as in [`zones`](super::zones). A block with a forward zone is a *cut*
//! if no backward zone contains it, and no operation that must not find one of its values could
//! happen on either side of it. Then in every order each other block is before it, or is after it,
//! as real time says: two forward zones that do not contradict each other are so by themselves.
//!
//! The invariant: what lies between two cuts, both included, is legal by itself if the whole is.
//! Take an order of the whole, and leave out what is before the first cut (its write makes that
//! forgotten) and behind the last. An operation that changes nothing and could happen on either
//! side of a cut fits into its block, and constrains nothing.

use std::collections::HashMap;
use std::hash::Hash;

use super::super::{Judged, Span};
use super::{Act, Source};

struct Block {
    /// Its place in the order.
    begin: usize,
    end: u64,
    start: u64,
    is_cut: bool,
}

pub(super) struct Cuts {
    blocks: Vec<Block>,
    places: usize,
}

/// Operations that only those of the same stretch bear upon.
pub(super) struct Stretch {
    /// Places in the order: the blocks, the cuts included.
    pub(super) places: std::ops::Range<usize>,
    /// What started before belongs to what is before.
    from: u64,
    /// What ends later belongs to what is behind.
    to: u64,
}

impl Stretch {
    /// Whether what changes nothing belongs here.
    pub(super) fn contains(&self, span: Span) -> bool {
        self.from <= span.start && span.end <= self.to
    }

    /// Whether a change that began then can have any part in it.
    pub(super) fn reaches(&self, start: u64) -> bool {
        start < self.to
    }
}

impl Cuts {
    /// Of an order of all but the `floaters`, with the values that those must not find.
    pub(super) fn new<'a, I, O, T, F>(
        source: &Source<'a, I, O, F>,
        initial: T,
        order: &[usize],
        floaters: impl Iterator<Item = (Span, Option<T>)>,
    ) -> Judged<Self>
    where
        T: Copy + Eq + Hash,
        F: Fn(&'a I, Option<&'a O>) -> Act<T>,
    {
        let mut blocks = vec![Block { begin: 0, end: 0, start: 0, is_cut: false }];
        let mut homes: HashMap<T, Vec<usize>> = HashMap::from([(initial, vec![0])]);
        for (place, &index) in order.iter().enumerate() {
            let act = source.act_of(index);
            if let Act::Write(_) = act {
                blocks.push(Block { begin: place, end: u64::MAX, start: 0, is_cut: false });
            }
            let number = blocks.len() - 1;
            if let Act::Write(new) | Act::Swap(_, new) = act {
                homes.entry(new).or_default().push(number);
            }
            let span = Span::of(&source.history[index])?;
            let block = &mut blocks[number];
            (block.end, block.start) = (block.end.min(span.end), block.start.max(span.start));
        }
        let mut cuts = Self { blocks, places: order.len() };
        cuts.find();
        for (span, avoided) in floaters {
            for &number in avoided.and_then(|value| homes.get(&value)).into_iter().flatten() {
                let block = &mut cuts.blocks[number];
                block.is_cut &= !(span.start < block.end && block.start < span.end);
            }
        }
        Ok(cuts)
    }

    /// Marks forward zones that no backward zone contains.
    fn find(&mut self) {
        let is_forward = |block: &Block| block.end <= block.start;
        let (mut forward, mut backward): (Vec<usize>, Vec<usize>) =
            (0..self.blocks.len()).partition(|&number| is_forward(&self.blocks[number]));
        forward.sort_unstable_by_key(|&number| self.blocks[number].end);
        backward.sort_unstable_by_key(|&number| self.blocks[number].start);
        let mut backward = backward.into_iter().peekable();
        let mut reach = 0;
        for number in forward {
            let end = self.blocks[number].end;
            while let Some(other) = backward.next_if(|&other| self.blocks[other].start < end) {
                reach = reach.max(self.blocks[other].end);
            }
            self.blocks[number].is_cut = reach <= self.blocks[number].start;
        }
    }

    /// What bears upon an operation that changes nothing.
    pub(super) fn around(&self, span: Span) -> Stretch {
        let is_cut = |number: &usize| self.blocks[*number].is_cut;
        let all = 0..self.blocks.len();
        // Cuts follow each other in the order as their zones do.
        let first = all.clone().rev().filter(is_cut);
        let first = first.into_iter().find(|&number| self.blocks[number].end <= span.start);
        let last = all.clone().filter(is_cut).find(|&it| span.end <= self.blocks[it].start);
        let begin = first.map_or(0, |number| self.blocks[number].begin);
        let behind = last.and_then(|number| self.blocks.get(number + 1));
        Stretch {
            places: begin..behind.map_or(self.places, |block| block.begin),
            from: first.map_or(0, |number| self.blocks[number].end),
            to: last.map_or(u64::MAX, |number| self.blocks[number].start),
        }
    }
}
