//! When elements are there for sure, and the instants at which a collection can be empty.
//!
//! An element is there, whatever the order, from the end of its enqueue to the start of its
//! dequeue, if that comes later: its *stay*. Otherwise the two share an instant, at which it may
//! come and go. The invariant, which each kind of collection has to argue: if there is any order,
//! then there is one in which the collection is empty at all instants outside of all stays (after
//! the dequeues that start by then, before the enqueues that end later).

use super::{Element, Judged, Source};
use crate::Kind;

impl Element {
    /// When the element is there for sure: from the first of these to before the second.
    pub(super) fn stay(&self) -> Option<(u64, u64)> {
        (self.put.end <= self.got.start).then_some((self.put.end, self.got.start))
    }
}

/// The union of stays.
pub(super) struct Cover {
    /// Disjoint and not adjacent, in order.
    stretches: Vec<(u64, u64)>,
}

impl Cover {
    pub(super) fn new(elements: &[Element]) -> Self {
        let mut stays: Vec<(u64, u64)> = elements.iter().filter_map(Element::stay).collect();
        stays.sort_unstable();
        let mut stretches: Vec<(u64, u64)> = Vec::new();
        for (from, to) in stays {
            match stretches.last_mut() {
                Some((_, end)) if from <= *end => *end = to.max(*end),
                _ => stretches.push((from, to)),
            }
        }
        Self { stretches }
    }

    /// The first instant from this one on that is in no stay; the greatest number if none is.
    pub(super) fn first_free(&self, from: u64) -> u64 {
        let next = self.stretches.partition_point(|(begin, _)| *begin <= from);
        match next.checked_sub(1).map(|at| self.stretches[at]) {
            Some((_, end)) if from < end => end,
            _ => from,
        }
    }
}

/// For each operation that found nothing an instant at which it may have; sorted by that.
pub(super) fn place_empties<I, O, F>(
    source: &Source<'_, I, O, F>,
    elements: &[Element],
    contents: &super::Contents,
) -> Judged<Vec<(u64, u32)>> {
    let mut placed = Vec::with_capacity(contents.empties.len());
    if contents.empties.is_empty() {
        return Ok(placed);
    }
    let cover = Cover::new(elements);
    for &(span, at) in &contents.empties {
        let instant = cover.first_free(span.start);
        if instant >= span.end {
            let chain = chain(elements, span.start, span.end);
            let all = with_removals(contents, elements, &chain, span.end);
            return source.illegal(Kind::NeverEmpty, [at].into_iter().chain(all));
        }
        placed.push((instant, at));
    }
    placed.sort_unstable();
    Ok(placed)
}

/// A few elements of which one is always there, from one instant to before another (where the two
/// are equal: just before it). To be asked for only where all elements together are.
pub(super) fn chain(elements: &[Element], from: u64, to: u64) -> Vec<Element> {
    let mut stays: Vec<(u64, u64, usize)> = Vec::new();
    for (number, element) in elements.iter().enumerate() {
        stays.extend(element.stay().map(|(begin, end)| (begin, end, number)));
    }
    stays.sort_unstable();
    let mut stays = stays.into_iter().peekable();
    let mut chain = Vec::new();
    let mut reached = from;
    loop {
        let mut best: Option<(u64, usize)> = None;
        while let Some((_, end, number)) = stays.next_if(|(begin, ..)| *begin <= reached) {
            best = best.max(Some((end, number)));
        }
        let Some((end, number)) = best else { return chain };
        chain.push(elements[number]);
        reached = end;
        if reached >= to {
            return chain;
        }
    }
}

/// The operations of these elements. Where nobody got one of them, all that nobody got and that
/// came no later belong to it, and all dequeues before `end` that may have removed them: too few.
pub(super) fn with_removals(
    contents: &super::Contents,
    elements: &[Element],
    chain: &[Element],
    end: u64,
) -> Vec<u32> {
    let is_removal = |at: u32| contents.removals.iter().any(|(_, other)| *other == at);
    let unclaimed = |element: &&Element| !element.was_got() || is_removal(element.got_at);
    let mut operations: Vec<u32> = chain.iter().flat_map(|it| it.operations()).collect();
    if contents.removals.is_empty() {
        return operations;
    }
    if let Some(last) = chain.iter().filter(unclaimed).map(|it| it.put.end).max() {
        let earlier = elements.iter().filter(|it| unclaimed(it) && it.put.end <= last);
        operations.extend(earlier.map(|it| it.put_at));
        let in_time = contents.removals.iter().filter(|(start, _)| *start < end);
        operations.extend(in_time.map(|(_, at)| *at));
    }
    operations
}
