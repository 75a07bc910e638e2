//! First-in first-out queues. O(n log n).
//!
//! *Why this decides.* Element a must come before b if a's enqueue precedes b's, or a's dequeue
//! b's. Take away, one by one, elements that no other must come before. If there is none such, let
//! a be the one whose enqueue ends first, and b the one whose dequeue does. Only a dequeue can
//! precede a's, so b's does; only an enqueue can precede b's, so a's does: the two contradict each
//! other. Else there is an order of the elements. Let each enqueue happen at the latest start of an
//! enqueue so far, each dequeue at the latest start of a dequeue or the enqueue of its element so
//! far. Those instants are within the spans: a dequeue of i that ends before a start of j's
//! enqueue, or dequeue, would put i before j. What was never dequeued is enqueued at the end; none
//! of it may precede an enqueue of what was dequeued.
//!
//! *Dequeues of nothing.* Let p be an instant outside of all stays (see [`cover`](super::cover)).
//! An element must go before p if one of its operations ends by p, after it if one starts after p;
//! not both, as p is in no stay. If a must come before b and b must go before p, then so must a: in
//! case a's enqueue precedes b's, b's starts by p, so a's ends by p; in case a's dequeue precedes
//! b's, likewise. In the same way, if a must go after p, so must b. So all may go before p that
//! need not go after it, and the order of the elements is respected; and all this at several such
//! instants at once, as who must go after the later one must go after the earlier. So each dequeue
//! of nothing needs an instant outside of all stays, and that is enough. Dequeues that were not
//! answered are dealt out as argued at [`removals`](super::removals).
//!
//! Source: Henzinger, Sezgin and Vafeiadis, "Aspect-oriented linearizability proofs" (2013), and
//! Bouajjani, Emmi, Enea and Hamza, "On reducing linearizability to state reachability" (2015): the
//! contradictions are their violations.

use std::hash::Hash;

use super::cover::place_empties;
use super::removals::assign_in_order;
use super::{Contents, Element, Pass, Source, gather};
use crate::paths::{Judged, Span, Watch, concluded};
use crate::{Kind, Meter, Operation, Shortcut};

/// Judges a queue that is empty at first.
pub(crate) fn decide_queue<'a, I, O, T: Copy + Eq + Hash>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    classify: impl Fn(&'a I, Option<&'a O>) -> Pass<T>,
    meter: &Meter,
) -> Option<Shortcut> {
    concluded("pairs", judge(&Source { history, part, classify }, meter))
}

fn judge<'a, I, O, T, F>(source: &Source<'a, I, O, F>, meter: &Meter) -> Judged<Vec<usize>>
where
    T: Copy + Eq + Hash,
    F: Fn(&'a I, Option<&'a O>) -> Pass<T>,
{
    let watch = Watch::new(meter, source.part.len())?;
    let contents = gather(source, &watch)?;
    let mut elements = assign_in_order(&contents);
    remove_in_time(source, &contents, &elements)?;
    let empties = place_empties(source, &elements, &contents)?;
    // What nobody got, by start.
    let mut left: Vec<Element> = elements.iter().filter(|it| !it.was_got()).copied().collect();
    left.sort_unstable_by_key(|element| (element.put.start, element.put_at));
    elements.retain(Element::was_got);
    let order = line_up(source, &elements, &watch)?;
    let order = lay_out(&elements, order, &left, &empties);
    contents.concluded(source, order)
}

/// What was enqueued before something that was dequeued has to be removed before that is. (Bounds
/// only elements that nobody got by name.)
fn remove_in_time<I, O, F>(
    source: &Source<'_, I, O, F>,
    contents: &Contents,
    elements: &[Element],
) -> Judged<()> {
    let named = |number: &usize| contents.elements[*number].was_got();
    let mut by_start: Vec<usize> = (0..elements.len()).filter(named).collect();
    by_start.sort_unstable_by_key(|&number| elements[number].put.start);
    // Of those from here on, the one whose dequeue ends first.
    let mut first = by_start.clone();
    for at in (1..first.len()).rev() {
        let (one, other) = (first[at - 1], first[at]);
        if elements[other].got.end < elements[one].got.end {
            first[at - 1] = other;
        }
    }
    for number in (0..elements.len()).filter(|number| !named(number)) {
        let left = &elements[number];
        let later = by_start.partition_point(|&it| elements[it].put.start < left.put.end);
        let Some(&by) = first.get(later) else { continue };
        let by = elements[by];
        if left.got.start >= by.got.end {
            let others = super::cover::with_removals(contents, elements, &[*left], by.got.end);
            let own = [left.put_at].into_iter().chain(by.operations());
            let late = left.got_at;
            return source.illegal(Kind::Overtaken, own.chain(others).filter(|at| *at != late));
        }
    }
    Ok(())
}

/// One side of the elements, enqueues or dequeues: which of those left no other precedes.
struct Side {
    spans: Vec<Span>,
    by_start: Vec<u32>,
    by_end: Vec<u32>,
    opened: usize,
    passed: usize,
}

impl Side {
    fn new(spans: Vec<Span>) -> Self {
        let mut by_start: Vec<u32> = (0..spans.len() as u32).collect();
        let mut by_end = by_start.clone();
        by_start.sort_unstable_by_key(|&it| spans[it as usize].start);
        by_end.sort_unstable_by_key(|&it| spans[it as usize].end);
        Self { spans, by_start, by_end, opened: 0, passed: 0 }
    }

    /// The element left that ends first.
    fn first(&mut self, gone: &[bool]) -> Option<u32> {
        while gone[*self.by_end.get(self.passed)? as usize] {
            self.passed += 1;
        }
        Some(self.by_end[self.passed])
    }

    /// Calls `open` with those that nothing precedes any more.
    fn advance(&mut self, gone: &[bool], mut open: impl FnMut(u32)) {
        let Some(first) = self.first(gone) else { return };
        let end = self.spans[first as usize].end;
        while let Some(&next) = self.by_start.get(self.opened)
            && self.spans[next as usize].start < end
        {
            open(next);
            self.opened += 1;
        }
    }
}

/// An order of the elements in which none follows one that it must precede.
fn line_up<I, O, F>(
    source: &Source<'_, I, O, F>,
    elements: &[Element],
    watch: &Watch<'_>,
) -> Judged<Vec<u32>> {
    let mut enqueues = Side::new(elements.iter().map(|element| element.put).collect());
    let mut dequeues = Side::new(elements.iter().map(|element| element.got).collect());
    let mut gone = vec![false; elements.len()];
    let mut opened = vec![0u8; elements.len()];
    let mut ready = Vec::new();
    let mut order = Vec::with_capacity(elements.len());
    while order.len() < elements.len() {
        watch.step(order.len())?;
        let mut open = |element: u32| {
            opened[element as usize] += 1;
            if opened[element as usize] == 2 {
                ready.push(element);
            }
        };
        enqueues.advance(&gone, &mut open);
        dequeues.advance(&gone, &mut open);
        if let Some(element) = ready.pop() {
            gone[element as usize] = true;
            order.push(element);
            continue;
        }
        let both = enqueues.first(&gone).into_iter().chain(dequeues.first(&gone));
        let both: Vec<&Element> = both.map(|element| &elements[element as usize]).collect();
        let puts = both.iter().map(|element| element.put_at);
        let gets = both.iter().rev().map(|element| element.got_at);
        return source.illegal(Kind::OutOfOrder, puts.chain(gets));
    }
    Ok(order)
}

/// Merges enqueues and dequeues by the instants described above, at equal ones enqueues first, and
/// from one instant at which the queue is empty to the next.
fn lay_out(
    elements: &[Element],
    mut order: Vec<u32>,
    left: &[Element],
    empties: &[(u64, u32)],
) -> Vec<u32> {
    // How many of the instants an element must go after: its dequeue starts last.
    let after = |element: u32| {
        let start = elements[element as usize].got.start;
        empties.partition_point(|(instant, _)| *instant < start)
    };
    if !empties.is_empty() {
        order.sort_by_cached_key(|&element| after(element));
    }
    let mut all = Vec::with_capacity(2 * elements.len() + left.len() + empties.len());
    let (mut puts, mut gets) = (Vec::new(), Vec::new());
    let (mut put, mut got) = (0, 0);
    let mut next = 0;
    for element in order {
        let goal = if empties.is_empty() { 0 } else { after(element) };
        if next < goal {
            merge(&mut all, &mut puts, &mut gets);
            all.extend(empties[next..goal].iter().map(|(_, at)| *at));
            (put, got) = (empties[goal - 1].0, empties[goal - 1].0);
            next = goal;
        }
        let element = &elements[element as usize];
        put = put.max(element.put.start);
        got = got.max(element.got.start).max(put);
        puts.push((put, element.put_at));
        gets.push((got, element.got_at));
    }
    if next < empties.len() {
        merge(&mut all, &mut puts, &mut gets);
        all.extend(empties[next..].iter().map(|(_, at)| *at));
        put = empties[empties.len() - 1].0;
    }
    for element in left {
        put = put.max(element.put.start);
        puts.push((put, element.put_at));
    }
    merge(&mut all, &mut puts, &mut gets);
    all
}

fn merge(all: &mut Vec<u32>, puts: &mut Vec<(u64, u32)>, gets: &mut Vec<(u64, u32)>) {
    let mut puts = puts.drain(..).peekable();
    for (instant, dequeue) in gets.drain(..) {
        while let Some((_, enqueue)) = puts.next_if(|(put, _)| *put <= instant) {
            all.push(enqueue);
        }
        all.push(dequeue);
    }
    all.extend(puts.map(|(_, enqueue)| enqueue));
}
