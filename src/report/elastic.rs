//! An axis of time for a handful of operations that may lie milliseconds or minutes apart.
//!
//! Its order is exact and its distances are not: each stretch between two neighbouring moments
//! grows with the logarithm of its length, and with what has to be written in it. On a true scale
//! the operations of a stale read are hairlines at both ends of an empty page.

use perjury_history::Nanos;

/// The shortest and the longest stretch, before labels ask for more.
const SHORTEST: f64 = 16.0;
const LONGEST: f64 = 110.0;

/// The axis.
#[derive(Debug)]
pub struct Elastic {
    /// The moments in order, each once.
    pub moments: Vec<Nanos>,
    /// Where each is.
    places: Vec<f64>,
}

/// Room that is needed between two moments.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// From.
    pub from: Nanos,
    /// Until.
    pub until: Nanos,
    /// How much.
    pub width: f64,
}

impl Elastic {
    /// An axis through those moments, from `left`, at least `width` wide.
    pub fn new(mut moments: Vec<Nanos>, rooms: &[Room], left: f64, width: f64) -> Elastic {
        moments.sort_unstable();
        moments.dedup();
        let lengths: Vec<Nanos> = moments.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let least = lengths.iter().copied().min().unwrap_or(1).max(1) as f64;
        let mut stretches: Vec<f64> = lengths
            .iter()
            .map(|length| (SHORTEST + 12.0 * (*length as f64 / least).ln()).min(LONGEST))
            .collect();
        for room in rooms {
            make_room(&moments, &mut stretches, room);
        }
        let total: f64 = stretches.iter().sum();
        let scale = if total > 0.0 && total < width { width / total } else { 1.0 };
        let mut at = left;
        let mut places = Vec::with_capacity(moments.len());
        places.extend(moments.first().map(|_| at));
        for stretch in &stretches {
            at += stretch * scale;
            places.push(at);
        }
        Elastic { moments, places }
    }

    /// Where that moment is. Moments off the axis are at its ends.
    pub fn x(&self, time: Nanos) -> f64 {
        let after = self.moments.partition_point(|moment| *moment <= time);
        match (after.checked_sub(1), self.places.get(after)) {
            (None, first) => first.copied().unwrap_or_default(),
            (Some(at), None) => self.places[at],
            (Some(at), Some(next)) => {
                let whole = (self.moments[after] - self.moments[at]) as f64;
                let part = (time - self.moments[at]) as f64;
                self.places[at] + (next - self.places[at]) * part / whole
            }
        }
    }

    /// The right end.
    pub fn end(&self) -> f64 {
        self.places.last().copied().unwrap_or_default()
    }
}

/// Widens the stretches of a room evenly until it is wide enough.
fn make_room(moments: &[Nanos], stretches: &mut [f64], room: &Room) {
    let from = moments.partition_point(|moment| *moment < room.from);
    let until = moments.partition_point(|moment| *moment < room.until).min(stretches.len());
    if from >= until {
        return;
    }
    let stretches = &mut stretches[from..until];
    let missing = room.width - stretches.iter().sum::<f64>();
    if missing > 0.0 {
        let share = missing / stretches.len() as f64;
        stretches.iter_mut().for_each(|stretch| *stretch += share);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_and_labels_have_room() {
        let rooms = [Room { from: 10, until: 11, width: 80.0 }];
        let axis = Elastic::new(vec![1_000_000, 10, 11, 12, 10], &rooms, 100.0, 10.0);
        assert_eq!(axis.moments, [10, 11, 12, 1_000_000]);
        let places: Vec<f64> = axis.moments.iter().map(|moment| axis.x(*moment)).collect();
        assert!(places.is_sorted(), "{places:?}");
        assert!(places[1] - places[0] >= 80.0, "{places:?}");
        assert!(axis.x(500_000) > places[2] && axis.x(500_000) < places[3]);
        assert_eq!(axis.x(0), 100.0);
        assert_eq!(axis.x(u64::MAX), axis.end());
    }

    #[test]
    fn one_moment_or_none_is_an_axis() {
        assert_eq!(Elastic::new(vec![], &[], 5.0, 9.0).x(3), 0.0);
        assert_eq!(Elastic::new(vec![4], &[], 5.0, 9.0).x(4), 5.0);
    }
}
