//! A lock: acquires and releases that take turns. O(n log n).
//!
//! Not by holder: the model does not record one. The path is lazy. It goes through the returns in
//! time order and lets nothing take effect before it must: at the return of an operation that has
//! not, turns are taken until it has. Each turn takes, of the operations of the kind whose turn it
//! is, the one that returns first; what was not answered returns last. What was refused sees the
//! state without changing it, and is taken as soon as the state fits.
//!
//! *Why this decides.* Claim: at each return, any linearization S of the whole can be changed into
//! one that begins with what the path took so far. (1) Urgency: where the path took x and S takes y
//! of the same kind first, both have arrived and x returns no later; exchange them. (2) Laziness:
//! let S have taken more by now. What it took besides has arrived and has not returned, and its
//! kinds take turns when begun from the path's state, since both began in the same state; so S may
//! take all of it now, in turns, and go on as before. (3) A refused operation that is still open
//! and found its state in S before now: either the path was in that state too while it was open,
//! and it was taken; or the path stood still in the other state meanwhile, while S, which was never
//! behind, turned at least once. If S stands in the state that fits, the path comes there by
//! catching up. If not, S has turned back as well, so it is two turns ahead, and catching up passes
//! the state. So where the path cannot take the turn that it must, no linearization exists. The
//! prefix before was ordered, so the operation that returns is what the search calls blocked.
//!
//! Source: the exchange argument of earliest-deadline-first scheduling (Jackson 1955; Horn 1974).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::sweep::Sweep;
use super::{Judged, Span, Watch, concluded, illegal};
use crate::{Kind, Meter, Operation, Shortcut};

/// What an operation does to a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Makes it held, or free; it was the other.
    To(bool),
    /// Finds it held, or free.
    Sees(bool),
}

struct Lock {
    held: bool,
    /// What has arrived and not taken effect: to free it, to take it; by the end.
    ready: [BinaryHeap<Reverse<(u64, u32)>>; 2],
    /// What waits to see it free, to see it held.
    waiting: [Vec<u32>; 2],
    taken: Vec<bool>,
    order: Vec<usize>,
}

/// Judges a lock that is free at first.
pub(crate) fn decide_lock<'a, I, O>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    classify: impl Fn(&I, Option<&O>) -> Turn,
    meter: &Meter,
) -> Option<Shortcut> {
    concluded("turns", judge(history, part, classify, meter))
}

fn judge<I, O>(
    history: &[Operation<I, O>],
    part: &[usize],
    classify: impl Fn(&I, Option<&O>) -> Turn,
    meter: &Meter,
) -> Judged<Vec<usize>> {
    let watch = Watch::new(meter, part.len())?;
    let turn = |at: u32| {
        let operation = &history[part[at as usize]];
        classify(&operation.input, operation.output.as_ref())
    };
    let mut sweep = Sweep::new(history, part, |_| true)?;
    let mut lock = Lock {
        held: false,
        ready: [BinaryHeap::new(), BinaryHeap::new()],
        waiting: [Vec::new(), Vec::new()],
        taken: vec![false; part.len()],
        order: Vec::with_capacity(part.len()),
    };
    for number in 0..sweep.returns() {
        watch.step(number)?;
        let returning = sweep.pass(number, |at| match turn(at) {
            Turn::To(held) => {
                let end = Span::of(&history[part[at as usize]]).map_or(u64::MAX, |span| span.end);
                lock.ready[usize::from(held)].push(Reverse((end, at)));
            }
            Turn::Sees(held) if held == lock.held => lock.take(at, part),
            Turn::Sees(held) => lock.waiting[usize::from(held)].push(at),
        });
        while !lock.taken[returning as usize] {
            let Some(Reverse((_, at))) = lock.ready[usize::from(!lock.held)].pop() else {
                return illegal(Kind::Blocked, [part[returning as usize]]);
            };
            lock.take(at, part);
            lock.held = !lock.held;
            for seeing in std::mem::take(&mut lock.waiting[usize::from(lock.held)]) {
                lock.take(seeing, part);
            }
        }
    }
    Ok(lock.order)
}

impl Lock {
    fn take(&mut self, at: u32, part: &[usize]) {
        self.taken[at as usize] = true;
        self.order.push(part[at as usize]);
    }
}
