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

/// Judges a priority queue that is empty at first. `rank` gives what elements are compared by.
pub(crate) fn decide_priority_queue<'a, I, O, T: Copy + Eq + Hash, R: Ord>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    classify: impl Fn(&'a I, Option<&'a O>) -> Pass<T>,
    rank: impl Fn(T) -> R,
    meter: &Meter,
) -> Option<Shortcut> {
    concluded("ranks", judge(&Source { history, part, classify }, rank, meter))
}

fn judge<'a, I, O, T, R, F>(
    source: &Source<'a, I, O, F>,
    rank: impl Fn(T) -> R,
    meter: &Meter,
) -> Judged<Vec<usize>>
where
    T: Copy + Eq + Hash,
    R: Ord,
    F: Fn(&'a I, Option<&'a O>) -> Pass<T>,
{
    let watch = Watch::new(meter, source.part.len())?;
    let contents = gather(source, &watch)?;
    // What may be enqueued twice was not dequeued, so ties do not matter.
    let ranked = contents.elements.iter().map(|element| source.element(element.put_at).map(&rank));
    let mut ranked: Vec<(Option<R>, u32)> = ranked.zip(0..).collect();
    ranked.sort_unstable();
    let order: Vec<u32> = ranked.into_iter().map(|(_, number)| number).collect();
    let simply = arrange(source, &contents, &contents.elements, &order, &watch);
    if contents.removals.is_empty() || !matches!(simply, Err(Halt::Illegal(_))) {
        return contents.concluded(source, simply?);
    }
    arrange(source, &contents, &assign_to_all(&contents), &order, &watch)?;
    let mut ranks = vec![0; order.len()];
    (0..).zip(&order).for_each(|(rank, number)| ranks[*number as usize] = rank);
    for elements in [assign_in_order(&contents), assign(&contents, |number| ranks[number])] {
        if let Ok(order) = arrange(source, &contents, &elements, &order, &watch) {
            return contents.concluded(source, order);
        }
    }
    Err(Halt::Unfit)
}

/// An order of the operations on these elements; their numbers are given from the least on.
fn arrange<I, O, F>(
    source: &Source<'_, I, O, F>,
    contents: &Contents,
    elements: &[Element],
    order: &[u32],
    watch: &Watch<'_>,
) -> Judged<Vec<u32>> {
    let (mut taken, places) = Taken::new(elements);
    let mut instants = Vec::with_capacity(elements.len());
    for (rank, &number) in order.iter().enumerate() {
        watch.step(rank)?;
        let (element, place) = (&elements[number as usize], places[number as usize]);
        let instant = match element.was_got() {
            true => taken.first_free(element.got.start, place.start),
            false => u64::MAX,
        };
        // One without an end may as well not take place.
        if instant >= element.got.end && element.got.end != u64::MAX {
            let smaller = order[..rank].iter().map(|number| elements[*number as usize]);
            let smaller: Vec<Element> = smaller.collect();
            let chain = chain(&smaller, element.got.start, element.got.end);
            let others = with_removals(contents, &smaller, &chain, element.got.end);
            return source.illegal(Kind::Outranked, element.operations().chain(others));
        }
        instants.push(instant);
        if element.stay().is_some() {
            taken.take(place.stay);
        }
    }
    let empties = place_empties(source, elements, contents)?;
    if contents.removals.is_empty() {
        return Ok(lay_out(elements, order, &instants, &empties));
    }
    let mut elements = elements.to_vec();
    for (&number, &instant) in order.iter().zip(&instants) {
        if instant == u64::MAX {
            elements[number as usize].got_at = super::NONE;
        }
    }
    Ok(lay_out(&elements, order, &instants, &empties))
}

/// A growing union of stays: which instants are in none.
struct Taken {
    /// All instants at which a stay begins or ends.
    borders: Vec<u64>,
    /// For each stretch from one border to the next the way to the first that is not taken: itself
    /// if it is not.
    next: Vec<u32>,
}

/// Where an element belongs among the stretches: the number of those that begin by the start of its
/// dequeue, and those of its stay.
#[derive(Clone, Copy)]
struct Place {
    start: u32,
    stay: (u32, u32),
}

impl Taken {
    /// Also where each element belongs. They are looked up in the order in which they came, which
    /// goes along the borders; not by rank, which jumps.
    fn new(elements: &[Element]) -> (Self, Vec<Place>) {
        let stays = elements.iter().filter_map(Element::stay);
        let mut borders: Vec<u64> = stays.flat_map(|(from, to)| [from, to]).collect();
        borders.sort_unstable();
        borders.dedup();
        let next = (0..=borders.len() as u32).collect();
        let before = |instant: u64| borders.partition_point(|border| *border < instant) as u32;
        let place = |element: &Element| Place {
            start: borders.partition_point(|border| *border <= element.got.start) as u32,
            stay: element.stay().map_or((0, 0), |(from, to)| (before(from), before(to))),
        };
        let places = elements.iter().map(place).collect();
        (Self { borders, next }, places)
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
    /// `behind` is the number of stretches that begin by then.
    fn first_free(&mut self, from: u64, behind: u32) -> u64 {
        let Some(stretch) = behind.checked_sub(1) else { return from };
        let free = self.find(stretch);
        if free == stretch {
            return from;
        }
        self.borders.get(free as usize).copied().unwrap_or(u64::MAX)
    }

    fn take(&mut self, (begin, end): (u32, u32)) {
        let mut stretch = self.find(begin);
        while stretch < end {
            self.next[stretch as usize] = stretch + 1;
            stretch = self.find(stretch);
        }
    }
}
