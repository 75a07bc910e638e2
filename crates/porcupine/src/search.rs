//! The search for a linearization of one partition.
//!
//! One worker walks; where that turns out to be hard, threads of the check that are idle help.
//! Everything else in the crate sees only [`search`], [`search_together`] and [`Found`]: this
//! module, with those that only it uses, may be replaced by a faster one.
//!
//! Source: Wing and Gong, "Testing and verifying concurrent objects" (1993), section 4; Lowe,
//! "Testing for linearizability" (2017), section 3; Porcupine's `checkSingle`.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{Scope, ScopedJoinHandle};

use crate::cache::Cache;
use crate::crew::{CloseOnPanic, Desk, Spare};
use crate::gauge::{Deposit, Gauge};
use crate::intern::{OptionalSets, States};
use crate::order::order;
use crate::pace::OutOfBudget;
use crate::timeline::Timeline;
use crate::walk::{Outcome, PASS, Walk};
use crate::{Meter, Model, Operation, PartitionEvidence, Path, Progress, Witness};

/// Configurations after which the cache is prepared for helpers: most partitions end before.
const SOON: u64 = 1_000;
/// What the cache may take where the budget does not say.
const CACHE_BYTES: usize = 1 << 30;

/// What is known about a partition when its search ends.
pub(crate) struct Found {
    pub(crate) progress: Progress,
    /// As [`PartitionEvidence::partials`].
    pub(crate) partials: Vec<Vec<usize>>,
    /// As [`PartitionEvidence::blocked`].
    pub(crate) blocked: Option<usize>,
    /// As [`PartitionEvidence::witness`]; the search finds none.
    pub(crate) witness: Option<Witness>,
    pub(crate) path: Path,
}

impl Found {
    /// What the search knows.
    fn searched(progress: Progress, partials: Vec<Vec<usize>>, blocked: Option<usize>) -> Self {
        Self { progress, partials, blocked, witness: None, path: Path::Search }
    }

    /// What it knows when the budget was used up by the preparations.
    fn unprepared() -> Self {
        Self::searched(Progress::Unfinished, Vec::new(), None)
    }
}

/// What the workers of a partition share.
pub(crate) struct Problem<'a, M: Model> {
    pub(crate) model: &'a M,
    pub(crate) history: &'a [Operation<M::Input, M::Output>],
    pub(crate) timeline: Timeline,
    states: States<M::State>,
    pub(crate) sets: OptionalSets,
    pub(crate) cache: Cache,
    /// Words of bits for linearized operations, and for those that may count as such.
    pub(crate) words: usize,
    pub(crate) free_words: usize,
    meter: &'a Meter,
    bytes: Deposit<'a>,
}

impl<'a, M: Model> Problem<'a, M> {
    fn new(
        model: &'a M,
        history: &'a [Operation<M::Input, M::Output>],
        part: &[usize],
        meter: &'a Meter,
        exceeded: &impl Fn() -> bool,
    ) -> Result<Self, OutOfBudget> {
        let timeline = Timeline::new(model, history, part, exceeded)?;
        let words = timeline.words();
        let free_words = if timeline.overwrites_open.is_empty() { 0 } else { words };
        Ok(Self {
            model,
            history,
            states: States::new(),
            sets: OptionalSets::new(timeline.origin.len() - timeline.completed()),
            cache: Cache::new(words, free_words),
            words,
            free_words,
            timeline,
            meter,
            bytes: Deposit::new(meter),
        })
    }

    /// The state after `op`, as the model says.
    pub(crate) fn step(&self, state: &M::State, op: u32) -> Option<M::State> {
        let operation = &self.history[self.timeline.origin[op as usize]];
        self.model.step(state, &operation.input, operation.output.as_ref())
    }

    pub(crate) fn intern(&self, state: M::State) -> (u32, Arc<M::State>) {
        self.states.intern(state, |state| self.model.heap_bytes(state))
    }

    /// Pays for what is shared, and tells the cache how far it may grow: not so far that there is
    /// no room for what cannot be forgotten.
    pub(crate) fn settle(&self) {
        let cached = self.cache.bytes();
        self.bytes.set(self.states.bytes() + self.sets.bytes() + cached);
        let Some(most) = self.meter.most_bytes() else { return self.cache.allow(CACHE_BYTES) };
        let (most, used) = (most / 4 * 3, self.meter.bytes());
        let other = used.saturating_sub(cached as u64);
        self.cache.allow(usize::try_from(most.saturating_sub(other)).unwrap_or(usize::MAX));
        if used > most {
            self.cache.shrink();
        }
    }
}

/// What one worker found.
struct Report {
    outcome: Outcome,
    /// The steps to where it arrived.
    arrived: Vec<u32>,
    frontier: u32,
    /// States, and steps that lead there.
    furthest: Vec<(u32, Vec<u32>)>,
}

/// Searches the operations of `history` with the indices `part`, until it knows, the meter is
/// exceeded, or `stop` is set.
pub(crate) fn search<M: Model>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    part: &[usize],
    meter: &Meter,
    stop: &AtomicBool,
) -> Found {
    let gauge = Gauge::new(meter, stop);
    let Ok(problem) = Problem::new(model, history, part, meter, &|| gauge.is_over()) else {
        return Found::unprepared();
    };
    let walk = Walk::new(&problem, gauge);
    let first = walk.first();
    let report = work(walk, Some(first), &Desk::new(), |_| {});
    found(&problem.timeline, vec![report])
}

/// [`search`], in which threads in `spare` may help.
pub(crate) fn search_together<M>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    part: &[usize],
    meter: &Meter,
    stop: &AtomicBool,
    spare: &Spare,
) -> Found
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync,
    M::Output: Sync,
{
    let gauge = Gauge::new(meter, stop);
    let Ok(problem) = Problem::new(model, history, part, meter, &|| gauge.is_over()) else {
        return Found::unprepared();
    };
    let desk = Desk::new();
    let together = meter.threads() > 1;
    let reports = std::thread::scope(|scope| {
        let mut helpers = Vec::new();
        let walk = Walk::new(&problem, gauge);
        let first = walk.first();
        let mine = work(walk, Some(first), &desk, |walk| {
            if together && walk.gauge.states() > SOON {
                // Before much is in the cache: this forgets it.
                problem.cache.spread();
            }
            if spare.take(walk.gauge.states()) {
                desk.join();
                helpers.push(hire(scope, &problem, &desk, Gauge::new(meter, stop), spare));
            }
        });
        let mut reports = vec![mine];
        for helper in helpers {
            match helper.join() {
                Ok(report) => reports.push(report),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        reports
    });
    found(&problem.timeline, reports)
}

/// A thread that helps until the desk is closed.
fn hire<'scope, M>(
    scope: &'scope Scope<'scope, '_>,
    problem: &'scope Problem<'scope, M>,
    desk: &'scope Desk,
    gauge: Gauge<'scope>,
    spare: &'scope Spare,
) -> ScopedJoinHandle<'scope, Report>
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync,
    M::Output: Sync,
{
    scope.spawn(move || {
        let report = work(Walk::new(problem, gauge), None, desk, |_| {});
        spare.give_back();
        report
    })
}

/// Walks on from `candidate`, and then from wherever the desk says, until all is known.
fn work<'a, M: Model>(
    mut walk: Walk<'a, M>,
    mut candidate: Option<u32>,
    desk: &Desk,
    mut look: impl FnMut(&Walk<'a, M>),
) -> Report {
    let _close_on_panic = CloseOnPanic(desk);
    let outcome = loop {
        let outcome = walk.run(candidate, |walk| {
            look(walk);
            if desk.is_hungry()
                && let Some(task) = walk.split()
            {
                desk.leave(task);
            }
            desk.is_closed()
        });
        if outcome != Outcome::Exhausted {
            desk.close();
            break outcome;
        }
        let Some(task) = desk.take() else { break outcome };
        walk.load(&task);
        candidate = walk.retreat();
    };
    let steps = walk.steps();
    Report {
        outcome,
        frontier: walk.furthest.frontier(),
        furthest: walk.furthest.steps(&steps),
        arrived: if outcome == Outcome::Arrived { steps } else { Vec::new() },
    }
}

/// The answer made of what the workers found. Who arrived is right whatever stopped the others; a
/// worker that was stopped has left something unsearched.
fn found(timeline: &Timeline, reports: Vec<Report>) -> Found {
    let originals = |steps: &[u32]| -> Vec<usize> {
        let steps: Vec<u32> = steps.iter().copied().filter(|step| *step != PASS).collect();
        order(timeline, &steps).into_iter().map(|op| timeline.origin[op as usize]).collect()
    };
    let ended = |outcome| move |report: &&Report| report.outcome == outcome;
    if let Some(report) = reports.iter().find(ended(Outcome::Arrived)) {
        let order = originals(&report.arrived);
        return Found::searched(Progress::Linearizable, vec![order], None);
    }
    let stopped = reports.iter().any(|report| report.outcome == Outcome::Stopped);
    let progress = if stopped { Progress::Unfinished } else { Progress::Illegal };
    let frontier = reports.iter().map(|report| report.frontier).max().unwrap_or(0);
    let mut furthest: Vec<(u32, Vec<usize>)> = reports
        .iter()
        .filter(|report| report.frontier == frontier)
        .flat_map(|report| &report.furthest)
        .map(|(state, steps)| (*state, originals(steps)))
        .collect();
    furthest.sort_by_key(|(_, order)| Reverse(order.len()));
    let mut states = Vec::new();
    let mut partials = Vec::new();
    for (state, order) in furthest {
        if partials.len() < PartitionEvidence::MOST_PARTIALS && !states.contains(&state) {
            states.push(state);
            partials.push(order);
        }
    }
    let blocked = timeline.returns.get(frontier as usize);
    Found::searched(progress, partials, blocked.map(|&op| timeline.origin[op as usize]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Budget;
    use crate::hash::mix;
    use crate::models::{CasInput, CasOutput, CasRegister, Seen};

    type CasOp = Operation<CasInput<u64>, CasOutput<u64>>;

    /// Random questions and answers of `clients` clients: few histories of them are legal.
    fn random(seed: u64, clients: u64, count: u64) -> Vec<CasOp> {
        let draw = |i: u64, salt: u64, end: u64| mix(seed << 32 | i << 8 | salt) % end;
        let operation = |i: u64| {
            let [from, to] = [3, 4].map(|salt| draw(i, salt, 3));
            let (input, output) = match draw(i, 0, 5) {
                0 => (CasInput::Read, CasOutput::Read(Seen::Value(from))),
                1 | 2 => (CasInput::Write(to), CasOutput::Written),
                _ => (CasInput::Cas { from, to }, CasOutput::Cas(draw(i, 5, 3) > 0)),
            };
            let call = i / clients * 10 + draw(i, 1, 10);
            match draw(i, 2, 12) {
                0 => Operation::indeterminate(i, input, call),
                _ => Operation::completed(i, input, output, call, call + 1 + draw(i, 6, 14)),
            }
        };
        (0..count).map(operation).collect()
    }

    #[test]
    fn helpers_and_forgetting_change_no_verdict() {
        let (mut legal, mut illegal) = (0, 0);
        for seed in 0..400 {
            let history = random(seed, 2 + seed % 5, 24);
            let part: Vec<usize> = (0..history.len()).collect();
            let stop = AtomicBool::new(false);
            let (model, meter) = (CasRegister(0), Budget::default().start());
            let alone = search(&model, &history, &part, &meter, &stop);
            let spare = Spare::new(3, 0);
            let together = search_together(&model, &history, &part, &meter, &stop, &spare);
            // No room at all for a cache beyond the smallest.
            let meter = Budget { bytes: Some(1 << 16), ..Budget::default() }.start();
            let forgetful = search(&model, &history, &part, &meter, &stop);
            for other in [together, forgetful] {
                assert_eq!(other.progress, alone.progress, "seed {seed}");
                assert_eq!(other.blocked, alone.blocked, "seed {seed}");
            }
            match alone.progress {
                Progress::Linearizable => legal += 1,
                Progress::Illegal => illegal += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(legal > 20 && illegal > 20, "{legal} legal, {illegal} illegal");
    }
}
