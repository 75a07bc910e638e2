//! When a replica that fell behind asks for what was decided, and whom.
//!
//! Pure: time and heights are arguments. A height that somebody claims costs one question and its
//! answer; what is answered is believed for its certificate alone.

use std::time::{Duration, Instant};

use crate::context::Height;

/// How many decided values one question is about.
pub const BATCH: u64 = 64;
/// How often a replica says how far it is, and how long it waits for an answer.
const PERIOD: Duration = Duration::from_millis(500);
/// A replica so many heights behind does not wait for votes to come.
const FAR: u64 = 3;
/// One that is less behind waits so long.
const PATIENCE: Duration = Duration::from_millis(200);

/// What is known of the others.
pub struct CatchUp {
    /// The last decided height of each replica, as it says.
    heard: Vec<Height>,
    told: Option<Instant>,
    /// When and from which height on.
    asked: Option<(Instant, Height)>,
    questions: usize,
    /// The height that is being decided, and since when.
    current: (Height, Instant),
}

impl CatchUp {
    /// Nothing is known of so many replicas.
    pub fn new(replicas: usize, current: Height, now: Instant) -> CatchUp {
        let heard = vec![Height(0); replicas];
        CatchUp { heard, told: None, asked: None, questions: 0, current: (current, now) }
    }

    /// A replica says how far it is.
    pub fn hear(&mut self, at: usize, height: Height) {
        if let Some(heard) = self.heard.get_mut(at) {
            *heard = height;
        }
    }

    /// Is it time to say how far one is?
    pub fn tells(&mut self, now: Instant) -> bool {
        let due = self.told.is_none_or(|told| now.duration_since(told) >= PERIOD);
        if due {
            self.told = Some(now);
        }
        due
    }

    /// Whom to ask for what was decided from `current` on, if anybody.
    pub fn asks(&mut self, current: Height, now: Instant) -> Option<usize> {
        if current != self.current.0 {
            self.current = (current, now);
        }
        let ahead = |far: u64| {
            let least = current.0.saturating_add(far);
            let all = self.heard.iter().enumerate();
            all.filter(move |(_, heard)| heard.0 >= least).map(|(at, _)| at).collect::<Vec<_>>()
        };
        let stuck = now.duration_since(self.current.1) >= PATIENCE;
        let far = ahead(FAR);
        let used_up = if far.is_empty() { 1 } else { BATCH };
        let knowing = if stuck { ahead(0) } else { far };
        let at = *knowing.get(self.questions % knowing.len().max(1))?;
        let again = self.asked.is_none_or(|(when, from)| {
            now.duration_since(when) >= PERIOD || current.0 >= from.0 + used_up
        });
        if !again {
            return None;
        }
        self.asked = Some((now, current));
        self.questions += 1;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_behind_asks_and_not_the_same_one_twice() {
        let begin = Instant::now();
        let after = |millis| begin + Duration::from_millis(millis);
        let mut own = CatchUp::new(4, Height(5), begin);
        own.hear(1, Height(5));
        assert_eq!(own.asks(Height(5), after(100)), None, "the votes may still be on their way");
        assert_eq!(own.asks(Height(5), after(200)), Some(1));
        assert_eq!(own.asks(Height(5), after(600)), None, "the answer may be on its way");
        own.hear(3, Height(500));
        assert_eq!(own.asks(Height(5), after(700)), Some(3), "it did not come");
        assert_eq!(own.asks(Height(4 + BATCH), after(710)), None, "it is being used");
        assert_eq!(own.asks(Height(5 + BATCH), after(720)), Some(3), "it was used up");
        assert_eq!(own.asks(Height(501), after(9000)), None, "nobody knows more");
        // A little behind: each height is asked for after a short wait of its own.
        assert_eq!(own.asks(Height(499), after(9100)), None);
        assert_eq!(own.asks(Height(499), after(9300)), Some(3));
        assert_eq!(own.asks(Height(500), after(9310)), None);
        assert_eq!(own.asks(Height(500), after(9510)), Some(3));
    }

    #[test]
    fn a_stand_is_told_now_and_then() {
        let begin = Instant::now();
        let mut own = CatchUp::new(4, Height(1), begin);
        assert!(own.tells(begin));
        assert!(!own.tells(begin + Duration::from_millis(499)));
        assert!(own.tells(begin + Duration::from_millis(500)));
    }
}
