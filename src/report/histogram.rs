//! Latencies in logarithmic buckets: quantiles in bounded memory, whatever the number of
//! operations.
//!
//! A bucket is a fiftieth of a decade wide, so a quantile is off by at most 2.4 %. The slowest and
//! the fastest are kept exactly.

use perjury_history::Nanos;

/// Buckets of a decade.
const FINE: f64 = 50.0;
/// The lowest bucket begins at 10^2 ns; the highest, at 10^12 ns, takes all above.
const LOWEST: f64 = 2.0;
const BUCKETS: usize = 501;

/// A distribution of latencies.
#[derive(Clone, Debug)]
pub struct Histogram {
    /// Counts; empty until the first latency comes.
    buckets: Vec<u32>,
    count: u64,
    least: Nanos,
    most: Nanos,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: Vec::new(), count: 0, least: Nanos::MAX, most: 0 }
    }
}

impl Histogram {
    /// Counts one latency.
    pub fn add(&mut self, latency: Nanos) {
        if self.buckets.is_empty() {
            self.buckets = vec![0; BUCKETS];
        }
        let at = bucket(latency);
        self.buckets[at] = self.buckets[at].saturating_add(1);
        self.count += 1;
        self.least = self.least.min(latency);
        self.most = self.most.max(latency);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The fastest.
    pub fn least(&self) -> Option<Nanos> {
        (self.count > 0).then_some(self.least)
    }

    /// The slowest.
    pub fn most(&self) -> Option<Nanos> {
        (self.count > 0).then_some(self.most)
    }

    /// The latency that this share of all does not exceed.
    pub fn quantile(&self, share: f64) -> Option<Nanos> {
        if self.count == 0 {
            return None;
        }
        let rank = ((share * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                let middle = 10f64.powf(LOWEST + (at as f64 + 0.5) / FINE);
                return Some((middle as Nanos).clamp(self.least, self.most));
            }
        }
        Some(self.most)
    }
}

fn bucket(latency: Nanos) -> usize {
    let place = ((latency.max(1) as f64).log10() - LOWEST) * FINE;
    (place.max(0.0) as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_their_bound() {
        let mut histogram = Histogram::default();
        for millis in 1..=1000u64 {
            histogram.add(millis * 1_000_000);
        }
        for (share, expected) in [(0.5, 500e6), (0.95, 950e6), (0.99, 990e6)] {
            let found = histogram.quantile(share).unwrap() as f64;
            assert!((found / expected - 1.0).abs() < 0.024, "{share}: {found}");
        }
        assert_eq!(histogram.quantile(1.0).map(|most| most <= 1_000_000_000), Some(true));
        assert_eq!((histogram.least(), histogram.most()), (Some(1_000_000), Some(1_000_000_000)));
    }

    #[test]
    fn extremes_do_not_overflow() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        histogram.add(0);
        histogram.add(Nanos::MAX);
        assert_eq!(histogram.count(), 2);
        assert!(histogram.quantile(0.99).is_some());
    }
}
