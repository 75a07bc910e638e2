//! The timeouts that are running, and how long each one is.

use std::time::{Duration, Instant};

use malachite_types::{Timeout, TimeoutKind};

/// The timeouts of a replica.
pub struct Timers {
    /// That of the propose step of the first round.
    base: Duration,
    running: Vec<(Timeout, Instant)>,
}

impl Timers {
    /// None. `base` is the length of the propose step of the first round.
    pub fn new(base: Duration) -> Timers {
        Timers { base, running: Vec::new() }
    }

    /// How long one is: that of votes half of the base, and a quarter of the base more in each
    /// further round, so that the rounds become long enough for any network.
    fn length(&self, timeout: Timeout) -> Duration {
        let first = match timeout.kind {
            TimeoutKind::Propose => self.base,
            TimeoutKind::Prevote | TimeoutKind::Precommit => self.base / 2,
            TimeoutKind::Rebroadcast => self.base * 2,
        };
        first + self.base / 4 * timeout.round.as_u32().unwrap_or(0)
    }

    /// Begins one, or begins it again.
    pub fn schedule(&mut self, timeout: Timeout, now: Instant) {
        self.cancel(timeout);
        self.running.push((timeout, now + self.length(timeout)));
    }

    /// Ends one without consequence.
    pub fn cancel(&mut self, timeout: Timeout) {
        self.running.retain(|(other, _)| *other != timeout);
    }

    /// Ends all without consequence.
    pub fn cancel_all(&mut self) {
        self.running.clear();
    }

    /// When the next one is over.
    pub fn next(&self) -> Option<Instant> {
        self.running.iter().map(|(_, end)| *end).min()
    }

    /// One that is over.
    pub fn elapsed(&mut self, now: Instant) -> Option<Timeout> {
        let first = self.running.iter().position(|(_, end)| *end <= now)?;
        Some(self.running.swap_remove(first).0)
    }
}

#[cfg(test)]
mod tests {
    use malachite_types::Round;

    use super::*;

    #[test]
    fn later_rounds_last_longer_and_what_is_cancelled_does_not_elapse() {
        let mut timers = Timers::new(Duration::from_millis(400));
        let now = Instant::now();
        let (first, third) = (Timeout::propose(Round::new(0)), Timeout::propose(Round::new(2)));
        timers.schedule(first, now);
        timers.schedule(third, now);
        timers.schedule(Timeout::prevote(Round::new(0)), now);
        timers.cancel(Timeout::prevote(Round::new(0)));
        let after = |millis| now + Duration::from_millis(millis);
        assert_eq!(timers.next(), Some(after(400)));
        assert_eq!(timers.elapsed(after(399)), None);
        assert_eq!(timers.elapsed(after(400)), Some(first));
        assert_eq!(timers.elapsed(after(599)), None);
        assert_eq!(timers.elapsed(after(600)), Some(third));
        assert_eq!((timers.elapsed(after(9000)), timers.next()), (None, None));
    }
}
