//! A stretch of an order, arranged anew by the search.
//!
//! That no arrangement exists is said only where the search came to its end. The stretch begins and
//! ends where a plain write does or the history does, so what follows does not depend on the value
//! that it leaves. What is in it keeps its place relative to everything outside.

use std::hash::Hash;
use std::sync::atomic::AtomicBool;

use super::Act;
use crate::search::search;
use crate::{Budget, Model, Operation, Progress};

/// Configurations that an arrangement may cost, where there are others to try.
pub(super) const FEW_STATES: u64 = 20_000;

/// Where there are none, but the search on everything.
pub(super) const MANY_STATES: u64 = 1_000_000;

/// There is no such order.
pub(super) struct Impossible;

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

/// An order of these operations that begins with `value`, by their numbers; none if the search did
/// not come to an end. Indeterminate ones may be left out.
pub(super) fn arrange<T: Copy + Eq + Hash>(
    value: T,
    operations: Vec<Operation<Act<T>, ()>>,
    states: u64,
) -> Result<Option<Vec<usize>>, Impossible> {
    let budget = Budget { states: Some(states), ..Budget::default() };
    let part: Vec<usize> = (0..operations.len()).collect();
    let stop = AtomicBool::new(false);
    let mut found = search(&Stretch(value), &operations, &part, &budget.start(), &stop);
    match found.progress {
        Progress::Linearizable => Ok(found.partials.pop()),
        Progress::Illegal => Err(Impossible),
        _ => Ok(None),
    }
}
