//! Stacks: last in, first out. O(n log n).
//!
//! Not exact in one case: where pops that were not answered have to remove what nobody got, it is
//! tried to deal them out ([`seats`](super::seats)); if that fails, and would not if each element
//! had a pop of its own, the search has to say.
//!
//! *Why this decides.* An order is a sequence of pushes and pops that nest like brackets. An
//! element without a stay (see [`cover`](super::cover)) may be pushed and popped at one instant,
//! which disturbs nothing. Of the others: let p be an instant outside of all stays, and take any
//! order. Pop what is there at p, and whose pop has started by p, at p, from the top; push what
//! else is there after p, in the order in which it was pushed. The brackets still nest, and p
//! is outside of all of them; what was empty at other instants stays so. So we may look at each
//! stretch of time in which there is always a stay by itself. In there the stack is never empty, so
//! one element is the lowest all the time: it was pushed before the stretch begins and popped after
//! it ends. If there is an order with y as the lowest, and x could be too, then x may be moved
//! below y: before the stretch begins only pushes happen and after it only pops, at instants that
//! all of them share. So any element that can be is taken as the lowest. What is left without it is
//! judged in the same way; it is legal if there is any order of the whole. If no element can be the
//! lowest, there is no order, and that is so for a few elements whose stays cover the stretch.
//!
//! A pop of nothing needs an instant outside of all stays, as argued.
//!
//! Source: Lee and Mathur, "Efficient decrease-and-conquer linearizability monitoring" (OOPSLA
//! 2025), whose values that can be taken away are these lowest elements.

use std::hash::Hash;

use super::cover::{chain, place_empties, with_removals};
use super::nest::nest;
use super::removals::{assign_in_order, assign_to_all};
use super::seats::{Event, seat};
use super::{Contents, Element, Pass, Source, gather};
use crate::paths::{Halt, Judged, Watch, concluded};
use crate::{Kind, Meter, Operation, Shortcut};

/// Judges a stack that is empty at first.
pub(crate) fn decide_stack<'a, I, O, T: Copy + Eq + Hash>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    classify: impl Fn(&'a I, Option<&'a O>) -> Pass<T>,
    meter: &Meter,
) -> Option<Shortcut> {
    concluded("nests", judge(&Source { history, part, classify }, meter))
}

fn judge<'a, I, O, T, F>(source: &Source<'a, I, O, F>, meter: &Meter) -> Judged<Vec<usize>>
where
    T: Copy + Eq + Hash,
    F: Fn(&'a I, Option<&'a O>) -> Pass<T>,
{
    let watch = Watch::new(meter, source.part.len())?;
    let contents = gather(source, &watch)?;
    let simply = arrange(source, &contents, &contents.elements, &watch);
    if contents.removals.is_empty() || !matches!(simply, Err(Halt::Illegal(_))) {
        return contents.concluded(source, positions(&simply?));
    }
    arrange(source, &contents, &assign_to_all(&contents), &watch)?;
    let got: Vec<Element> = contents.elements.iter().filter(|it| it.was_got()).copied().collect();
    if let Some(order) = seat(&contents, &arrange(source, &contents, &got, &watch)?) {
        return contents.concluded(source, order);
    }
    match arrange(source, &contents, &assign_in_order(&contents), &watch) {
        Ok(events) => contents.concluded(source, positions(&events)),
        Err(_) => Err(Halt::Unfit),
    }
}

fn positions(events: &[Event]) -> Vec<u32> {
    events.iter().map(|event| event.at).collect()
}

fn arrange<I, O, F>(
    source: &Source<'_, I, O, F>,
    contents: &Contents,
    elements: &[Element],
    watch: &Watch<'_>,
) -> Judged<Vec<Event>> {
    let empties = place_empties(source, elements, contents)?;
    let (mut staying, mut passing) = (Vec::new(), Vec::new());
    for element in elements {
        match element.stay() {
            Some(_) => staying.push(*element),
            None => passing.push(*element),
        }
    }
    staying.sort_unstable_by_key(|element| (element.put.end, element.put_at));
    passing.sort_unstable_by_key(|element| element.got.start);
    match nest(&staying, watch)? {
        Ok(edges) => Ok(merge(&edges, &passing, &empties)),
        Err(tangle) => {
            let chain = chain(&tangle.elements, tangle.from, tangle.to);
            let others = with_removals(contents, elements, &chain, u64::MAX);
            source.illegal(Kind::NotNested, others)
        }
    }
}

/// Pushes and pops that nest, between them those that follow each other directly, and what found
/// nothing: at each instant after the pops and before the pushes.
fn merge(edges: &[Event], passing: &[Element], empties: &[(u64, u32)]) -> Vec<Event> {
    let mut all = Vec::with_capacity(edges.len() + 2 * passing.len() + empties.len());
    let mut passing = passing.iter().peekable();
    let mut empties = empties.iter().peekable();
    for edge in edges.iter().map(Some).chain([None]) {
        let next = edge.map_or(u64::MAX, |edge| edge.when.0);
        loop {
            let empty = empties.peek().map_or(u64::MAX, |(instant, _)| *instant);
            let comes = |it: &&Element| it.got.start < next && it.got.start <= empty;
            if let Some(element) = passing.next_if(comes) {
                let when = (element.got.start, true);
                all.push(Event { when, at: element.put_at, change: 1 });
                all.push(Event { when, at: element.got_at, change: -1 });
            } else if let Some(&(instant, at)) = empties.next_if(|(instant, _)| *instant < next) {
                all.push(Event { when: (instant, true), at, change: 0 });
            } else {
                break;
            }
        }
        all.extend(edge);
    }
    all
}
