//! Runs a generator against a simulated clock: every operation takes the same time.

use perjury_history::{Call, Nanos, Outcome, Reply};

use super::{Context, Free, Generator, Next};
use crate::seed::{Seed, Stream};

/// One operation of a simulated run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Simulated {
    pub(super) worker: usize,
    pub(super) start: Nanos,
    pub(super) end: Nanos,
    pub(super) call: Call,
}

/// Runs to the end, or to `most` operations.
pub(super) fn run(
    generator: &mut dyn Generator,
    workers: usize,
    latency: Nanos,
    most: usize,
    mut outcome: impl FnMut(usize) -> Outcome,
) -> Vec<Simulated> {
    let mut stream: Stream = Seed(1).stream("simulate");
    let mut words = vec![0; workers.div_ceil(64)];
    (0..workers).for_each(|worker| words[worker / 64] |= 1 << (worker % 64));
    let processes: Vec<u64> = (0..workers as u64).collect();
    let (mut now, mut done, mut open) = (0, Vec::<Simulated>::new(), Vec::<Simulated>::new());
    loop {
        let mut wake = None;
        while open.len() < workers && done.len() + open.len() < most {
            let free = Free::new(&words, 0..workers);
            let context = Context { now, free, processes: &processes };
            match generator.next(&context, &mut stream) {
                Next::Op(worker, call) => {
                    assert!(context.free.contains(worker), "worker {worker} is busy");
                    words[worker / 64] &= !(1 << (worker % 64));
                    open.push(Simulated { worker, start: now, end: now + latency, call });
                }
                Next::At(time) => {
                    assert!(time > now, "asked to wait for the past");
                    wake = Some(time);
                    break;
                }
                Next::Pending => {
                    assert!(!open.is_empty(), "pending, and nothing is open");
                    break;
                }
                Next::Done => break,
            }
        }
        let ending = open.iter().map(|op| op.end).min();
        match (wake, ending) {
            (None, None) => return done,
            (wake, ending) => now = wake.unwrap_or(u64::MAX).min(ending.unwrap_or(u64::MAX)),
        }
        for at in (0..open.len()).rev() {
            if open[at].end <= now {
                let op = open.remove(at);
                words[op.worker / 64] |= 1 << (op.worker % 64);
                generator.observe(op.worker, &op.call, &outcome(done.len()));
                done.push(op);
            }
        }
    }
}

/// Every operation succeeds.
pub(super) fn ok(_: usize) -> Outcome {
    Outcome::Ok(Reply::Done)
}
