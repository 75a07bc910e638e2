//! How much a check may spend, and the meter that is read while it runs.
//!
//! Not a scheduler: nothing is interrupted, the search asks. The invariant: once a meter is
//! exceeded it stays so. That is what makes a model sound which gives up early: whatever it
//! answered after [`Meter::exceeded`] is followed by the search reading the same meter before it
//! concludes.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

/// Limits of a check. The default has none.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    /// Wall-clock time, obeyed within 50 ms unless a single model step takes longer, or
    /// [`Model::partition`](crate::Model::partition) without a budget.
    pub time: Option<Duration>,
    /// Configurations (sets of linearized operations with a state) that may be visited, over all
    /// partitions. Obeyed within a few hundred.
    pub states: Option<u64>,
    /// Memory of the search in bytes, over all partitions that are being searched: cached
    /// configurations, states and indices. Obeyed within one growth step of a table. Cached
    /// configurations are forgotten, at the price of time, before it is exceeded. By default the
    /// cache of a partition takes up to 1 GiB.
    pub bytes: Option<u64>,
    /// Threads that search, in different partitions or together in a hard one; by default the
    /// available parallelism.
    pub threads: Option<NonZeroUsize>,
    /// Set it from another thread to stop the check, obeyed like `time`.
    pub cancel: Arc<AtomicBool>,
}

/// What stopped a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// [`Budget::time`] ran out.
    Time,
    /// [`Budget::states`] ran out.
    States,
    /// [`Budget::bytes`] ran out.
    Bytes,
    /// [`Budget::cancel`] was set.
    Cancelled,
}

/// A running budget, shared by everyone who spends it; a clone reads and writes the same meter.
///
/// A model with slow steps holds one, asks [`Meter::exceeded`] inside of its loops, and answers
/// anything when it is: the search discards the answer. One meter may serve several checks, which
/// then share its limits.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Account>);

#[derive(Debug)]
struct Account {
    deadline: Option<Instant>,
    budget: Budget,
    states: AtomicU64,
    bytes: AtomicU64,
    peak_bytes: AtomicU64,
    // 0, or 1 + the position of the reason in REASONS.
    tripped: AtomicU8,
}

const REASONS: [Reason; 4] = [Reason::Time, Reason::States, Reason::Bytes, Reason::Cancelled];

impl Budget {
    /// A budget of time alone.
    pub fn time(limit: Duration) -> Self {
        Self { time: Some(limit), ..Self::default() }
    }

    /// Starts the clock.
    pub fn start(&self) -> Meter {
        Meter(Arc::new(Account {
            // A limit beyond what the clock can represent is no limit.
            deadline: self.time.and_then(|limit| Instant::now().checked_add(limit)),
            budget: self.clone(),
            states: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            peak_bytes: AtomicU64::new(0),
            tripped: AtomicU8::new(0),
        }))
    }
}

impl Meter {
    /// Whether the check has to stop.
    pub fn exceeded(&self) -> bool {
        self.reason().is_some()
    }

    /// Why the check has to stop; the first reason that was seen, for ever.
    pub fn reason(&self) -> Option<Reason> {
        let account = &*self.0;
        let tripped = account.tripped.load(Relaxed);
        if tripped != 0 {
            return Some(REASONS[usize::from(tripped) - 1]);
        }
        let budget = &account.budget;
        let over = |used: &AtomicU64, limit: Option<u64>| {
            limit.is_some_and(|limit| used.load(Relaxed) > limit)
        };
        let code = if budget.cancel.load(Relaxed) {
            4
        } else if over(&account.states, budget.states) {
            2
        } else if over(&account.bytes, budget.bytes) {
            3
        } else if account.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            1
        } else {
            return None;
        };
        // Another thread may have seen another reason first: that one stays.
        let first = account.tripped.compare_exchange(0, code, Relaxed, Relaxed);
        Some(REASONS[usize::from(first.map_or_else(|seen| seen, |_| code)) - 1])
    }

    /// Configurations visited so far.
    pub fn states(&self) -> u64 {
        self.0.states.load(Relaxed)
    }

    /// Bytes in use now by the searches that run on this meter.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Relaxed)
    }

    /// The most bytes that were in use at once.
    pub fn peak_bytes(&self) -> u64 {
        self.0.peak_bytes.load(Relaxed)
    }

    pub(crate) fn most_bytes(&self) -> Option<u64> {
        self.0.budget.bytes
    }

    pub(crate) fn threads(&self) -> usize {
        // The answer is read from files, which takes longer than to judge a small history.
        static FALLBACK: OnceLock<usize> = OnceLock::new();
        let fallback =
            || *FALLBACK.get_or_init(|| available_parallelism().map_or(1, NonZeroUsize::get));
        self.0.budget.threads.map_or_else(fallback, NonZeroUsize::get)
    }

    pub(crate) fn add_states(&self, count: u64) {
        self.0.states.fetch_add(count, Relaxed);
    }

    pub(crate) fn add_bytes(&self, count: u64) {
        let now = self.0.bytes.fetch_add(count, Relaxed) + count;
        self.0.peak_bytes.fetch_max(now, Relaxed);
    }

    pub(crate) fn release_bytes(&self, count: u64) {
        self.0.bytes.fetch_sub(count, Relaxed);
    }
}
