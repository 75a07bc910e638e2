//! Reading the meter from within a search, often enough and no more.
//!
//! The invariant: what was paid in bytes is given back when the search ends, however it ends. Clock
//! readings decide only when to stop, never what to answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::Meter;

/// Reads the meter every so many steps, and pays into it for one thread of a search.
pub(crate) struct Gauge<'a> {
    meter: &'a Meter,
    stop: &'a AtomicBool,
    stopped: bool,
    countdown: u32,
    interval: u32,
    last: Instant,
    states: u64,
    paid_states: u64,
    bytes: Deposit<'a>,
}

/// Bytes in use by something, as far as the meter knows; given back in the end.
pub(crate) struct Deposit<'a> {
    meter: &'a Meter,
    paid: AtomicU64,
}

impl<'a> Deposit<'a> {
    pub(crate) fn new(meter: &'a Meter) -> Self {
        Self { meter, paid: AtomicU64::new(0) }
    }

    /// Tells the meter how many bytes there are now. Where threads do so at once, what they add and
    /// take off still sums up to what was said last.
    pub(crate) fn set(&self, bytes: usize) {
        let now = bytes as u64;
        let before = self.paid.swap(now, Relaxed);
        if now >= before {
            self.meter.add_bytes(now - before);
        } else {
            self.meter.release_bytes(before - now);
        }
    }
}

impl Drop for Deposit<'_> {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl<'a> Gauge<'a> {
    const LONGEST: u32 = 256;

    pub(crate) fn new(meter: &'a Meter, stop: &'a AtomicBool) -> Self {
        Self {
            meter,
            stop,
            stopped: false,
            countdown: 1,
            interval: 1,
            last: Instant::now(),
            states: 0,
            paid_states: 0,
            bytes: Deposit::new(meter),
        }
    }

    /// Counts a configuration that was entered.
    #[inline]
    pub(crate) fn count(&mut self) {
        self.states += 1;
    }

    /// Configurations that were entered.
    pub(crate) fn states(&self) -> u64 {
        self.states
    }

    /// Whether the search has to stop.
    pub(crate) fn is_over(&self) -> bool {
        self.stopped || self.stop.load(Relaxed) || self.meter.exceeded()
    }

    #[inline]
    pub(crate) fn is_due(&mut self) -> bool {
        self.countdown -= 1;
        self.countdown == 0
    }

    /// Pays for what was entered and for `bytes` in use by this thread, and reads the meter.
    pub(crate) fn must_stop(&mut self, bytes: usize) -> bool {
        // Steps of unknown cost: the interval doubles while they are fast and collapses when not,
        // so the time between two readings stays far below the 50 ms that the budget promises.
        let now = Instant::now();
        let elapsed = now - self.last;
        self.last = now;
        if elapsed > Duration::from_millis(5) {
            self.interval = 1;
        } else if elapsed < Duration::from_millis(1) {
            self.interval = (self.interval * 2).min(Self::LONGEST);
        }
        self.countdown = self.interval;
        self.meter.add_states(self.states - self.paid_states);
        self.paid_states = self.states;
        self.bytes.set(bytes);
        self.stopped = self.is_over();
        self.stopped
    }
}
