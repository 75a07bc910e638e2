//! Which steps of the search have a point: what nobody can see need not be tried.
//!
//! *Step* means here that an operation is linearized by the search itself; an overwriting operation
//! may also be passed without one, hidden directly before a later overwriting step (see `order`).
//!
//! Soundness. Let a configuration have a continuation that passes some return: a sequence of steps,
//! in which what is never stepped is hidden, and passed as soon as it may be (more can be called
//! then, and nothing is lost). Among these take one that is least in this order: fewest
//! indeterminate steps, then fewest steps, then fewest overwriting steps of operations other than
//! the next to return, then fewest pairs of an indeterminate step before a completed one, then
//! fewest pairs of indeterminate steps against their numbers. It begins with a step that is tried
//! here, and after that it is least again. For let it begin with `op`, from the state `s` to
//! `after`, followed by `x`.
//! - *`op` overwrites, is completed and need not be stepped now; `x` overwrites.* Where no return
//!   was passed in between, `x` could be called as well, and hides `op`: one step less. Where one
//!   was, `op` made it possible by hiding the operation that was next to return, `r`, which
//!   overwrites too. Then `r` in place of `op` lets as many returns be passed, `x` hides `op`, and
//!   there is one such step less. So `x` does not overwrite, and the model allows it in `after`;
//!   where there is none up to the furthest return that may be passed, `op` has no point. The same
//!   holds for the operation that is next to return where it is hidden already: if it is stepped
//!   all the same, then for somebody who sees it.
//! - *`op` is indeterminate, and `x` leads to the same state without it* (in its place `r`, where
//!   `op` hid that and it was passed): one indeterminate step less. If `op` overwrites, that holds
//!   for every `x` that overwrites.
//! - *`op` is indeterminate, and after `x` leads to the same state as before it*: then it can wait,
//!   which leaves fewer pairs, where `x` is completed or has the lower number.
//! - *Nothing follows*: the return was passed by `op`. Then it hid `r`, and `r` passes it too.
//!
//! A read that is taken first leaves a least continuation least: it is moved to the front, where it
//! is a pair with nothing. Nothing here depends on how the configuration was reached, so that it
//! may be remembered as searched.

use crate::Model;
use crate::timeline::number;
use crate::walk::Walk;

/// Indeterminate operations that are asked whether they see another one. Behind those it is taken
/// to be seen.
const MOST_ASKED: usize = 64;

impl<M: Model> Walk<'_, M> {
    /// Whether it has a point to linearize `op` now, which leads to the state `after`; returns may
    /// then be passed up to `reach`.
    pub(crate) fn has_point(&self, op: u32, after: &M::State, reach: u32) -> bool {
        let timeline = &self.problem.timeline;
        let overwrites = timeline.overwrites[op as usize];
        let next = timeline.returns[self.at.frontier as usize];
        if self.optional(op).is_none() {
            let forced = op == next && !self.next_is_free();
            return !overwrites || forced || self.is_seen(op, after, reach);
        }
        if reach == self.at.frontier {
            return self.any_callable(op, reach, overwrites, |x| {
                self.is_needed(op, &self.state, after, x)
            });
        }
        // A model that allows an overwriting operation nowhere has given up: see `assert_allowed`.
        let Some(instead) = self.step(&self.state, next) else { return true };
        self.any_callable(op, reach, true, |x| {
            self.effect(after, x).is_some_and(|then| {
                let differs = |from| self.step(from, x).is_none_or(|other| other != then);
                differs(&instead) || differs(&self.state)
            })
        })
    }

    /// Whether the operation that is next to return, an overwriting one, may have to be stepped
    /// although it need not be: somebody may see it. Whatever else is stepped before it, the
    /// returns that are passed before the next step are of operations that are open now.
    pub(crate) fn next_may_be_seen(&self) -> bool {
        let next = self.problem.timeline.returns[self.at.frontier as usize];
        let reach = self.furthest_reach();
        let Some(after) = self.step(&self.state, next) else { return true };
        self.is_seen(next, &after, reach)
    }

    /// How far the returns can be passed before a step is needed of an operation that is not open.
    fn furthest_reach(&self) -> u32 {
        let timeline = &self.problem.timeline;
        let later = timeline.returns[self.at.frontier as usize..].iter();
        let open = later.take_while(|op| timeline.opens_at[**op as usize] <= self.at.frontier);
        self.at.frontier + number(open.count())
    }

    /// The next indeterminate operation from `least` on that overwrites, can be linearized here and
    /// could be seen right then.
    pub(crate) fn next_seen_hider(&mut self, least: u32) -> Option<u32> {
        if self.sights.is_empty() {
            return None;
        }
        let (problem, reach) = (self.problem, self.furthest_reach());
        let timeline = &problem.timeline;
        let mut found = None;
        let mut candidate = self.links.first();
        while let Some(seer) = self.links.callable(candidate, reach, timeline) {
            candidate = self.links.after(seer);
            if !timeline.overwrites[seer as usize] {
                let sees = |state: &M::State| problem.step(state, seer).is_some();
                let (frontier, spent) = (self.at.frontier, &self.spent);
                let next = self.sights.next(seer, least, timeline, frontier, spent, sees);
                found = found.into_iter().chain(next).min();
            }
        }
        found
    }

    /// Whether an operation that does not overwrite is allowed after `op`, in the state `after`.
    fn is_seen(&self, op: u32, after: &M::State, reach: u32) -> bool {
        self.any_callable(op, reach, true, |x| self.effect(after, x).is_some())
    }

    /// Whether indeterminate `op`, from `before` to `after`, makes a difference to `x`.
    fn is_needed(&self, op: u32, before: &M::State, after: &M::State, x: u32) -> bool {
        let Some(then) = self.effect(after, x) else { return false };
        match self.step(before, x) {
            Some(without) if without == then => false,
            Some(without) => {
                let may_swap = self.optional(x).is_none() || x < op;
                !(may_swap && self.step(&without, op) == Some(then))
            }
            None => true,
        }
    }

    /// The state that `x` leads to; `None` also where it is indeterminate and changes nothing.
    fn effect(&self, state: &M::State, x: u32) -> Option<M::State> {
        self.step(state, x).filter(|then| self.optional(x).is_none() || then != state)
    }

    /// Whether `test` holds for an operation other than `op` that is not linearized and was called
    /// before the frontier `reach`; overwriting ones count only if not `seers`.
    fn any_callable(&self, op: u32, reach: u32, seers: bool, test: impl Fn(u32) -> bool) -> bool {
        let timeline = &self.problem.timeline;
        let mut asked = 0;
        let mut candidate = self.links.first();
        while let Some(x) = self.links.callable(candidate, reach, timeline) {
            candidate = self.links.after(x);
            if x == op || seers && timeline.overwrites[x as usize] {
                continue;
            }
            if self.optional(x).is_some() {
                asked += 1;
            }
            if asked > MOST_ASKED || test(x) {
                return true;
            }
        }
        false
    }
}
