//! Generators made of other generators: choice, order, number.

use perjury_history::{Call, Outcome};

use super::{Boxed, Context, Generator, Next};
use crate::seed::Stream;

/// An endless generator that draws each call from a function.
pub struct FromFn<F>(pub F);

impl<F: FnMut(&mut Stream) -> Call + Send> Generator for FromFn<F> {
    fn next(&mut self, context: &Context<'_>, stream: &mut Stream) -> Next {
        match context.free.pick(stream) {
            Some(worker) => Next::Op(worker, (self.0)(stream)),
            None => Next::Pending,
        }
    }
}

/// At most so many operations.
pub struct Limit<G> {
    inner: G,
    left: u64,
}

impl<G: Generator> Limit<G> {
    /// The first `most` operations of `inner`.
    pub fn new(inner: G, most: u64) -> Limit<G> {
        Limit { inner, left: most }
    }
}

impl<G: Generator> Generator for Limit<G> {
    fn next(&mut self, context: &Context<'_>, stream: &mut Stream) -> Next {
        if self.left == 0 {
            return Next::Done;
        }
        let next = self.inner.next(context, stream);
        if matches!(next, Next::Op(..)) {
            self.left -= 1;
        }
        next
    }

    fn observe(&mut self, worker: usize, call: &Call, outcome: &Outcome) {
        self.inner.observe(worker, call, outcome);
    }
}

/// A random choice between generators, by weight. Ends when all have ended.
pub struct Mix {
    choices: Vec<(u64, Boxed)>,
    owner: Vec<Option<usize>>,
}

impl Mix {
    /// Generators with their weights; a weight of 0 leaves one out.
    pub fn new(choices: Vec<(u64, Boxed)>) -> Mix {
        let choices = choices.into_iter().filter(|(weight, _)| *weight > 0).collect();
        Mix { choices, owner: Vec::new() }
    }

    fn draw(&self, stream: &mut Stream) -> usize {
        let total = self.choices.iter().map(|(weight, _)| weight).sum();
        let mut at = stream.below(total);
        for (index, (weight, _)) in self.choices.iter().enumerate() {
            if at < *weight {
                return index;
            }
            at -= weight;
        }
        0
    }
}

impl Generator for Mix {
    fn next(&mut self, context: &Context<'_>, stream: &mut Stream) -> Next {
        while !self.choices.is_empty() {
            let choice = self.draw(stream);
            match self.choices[choice].1.next(context, stream) {
                // The weight goes, the generator stays: it may still have operations open.
                Next::Done => self.choices[choice].0 = 0,
                Next::Op(worker, call) => {
                    if self.owner.len() <= worker {
                        self.owner.resize(worker + 1, None);
                    }
                    self.owner[worker] = Some(choice);
                    return Next::Op(worker, call);
                }
                other => return other,
            }
            if self.choices.iter().all(|(weight, _)| *weight == 0) {
                break;
            }
        }
        Next::Done
    }

    fn observe(&mut self, worker: usize, call: &Call, outcome: &Outcome) {
        if let Some(choice) = self.owner.get_mut(worker).and_then(Option::take) {
            self.choices[choice].1.observe(worker, call, outcome);
        }
    }
}

/// One generator after the other; each begins when every operation of the one before has ended.
pub struct Phases {
    phases: Vec<Boxed>,
    at: usize,
}

impl Phases {
    /// The phases in order.
    pub fn new(phases: Vec<Boxed>) -> Phases {
        Phases { phases, at: 0 }
    }
}

impl Generator for Phases {
    fn next(&mut self, context: &Context<'_>, stream: &mut Stream) -> Next {
        while let Some(phase) = self.phases.get_mut(self.at) {
            match phase.next(context, stream) {
                Next::Done if !context.free.all() => return Next::Pending,
                Next::Done => self.at += 1,
                other => return other,
            }
        }
        Next::Done
    }

    fn observe(&mut self, worker: usize, call: &Call, outcome: &Outcome) {
        if let Some(phase) = self.phases.get_mut(self.at) {
            phase.observe(worker, call, outcome);
        }
    }
}

/// The same call on every worker in view until it is answered, with a pause between tries and a
/// limit on them: for the final reads, which must not hang on a node that stays down.
pub struct UntilOk {
    call: Call,
    pause: u64,
    tries: u32,
    workers: Vec<Try>,
}

#[derive(Clone, Copy)]
enum Try {
    Due { at: u64, left: u32 },
    Open { left: u32, since: u64 },
    Over,
}

impl UntilOk {
    /// Asks `call` of each worker, at most `tries` times, `pause` nanoseconds apart.
    pub fn new(call: Call, pause: u64, tries: u32) -> UntilOk {
        UntilOk { call, pause, tries, workers: Vec::new() }
    }
}

impl Generator for UntilOk {
    fn next(&mut self, context: &Context<'_>, _stream: &mut Stream) -> Next {
        let range = context.free.range();
        if self.workers.is_empty() {
            self.workers = vec![Try::Due { at: 0, left: self.tries }; range.len()];
        }
        let (mut earliest, mut open) = (None, false);
        for (slot, worker) in range.enumerate() {
            match self.workers[slot] {
                Try::Due { left: 0, .. } | Try::Over => {}
                Try::Due { at, left } if at <= context.now => {
                    if context.free.contains(worker) {
                        self.workers[slot] = Try::Open { left: left - 1, since: context.now };
                        return Next::Op(worker, self.call.clone());
                    }
                    open = true;
                }
                Try::Due { at, .. } => {
                    earliest = Some(earliest.map_or(at, |least: u64| least.min(at)));
                }
                Try::Open { .. } => open = true,
            }
        }
        match earliest {
            Some(at) => Next::At(at),
            None if open => Next::Pending,
            None => Next::Done,
        }
    }

    fn observe(&mut self, worker: usize, _call: &Call, outcome: &Outcome) {
        // The view of such a generator begins at worker 0: it is used for whole phases.
        if let Some(slot) = self.workers.get_mut(worker)
            && let Try::Open { left, since } = *slot
        {
            *slot = match outcome {
                Outcome::Ok(_) => Try::Over,
                _ => Try::Due { at: since + self.pause, left },
            };
        }
    }
}
