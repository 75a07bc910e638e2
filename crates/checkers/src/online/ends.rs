//! What operations can leave behind: every state that some linearization of them ends in.
//!
//! Not a judgement: the search of `porcupine` answers whether there is one, this one lists where
//! all of them end, so it visits every configuration (which operations took effect, which state)
//! once. That is only for few operations, between two moments at which nothing was open.
//!
//! Only what ended before the moment has to be among them. What is in doubt or was still open at
//! the moment may have taken effect, but need not, since it still may do so later; what is in doubt
//! is left for later wherever that loses nothing. A linearization of everything is cut behind the
//! last operation that has to be among these, so nothing else stands behind it here.
//!
//! Two rules save configurations. What changes nothing goes as soon as it fits (see
//! `porcupine::Model::is_read_only`). And of operations that are equal in call and answer the one
//! that has to end first goes first, of those in doubt the one that was called first: in a
//! linearization that has them the other way round they can be exchanged.

use std::collections::HashSet;
use std::hash::Hash;

use perjury_porcupine::{Model, Operation as Timed};

/// How a linearization ended: the state, and which operations in doubt took effect.
pub(super) struct End<S> {
    pub(super) state: S,
    /// For each operation, in the order in which they were given.
    pub(super) effective: Vec<bool>,
}

/// What is known of an operation besides its times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) role: Role,
    /// Operations of the same number are equal in call and answer.
    pub(super) class: usize,
    /// Whether it may need one in doubt to take effect before it.
    pub(super) looks: bool,
    /// Of those that have one, a smaller number has to come first.
    pub(super) rank: Option<u64>,
}

/// Which operations have to take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It was answered before the moment.
    Certain,
    /// It was answered, but not before the moment.
    Spanning,
    /// It is in doubt, and may as well take effect later.
    Doubtful,
    /// It is in doubt, and there is nothing to gain from its taking effect among these.
    Useless,
}

/// Every end, or `None` if more than `most` configurations would have to be visited.
pub(super) fn all<M: Model>(
    model: &M,
    operations: &[Timed<M::Input, M::Output>],
    parts: &[Part],
    most: usize,
) -> Option<Vec<End<M::State>>>
where
    M::State: Hash + Eq,
{
    let mut order: Vec<usize> = (0..operations.len()).collect();
    order.sort_by_key(|place| {
        let (start, end) = operations[*place].interval();
        (end.unwrap_or(u64::MAX), start)
    });
    let search = Search { model, operations, parts, order };
    let begin = Configuration { state: model.init(), done: vec![0; operations.len().div_ceil(64)] };
    let mut known = HashSet::from([begin.clone()]);
    let mut open = vec![begin];
    let mut ends = Vec::new();
    while let Some(at) = open.pop() {
        let Some(deadline) = search.deadline(&at) else {
            let effective = (0..operations.len()).map(|place| at.has(place)).collect();
            ends.push(End { state: at.state, effective });
            continue;
        };
        for next in search.steps(&at, deadline) {
            if known.contains(&next) {
                continue;
            }
            if known.len() >= most {
                return None;
            }
            known.insert(next.clone());
            open.push(next);
        }
    }
    Some(ends)
}

struct Search<'a, M: Model> {
    model: &'a M,
    operations: &'a [Timed<M::Input, M::Output>],
    parts: &'a [Part],
    /// All places, what ends first first.
    order: Vec<usize>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Configuration<S> {
    state: S,
    done: Vec<u64>,
}

impl<S> Configuration<S> {
    fn has(&self, place: usize) -> bool {
        self.done[place / 64] & (1 << (place % 64)) != 0
    }
}

impl<M: Model> Search<'_, M> {
    /// The first end of what has to take effect and has not yet: nothing that began after it may go
    /// first. `None` if there is nothing left.
    fn deadline(&self, at: &Configuration<M::State>) -> Option<u64> {
        let left = (0..self.operations.len())
            .filter(|place| self.parts[*place].role == Role::Certain && !at.has(*place));
        left.filter_map(|place| self.operations[place].interval().1).min()
    }

    fn steps(&self, at: &Configuration<M::State>, deadline: u64) -> Vec<Configuration<M::State>> {
        let may =
            |place: &&usize| !at.has(**place) && self.operations[**place].interval().0 <= deadline;
        let is_answered =
            |place: usize| matches!(self.parts[place].role, Role::Certain | Role::Spanning);
        let looks = |place: &usize| is_answered(*place) && self.parts[*place].looks;
        let is_blocked = self.order.iter().filter(may).any(looks);
        let left = (0..self.parts.len()).filter(|place| !at.has(*place));
        let lowest = left.filter_map(|place| self.parts[place].rank).min();
        let mut tried = vec![false; self.parts.len()];
        let mut steps = Vec::new();
        for &place in self.order.iter().filter(may) {
            let (operation, part) = (&self.operations[place], self.parts[place]);
            let is_in_turn = match part.role {
                Role::Certain | Role::Spanning => part.rank.is_none() || part.rank == lowest,
                Role::Doubtful => is_blocked,
                Role::Useless => false,
            };
            if !is_in_turn || std::mem::replace(&mut tried[part.class], true) {
                continue;
            }
            let output = operation.output.as_ref();
            let Some(state) = self.model.step(&at.state, &operation.input, output) else {
                continue;
            };
            let mut done = at.done.clone();
            done[place / 64] |= 1 << (place % 64);
            let next = Configuration { state, done };
            if is_answered(place) && self.model.is_read_only(&operation.input, output) {
                return vec![next];
            }
            steps.push(next);
        }
        steps
    }
}
