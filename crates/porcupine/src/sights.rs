//! Indeterminate operations that overwrite, found by who could see them.
//!
//! There may be thousands of them, and each may take effect at any later time; but to step one has
//! a point only where an operation that does not overwrite is allowed right after it (see
//! `observe`). The state after it is always the same, so who that is does not depend on the
//! configuration: it is asked once. Those with the same state after them do the same, and form a
//! group; of a group only the first that is not spent is tried, as of all twins.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::hash::Mixer;
use crate::intern::Spent;
use crate::timeline::{NONE, Timeline};

/// Groups that an operation may see one by one; what sees more, sees all.
const MOST_SEEN: usize = 32;

pub(crate) struct Sights<S> {
    /// For each group the state after its operations.
    states: Vec<S>,
    /// For each group its operations, in the order of their calls.
    groups: Vec<Vec<u32>>,
    /// For each listed operation the groups that it could see; empty until asked.
    seen: Vec<Option<Seen>>,
}

#[derive(Clone)]
enum Seen {
    These(Box<[u32]>),
    All,
}

impl<S: Clone + Eq + std::hash::Hash> Sights<S> {
    /// Groups the operations; `after` says which state one leaves. One that leaves none, which the
    /// model may say once the meter is exceeded, is never tried.
    pub(crate) fn new(timeline: &Timeline, after: impl Fn(u32) -> Option<S>) -> Self {
        let mut sights = Self { states: Vec::new(), groups: Vec::new(), seen: Vec::new() };
        let mut group_of: HashMap<S, usize, BuildHasherDefault<Mixer>> = HashMap::default();
        for op in timeline.hiders..timeline.origin.len() {
            let op = crate::timeline::number(op);
            let Some(state) = after(op) else { continue };
            let group = *group_of.entry(state).or_insert_with_key(|state| {
                sights.states.push(state.clone());
                sights.groups.push(Vec::new());
                sights.groups.len() - 1
            });
            sights.groups[group].push(op);
        }
        if !sights.groups.is_empty() {
            sights.seen = vec![None; timeline.hiders];
        }
        sights
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The least operation from `least` on, callable at `frontier` and first of its group of those
    /// that are not spent, that `seer` could see. `sees` says whether it is allowed in a state.
    pub(crate) fn next(
        &mut self,
        seer: u32,
        least: u32,
        timeline: &Timeline,
        frontier: u32,
        spent: &Spent,
        sees: impl Fn(&S) -> bool,
    ) -> Option<u32> {
        let Self { states, groups, seen } = self;
        let seen = seen[seer as usize].get_or_insert_with(|| look(states, sees));
        let first = |group: &Vec<u32>| {
            let unspent = |op: &&u32| !spent.contains(**op as usize - timeline.completed());
            let first = *group.iter().find(unspent)?;
            let callable = timeline.opens_at[first as usize] <= frontier;
            (callable && first >= least).then_some(first)
        };
        match seen {
            Seen::All => groups.iter().filter_map(first).min(),
            Seen::These(these) => {
                these.iter().filter_map(|group| first(&groups[*group as usize])).min()
            }
        }
    }
}

fn look<S>(states: &[S], sees: impl Fn(&S) -> bool) -> Seen {
    let mut these = Vec::new();
    for (group, state) in (0..NONE).zip(states) {
        if sees(state) {
            if these.len() == MOST_SEEN {
                return Seen::All;
            }
            these.push(group);
        }
    }
    Seen::These(these.into())
}
