//! What a replica says of itself: one line an event on standard output, and a line of figures a
//! second. Keys and values are never printed raw.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Of rejected messages so many a second are told; the rest is counted.
const MOST_A_SECOND: u32 = 20;

/// The figures and the log of a replica.
pub struct Journal {
    /// The view that it is in. The same everywhere, and never lower than before.
    pub view: AtomicU64,
    /// Views that it entered.
    entered: AtomicU64,
    /// Views that ended without progress.
    pub timeouts: AtomicU64,
    /// Blocks committed.
    pub blocks: AtomicU64,
    /// Transactions committed.
    pub transactions: AtomicU64,
    /// Messages, blocks and transactions that were refused.
    pub rejected: AtomicU64,
    /// When the last block was committed.
    progress: Mutex<Instant>,
    told: Mutex<(Instant, u32)>,
}

impl Default for Journal {
    fn default() -> Journal {
        Journal {
            view: AtomicU64::new(0),
            entered: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            blocks: AtomicU64::new(0),
            transactions: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            progress: Mutex::new(Instant::now()),
            told: Mutex::new((Instant::now(), 0)),
        }
    }
}

impl Journal {
    /// Prints a line.
    pub fn say(&self, text: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        println!(
            "{}.{:03} view {} {text}",
            now.as_secs(),
            now.subsec_millis(),
            self.view.load(Relaxed)
        );
    }

    /// The replica enters a view.
    pub fn enter(&self, view: u64) {
        self.view.store(view, Relaxed);
        self.entered.fetch_add(1, Relaxed);
    }

    /// Something was refused.
    pub fn rejected(&self, what: &str) {
        self.rejected.fetch_add(1, Relaxed);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.0.elapsed().as_secs() >= 1 {
            *told = (Instant::now(), 0);
        }
        told.1 += 1;
        if told.1 <= MOST_A_SECOND {
            self.say(&format!("rejected {what}"));
        }
    }

    /// A block was committed, with so many transactions.
    pub fn committed(&self, height: u64, transactions: u64) {
        self.blocks.fetch_add(1, Relaxed);
        self.transactions.fetch_add(transactions, Relaxed);
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        if transactions > 0 {
            self.say(&format!("committed height {height} with {transactions} transactions"));
        }
    }

    /// How long the last commit is ago.
    pub fn since_commit(&self) -> std::time::Duration {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Prints the figures of every second that has any, for ever.
    pub fn tell_figures(&self) {
        let figures = || {
            [&self.entered, &self.blocks, &self.transactions, &self.timeouts, &self.rejected]
                .map(|figure| figure.load(Relaxed))
        };
        let mut before = figures();
        loop {
            std::thread::sleep(std::time::Duration::from_secs(1));
            let now = figures();
            let [views, blocks, transactions, timeouts, rejected] =
                std::array::from_fn(|at| now[at] - before[at]);
            self.say(&format!(
                "in a second: {views} views, {blocks} blocks, {transactions} transactions, \
                 {timeouts} timeouts, {rejected} rejected"
            ));
            before = now;
        }
    }
}
