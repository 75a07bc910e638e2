//! Reading the meter from within a search, often enough and no more.
//!
//! The invariant: what was paid in bytes is given back when the search ends, however it ends. Clock
//! readings decide only when to stop, never what to answer.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::Meter;

/// Reads the meter every so many steps, and pays into it.
pub(crate) struct Gauge<'a> {
    meter: &'a Meter,
    stop: &'a AtomicBool,
    stopped: bool,
    countdown: u32,
    interval: u32,
    last: Instant,
    paid_states: u64,
    paid_bytes: u64,
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
            paid_states: 0,
            paid_bytes: 0,
        }
    }

    #[inline]
    pub(crate) fn is_due(&mut self) -> bool {
        self.countdown -= 1;
        self.countdown == 0
    }

    pub(crate) fn must_stop(&mut self, states: usize, bytes: usize) -> bool {
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
        self.pay(states as u64, bytes as u64);
        // Numbers of configurations have 32 bits (and there is no more of anything else than of
        // configurations). Running out of them is running out of memory.
        self.stopped |= states > (u32::MAX - 2 * Self::LONGEST) as usize;
        self.stopped |= self.stop.load(Relaxed) || self.meter.exceeded();
        self.stopped
    }

    fn pay(&mut self, states: u64, bytes: u64) {
        self.meter.add_states(states - self.paid_states);
        self.meter.add_bytes(bytes - self.paid_bytes);
        (self.paid_states, self.paid_bytes) = (states, bytes);
    }
}

impl Drop for Gauge<'_> {
    fn drop(&mut self) {
        self.meter.release_bytes(self.paid_bytes);
    }
}
