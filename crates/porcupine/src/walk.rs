//! One worker's walk through the configurations of a partition.
//!
//! Depth first: from a configuration, linearize in turn each operation that was called before the
//! frontier's return, and go back where nothing leads on. Not recursive, so depth is bounded by
//! memory alone. Which operations need not be tried is argued in `observe`.
//!
//! Invariant: a configuration is entered unless one that covers it was entered before, and what was
//! entered is searched by whoever has its frame on the stack or got it from there. Termination of
//! all without success is then exhaustive: what can follow a configuration does not depend on how
//! it was reached, and what can follow it can follow one that covers it.

use std::sync::Arc;

use crate::cache::Position;
use crate::crew::Task;
use crate::gauge::Gauge;
use crate::intern::Spent;
use crate::links::Links;
use crate::order::Furthest;
use crate::search::Problem;
use crate::sights::Sights;
use crate::timeline::{BYTES_PER_OPERATION, NO_KIND, number};
use crate::{Model, PartitionEvidence};

/// How a walk ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It stands at a complete linearization.
    Arrived,
    /// There is none in what it had to search.
    Exhausted,
    /// It was told to stop.
    Stopped,
}

/// In place of a step: the return of the next operation is passed without one.
pub(crate) const PASS: u32 = u32::MAX - 1;
/// What a candidate beyond the lists has added to the number of an operation.
const HIDERS: u32 = 1 << 31;

/// A step, and what was there before it. The slot bits are in [`Walk::saved`].
struct Frame<S> {
    op: u32,
    at: Position,
    state: Arc<S>,
    /// Whether what could follow in place of `op` is someone else's to try.
    sealed: bool,
}

pub(crate) struct Walk<'a, M: Model> {
    pub(crate) problem: &'a Problem<'a, M>,
    pub(crate) gauge: Gauge<'a>,
    pub(crate) links: Links,
    pub(crate) sights: Sights<M::State>,
    pub(crate) spent: Spent,
    /// Where the walk is: bits of linearized operations, then of those that may count as such.
    pub(crate) at: Position,
    pub(crate) state: Arc<M::State>,
    bits: Vec<u64>,
    next_bits: Vec<u64>,
    stack: Vec<Frame<M::State>>,
    saved: Vec<u64>,
    /// The operations that are steps on the stack.
    stepped: Vec<bool>,
    pub(crate) furthest: Furthest,
}

impl<'a, M: Model> Walk<'a, M> {
    pub(crate) fn new(problem: &'a Problem<'a, M>, gauge: Gauge<'a>) -> Self {
        let timeline = &problem.timeline;
        let total = timeline.origin.len();
        let words = problem.words + problem.free_words;
        let (state, first) = problem.intern(problem.model.init());
        let mut walk = Self {
            problem,
            gauge,
            links: Links::new(timeline),
            sights: Sights::new(timeline, |op| problem.step(&first, op)),
            spent: Spent::new(total - timeline.completed()),
            at: Position { state, ..Position::default() },
            state: first,
            bits: vec![0; words],
            next_bits: vec![0; words],
            stack: Vec::new(),
            saved: Vec::new(),
            stepped: vec![false; total],
            furthest: Furthest::new(PartitionEvidence::MOST_PARTIALS),
        };
        walk.furthest.note(0, state, 0);
        walk
    }

    /// Walks on from where it stands with what `candidate` says, if anything; `look` is called now
    /// and then, and may say to stop.
    pub(crate) fn run(
        &mut self,
        mut candidate: Option<u32>,
        mut look: impl FnMut(&mut Self) -> bool,
    ) -> Outcome {
        loop {
            if self.gauge.is_due() && (look(self) || self.must_stop()) {
                return Outcome::Stopped;
            }
            if self.at.frontier as usize == self.problem.timeline.completed() {
                return self.unless_stopped(Outcome::Arrived);
            }
            let Some(from) = candidate else { return self.unless_stopped(Outcome::Exhausted) };
            if from == PASS {
                let passed = self.pass();
                candidate = if passed { Some(self.first()) } else { self.after(PASS) };
                continue;
            }
            candidate = match self.callable(from) {
                Some(op) if self.linearize(op) => Some(self.first()),
                Some(op) => self.after(op),
                None => self.retreat(),
            };
        }
    }

    /// What to try first here.
    pub(crate) fn first(&self) -> u32 {
        if self.next_is_free() { PASS } else { self.links.first() }
    }

    /// What to try after `tried` was.
    ///
    /// Why a return is passed at once where that is possible without a step: an operation that is
    /// never stepped loses nothing by that, and more can be called then. Else it must be stepped
    /// before its return is passed, and somebody must see it right then: see `observe`.
    fn after(&mut self, tried: u32) -> Option<u32> {
        match tried {
            PASS if self.next_may_be_seen() => Some(self.links.first()),
            PASS => self.retreat(),
            op => Some(self.behind(op)),
        }
    }

    /// The candidate after `op`: beyond the lists are the operations that only sights find.
    fn behind(&self, op: u32) -> u32 {
        if (op as usize) < self.problem.timeline.hiders {
            self.links.after(op)
        } else {
            HIDERS + op + 1
        }
    }

    /// The first operation from `candidate` on that can be linearized here.
    fn callable(&mut self, candidate: u32) -> Option<u32> {
        let timeline = &self.problem.timeline;
        let mut least = number(timeline.hiders);
        if candidate >= HIDERS {
            least = candidate - HIDERS;
        } else if let Some(op) = self.links.callable(candidate, self.at.frontier, timeline) {
            return Some(op);
        }
        self.next_seen_hider(least)
    }

    /// Whether the operation that is next to return may count as linearized.
    pub(crate) fn next_is_free(&self) -> bool {
        let timeline = &self.problem.timeline;
        timeline.returns.get(self.at.frontier as usize).is_some_and(|next| self.is_free(*next))
    }

    /// Passes the next return without a step.
    fn pass(&mut self) -> bool {
        self.next_bits.copy_from_slice(&self.bits);
        let frontier = self.pass_returns(self.at.frontier, true);
        let next = Position { frontier, ..self.at };
        self.enter(PASS, next, self.state.clone())
    }

    /// Soundness of early exits: a model may answer anything once it has seen an exceeded meter,
    /// so no conclusion is drawn without reading the meter after the last step.
    fn unless_stopped(&mut self, conclusion: Outcome) -> Outcome {
        if self.must_stop() { Outcome::Stopped } else { conclusion }
    }

    fn must_stop(&mut self) -> bool {
        self.problem.settle();
        let bytes = self.stack.capacity() * size_of::<Frame<M::State>>()
            + self.saved.capacity() * size_of::<u64>()
            + self.furthest.bytes()
            + self.stepped.len() * BYTES_PER_OPERATION;
        self.gauge.must_stop(bytes)
    }

    /// The state after `op`, as the model says.
    pub(crate) fn step(&self, state: &M::State, op: u32) -> Option<M::State> {
        self.problem.step(state, op)
    }

    /// The number of `op` among the indeterminate operations, if it is one.
    pub(crate) fn optional(&self, op: u32) -> Option<usize> {
        (op as usize).checked_sub(self.problem.timeline.completed())
    }

    /// Whether `op` is a completed operation that only reads.
    ///
    /// Why nothing else need be tried where one of those fits: it must be linearized at some point,
    /// and moving it from there to the front changes no state on the way and breaks no real-time
    /// order, since it is callable already. So what can follow without it first can follow with it.
    fn reads(&self, op: u32) -> bool {
        (op as usize) < self.problem.timeline.reads
    }

    /// Enters the configuration in which `op` is linearized next, if the model allows it, if there
    /// is a point in that, and if nothing that covers it was entered before.
    fn linearize(&mut self, op: u32) -> bool {
        let optional = self.optional(op);
        let Some(after) = self.step(&self.state, op) else {
            self.assert_allowed(op);
            return false;
        };
        let changes = after != *self.state;
        // An indeterminate operation that changes nothing now: whatever can follow it can follow
        // without it, so leaving it out loses no linearization.
        if optional.is_some() && !changes || self.has_earlier_twin(op) {
            return false;
        }
        assert!(
            !changes || !self.reads(op) || self.gauge.is_over(),
            "the model calls an operation read-only that changes a state"
        );
        let frontier = self.advance(op);
        if !self.has_point(op, &after, self.reach(frontier)) {
            return false;
        }
        let mut next = Position { frontier, ..self.at };
        let mut state = self.state.clone();
        if changes {
            (next.state, state) = self.problem.intern(after);
        }
        let Some(number) = optional else { return self.enter(op, next, state) };
        self.spent.toggle(number);
        next.optional = self.problem.sets.intern(&self.spent);
        let entered = self.enter(op, next, state);
        if !entered {
            self.spent.toggle(number);
        }
        entered
    }

    /// Makes the step to what `next_bits` and `next` say, unless that is covered.
    fn enter(&mut self, op: u32, next: Position, state: Arc<M::State>) -> bool {
        let problem = self.problem;
        let cut = *problem.timeline.cuts.get(next.frontier as usize).unwrap_or(&false);
        let covers = |set| set == next.optional || problem.sets.covers(set, &self.spent);
        if !problem.cache.enter(next, &self.next_bits, cut, covers) {
            return false;
        }
        self.gauge.count();
        self.push(op, next, state);
        self.furthest.note(next.frontier, next.state, self.stack.len());
        true
    }

    /// Whether another operation that does the same can be linearized as well and is more urgent:
    /// it returns earlier, or was called earlier where both are indeterminate.
    ///
    /// Why only that need be tried: where `op` comes first and the other one later, they can change
    /// places, and where the other one is left out or hidden later, `op` can be instead. The one
    /// exception is another one that may be hidden by what came before, where `op` may not.
    fn has_earlier_twin(&self, op: u32) -> bool {
        let timeline = &self.problem.timeline;
        let kind = timeline.kinds.get(op as usize).copied().unwrap_or(NO_KIND);
        if kind == NO_KIND || (op as usize) < timeline.reads {
            return false;
        }
        let optional = self.optional(op).is_some();
        let mut candidate = self.links.first_change();
        while let Some(x) = self.links.callable(candidate, self.at.frontier, timeline) {
            if x == op {
                return false;
            }
            if timeline.kinds[x as usize] == kind
                && (optional || !self.is_free(x) || self.is_free(op))
            {
                return true;
            }
            candidate = self.links.after(x);
        }
        false
    }

    /// Whether completed `op`, which is open, may count as linearized.
    fn is_free(&self, op: u32) -> bool {
        let slot = self.problem.timeline.slots[op as usize] as usize;
        let free = &self.bits[self.problem.words..];
        free.get(slot / 64).is_some_and(|free| free >> (slot % 64) & 1 == 1)
    }

    fn assert_allowed(&self, op: u32) {
        assert!(
            !self.problem.timeline.overwrites[op as usize] || self.gauge.is_over(),
            "the model calls an operation overwriting that it does not allow in a state"
        );
    }

    /// Fills `next_bits` for the configuration after `op` and returns its frontier: past the
    /// returns of all operations that are linearized.
    fn advance(&mut self, op: u32) -> u32 {
        let timeline = &self.problem.timeline;
        let words = self.problem.words;
        let slot = |op: u32| timeline.slots[op as usize] as usize;
        let frontier = self.at.frontier;
        self.next_bits.copy_from_slice(&self.bits);
        let (done, free) = self.next_bits.split_at_mut(words);
        if (op as usize) < timeline.completed() {
            done[slot(op) / 64] |= 1 << (slot(op) % 64);
        }
        if !free.is_empty() && timeline.overwrites[op as usize] {
            // All that are open, but for those that were linearized and so may have been seen.
            let open = &timeline.overwrites_open[frontier as usize * words..][..words];
            for ((free, open), done) in free.iter_mut().zip(open).zip(&*done) {
                *free = open & !done;
            }
        } else if !free.is_empty() {
            // What was not passed when that was possible will be stepped: see `after`.
            let next = slot(timeline.returns[frontier as usize]);
            free[next / 64] &= !(1 << (next % 64));
        }
        self.pass_returns(frontier, false)
    }

    /// Moves on from `frontier` past the returns of what is linearized in `next_bits`, and before
    /// that, if `free`, past one of what may count as such. A slot is cleared when its operation's
    /// return is passed, before the next operation in that slot can be linearized.
    fn pass_returns(&mut self, mut frontier: u32, mut free: bool) -> u32 {
        let timeline = &self.problem.timeline;
        let (done, may_pass) = self.next_bits.split_at_mut(self.problem.words);
        while let Some(&returning) = timeline.returns.get(frontier as usize) {
            let slot = timeline.slots[returning as usize] as usize;
            let (word, bit) = (slot / 64, 1 << (slot % 64));
            if done[word] & bit == 0 && !free {
                break;
            }
            free = false;
            done[word] &= !bit;
            if let Some(may_pass) = may_pass.get_mut(word) {
                *may_pass &= !bit;
            }
            frontier += 1;
        }
        frontier
    }

    /// How far the returns from `frontier` on may be passed without another step.
    fn reach(&self, frontier: u32) -> u32 {
        let timeline = &self.problem.timeline;
        let (done, free) = self.next_bits.split_at(self.problem.words);
        let mut reach = frontier;
        while let Some(&returning) = timeline.returns.get(reach as usize) {
            let slot = timeline.slots[returning as usize] as usize;
            let counts = done[slot / 64] | free.get(slot / 64).unwrap_or(&0);
            // The slot's bits are not those of an operation that was called later.
            if timeline.opens_at[returning as usize] > frontier || counts >> (slot % 64) & 1 == 0 {
                break;
            }
            reach += 1;
        }
        reach
    }

    /// Makes the step to what `next_bits` and `next` say.
    fn push(&mut self, op: u32, next: Position, state: Arc<M::State>) {
        let passed = self.at.frontier..next.frontier;
        let state = std::mem::replace(&mut self.state, state);
        self.stack.push(Frame { op, at: self.at, state, sealed: false });
        self.saved.extend_from_slice(&self.bits);
        std::mem::swap(&mut self.bits, &mut self.next_bits);
        self.at = next;
        if op != PASS {
            self.stepped[op as usize] = true;
            if (op as usize) < self.problem.timeline.hiders {
                self.links.lift(op);
            }
        }
        // What was passed without a step is no candidate any more either.
        for rank in passed {
            let returning = self.problem.timeline.returns[rank as usize];
            if !self.stepped[returning as usize] {
                self.links.lift(returning);
            }
        }
    }

    /// Undoes the last step, and returns it and whether it was sealed.
    fn pop(&mut self) -> Option<(u32, bool)> {
        let depth = self.stack.len();
        let Frame { op, at, state, sealed } = self.stack.pop()?;
        self.furthest.pop(op, depth);
        for rank in (at.frontier..self.at.frontier).rev() {
            let returning = self.problem.timeline.returns[rank as usize];
            if !self.stepped[returning as usize] {
                self.links.unlift(returning);
            }
        }
        if op != PASS {
            if (op as usize) < self.problem.timeline.hiders {
                self.links.unlift(op);
            }
            self.stepped[op as usize] = false;
            if let Some(number) = self.optional(op) {
                self.spent.toggle(number);
            }
        }
        let start = self.saved.len() - self.bits.len();
        self.bits.copy_from_slice(&self.saved[start..]);
        self.saved.truncate(start);
        self.at = at;
        self.state = state;
        Some((op, sealed))
    }

    /// Goes back to where something is left to try, and returns that.
    pub(crate) fn retreat(&mut self) -> Option<u32> {
        loop {
            let (op, sealed) = self.pop()?;
            let next = match op {
                _ if sealed || self.reads(op) => None,
                PASS => self.next_may_be_seen().then(|| self.links.first()),
                op => Some(self.behind(op)),
            };
            if next.is_some() {
                return next;
            }
        }
    }

    /// The steps on the stack.
    pub(crate) fn steps(&self) -> Vec<u32> {
        self.stack.iter().map(|frame| frame.op).collect()
    }

    /// Gives away every second of the steps in whose place something else may be left to try; or
    /// nothing, where there are too few.
    pub(crate) fn split(&mut self) -> Option<Task> {
        let reads = self.problem.timeline.reads;
        let open = |frame: &Frame<M::State>| !frame.sealed && frame.op as usize >= reads;
        if self.stack.iter().filter(|frame| open(frame)).count() < 2 {
            return None;
        }
        let mut sealed = vec![true; self.stack.len()];
        let mut mine = false;
        for (frame, sealed) in self.stack.iter_mut().zip(&mut sealed) {
            if open(frame) {
                frame.sealed = !mine;
                *sealed = mine;
                mine = !mine;
            }
        }
        Some(Task { path: self.steps(), sealed })
    }

    /// Goes to the place of a task, from a walk that is exhausted.
    pub(crate) fn load(&mut self, task: &Task) {
        for (&op, &sealed) in task.path.iter().zip(&task.sealed) {
            // The worker that made this step was allowed to; a model that has seen an exceeded
            // meter may answer otherwise now, and nothing is concluded then.
            if op == PASS {
                self.next_bits.copy_from_slice(&self.bits);
                let frontier = self.pass_returns(self.at.frontier, true);
                self.push(op, Position { frontier, ..self.at }, self.state.clone());
                self.seal(sealed);
                continue;
            }
            let Some(after) = self.step(&self.state, op) else { break };
            let frontier = self.advance(op);
            let mut next = Position { frontier, ..self.at };
            let (id, state) = self.problem.intern(after);
            next.state = id;
            if let Some(number) = self.optional(op) {
                self.spent.toggle(number);
                next.optional = self.problem.sets.intern(&self.spent);
            }
            self.push(op, next, state);
            self.seal(sealed);
        }
    }

    fn seal(&mut self, sealed: bool) {
        if let Some(top) = self.stack.last_mut() {
            top.sealed = sealed;
        }
    }
}
