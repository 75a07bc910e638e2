//! The whole check: partitions, threads, and the answer made of their answers.
//!
//! Not the search itself, nor the shortcuts: [`check`] searches every partition, [`decide`] asks
//! the model for a shortcut first. The invariant: illegal beats exhausted, exhausted beats legal;
//! one illegal partition makes the history illegal whatever happened to the others.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use crate::crew::Spare;
use crate::pace::each;
use crate::search::{Found, search_together};
use crate::{
    Budget, Evidence, Kind, Linearization, Meter, Model, Operation, PartitionEvidence, Progress,
    Reason, Search, Shortcut, Witness,
};

/// Configurations after which a partition counts as hard, and threads without work help in it: some
/// tens of milliseconds.
const HARD: u64 = 100_000;

/// Whether `history` is linearizable with respect to `model`, as far as `budget` allows to tell.
///
/// Partitions are searched in parallel, and so is a hard one when threads are left; the first
/// illegal one ends the check. Which partition that
/// is may differ between runs, the verdict does not.
///
/// # Panics
/// If [`Model::partition`] does not give every index exactly once; and with the model's own panic
/// if it panics.
pub fn check<M>(model: &M, history: &[Operation<M::Input, M::Output>], budget: &Budget) -> Search
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync,
    M::Output: Sync,
{
    check_within(model, history, &budget.start())
}

/// [`check`] on a budget that is running already: one that the model holds too, or that several
/// checks share.
///
/// # Panics
/// As [`check`].
pub fn check_within<M>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    meter: &Meter,
) -> Search
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync,
    M::Output: Sync,
{
    run(model, history, meter, |part, stop, spare| {
        search_together(model, history, part, meter, stop, spare)
    })
    .answer
}

/// What was decided, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    /// The answer, as [`check`] gives it.
    pub answer: Search,
    /// For each partition the path that was taken.
    pub paths: Vec<Path>,
}

/// How a partition was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Path {
    /// Not at all.
    NotStarted,
    /// By the search, which knows every model and may take exponential time.
    Search,
    /// By the model's shortcut of this name.
    Shortcut(&'static str),
}

/// [`check`], with [`Model::shortcut`] where it has an answer: the same verdict, sooner. Illegal
/// partitions that a shortcut judged have a witness in place of partial linearizations.
///
/// # Panics
/// As [`check`].
pub fn decide<M>(model: &M, history: &[Operation<M::Input, M::Output>], budget: &Budget) -> Decision
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync,
    M::Output: Sync,
{
    decide_within(model, history, &budget.start())
}

/// [`decide`] on a budget that is running already.
///
/// # Panics
/// As [`check`].
pub fn decide_within<M>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    meter: &Meter,
) -> Decision
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync,
    M::Output: Sync,
{
    run(model, history, meter, |part, stop, spare| {
        let shortcut = model.shortcut(history, part, meter);
        match shortcut {
            Some(shortcut) if !meter.exceeded() => found(shortcut),
            _ => search_together(model, history, part, meter, stop, spare),
        }
    })
}

/// A shortcut's answer in the words of the search.
fn found(Shortcut { path, order }: Shortcut) -> Found {
    let (progress, partials, witness) = match order {
        Ok(order) => (Progress::Linearizable, vec![order], None),
        Err(witness) => (Progress::Illegal, Vec::new(), Some(witness)),
    };
    let blocks = |witness: &&Witness| witness.kind == Kind::Blocked;
    let blocked = witness.as_ref().filter(blocks).and_then(|it| it.operations.first().copied());
    Found { progress, partials, blocked, witness, path: Path::Shortcut(path) }
}

/// Judges each part, several at once.
fn run<M: Model>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    meter: &Meter,
    judge: impl Fn(&[usize], &AtomicBool, &Spare) -> Found + Sync,
) -> Decision {
    let parts = if meter.exceeded() {
        None
    } else {
        covering(model.partition_within(history, meter), history.len(), meter)
    };
    let Some(parts) = parts else { return answer(vec![Vec::new()], Vec::new(), meter) };
    let threads = meter.threads().min(parts.len());
    let spare = Spare::new(meter.threads() - threads, HARD);
    let stop = AtomicBool::new(false);
    let next = AtomicUsize::new(0);
    let worker = || {
        let _stop_others = StopOnPanic(&stop);
        let mut found = Vec::new();
        while !stop.load(Relaxed) && !meter.exceeded() {
            let part = next.fetch_add(1, Relaxed);
            let Some(indices) = parts.get(part) else { break };
            let result = judge(indices, &stop, &spare);
            if result.progress == Progress::Illegal {
                stop.store(true, Relaxed);
            }
            found.push((part, result));
        }
        spare.give_back();
        found
    };
    let found = if threads <= 1 { worker() } else { in_parallel(threads, &worker) };
    answer(parts, found, meter)
}

fn in_parallel<T: Send>(threads: usize, worker: &(impl Fn() -> Vec<T> + Sync)) -> Vec<T> {
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let mut all = Vec::new();
        for handle in handles {
            match handle.join() {
                Ok(part) => all.extend(part),
                // The scope still waits for the other threads, which were told to stop.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    })
}

struct StopOnPanic<'a>(&'a AtomicBool);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Relaxed);
        }
    }
}

fn answer(parts: Vec<Vec<usize>>, found: Vec<(usize, Found)>, meter: &Meter) -> Decision {
    let mut paths = vec![Path::NotStarted; parts.len()];
    let mut partitions: Vec<PartitionEvidence> = parts
        .into_iter()
        .map(|operations| PartitionEvidence {
            operations,
            progress: Progress::NotStarted,
            partials: Vec::new(),
            blocked: None,
            witness: None,
        })
        .collect();
    for (part, Found { progress, partials, blocked, witness, path }) in found {
        paths[part] = path;
        let operations = std::mem::take(&mut partitions[part].operations);
        partitions[part] = PartitionEvidence { operations, progress, partials, blocked, witness };
    }
    Decision { answer: worst(partitions, meter), paths }
}

fn worst(partitions: Vec<PartitionEvidence>, meter: &Meter) -> Search {
    if partitions.iter().any(|part| part.progress == Progress::Illegal) {
        return Search::Illegal(Evidence { partitions });
    }
    if partitions.iter().all(|part| part.progress == Progress::Linearizable) {
        let orders = partitions.into_iter().flat_map(|part| part.partials).collect();
        return Search::Linearizable(Linearization { partitions: orders });
    }
    // Without a reason on the meter the search ran out of record numbers, which is memory.
    let reason = meter.reason().unwrap_or(Reason::Bytes);
    Search::Exhausted { reason, evidence: Evidence { partitions } }
}

/// The parts, unless the meter is exceeded: then they may be anything.
///
/// # Panics
/// If they do not cover the history. A partition that loses an operation could hide a violation,
/// and one that repeats an operation could invent one. Both are bugs of the model, which must not
/// turn into a verdict.
fn covering(parts: Vec<Vec<usize>>, len: usize, meter: &Meter) -> Option<Vec<Vec<usize>>> {
    if meter.exceeded() {
        return None;
    }
    let mut seen = vec![false; len];
    each(parts.iter().flatten(), &|| meter.exceeded(), |&index| {
        assert!(index < len, "the model's partition names operation {index} of {len}");
        assert!(!seen[index], "the model's partition repeats operation {index}");
        seen[index] = true;
    })
    .ok()?;
    let lost = seen.iter().position(|seen| !seen);
    assert!(lost.is_none(), "the model's partition loses operation {lost:?}");
    Some(parts)
}
