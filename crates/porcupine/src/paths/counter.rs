//! A counter to which the same number is added each time, and reads of its sum. O(n log n).
//!
//! Not for different numbers: those have a [path](super::sums) of their own. Lazy as the path of
//! the [lock](super::lock): nothing is added before an add returns, or a read of a greater sum; of
//! the adds that have arrived, the one that returns first is taken. A read is taken as soon as the
//! sum is the one it saw.
//!
//! *Why this decides.* Let S be any linearization, and count adds. (1) The path's count never
//! exceeds that of S at the same return. It grows to `v` for a read of `v` that returns: so has
//! that of S. Or it grows because an add x returns. Let then t be the last time when the path took
//! an add y that returns after x, for a read of `v`: S had counted at least `v`. What the path took
//! after t returns no later than x, and had not arrived at t, else it would have been preferred to
//! y; the same holds for x. So S took all of those and x after t, and is at least as far. (Without
//! such a y all that the path took, and x, has returned by now, so S took it too.) (2) So a read
//! that S takes at its sum `v` finds the path at `v` or below. If the path passes `v` before the
//! read returns, it is taken then. If not, the path adds up to `v` at its return; S took `v` adds
//! by then, so they have arrived. Where the path fails, there is no S, and the operation that
//! returns is blocked.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::sweep::Sweep;
use super::{Halt, Judged, Span, Watch, concluded, illegal, sums};
use crate::{Kind, Meter, Operation, Shortcut};

/// What an operation does to a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tick {
    Add(i64),
    /// Found this sum.
    Read(i64),
    /// Found any sum.
    Glance,
    /// Fits nowhere.
    Never,
}

/// Judges a counter that is 0 at first.
pub(crate) fn decide_counter<I, O>(
    history: &[Operation<I, O>],
    part: &[usize],
    classify: impl Fn(&I, Option<&O>) -> Tick,
    meter: &Meter,
) -> Option<Shortcut> {
    concluded("count", judge(history, part, classify, meter))
}

fn judge<I, O>(
    history: &[Operation<I, O>],
    part: &[usize],
    classify: impl Fn(&I, Option<&O>) -> Tick,
    meter: &Meter,
) -> Judged<Vec<usize>> {
    let watch = Watch::new(meter, part.len())?;
    let tick = |operation: &Operation<I, O>| {
        match classify(&operation.input, operation.output.as_ref()) {
            // Changes nothing.
            Tick::Add(0) => Tick::Glance,
            tick => tick,
        }
    };
    let mut step = 0;
    for &index in part {
        if let Tick::Add(number) = tick(&history[index]) {
            if step != 0 && step != number {
                return sums::judge(history, part, tick, &watch);
            }
            step = number;
        }
    }
    // The sum must not wrap around: then a sum would have several counts.
    if step.checked_mul(part.len() as i64).is_none() {
        return Err(Halt::Unfit);
    }
    // What was not answered and changes nothing needs no place.
    let counts = |operation: &Operation<I, O>| {
        !operation.is_indeterminate() || matches!(tick(operation), Tick::Add(_))
    };
    let mut sweep = Sweep::new(history, part, counts)?;
    let mut count =
        Count { count: 0, waiting: HashMap::new(), taken: Vec::new(), order: Vec::new() };
    count.taken.resize(part.len(), false);
    count.order.reserve(part.len());
    let mut ready = BinaryHeap::new();
    for number in 0..sweep.returns() {
        watch.step(number)?;
        let returning = sweep.pass(number, |at| {
            let operation = &history[part[at as usize]];
            match tick(operation) {
                Tick::Add(_) => {
                    let end = Span::of(operation).map_or(u64::MAX, |span| span.end);
                    ready.push(Reverse((end, at)));
                }
                Tick::Read(sum) => count.arrive(at, times(sum, step), part),
                Tick::Glance => count.take(at, part),
                Tick::Never => {}
            }
        });
        let operation = &history[part[returning as usize]];
        let goal = match tick(operation) {
            Tick::Never => return illegal(Kind::Misanswered, [part[returning as usize]]),
            Tick::Read(sum) => times(sum, step),
            _ => None,
        };
        while !count.taken[returning as usize] {
            // A read that was passed by, or of a sum that never is.
            let out_of_reach = matches!(tick(operation), Tick::Read(_))
                && goal.is_none_or(|goal| goal < count.count);
            let next = if out_of_reach { None } else { ready.pop() };
            let Some(Reverse((_, at))) = next else {
                return illegal(Kind::Blocked, [part[returning as usize]]);
            };
            count.advance(at, part);
        }
    }
    Ok(count.order)
}

/// How many times `step` makes `sum`.
fn times(sum: i64, step: i64) -> Option<u64> {
    match step {
        0 => (sum == 0).then_some(0),
        _ if sum.checked_rem(step) == Some(0) => u64::try_from(sum / step).ok(),
        _ => None,
    }
}

struct Count {
    count: u64,
    /// The reads that wait for a count.
    waiting: HashMap<u64, Vec<u32>>,
    taken: Vec<bool>,
    order: Vec<usize>,
}

impl Count {
    fn take(&mut self, at: u32, part: &[usize]) {
        self.taken[at as usize] = true;
        self.order.push(part[at as usize]);
    }

    fn arrive(&mut self, read: u32, goal: Option<u64>, part: &[usize]) {
        match goal {
            Some(goal) if goal == self.count => self.take(read, part),
            Some(goal) if goal > self.count => self.waiting.entry(goal).or_default().push(read),
            _ => {}
        }
    }

    fn advance(&mut self, add: u32, part: &[usize]) {
        self.take(add, part);
        self.count += 1;
        for read in self.waiting.remove(&self.count).unwrap_or_default() {
            self.take(read, part);
        }
    }
}
