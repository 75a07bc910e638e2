//! Registers with reads, writes and compare-and-sets, where every value that matters was written
//! once: O(n log n).
//!
//! Not for values that are seen and have two possible writers: those are left to the search. The
//! steps, one a file: which write made each value ([`values`](super::values)); which operations
//! belong to it, and which indeterminate writes took effect at all ([`clusters`]); chains of
//! compare-and-sets ([`chains`]); the order of the blocks that result ([`zones`]); the operations
//! within them ([`layout`]); and at last those that see no particular value ([`floaters`]).
//!
//! Source: Gibbons and Korach, "Testing shared memories", SIAM J. Comput. 26 (1997), on histories
//! in which it is known which write each read saw (zones); the chains and the indeterminate
//! operations are argued where they are handled.
//!
//! *Why indeterminate operations may be dropped.* A value is *needed* if a completed operation saw
//! it, or if a compare-and-set to a needed value expects it. Take any linearization of the history
//! without refused compare-and-sets, and remove from it every indeterminate write whose value is
//! not needed. What is left is one too: an operation that expects `x` found `x` written by the last
//! change before it; `x` is needed, so that write stays, and removing others between the two only
//! removes what was not there. A needed value's write must be in every linearization, as it is its
//! only possible writer. So: needed ones are as good as completed, without a last instant; the
//! others are left out. Operations that change nothing (refused compare-and-sets, reads of unknown
//! values) are left out at first. They can only add constraints, so what is illegal without them is
//! illegal with them.

mod chains;
mod clusters;
mod cuts;
mod floaters;
mod gaps;
mod layout;
mod windows;
mod zones;

use std::hash::Hash;

use super::source::Source;
use super::{Judged, Watch, concluded};
use crate::{Meter, Operation, Shortcut};

/// What an operation does to a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act<T> {
    /// Makes it this value.
    Write(T),
    /// Found this value there.
    Read(T),
    /// Found the first value there and made it the second.
    Swap(T, T),
    /// Found another value there than this one.
    Differs(T),
    /// Found any value there.
    Glance,
    /// Fits nowhere.
    Never,
}

impl<I, O, F> Source<'_, I, O, F> {
    fn completed(&self, at: u32) -> bool {
        !self.operation(at).is_indeterminate()
    }

    fn positions(&self) -> std::ops::Range<u32> {
        0..self.part.len() as u32
    }

    fn batch(&self, begin: u32, size: usize) -> std::ops::Range<u32> {
        begin..self.part.len().min(begin as usize + size) as u32
    }
}

impl<'a, I, O, F> Source<'a, I, O, F> {
    fn act<T>(&self, at: u32) -> Act<T>
    where
        T: Copy + PartialEq,
        F: Fn(&'a I, Option<&'a O>) -> Act<T>,
    {
        self.act_of(self.part[at as usize])
    }

    /// As [`Source::act`], by the index into the history.
    fn act_of<T>(&self, index: usize) -> Act<T>
    where
        T: Copy + PartialEq,
        F: Fn(&'a I, Option<&'a O>) -> Act<T>,
    {
        match self.word_of(index) {
            // To the same value: a read. Without an answer it is dropped like any other read.
            Act::Swap(from, to) if from == to => Act::Read(from),
            act => act,
        }
    }

    /// The value that the operation leaves there, if it changes it.
    fn written<T>(&self, at: u32) -> Option<T>
    where
        T: Copy + PartialEq,
        F: Fn(&'a I, Option<&'a O>) -> Act<T>,
    {
        match self.act(at) {
            Act::Write(value) | Act::Swap(_, value) => Some(value),
            _ => None,
        }
    }
}

/// Judges the operations of `history` with the indices `part`, on a register that is `initial` at
/// first.
pub(crate) fn decide_register<'a, I, O, T>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    initial: T,
    classify: impl Fn(&'a I, Option<&'a O>) -> Act<T>,
    meter: &Meter,
) -> Option<Shortcut>
where
    T: Copy + Eq + Hash,
{
    concluded("zones", judge(&Source { history, part, classify }, initial, meter))
}

/// Judges the operations on one key of a map, which holds nothing (`None`) at first and after each
/// delete, a write of `None`.
pub(crate) fn decide_map<'a, I, O, T>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    classify: impl Fn(&'a I, Option<&'a O>) -> Act<Option<T>>,
    meter: &Meter,
) -> Option<Shortcut>
where
    T: Copy + Eq + Hash,
{
    let source = Source { history, part, classify };
    if !source.positions().any(|at| source.act(at) == Act::Write(None)) {
        return concluded("zones", judge(&source, None, meter));
    }
    let judged = Watch::new(meter, part.len()).and_then(|watch| gaps::judge(&source, &watch));
    concluded("gaps", judged)
}

fn judge<'a, I, O, T, F>(
    source: &Source<'a, I, O, F>,
    initial: T,
    meter: &Meter,
) -> Judged<Vec<usize>>
where
    T: Copy + Eq + Hash,
    F: Fn(&'a I, Option<&'a O>) -> Act<T>,
{
    let watch = Watch::new(meter, source.part.len())?;
    let clusters = clusters::gather(source, initial, &watch)?;
    let zones = zones::Zones::of_clusters(source, &clusters, &watch)?;
    let chains = chains::Chains::new(source, &clusters, &zones)?;
    let merged = chains.merge(&zones);
    let blocks = zones::order(source, &clusters, &chains, merged.as_ref().unwrap_or(&zones))?;
    drop(merged);
    if clusters.floaters.is_empty() {
        drop(zones);
        return layout::lay_out(source, &clusters, &chains, &blocks, &watch);
    }
    floaters::refuse(source, &clusters, &chains, &zones)?;
    drop(zones);
    let order = layout::lay_out(source, &clusters, &chains, &blocks, &watch)?;
    floaters::insert(source, &clusters, initial, order, &watch)
}
