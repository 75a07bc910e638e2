//! Collections of distinct elements: bags, queues, stacks and priority queues.
//!
//! Not for an element that was removed and has several possible enqueues: those go to the search.
//! Here is what the four share: which enqueue and which dequeue belong together ([`gather`]), while
//! an element is there whatever the order ([`cover`]), and who may have removed what nobody got
//! ([`removals`]). Their own rules are in files of their own.
//!
//! The words of queues are used for all: *enqueue* is add or push, *dequeue* remove or pop. An
//! enqueue that was not answered took effect if its element was dequeued; else it is left out, as
//! its element could only be in the way. A dequeue that was not answered may be left out, or remove
//! an element that nobody got. One that was answered with something that is not known must remove
//! what it finds: such a history is judged as if it might be left out as well. Where there is no
//! order then, there is none; where there is one, the search has to say.
//!
//! Source: Lee and Mathur, "Efficient decrease-and-conquer linearizability monitoring" (OOPSLA
//! 2025), and Abdulla and others, "Efficient linearizability monitoring" (2025), for complete
//! histories of distinct elements; Gibbons, Bruno and Phillips, "Black-box correctness tests for
//! basic parallel data structures" (2002), before them. The arguments are made anew at each file,
//! with dequeues of nothing and operations in doubt.

mod bag;
mod cover;
mod instants;
mod nest;
mod priority;
mod queue;
mod removals;
mod seats;
mod stack;

pub(crate) use bag::decide_bag;
pub(crate) use priority::decide_priority_queue;
pub(crate) use queue::decide_queue;
pub(crate) use stack::decide_stack;

use std::hash::Hash;

use super::source::{NONE, Source};
use super::values::{Values, Writer};
use super::{Halt, Judged, Span, Watch};
use crate::Kind;

/// What an operation does to a collection.
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

impl<'a, I, O, F> Source<'a, I, O, F> {
    /// The element that the operation adds or removes.
    fn element<T>(&self, at: u32) -> Option<T>
    where
        F: Fn(&'a I, Option<&'a O>) -> Pass<T>,
    {
        match self.word(at) {
            Pass::Enqueue(element) | Pass::Dequeue(element) => Some(element),
            _ => None,
        }
    }
}

/// An element that was there: when and by what it was enqueued and dequeued.
#[derive(Debug, Clone, Copy)]
struct Element {
    put: Span,
    /// Begins no earlier than `put`, which ends no later. [`NEVER`] where nobody got it.
    got: Span,
    put_at: u32,
    /// [`NONE`] where nobody got it.
    got_at: u32,
}

/// In place of a dequeue that did not take place.
const NEVER: Span = Span { start: u64::MAX, end: u64::MAX };

impl Element {
    fn was_got(&self) -> bool {
        self.got_at != NONE
    }

    /// The positions of its operations.
    fn operations(self) -> impl Iterator<Item = u32> {
        [self.put_at, self.got_at].into_iter().filter(|at| *at != NONE)
    }
}

/// What is known of a collection.
#[derive(Default)]
struct Contents {
    elements: Vec<Element>,
    /// What found it empty.
    empties: Vec<(Span, u32)>,
    /// Dequeues of which the element is not known, by start.
    removals: Vec<(u64, u32)>,
    /// Whether one of them was answered.
    unknown: bool,
}

/// Pairs enqueues and dequeues.
fn gather<'a, I, O, T, F>(source: &Source<'a, I, O, F>, watch: &Watch<'_>) -> Judged<Contents>
where
    T: Copy + Eq + Hash,
    F: Fn(&'a I, Option<&'a O>) -> Pass<T>,
{
    let positions = 0..source.part.len() as u32;
    let is_put = |at: &u32| matches!(source.word(*at), Pass::Enqueue(_));
    let puts = positions.clone().filter(is_put).count();
    let mut contents = Contents { elements: Vec::with_capacity(puts), ..Contents::default() };
    let mut values = Values::new(puts);
    for at in positions.clone() {
        watch.step(at as usize)?;
        match source.word(at) {
            Pass::Enqueue(element) => {
                let elements = &mut contents.elements;
                let number = elements.len() as u32;
                elements.push(Element {
                    put: source.span(at)?,
                    got: NEVER,
                    put_at: at,
                    got_at: NONE,
                });
                let value_of = |other: u32| source.element(elements[other as usize].put_at);
                values.insert(element, values.touch(element), number, value_of);
            }
            Pass::Dequeue(_) => {}
            Pass::Empty => contents.empties.push((source.span(at)?, at)),
            Pass::Something => {
                contents.removals.push((source.span(at)?.start, at));
                contents.unknown |= !source.operation(at).is_indeterminate();
            }
            Pass::Never if source.operation(at).is_indeterminate() => {}
            Pass::Never => return source.illegal(Kind::Misanswered, [at]),
        }
    }
    contents.removals.sort_unstable();
    for at in positions {
        watch.step(at as usize)?;
        if let Pass::Dequeue(element) = source.word(at) {
            let value_of = |it: u32| source.element(contents.elements[it as usize].put_at);
            let enqueue = values.find(element, values.touch(element), value_of);
            contents.take(source, at, enqueue)?;
        }
    }
    let is_there = |it: &Element| it.was_got() || !source.operation(it.put_at).is_indeterminate();
    contents.elements.retain(is_there);
    Ok(contents)
}

impl Contents {
    /// Sorts in a dequeue of an element that was enqueued by this one.
    fn take<I, O, F>(
        &mut self,
        source: &Source<'_, I, O, F>,
        at: u32,
        enqueue: Writer,
    ) -> Judged<()> {
        let element = match enqueue {
            Writer::Nobody => return source.illegal(Kind::NobodyWrote, [at]),
            Writer::Several => return Err(Halt::Unfit),
            Writer::Cluster(number) => &mut self.elements[number as usize],
        };
        if element.was_got() {
            return source.illegal(Kind::TakenTwice, [element.put_at, element.got_at, at]);
        }
        let mut got = source.span(at)?;
        if got.end <= element.put.start {
            return source.illegal(Kind::ReadBeforeWrite, [element.put_at, at]);
        }
        element.put.end = element.put.end.min(got.end);
        got.start = got.start.max(element.put.start);
        (element.got, element.got_at) = (got, at);
        Ok(())
    }

    /// Legal as far as that is a proof: what was answered, and is not known, has no place yet.
    fn concluded<I, O, F>(
        &self,
        source: &Source<'_, I, O, F>,
        order: Vec<u32>,
    ) -> Judged<Vec<usize>> {
        if self.unknown {
            return Err(Halt::Unfit);
        }
        Ok(order.into_iter().map(|at| source.part[at as usize]).collect())
    }
}
