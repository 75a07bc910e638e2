//! When: rates, limits, pauses.

use perjury_history::{Call, Nanos, Outcome};

use super::{Context, Generator, Next};
use crate::seed::Stream;

/// At most so many operations a second on average, at uniformly random distances (Jepsen's
/// `stagger`): a fixed beat would always meet the same phase of a periodic fault.
pub struct Rate<G> {
    inner: G,
    interval: u64,
    due: Nanos,
}

impl<G: Generator> Rate<G> {
    /// `per_second` operations of `inner` a second. 0 means as fast as the workers are.
    pub fn new(inner: G, per_second: f64) -> Rate<G> {
        let interval = if per_second > 0.0 { 1e9 / per_second } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let interval = interval as u64;
        Rate { inner, interval, due: 0 }
    }
}

impl<G: Generator> Generator for Rate<G> {
    fn next(&mut self, context: &Context<'_>, stream: &mut Stream) -> Next {
        if context.now < self.due {
            return Next::At(self.due);
        }
        let next = self.inner.next(context, stream);
        if matches!(next, Next::Op(..)) && self.interval > 0 {
            // From when it was due, so that the rate holds; but no more than a second is made up
            // for, or a long stall would end in a burst.
            let base = self.due.max(context.now.saturating_sub(1_000_000_000));
            self.due = base + stream.below(2 * self.interval + 1);
        }
        next
    }

    fn observe(&mut self, worker: usize, call: &Call, outcome: &Outcome) {
        self.inner.observe(worker, call, outcome);
    }
}

/// Nothing new after so many nanoseconds, counted from the first question.
pub struct TimeLimit<G> {
    inner: G,
    length: u64,
    end: Option<Nanos>,
}

impl<G: Generator> TimeLimit<G> {
    /// The operations of `inner` in the next `length` nanoseconds.
    pub fn new(inner: G, length: u64) -> TimeLimit<G> {
        TimeLimit { inner, length, end: None }
    }
}

impl<G: Generator> Generator for TimeLimit<G> {
    fn next(&mut self, context: &Context<'_>, stream: &mut Stream) -> Next {
        let end = *self.end.get_or_insert(context.now + self.length);
        if context.now >= end {
            return Next::Done;
        }
        match self.inner.next(context, stream) {
            Next::At(at) => Next::At(at.min(end)),
            Next::Pending => Next::At(end),
            other => other,
        }
    }

    fn observe(&mut self, worker: usize, call: &Call, outcome: &Outcome) {
        self.inner.observe(worker, call, outcome);
    }
}

/// Nothing in the first so many nanoseconds.
pub struct Delayed<G> {
    inner: G,
    length: u64,
    begin: Option<Nanos>,
}

impl<G: Generator> Delayed<G> {
    /// `inner`, after `length` nanoseconds.
    pub fn new(inner: G, length: u64) -> Delayed<G> {
        Delayed { inner, length, begin: None }
    }
}

impl<G: Generator> Generator for Delayed<G> {
    fn next(&mut self, context: &Context<'_>, stream: &mut Stream) -> Next {
        let begin = *self.begin.get_or_insert(context.now + self.length);
        if context.now < begin { Next::At(begin) } else { self.inner.next(context, stream) }
    }

    fn observe(&mut self, worker: usize, call: &Call, outcome: &Outcome) {
        self.inner.observe(worker, call, outcome);
    }
}
