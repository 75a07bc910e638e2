//! What operations can leave behind: every state that some linearization of them ends in, but for
//! those that allow nothing more than another one does.
//!
//! Not a judgement: the search of `porcupine` answers whether there is one order, this one lists
//! where all of them end. Only what was answered before the moment has to be among them. What is in
//! doubt or was still open at the moment may have taken effect, but need not, since it still may do
//! so later. A linearization of everything is cut behind the last operation that has to be among
//! these, so nothing else stands behind it here.
//!
//! It goes from one answer to the next: an operation takes effect at the latest when it is answered
//! (just-in-time linearization: Lowe, "Testing for linearizability", 2017). So what is kept at each
//! answer is a list of configurations: a state, and which operations took effect. It stays short as
//! one goes if another one *covers* it, that is if whatever explains all that follows from there
//! does so from the other one too:
//! - the state is the same, so are the answered operations that took effect, and of those in doubt
//!   the other one has used up no more: what is in doubt need not take effect;
//! - or one operation that was open leads from the other one to such a one: it may take effect now.
//!
//! A configuration that covers another has fewer operations in it, or as many and is the same. So
//! one that is covered is always covered by one that is kept.
//!
//! Two rules save configurations on the way. What changes nothing goes as soon as it fits (see
//! `porcupine::Model::is_read_only`). And of operations that are equal in call and answer the one
//! that has to end first goes first, of those in doubt the one that was called first: in a
//! linearization that has them the other way round they can be exchanged. So of two configurations
//! that used up as many of a kind both used up the same ones.

use std::collections::{BTreeMap, HashMap};
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

/// Every end that no other one covers, or `None` if more configurations than are `left` would have
/// to be visited; takes from these.
pub(super) fn all<M: Model>(
    model: &M,
    operations: &[Timed<M::Input, M::Output>],
    parts: &[Part],
    left: &mut usize,
) -> Option<Vec<End<M::State>>> {
    let mut order: Vec<usize> = (0..operations.len()).collect();
    order.sort_by_key(|place| {
        let (start, end) = operations[*place].interval();
        (end.unwrap_or(u64::MAX), start)
    });
    let words = operations.len().div_ceil(64);
    let begin = Configuration {
        state: model.init(),
        answered: Places(vec![0; words]),
        doubtful: Places(vec![0; words]),
    };
    let mut kept = vec![begin];
    for (rank, &next) in order.iter().enumerate() {
        if parts[next].role != Role::Certain {
            continue;
        }
        let deadline = operations[next].interval().1.unwrap_or(u64::MAX);
        // Of those that have to be here, all that were to be answered before are.
        let behind = order[rank..].iter().copied();
        let optional = order[..rank].iter().copied().filter(|at| parts[*at].role != Role::Certain);
        let candidates = optional.chain(behind);
        let candidates = candidates.filter(|at| operations[*at].interval().0 <= deadline);
        let round = Round { model, operations, parts, candidates: candidates.collect(), next };
        kept = round.uncovered(round.after(kept, left)?);
    }
    let end = |at: Configuration<M::State>| {
        let effective = (0..operations.len()).map(|place| at.has(place)).collect();
        End { state: at.state, effective }
    };
    Some(kept.into_iter().map(end).collect())
}

/// A set of operations, one bit each.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Places(Vec<u64>);

impl Places {
    fn has(&self, place: usize) -> bool {
        self.0[place / 64] & (1 << (place % 64)) != 0
    }

    fn add(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    fn is_subset(&self, other: &Places) -> bool {
        self.0.iter().zip(&other.0).all(|(own, other)| own & !other == 0)
    }
}

/// What took effect, and the state that it left.
#[derive(Clone)]
struct Configuration<S> {
    state: S,
    answered: Places,
    doubtful: Places,
}

impl<S> Configuration<S> {
    fn has(&self, place: usize) -> bool {
        self.answered.has(place) || self.doubtful.has(place)
    }
}

/// For each state and answered operations: those in doubt that were used up.
struct Covers<S>(HashMap<S, HashMap<Places, Vec<Places>>>);

impl<S: Eq + Hash + Clone> Covers<S> {
    fn has(&self, at: &Configuration<S>) -> bool {
        let used = self.0.get(&at.state).and_then(|all| all.get(&at.answered));
        used.is_some_and(|all| all.iter().any(|used| used.is_subset(&at.doubtful)))
    }

    fn add(&mut self, at: &Configuration<S>) {
        let all = self.0.entry(at.state.clone()).or_default();
        all.entry(at.answered.clone()).or_default().push(at.doubtful.clone());
    }
}

/// From one answer to the next.
struct Round<'a, M: Model> {
    model: &'a M,
    operations: &'a [Timed<M::Input, M::Output>],
    parts: &'a [Part],
    /// What began before the answer and did not have to take effect before the last one; what ends
    /// first first.
    candidates: Vec<usize>,
    /// What is answered.
    next: usize,
}

impl<M: Model> Round<'_, M> {
    /// Where one can be when `next` has taken effect: what uses up less comes first, so that it is
    /// known when what it covers is looked at.
    fn after(
        &self,
        kept: Vec<Configuration<M::State>>,
        left: &mut usize,
    ) -> Option<Vec<Configuration<M::State>>> {
        let mut open: BTreeMap<u32, Vec<Configuration<M::State>>> = BTreeMap::new();
        for at in kept {
            open.entry(at.doubtful.len()).or_default().push(at);
        }
        let mut known = Covers(HashMap::new());
        let mut reached = Vec::new();
        while let Some(mut least) = open.first_entry() {
            let Some(at) = least.get_mut().pop() else {
                least.remove();
                continue;
            };
            if known.has(&at) {
                continue;
            }
            *left = left.checked_sub(1)?;
            known.add(&at);
            if at.has(self.next) {
                reached.push(at);
                continue;
            }
            for step in self.steps(&at) {
                open.entry(step.doubtful.len()).or_default().push(step);
            }
        }
        Some(reached)
    }

    /// Those that are not one step behind another one.
    fn uncovered(&self, reached: Vec<Configuration<M::State>>) -> Vec<Configuration<M::State>> {
        if reached.len() < 2 {
            return reached;
        }
        let mut steps = Covers(HashMap::new());
        for step in reached.iter().flat_map(|at| self.steps(at)) {
            steps.add(&step);
        }
        reached.into_iter().filter(|at| !steps.has(at)).collect()
    }

    fn steps(&self, at: &Configuration<M::State>) -> Vec<Configuration<M::State>> {
        let left = || self.candidates.iter().copied().filter(|place| !at.has(*place));
        let is_answered =
            |place: usize| matches!(self.parts[place].role, Role::Certain | Role::Spanning);
        let is_blocked = left().any(|place| is_answered(place) && self.parts[place].looks);
        let lowest = left().filter_map(|place| self.parts[place].rank).min();
        let mut tried = vec![false; self.parts.len()];
        let mut steps = Vec::new();
        for place in left() {
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
            let mut next = Configuration { state, ..at.clone() };
            if is_answered(place) { &mut next.answered } else { &mut next.doubtful }.add(place);
            if is_answered(place) && self.model.is_read_only(&operation.input, output) {
                return vec![next];
            }
            steps.push(next);
        }
        steps
    }
}
