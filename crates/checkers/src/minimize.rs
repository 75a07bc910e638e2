//! Cuts an illegal history of one register down to a small core.
//!
//! The core has to prove that the *whole* history is illegal, so only those operations are left
//! out whose removal keeps every legal history legal:
//!
//! - a read, and a compare-and-set that did not swap: they change nothing, so a linearization
//!   without them is one of the rest;
//! - a write (or swap) whose value no remaining operation saw or asked for, once no unswapped
//!   compare-and-set remains: in a linearization nothing stands between it and the next change
//!   except operations that see its value, and there are none, so it can be taken out;
//! - operations that were called after the core's last return, and the *answers* of those that
//!   returned after it: a write is then merely in doubt, which allows more, never less.
//!
//! If the rest is illegal, so was the whole. Each candidate is searched on a small budget, and
//! what was not proved illegal is not accepted. Delta debugging: Zeller and Hildebrandt 2002.

use perjury_history::{Call, Operation, Outcome, Reply, Value};
use perjury_porcupine::models::CasRegister;
use perjury_porcupine::{Budget, Search, check};

use crate::translate;

/// What the search for one candidate may visit.
const STATES: u64 = 50_000;

struct Shrinking<'a> {
    operations: &'a [Operation],
    model: CasRegister<Value>,
}

/// A small part of `part` that is still illegal; `part` itself if none is found.
pub(crate) fn registers(part: &[usize], operations: &[Operation], initial: &Value) -> Vec<usize> {
    let shrinking = Shrinking { operations, model: CasRegister(initial.clone()) };
    let mut core = part.to_vec();
    if !shrinking.is_illegal(&core) {
        return core;
    }
    loop {
        let before = core.len();
        core = shrinking.without(core, |shrinking, _, at| shrinking.changes_nothing(at));
        core = shrinking.without(core, Shrinking::is_unseen);
        if core.len() == before {
            return core;
        }
    }
}

impl Shrinking<'_> {
    /// Proved illegal, with answers after the last return of a read taken as not given.
    fn is_illegal(&self, part: &[usize]) -> bool {
        let group: Vec<(usize, &Operation)> =
            part.iter().map(|at| (*at, &self.operations[*at])).collect();
        let (_, history): (Vec<usize>, Vec<_>) = translate::register(&group).into_iter().unzip();
        let budget = Budget { states: Some(STATES), ..Budget::default() };
        matches!(check(&self.model, &history, &budget), Search::Illegal(_))
    }

    /// Leaves out what may be left out, in ever smaller pieces.
    fn without(
        &self,
        mut core: Vec<usize>,
        may_go: impl Fn(&Self, &[usize], usize) -> bool,
    ) -> Vec<usize> {
        let mut size = (core.len() / 2).max(1);
        loop {
            let mut at = 0;
            while at < core.len() {
                let end = (at + size).min(core.len());
                let mut rest = core.clone();
                // One after the other: what may go depends on what is still there.
                for place in core[at..end].iter().rev() {
                    if may_go(self, &rest, *place) {
                        rest.retain(|other| other != place);
                    }
                }
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

    fn changes_nothing(&self, at: usize) -> bool {
        let operation = &self.operations[at];
        operation.call.is_read_only() || is_unswapped(operation)
    }

    /// A change that nothing in `core` saw.
    fn is_unseen(&self, core: &[usize], at: usize) -> bool {
        let value = match &self.operations[at].call {
            Call::Write { value, .. } => value,
            Call::Cas { to, .. } if !is_unswapped(&self.operations[at]) => to,
            _ => return false,
        };
        core.iter().filter(|other| **other != at).all(|other| {
            let operation = &self.operations[*other];
            !is_unswapped(operation) && !sees(operation, value)
        })
    }
}

fn is_unswapped(operation: &Operation) -> bool {
    matches!(operation.outcome(), Some(Outcome::Ok(Reply::Swapped(false))))
}

fn sees(operation: &Operation, value: &Value) -> bool {
    match (&operation.call, operation.outcome()) {
        (Call::Read { .. }, Some(Outcome::Ok(Reply::Value(seen)))) => seen == value,
        (Call::Cas { from, .. }, _) => from == value,
        _ => false,
    }
}
