//! Pure schedules of operations: what to ask next, of which worker, and when.
//!
//! A generator holds no clock and no randomness of its own: the time is in the [`Context`], the
//! randomness in the [`Stream`], both are arguments. So every schedule is tested against a
//! simulated clock (`simulate.rs`), without sleeping. A generator hands out an operation only when
//! it is due and a worker is free for it; whatever it hands out is dispatched.

mod combine;
mod free;
mod keys;
#[cfg(test)]
mod simulate;
#[cfg(test)]
mod tests;
mod time;

pub use combine::{FromFn, Limit, Mix, Phases, UntilOk};
pub use free::Free;
pub use keys::{PerKey, numbered};
pub use time::{Delayed, Rate, TimeLimit};

use perjury_history::{Call, Nanos, Outcome, Process};

use crate::seed::Stream;

/// What a generator may know when it is asked.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Now, in nanoseconds since the run began.
    pub now: Nanos,
    /// The workers that this generator may use, and which of them are free.
    pub free: Free<'a>,
    /// The process that each worker speaks as at present.
    pub processes: &'a [Process],
}

impl Context<'_> {
    /// The process of a worker in view.
    pub fn process(&self, worker: usize) -> Process {
        self.processes.get(worker).copied().unwrap_or_default()
    }
}

/// A generator's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask this, now, of this free worker.
    Op(usize, Call),
    /// Nothing is due before that time; ask again then, or after a completion.
    At(Nanos),
    /// Nothing before some open operation ends.
    Pending,
    /// Nothing more, ever.
    Done,
}

/// A schedule.
pub trait Generator: Send {
    /// What is next? Asked only while at least one worker is free.
    fn next(&mut self, context: &Context<'_>, stream: &mut Stream) -> Next;

    /// An operation that this generator handed out has ended.
    fn observe(&mut self, _worker: usize, _call: &Call, _outcome: &Outcome) {}
}

/// A generator whose kind does not matter.
pub type Boxed = Box<dyn Generator>;

impl Generator for Boxed {
    fn next(&mut self, context: &Context<'_>, stream: &mut Stream) -> Next {
        (**self).next(context, stream)
    }

    fn observe(&mut self, worker: usize, call: &Call, outcome: &Outcome) {
        (**self).observe(worker, call, outcome);
    }
}
