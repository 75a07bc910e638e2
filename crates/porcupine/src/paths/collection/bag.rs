//! Bags: an element may be removed in any order. O(n log n).
//!
//! *Why this decides.* No order of the elements is asked for, so an element whose dequeue does not
//! end before its enqueue starts may be enqueued at the last instant and dequeued at the first one
//! that is no earlier. Then it is in the bag during its stay (see [`cover`](super::cover)) and at
//! no other instant at which something finds nothing; during its stay it is there in every order.
//! So each dequeue of nothing needs an instant outside of all stays, and none of them disturbs
//! another. Dequeues that were not answered are dealt out as argued at
//! [`removals`](super::removals).
//!
//! Source: Abdulla and others, "Efficient linearizability monitoring" (2025), on multisets.

use std::hash::Hash;

use super::cover::place_empties;
use super::instants::lay_out;
use super::removals::assign_in_order;
use super::{Pass, Source, gather};
use crate::paths::{Judged, Watch, concluded};
use crate::{Meter, Operation, Shortcut};

/// Judges a bag that is empty at first.
pub(crate) fn decide_bag<'a, I, O, T: Copy + Eq + Hash>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    classify: impl Fn(&'a I, Option<&'a O>) -> Pass<T>,
    meter: &Meter,
) -> Option<Shortcut> {
    concluded("stays", judge(&Source { history, part, classify }, meter))
}

fn judge<'a, I, O, T, F>(source: &Source<'a, I, O, F>, meter: &Meter) -> Judged<Vec<usize>>
where
    T: Copy + Eq + Hash,
    F: Fn(&'a I, Option<&'a O>) -> Pass<T>,
{
    let watch = Watch::new(meter, source.part.len())?;
    let contents = gather(source, &watch)?;
    let elements = assign_in_order(&contents);
    let empties = place_empties(source, &elements, &contents)?;
    let instants: Vec<u64> = elements.iter().map(|element| element.got.start).collect();
    let order: Vec<u32> = (0..elements.len() as u32).collect();
    let order = lay_out(&elements, &order, &instants, &empties);
    contents.concluded(source, order)
}
