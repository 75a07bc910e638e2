//! A stretch of an order, arranged anew by the search.
//!
//! Not a proof that no arrangement exists: only one that is found counts. The stretch begins and
//! ends where a plain write does or the history does, so what follows does not depend on the value
//! that it leaves. What is in it keeps its place relative to everything outside.

use std::hash::Hash;
use std::sync::atomic::AtomicBool;

use super::Act;
use crate::search::search;
use crate::{Budget, Model, Operation, Progress};

/// Configurations that an arrangement may cost.
const MOST_STATES: u64 = 20_000;

/// A register, as the path sees it.
struct Stretch<T>(T);

impl<T: Copy + Eq + Hash> Model for Stretch<T> {
    type State = T;
    type Input = Act<T>;
    type Output = ();

    fn init(&self) -> T {
        self.0
    }

    fn step(&self, state: &T, input: &Act<T>, _: Option<&()>) -> Option<T> {
        match *input {
            Act::Write(new) => Some(new),
            Act::Swap(from, to) => (from == *state).then_some(to),
            Act::Read(seen) => (seen == *state).then_some(*state),
            Act::Differs(other) => (other != *state).then_some(*state),
            Act::Glance => Some(*state),
            Act::Never => None,
        }
    }

    fn is_read_only(&self, input: &Act<T>, _: Option<&()>) -> bool {
        matches!(input, Act::Read(_) | Act::Differs(_) | Act::Glance)
    }
}

/// An order of these operations that begins with `value`, if the search finds one soon; by their
/// numbers. Indeterminate ones may be left out.
pub(super) fn arrange<T: Copy + Eq + Hash>(
    value: T,
    operations: Vec<Operation<Act<T>, ()>>,
) -> Option<Vec<usize>> {
    let budget = Budget { states: Some(MOST_STATES), ..Budget::default() };
    let part: Vec<usize> = (0..operations.len()).collect();
    let stop = AtomicBool::new(false);
    let mut found = search(&Stretch(value), &operations, &part, &budget.start(), &stop);
    if found.progress != Progress::Linearizable {
        return None;
    }
    found.partials.pop()
}
