//! Cuts an illegal history down to a small core.
//!
//! The core has to prove that the *whole* history is illegal, so only those operations are left
//! out whose removal keeps every legal history legal:
//!
//! - a read, and a compare-and-set that did not swap: they change nothing, so a linearization
//!   without them is one of the rest;
//! - of a register, a write (or swap) whose value no remaining operation saw or asked for, once no
//!   unswapped compare-and-set remains: in a linearization nothing stands between it and the next
//!   change except operations that see its value, and there are none, so it can be taken out;
//! - everything that ended before an *anchor* began; see [`Shrinking::behind`].
//!
//! If the rest is illegal, so was the whole. Each candidate is searched on a small budget, and
//! what was not proved illegal is not accepted. Delta debugging: Zeller and Hildebrandt 2002.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use perjury_history::{Call, Operation, Outcome, Reply, Value};
use perjury_porcupine::Budget;

use crate::Options;
use crate::linearizable::{Decision, decide};

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
        core = shrinking.cut_at_anchor(core);
        core = shrinking.without(core, Rule::ChangesNothing);
        if shrinking.options.model.is_register() {
            core = shrinking.without(core, Rule::Unseen);
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
        let operation = |at: usize| &self.operations[at];
        let piece = core[piece].iter().rev().copied();
        match rule {
            Rule::ChangesNothing => piece.filter(|at| changes_nothing(operation(*at))).collect(),
            Rule::Unseen => {
                let mut census = Census::of(core.iter().map(|at| operation(*at)));
                piece.filter(|at| census.remove_if_unseen(operation(*at))).collect()
            }
        }
    }

    /// Leaves out what lies behind an anchor, the latest one that works.
    fn cut_at_anchor(&self, core: Vec<usize>) -> Vec<usize> {
        let mut order: Vec<usize> = core.clone();
        order.sort_by_key(|at| std::cmp::Reverse(self.operations[*at].start));
        for anchor in order {
            if self.spent(core.len() / 16) {
                break;
            }
            let Some(rest) = self.behind(&core, anchor) else { continue };
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
    /// For the reader's sake the last write behind the anchor of each value that the rest sees is
    /// kept, which is as legal there as any other; and an anchor that hides a swap to such a value
    /// is none. A stale read should not look like one of a value out of nowhere.
    fn behind(&self, core: &[usize], anchor: usize) -> Option<Vec<usize>> {
        let write = &self.operations[anchor];
        let (start, end) = (write.start, write.end()?);
        if !matches!((&write.call, write.outcome()), (Call::Write { .. }, Some(Outcome::Ok(_)))) {
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
}

/// Which operations may go.
#[derive(Clone, Copy)]
enum Rule {
    ChangesNothing,
    Unseen,
}

/// How often each value is seen by what remains.
struct Census<'a> {
    unswapped: usize,
    seen: HashMap<&'a Value, usize>,
}

impl<'a> Census<'a> {
    fn of(operations: impl Iterator<Item = &'a Operation>) -> Census<'a> {
        let mut census = Census { unswapped: 0, seen: HashMap::new() };
        for operation in operations {
            census.unswapped += usize::from(is_unswapped(operation));
            if let Some(value) = sees(operation) {
                *census.seen.entry(value).or_default() += 1;
            }
        }
        census
    }

    /// Takes a change out of the census if nothing else saw what it left.
    fn remove_if_unseen(&mut self, operation: &'a Operation) -> bool {
        let Some(value) = leaves(operation) else { return false };
        let own = sees(operation);
        let by_itself = usize::from(own == Some(value));
        let seen = self.seen.get(value).copied().unwrap_or_default();
        if self.unswapped > 0 || seen > by_itself {
            return false;
        }
        if let Some(count) = own.and_then(|own| self.seen.get_mut(own)) {
            *count -= 1;
        }
        true
    }
}

/// Legal in every state, whatever it was answered.
fn is_blind(operation: &Operation) -> bool {
    matches!(operation.call, Call::Write { .. } | Call::Append { .. })
}

fn changes_nothing(operation: &Operation) -> bool {
    operation.call.is_read_only() || is_unswapped(operation) || found_empty(operation)
}

/// A dequeue that found its queue empty.
fn found_empty(operation: &Operation) -> bool {
    matches!(operation.outcome(), Some(Outcome::Ok(Reply::Empty)))
}

fn is_unswapped(operation: &Operation) -> bool {
    matches!(operation.outcome(), Some(Outcome::Ok(Reply::Swapped(false))))
}

/// The value that a change leaves behind.
fn leaves(operation: &Operation) -> Option<&Value> {
    match &operation.call {
        Call::Write { value, .. } => Some(value),
        Call::Cas { to, .. } if !is_unswapped(operation) => Some(to),
        _ => None,
    }
}

fn sees(operation: &Operation) -> Option<&Value> {
    match (&operation.call, operation.outcome()) {
        (Call::Read { .. }, Some(Outcome::Ok(Reply::Value(seen)))) => Some(seen),
        (Call::Cas { from, .. }, _) => Some(from),
        _ => None,
    }
}
