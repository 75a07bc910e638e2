//! Threads that help in one hard partition: who is idle, and what they are given.
//!
//! Not the search: a [`Task`] is a place in it, and all that is known here is that it is work. A
//! worker that sees others idle splits its stack in two and leaves one half on the [`Desk`]. The
//! invariant: when every worker is idle and the desk is empty, all of the partition was searched.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Condvar, Mutex};

use crate::sync::locked;

/// Threads of a check that have nothing to do at present.
pub(crate) struct Spare {
    threads: AtomicUsize,
    hard: u64,
}

impl Spare {
    /// So many threads, for partitions in which `hard` configurations were not enough.
    pub(crate) fn new(threads: usize, hard: u64) -> Self {
        Self { threads: AtomicUsize::new(threads), hard }
    }

    /// Takes one, if there is one, for a partition in which so many configurations were entered.
    pub(crate) fn take(&self, entered: u64) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        entered >= self.hard && self.threads.fetch_update(Relaxed, Relaxed, one_less).is_ok()
    }

    pub(crate) fn give_back(&self) {
        self.threads.fetch_add(1, Relaxed);
    }
}

/// A place in the search, and what is left to do from there.
pub(crate) struct Task {
    /// The operations that lead there, in the order in which they are linearized.
    pub(crate) path: Vec<u32>,
    /// For each of them whether the operations after it belong to someone else.
    pub(crate) sealed: Vec<bool>,
}

/// Where the workers of one partition meet.
pub(crate) struct Desk {
    state: Mutex<State>,
    bell: Condvar,
    hungry: AtomicUsize,
    closed: AtomicBool,
}

struct State {
    tasks: Vec<Task>,
    workers: usize,
    idle: usize,
}

impl Desk {
    /// A desk of one worker.
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State { tasks: Vec::new(), workers: 1, idle: 0 }),
            bell: Condvar::new(),
            hungry: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// One worker more.
    pub(crate) fn join(&self) {
        locked(&self.state).workers += 1;
    }

    /// Whether someone waits for a task.
    pub(crate) fn is_hungry(&self) -> bool {
        self.hungry.load(Relaxed) > 0
    }

    /// Whether the search is over: someone knows, or has to stop.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }

    pub(crate) fn close(&self) {
        // Under the lock, so that nobody misses the bell between looking and waiting.
        let _state = locked(&self.state);
        self.closed.store(true, Relaxed);
        self.bell.notify_all();
    }

    /// Leaves a task for whoever waits.
    pub(crate) fn leave(&self, task: Task) {
        let mut state = locked(&self.state);
        state.tasks.push(task);
        self.count_hungry(&state);
        self.bell.notify_one();
    }

    fn count_hungry(&self, state: &State) {
        self.hungry.store(state.idle.saturating_sub(state.tasks.len()), Relaxed);
    }

    /// Waits for a task; `None` when there will be none.
    pub(crate) fn take(&self) -> Option<Task> {
        let mut state = locked(&self.state);
        state.idle += 1;
        self.count_hungry(&state);
        loop {
            if self.is_closed() {
                return None;
            }
            if let Some(task) = state.tasks.pop() {
                state.idle -= 1;
                self.count_hungry(&state);
                return Some(task);
            }
            if state.idle == state.workers {
                self.closed.store(true, Relaxed);
                self.bell.notify_all();
                return None;
            }
            state = self.bell.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }
}

/// Closes the desk when its thread panics: nobody may wait for it.
pub(crate) struct CloseOnPanic<'a>(pub(crate) &'a Desk);

impl Drop for CloseOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close();
        }
    }
}
