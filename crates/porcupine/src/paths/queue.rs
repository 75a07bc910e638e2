//! First-in first-out queues whose dequeued elements were enqueued once. O(n log n).
//!
//! Not where a dequeue found the queue empty, or removed something that is not known: the search
//! has those. An enqueue that was not answered took effect if its element was dequeued; else it may
//! be left out, as its element was in nobody's way. A dequeue that was not answered may be left out
//! as well, unless an element that nobody got has to get out of the way: then the search has to
//! say.
//!
//! *Why this decides.* An element's dequeue follows its enqueue, so the dequeue may be taken to
//! start no earlier and the enqueue to end no later. Element a must come before b if a's enqueue
//! precedes b's, or a's dequeue b's. Take away, one by one, elements that no other must come
//! before. If there is none such, let a be the one whose enqueue ends first, and b the one whose
//! dequeue does. Only a dequeue can precede a's, so b's does; only an enqueue can precede b's, so
//! a's does: the two contradict each other. Else there is an order of the elements. Let each
//! enqueue happen at the latest start of an enqueue so far, each dequeue at the latest start of a
//! dequeue or the enqueue of its element so far. Those instants are within the spans: a dequeue of
//! i that ends before a start of j's enqueue, or dequeue, would put i before j. What was never
//! dequeued is enqueued at the end; none of it may precede an enqueue of what was dequeued.
//!
//! Source: Henzinger, Sezgin and Vafeiadis, "Aspect-oriented linearizability proofs" (2013): the
//! contradictions are their violations of complete histories without empty dequeues.

use std::collections::HashMap;
use std::hash::Hash;

use super::{Halt, Judged, Span, Watch, concluded, illegal};
use crate::{Kind, Meter, Operation, Shortcut};

/// What an operation does to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass<T> {
    Enqueue(T),
    Dequeue(T),
    /// Removed we do not know what, if it was answered at all.
    Something,
    /// Found nothing.
    Empty,
    /// Fits nowhere.
    Never,
}

/// An element that was dequeued: spans and indices of both operations.
struct Element {
    enqueue: (Span, usize),
    dequeue: (Span, usize),
}

/// Judges a queue that is empty at first.
pub(crate) fn decide_queue<'a, I, O, T: Copy + Eq + Hash>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    classify: impl Fn(&'a I, Option<&'a O>) -> Pass<T>,
    meter: &Meter,
) -> Option<Shortcut> {
    concluded("pairs", judge(history, part, classify, meter))
}

fn judge<'a, I, O, T: Copy + Eq + Hash>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    classify: impl Fn(&'a I, Option<&'a O>) -> Pass<T>,
    meter: &Meter,
) -> Judged<Vec<usize>> {
    let watch = Watch::new(meter, part.len())?;
    let mut enqueues: HashMap<T, (usize, bool)> = HashMap::new();
    let mut dequeues = Vec::new();
    let mut unanswered = false;
    for (at, &index) in part.iter().enumerate() {
        watch.step(at)?;
        let operation = &history[index];
        match classify(&operation.input, operation.output.as_ref()) {
            Pass::Enqueue(element) => {
                let again = enqueues.contains_key(&element);
                enqueues.insert(element, (index, again));
            }
            Pass::Dequeue(element) => dequeues.push((element, index)),
            Pass::Something if operation.is_indeterminate() => unanswered = true,
            Pass::Never if operation.is_indeterminate() => {}
            Pass::Never => return illegal(Kind::Misanswered, [index]),
            Pass::Something | Pass::Empty => return Err(Halt::Unfit),
        }
    }
    let mut taken: HashMap<usize, usize> = HashMap::with_capacity(dequeues.len());
    let mut elements = Vec::with_capacity(dequeues.len());
    for (element, dequeue) in dequeues {
        let enqueue = match enqueues.get(&element) {
            None => return illegal(Kind::NobodyWrote, [dequeue]),
            Some((_, true)) => return Err(Halt::Unfit),
            Some((enqueue, false)) => *enqueue,
        };
        if let Some(other) = taken.insert(enqueue, dequeue) {
            return illegal(Kind::TakenTwice, [enqueue, other, dequeue]);
        }
        elements.push(pair(history, enqueue, dequeue)?);
    }
    let order = line_up(&elements, &watch)?;
    // What nobody got, by start.
    let mut left = Vec::new();
    for &index in part {
        let operation = &history[index];
        let act = classify(&operation.input, operation.output.as_ref());
        let is_left = matches!(act, Pass::Enqueue(_)) && !taken.contains_key(&index);
        if is_left && !operation.is_indeterminate() {
            left.push((Span::of(operation)?, index));
        }
    }
    left.sort_unstable_by_key(|(span, index)| (span.start, *index));
    if let Some((overtaken, by)) = overtaken(&elements, &left) {
        // A dequeue that was not answered may have got it.
        if unanswered {
            return Err(Halt::Unfit);
        }
        return illegal(Kind::Overtaken, [overtaken, by.enqueue.1, by.dequeue.1]);
    }
    Ok(lay_out(&elements, &order, &left))
}

/// An element, with the spans that remain for its operations.
fn pair<I, O>(history: &[Operation<I, O>], enqueue: usize, dequeue: usize) -> Judged<Element> {
    let (mut put, mut got) = (Span::of(&history[enqueue])?, Span::of(&history[dequeue])?);
    if got.end <= put.start {
        return illegal(Kind::ReadBeforeWrite, [enqueue, dequeue]);
    }
    put.end = put.end.min(got.end);
    got.start = got.start.max(put.start);
    Ok(Element { enqueue: (put, enqueue), dequeue: (got, dequeue) })
}

/// An enqueue that nobody saw, and an element that was enqueued after it and dequeued.
fn overtaken<'a>(elements: &'a [Element], left: &[(Span, usize)]) -> Option<(usize, &'a Element)> {
    let last = elements.iter().max_by_key(|element| element.enqueue.0.start)?;
    let (first, index) = left.iter().min_by_key(|(span, _)| span.end)?;
    (first.end <= last.enqueue.0.start).then_some((*index, last))
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
fn line_up(elements: &[Element], watch: &Watch<'_>) -> Judged<Vec<u32>> {
    let mut enqueues = Side::new(elements.iter().map(|element| element.enqueue.0).collect());
    let mut dequeues = Side::new(elements.iter().map(|element| element.dequeue.0).collect());
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
        let puts = both.iter().map(|element| element.enqueue.1);
        let gets = both.iter().rev().map(|element| element.dequeue.1);
        return illegal(Kind::OutOfOrder, puts.chain(gets));
    }
    Ok(order)
}

/// Merges enqueues and dequeues by the instants described above, at equal ones enqueues first.
fn lay_out(elements: &[Element], order: &[u32], left: &[(Span, usize)]) -> Vec<usize> {
    let mut all = Vec::with_capacity(2 * elements.len() + left.len());
    let (mut put, mut got) = (0, 0);
    let mut puts = Vec::with_capacity(elements.len() + left.len());
    let mut gets = Vec::with_capacity(elements.len());
    for element in order.iter().map(|&element| &elements[element as usize]) {
        put = put.max(element.enqueue.0.start);
        got = got.max(element.dequeue.0.start).max(put);
        puts.push((put, element.enqueue.1));
        gets.push((got, element.dequeue.1));
    }
    for (span, index) in left {
        put = put.max(span.start);
        puts.push((put, *index));
    }
    let mut puts = puts.into_iter().peekable();
    for (instant, dequeue) in gets {
        while let Some((_, enqueue)) = puts.next_if(|(put, _)| *put <= instant) {
            all.push(enqueue);
        }
        all.push(dequeue);
    }
    all.extend(puts.map(|(_, enqueue)| enqueue));
    all
}
