//! Cuts an illegal history down to a small core.
//!
//! The core has to prove that the *whole* history is illegal, so only those operations are left
//! out whose removal keeps every legal history legal. Which those are depends on the object, and
//! stands with its reasons in [`rules`]; two ways to leave out a whole past stand here, at
//! [`Shrinking::behind`] and [`Shrinking::before`].
//!
//! If the rest is illegal, so was the whole. Each candidate is searched on a small budget, and
//! what was not proved illegal is not accepted. Delta debugging: Zeller and Hildebrandt 2002.
//! What is left is then asked which real time it needs: see [`intervals`].

pub(crate) mod intervals;
mod rules;

use std::cell::Cell;
use std::collections::HashSet;
use std::ops::Range;

use perjury_history::{Call, Operation, Outcome, Reply, Value};
use perjury_porcupine::Budget;

use crate::linearizable::{Decision, decide};
use crate::{ModelName, Options};
pub(crate) use rules::sees;
use rules::{Rule, changes_nothing, is_blind, leaves};

/// What the search for one candidate may visit.
const STATES: u64 = 100_000;

/// How many operations and states may be looked at over all candidates: a few seconds.
const WORK: u64 = 2_000_000;

struct Shrinking<'a> {
    operations: &'a [Operation],
    options: Options,
    work: Cell<u64>,
}

/// A small part of `part` that is still illegal; `part` itself, which has to be proved illegal, if
/// none is found. `blocked` is the operation that the search did not get past.
pub(crate) fn core(
    part: Vec<usize>,
    blocked: Option<usize>,
    operations: &[Operation],
    options: &Options,
) -> Vec<usize> {
    let budget = Budget { states: Some(STATES), ..Budget::default() };
    let options = Options { budget, expected: None, ..options.clone() };
    let shrinking = Shrinking { operations, options, work: Cell::new(0) };
    let mut core = shrinking.last_answers(part, blocked);
    loop {
        let before = core.len();
        core = match shrinking.options.model {
            ModelName::Mutex => shrinking.cut(core, Shrinking::before),
            _ => shrinking.cut(core, Shrinking::behind),
        };
        for rule in Rule::of(shrinking.options.model) {
            core = shrinking.without(core, *rule);
        }
        if core.len() == before {
            return core;
        }
    }
}

impl Shrinking<'_> {
    fn spent(&self, operations: usize) -> bool {
        self.work.set(self.work.get().saturating_add(operations as u64));
        self.work.get() > WORK
    }

    /// Proved illegal.
    fn is_illegal(&self, part: &[usize]) -> bool {
        if self.spent(part.len()) {
            return false;
        }
        let group: Vec<(usize, &Operation)> =
            part.iter().map(|at| (*at, &self.operations[*at])).collect();
        let meter = self.options.budget.start();
        let decision = decide(&group, &self.options, &meter);
        self.spent(usize::try_from(meter.states()).unwrap_or(usize::MAX));
        matches!(decision, Decision::Illegal { .. })
    }

    /// Leaves out all that changes nothing except the few that returned last, at `blocked` or
    /// before: what is wrong is most often wrong with them. Much cheaper than one after the other.
    fn last_answers(&self, part: Vec<usize>, blocked: Option<usize>) -> Vec<usize> {
        let end = |at: &usize| self.operations[*at].end();
        let Some(last) = blocked.as_ref().and_then(end) else { return part };
        let (mut answers, others): (Vec<usize>, Vec<usize>) =
            part.iter().copied().partition(|at| changes_nothing(&self.operations[*at]));
        answers.retain(|at| end(at).is_some_and(|end| end <= last));
        answers.sort_by_key(|at| (std::cmp::Reverse(end(at)), Some(*at) != blocked));
        let mut kept = 1;
        while kept < answers.len() {
            let mut rest: Vec<usize> = others.iter().chain(&answers[..kept]).copied().collect();
            rest.sort_unstable();
            if self.is_illegal(&rest) {
                return rest;
            }
            kept *= 4;
        }
        part
    }

    /// Leaves out what the rule allows, in ever smaller pieces.
    fn without(&self, mut core: Vec<usize>, rule: Rule) -> Vec<usize> {
        let mut size = (core.len() / 2).max(1);
        loop {
            let mut at = 0;
            while at < core.len() {
                let end = (at + size).min(core.len());
                if self.spent(core.len() / 16) {
                    return core;
                }
                let gone = self.removable(&core, at..end, rule);
                let rest: Vec<usize> =
                    core.iter().copied().filter(|place| !gone.contains(place)).collect();
                if rest.len() < core.len() && self.is_illegal(&rest) {
                    core = rest;
                } else {
                    at = end;
                }
            }
            if size == 1 {
                return core;
            }
            size /= 2;
        }
    }

    /// What may go from this piece, one after the other: it depends on what is still there.
    fn removable(&self, core: &[usize], piece: Range<usize>, rule: Rule) -> HashSet<usize> {
        rules::removable(rule, core, &core[piece], self.operations)
    }

    /// Leaves out a past that does not matter, up to the latest operation at which that works.
    fn cut(
        &self,
        core: Vec<usize>,
        rest: fn(&Self, &[usize], usize) -> Option<Vec<usize>>,
    ) -> Vec<usize> {
        let mut order: Vec<usize> = core.clone();
        order.sort_by_key(|at| std::cmp::Reverse(self.operations[*at].start));
        for anchor in order {
            if self.spent(core.len() / 16) {
                break;
            }
            let Some(rest) = rest(self, &core, anchor) else { continue };
            if rest.len() < core.len() && self.is_illegal(&rest) {
                return rest;
            }
        }
        core
    }

    /// What is left of `core` without answered operations that ended before the `anchor` began;
    /// `None` if it is no anchor.
    ///
    /// An anchor is an answered write (or put) that overlaps no answered operation except writes
    /// and appends. Why the rest of a legal history is legal: take a linearization of all. What is
    /// behind the anchor precedes it there. Besides, only writes and appends that overlap it, which
    /// are legal in every state, and operations in doubt can stand before it; the latter may be
    /// taken to have had no effect. Whatever came before, the anchor leaves the same value, so
    /// everything after it goes on as it did.
    ///
    /// Of one element of a set from which elements are removed, an add or remove that was just done
    /// is such a write, and so is an add that says that the element was new. That one needs the
    /// element to be away before it: what stands there besides the past is still in its place, or
    /// it is the first, and the element is away at first.
    ///
    /// For the reader's sake the last write behind the anchor of each value that the rest sees is
    /// kept, which is as legal there as any other; and an anchor that hides a swap to such a value
    /// is none. A stale read should not look like one of a value out of nowhere.
    fn behind(&self, core: &[usize], anchor: usize) -> Option<Vec<usize>> {
        let write = &self.operations[anchor];
        let (start, end) = (write.start, write.end()?);
        if !self.is_anchor(write) {
            return None;
        }
        let (gone, mut rest): (Vec<usize>, Vec<usize>) = core
            .iter()
            .copied()
            .partition(|at| self.operations[*at].end().is_some_and(|end| end < start));
        let overlaps = |at: &usize| {
            let other = &self.operations[*at];
            other.end().is_some() && other.start <= end && !is_blind(other)
        };
        if rest.iter().any(overlaps) {
            return None;
        }
        let mut wanted: HashSet<&Value> =
            rest.iter().filter_map(|at| sees(&self.operations[*at])).collect();
        for at in &rest {
            if let Some(value) = leaves(&self.operations[*at]) {
                wanted.remove(value);
            }
        }
        let mut hidden: Vec<usize> = gone;
        hidden.sort_by_key(|at| std::cmp::Reverse(self.operations[*at].end()));
        for at in hidden {
            let Some(value) = leaves(&self.operations[at]) else { continue };
            if wanted.remove(value) {
                if !is_blind(&self.operations[at]) {
                    return None;
                }
                rest.push(at);
            }
        }
        rest.sort_unstable();
        Some(rest)
    }

    fn is_anchor(&self, operation: &Operation) -> bool {
        let Some(Outcome::Ok(reply)) = operation.outcome() else { return false };
        match (&operation.call, reply) {
            (Call::Write { .. }, _) => true,
            (Call::Add { .. }, Reply::Changed(true))
            | (Call::Add { .. } | Call::Remove { .. }, Reply::Done) => {
                self.options.model == ModelName::MutableSet
            }
            _ => false,
        }
    }

    /// What is left of a lock's `core` without all that ended before the operation `at` began, but
    /// for one acquisition that is kept if the lock was held on balance.
    ///
    /// Why the rest of a legal history is legal: let P be what ended before, with c more
    /// acquisitions than releases, and take the linearization up to its last operation of P.
    /// Besides P there stand operations in it that were open then: some answered, all of which are
    /// still in the rest, and some in doubt. A lock's operations alternate, so of all of these the
    /// acquisitions are ahead by 0 or 1, which is the state s that follows. Without P, but with one
    /// acquisition of it if c = 1, they are ahead by the same number; so they can be arranged to
    /// alternate, beginning with an acquisition, and lead to the same s. No two of them are ordered
    /// by real time, as all were open when the last of P ended, except that the one that is kept
    /// may have to come first, which it can. Everything else goes on as it did. With another c
    /// nothing is left out.
    fn before(&self, core: &[usize], at: usize) -> Option<Vec<usize>> {
        let start = self.operations[at].start;
        let (gone, mut rest): (Vec<usize>, Vec<usize>) = core
            .iter()
            .copied()
            .partition(|at| self.operations[*at].end().is_some_and(|end| end < start));
        let is_acquire = |at: &usize| matches!(self.operations[*at].call, Call::Acquire { .. });
        let acquired = gone.iter().filter(|at| is_acquire(at)).count();
        match (2 * acquired).checked_sub(gone.len())? {
            0 => {}
            1 => {
                let last = gone.iter().copied().filter(is_acquire);
                rest.extend(last.max_by_key(|at| self.operations[*at].end()));
                rest.sort_unstable();
            }
            _ => return None,
        }
        Some(rest)
    }
}
