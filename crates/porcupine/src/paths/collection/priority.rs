//! Priority queues: a dequeue removes the least element. O(n log n).
//!
//! Not exact in one case: where dequeues that were not answered have to remove what nobody got, it
//! is tried to deal them out; if that fails, and would not if each element had a dequeue of its
//! own, the search has to say.
//!
//! *Why this decides.* Let element x be greater than all others. When it is dequeued nothing else
//! is there, and it is in the way of no other dequeue. Conversely, take an order of the others, and
//! an instant p outside of all their stays (see [`cover`](super::cover)). Let those that are there
//! at p and whose dequeues have started by p be dequeued at p, the least first, and enqueue the
//! others that are there after p: what is dequeued is still the least, as before p there is less
//! than there was, and after p as well. So they are not there at p, nor at any other instant at
//! which they were not; x may be dequeued at p. By induction, from the least element to the
//! greatest: there is an order if and only if each dequeue has an instant, no earlier than the
//! enqueue of its element starts, that is outside of the stays of all smaller elements. A dequeue
//! of nothing is like that of an element greater than all. The first such instant is taken for
//! each: if p is such an instant for a greater element, and the smaller one is there at p but could
//! be dequeued by then, it could be at p too, so it was by p.
//!
//! Source: Lee and Mathur, "Efficient decrease-and-conquer linearizability monitoring" (OOPSLA
//! 2025); Bouajjani, Enea and Wang, "Checking linearizability of concurrent priority queues"
//! (2017), for the contradictions.

use std::hash::Hash;

use super::cover::{chain, place_empties, with_removals};
use super::instants::lay_out;
use super::removals::{assign, assign_in_order, assign_to_all};
use super::{Contents, Element, Pass, Source, gather};
use crate::paths::{Halt, Judged, Watch, concluded};
use crate::{Kind, Meter, Operation, Shortcut};

/// Judges a priority queue that is empty at first.
pub(crate) fn decide_priority_queue<'a, I, O, T: Copy + Ord + Hash>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    classify: impl Fn(&'a I, Option<&'a O>) -> Pass<T>,
    meter: &Meter,
) -> Option<Shortcut> {
    concluded("ranks", judge(&Source { history, part, classify }, meter))
}

fn judge<'a, I, O, T, F>(source: &Source<'a, I, O, F>, meter: &Meter) -> Judged<Vec<usize>>
where
    T: Copy + Ord + Hash,
    F: Fn(&'a I, Option<&'a O>) -> Pass<T>,
{
    let watch = Watch::new(meter, source.part.len())?;
    let mut contents = gather(source, &watch)?;
    // What may be enqueued twice was not dequeued, so ties do not matter.
    contents.elements.sort_by_cached_key(|element| source.element(element.put_at));
    let simply = arrange(source, &contents, &contents.elements, &watch);
    if contents.removals.is_empty() || !matches!(simply, Err(Halt::Illegal(_))) {
        return contents.concluded(source, simply?);
    }
    arrange(source, &contents, &assign_to_all(&contents), &watch)?;
    for elements in [assign_in_order(&contents), assign(&contents, |_| ())] {
        if let Ok(order) = arrange(source, &contents, &elements, &watch) {
            return contents.concluded(source, order);
        }
    }
    Err(Halt::Unfit)
}

/// An order of elements that are sorted from the least on.
fn arrange<I, O, F>(
    source: &Source<'_, I, O, F>,
    contents: &Contents,
    elements: &[Element],
    watch: &Watch<'_>,
) -> Judged<Vec<u32>> {
    let mut taken = Taken::new(elements);
    let mut instants = Vec::with_capacity(elements.len());
    for (number, element) in elements.iter().enumerate() {
        watch.step(number)?;
        let instant = match element.was_got() {
            true => taken.first_free(element.got.start),
            false => u64::MAX,
        };
        // One without an end may as well not take place.
        if instant >= element.got.end && element.got.end != u64::MAX {
            let smaller = chain(&elements[..number], element.got.start, element.got.end);
            let others = with_removals(contents, &elements[..number], &smaller, element.got.end);
            return source.illegal(Kind::Outranked, element.operations().chain(others));
        }
        instants.push(instant);
        if let Some((from, to)) = element.stay() {
            taken.take(from, to);
        }
    }
    let empties = place_empties(source, elements, contents)?;
    let mut elements = elements.to_vec();
    for (element, &instant) in elements.iter_mut().zip(&instants) {
        if instant == u64::MAX {
            element.got_at = super::NONE;
        }
    }
    Ok(lay_out(&elements, &instants, &empties))
}

/// A growing union of stays: which instants are in none.
struct Taken {
    /// All instants at which a stay begins or ends.
    borders: Vec<u64>,
    /// For each stretch from one border to the next the way to the first that is not taken: itself
    /// if it is not.
    next: Vec<u32>,
}

impl Taken {
    fn new(elements: &[Element]) -> Self {
        let stays = elements.iter().filter_map(Element::stay);
        let mut borders: Vec<u64> = stays.flat_map(|(from, to)| [from, to]).collect();
        borders.sort_unstable();
        borders.dedup();
        let next = (0..=borders.len() as u32).collect();
        Self { borders, next }
    }

    /// The stretch that is not taken, from this one on, with the ways there made shorter.
    fn find(&mut self, mut stretch: u32) -> u32 {
        while self.next[stretch as usize] != stretch {
            let further = self.next[self.next[stretch as usize] as usize];
            self.next[stretch as usize] = further;
            stretch = further;
        }
        stretch
    }

    /// The first instant from this one on that is not taken; the greatest number if none is.
    fn first_free(&mut self, from: u64) -> u64 {
        let behind = self.borders.partition_point(|border| *border <= from);
        let Some(stretch) = behind.checked_sub(1) else { return from };
        let free = self.find(stretch as u32) as usize;
        if free == stretch { from } else { self.borders.get(free).copied().unwrap_or(u64::MAX) }
    }

    fn take(&mut self, from: u64, to: u64) {
        let begin = self.borders.partition_point(|border| *border < from) as u32;
        let end = self.borders.partition_point(|border| *border < to) as u32;
        let mut stretch = self.find(begin);
        while stretch < end {
            self.next[stretch as usize] = stretch + 1;
            stretch = self.find(stretch);
        }
    }
}
