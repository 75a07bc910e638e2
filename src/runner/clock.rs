//! The run's clock: monotonic nanoseconds of the controller since the run began.

use std::time::{Duration, Instant};

use perjury_history::Nanos;

/// Cheap to copy; all copies count from the same instant.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Clock {
        Clock(Instant::now())
    }

    /// Nanoseconds since the beginning.
    pub fn now(self) -> Nanos {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The instant of that time.
    pub fn instant(self, time: Nanos) -> Instant {
        self.0 + Duration::from_nanos(time)
    }
}
