//! What operations can leave behind: every state that some linearization of them ends in.
//!
//! Not a judgement: the search of `porcupine` answers whether there is one, this one lists where
//! all of them end, so it visits every configuration (which operations took effect, which state)
//! once. That is only for few operations, between two moments at which nothing was open.
//!
//! What is in doubt may have taken effect, but need not, since it still may do so later. So it is
//! left for later wherever that loses nothing. Of equal calls in doubt the one that was called
//! first goes first: it can take the place of any other of them. And what changes nothing goes as
//! soon as it fits (see `porcupine::Model::is_read_only`).

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It was answered.
    Certain,
    /// It is in doubt, and may as well take effect later.
    Doubtful,
    /// The same, and the operation at this place has the same call and began earlier.
    After(usize),
    /// It is in doubt, and there is nothing to gain from its taking effect among these.
    Useless,
}

/// Every end, or `None` if more than `most` configurations would have to be visited.
///
/// `blocking` says which answered operations may need one in doubt to take effect before them.
pub(super) fn all<M: Model>(
    model: &M,
    operations: &[Timed<M::Input, M::Output>],
    parts: &[Part],
    blocking: &[bool],
    most: usize,
) -> Option<Vec<End<M::State>>>
where
    M::State: Hash + Eq,
{
    let search = Search { model, operations, parts, blocking };
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
    blocking: &'a [bool],
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
    /// The first end of what was answered and has not taken effect yet: nothing that began after it
    /// may go first. `None` if there is nothing left.
    fn deadline(&self, at: &Configuration<M::State>) -> Option<u64> {
        let left = self.left(at);
        left.filter_map(|place| self.operations[place].interval().1).min()
    }

    fn left<'s>(&'s self, at: &'s Configuration<M::State>) -> impl Iterator<Item = usize> + 's {
        let certain = |place: &usize| self.parts[*place] == Part::Certain;
        (0..self.operations.len()).filter(certain).filter(|place| !at.has(*place))
    }

    fn steps(&self, at: &Configuration<M::State>, deadline: u64) -> Vec<Configuration<M::State>> {
        let mut steps = Vec::new();
        let blocked = self
            .left(at)
            .any(|place| self.blocking[place] && self.operations[place].interval().0 <= deadline);
        for (place, operation) in self.operations.iter().enumerate() {
            let may = match self.parts[place] {
                Part::Certain => true,
                Part::Useless => false,
                Part::Doubtful => blocked,
                Part::After(other) => blocked && at.has(other),
            };
            if !may || at.has(place) || operation.interval().0 > deadline {
                continue;
            }
            let output = operation.output.as_ref();
            let Some(state) = self.model.step(&at.state, &operation.input, output) else {
                continue;
            };
            let mut done = at.done.clone();
            done[place / 64] |= 1 << (place % 64);
            let next = Configuration { state, done };
            let is_certain = self.parts[place] == Part::Certain;
            if is_certain && self.model.is_read_only(&operation.input, output) {
                return vec![next];
            }
            steps.push(next);
        }
        steps
    }
}
