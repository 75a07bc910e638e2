//! Which real time an illegal core needs.
//!
//! A wider interval forbids less: whoever linearizes the history with its own intervals has
//! linearized it with wider ones. So if the core is still illegal after the beginning of one of its
//! operations was moved to the beginning of time, or its end to the end of time, then that boundary
//! had no part in the proof. Boundaries are moved one after the other, each for good if the rest
//! stays illegal. What is left of "this ended before that began" is the real time that counts.

use perjury_history::Operation;
use perjury_porcupine::Budget;

use crate::Options;
use crate::linearizable::{Decision, decide};

/// Above this a list of what came before what helps nobody.
const MOST_OPERATIONS: usize = 24;

/// What the search for one candidate may visit.
const STATES: u64 = 20_000;

/// The pairs of operations (by place) of which the first ended before the second began, where the
/// proof needs it: those alone make the core illegal. What follows from other pairs is left out.
/// `None` if the core is too large, or not proved illegal on the budget of this search.
pub(crate) fn needed(
    core: &[usize],
    operations: &[Operation],
    options: &Options,
) -> Option<Vec<(usize, usize)>> {
    if core.len() > MOST_OPERATIONS {
        return None;
    }
    let budget = Budget { states: Some(STATES), ..Budget::default() };
    let options = Options { budget, expected: None, ..options.clone() };
    let mut wide: Vec<Operation> = core.iter().map(|at| operations[*at].clone()).collect();
    let illegal = |wide: &[Operation]| {
        let group: Vec<(usize, &Operation)> = wide.iter().enumerate().collect();
        let meter = options.budget.start();
        matches!(decide(&group, &options, &meter), Decision::Illegal { .. })
    };
    if !illegal(&wide) {
        return None;
    }
    for at in 0..wide.len() {
        let start = std::mem::replace(&mut wide[at].start, 0);
        if !illegal(&wide) {
            wide[at].start = start;
        }
        let Some(end) = wide[at].end() else { continue };
        set_end(&mut wide[at], u64::MAX);
        if !illegal(&wide) {
            set_end(&mut wide[at], end);
        }
    }
    Some(pairs(core, &wide))
}

fn set_end(operation: &mut Operation, end: u64) {
    if let Some((_, time, _)) = &mut operation.completion {
        *time = end;
    }
}

fn pairs(core: &[usize], wide: &[Operation]) -> Vec<(usize, usize)> {
    let before = |a: usize, b: usize| wide[a].end().is_some_and(|end| end < wide[b].start);
    let mut pairs = Vec::new();
    for first in 0..wide.len() {
        for second in 0..wide.len() {
            let between = |mid: usize| before(first, mid) && before(mid, second);
            if before(first, second) && !(0..wide.len()).any(between) {
                pairs.push((core[first], core[second]));
            }
        }
    }
    pairs.sort_by_key(|(first, second)| (wide_start(core, wide, *second), *first));
    pairs
}

fn wide_start(core: &[usize], wide: &[Operation], place: usize) -> u64 {
    core.iter().position(|at| *at == place).map_or(0, |at| wide[at].start)
}
