//! What waits to be sent one way: in order, each piece not before its time, some of it slowly.

use std::collections::VecDeque;
use std::time::Duration;

/// So many bytes at a time, and a pause after each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// At least one.
    pub bytes: usize,
    /// Between two portions.
    pub pause: Duration,
}

#[derive(Debug)]
struct Piece {
    due: Duration,
    bytes: Vec<u8>,
    sent: usize,
    pace: Option<Pace>,
}

/// The queue of one way. Times count from the beginning of the liar.
#[derive(Debug, Default)]
pub struct Outlet {
    pieces: VecDeque<Piece>,
    waiting: usize,
    /// Nothing more will be put in.
    pub ended: bool,
}

impl Outlet {
    /// Puts bytes at the end. They never overtake what is before them.
    pub fn push(&mut self, bytes: &[u8], due: Duration, pace: Option<Pace>) {
        if bytes.is_empty() {
            return;
        }
        self.waiting += bytes.len();
        let due = self.pieces.back().map_or(due, |last| last.due.max(due));
        if let Some(last) = self.pieces.back_mut()
            && last.pace.is_none()
            && pace.is_none()
            && last.due == due
        {
            return last.bytes.extend_from_slice(bytes);
        }
        self.pieces.push_back(Piece { due, bytes: bytes.to_vec(), sent: 0, pace });
    }

    /// What may be sent now.
    pub fn ready(&self, now: Duration) -> &[u8] {
        let Some(piece) = self.pieces.front().filter(|piece| piece.due <= now) else { return &[] };
        let rest = &piece.bytes[piece.sent..];
        match piece.pace {
            Some(pace) => &rest[..rest.len().min(pace.bytes)],
            None => rest,
        }
    }

    /// So many of those bytes were sent.
    pub fn sent(&mut self, count: usize, now: Duration) {
        let Some(piece) = self.pieces.front_mut() else { return };
        piece.sent += count;
        self.waiting -= count;
        let pause = piece.pace.map(|pace| now + pace.pause);
        if piece.sent == piece.bytes.len() {
            self.pieces.pop_front();
        }
        // The pause also separates a slow piece from the next one.
        if let (Some(next), Some(piece)) = (pause, self.pieces.front_mut()) {
            piece.due = piece.due.max(next);
        }
    }

    /// When the next bytes may be sent, if any wait.
    pub fn due(&self) -> Option<Duration> {
        self.pieces.front().map(|piece| piece.due)
    }

    /// How many bytes wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Will nothing ever be sent again?
    pub fn is_done(&self) -> bool {
        self.ended && self.pieces.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn order_is_kept_and_time_and_pace_are_respected() {
        let mut outlet = Outlet::default();
        outlet.push(b"lat", 10 * MS, None);
        outlet.push(b"er", 5 * MS, None);
        outlet.push(b"slow", 5 * MS, Some(Pace { bytes: 3, pause: 2 * MS }));
        assert_eq!((outlet.ready(9 * MS), outlet.due()), (&b""[..], Some(10 * MS)));
        assert_eq!(outlet.waiting(), 9);
        assert_eq!(outlet.ready(10 * MS), b"later");
        outlet.sent(2, 10 * MS);
        assert_eq!(outlet.ready(10 * MS), b"ter");
        outlet.sent(3, 10 * MS);
        assert_eq!(outlet.ready(10 * MS), b"slo");
        outlet.sent(3, 10 * MS);
        assert_eq!((outlet.ready(11 * MS), outlet.due()), (&b""[..], Some(12 * MS)));
        assert_eq!(outlet.ready(12 * MS), b"w");
        outlet.sent(1, 12 * MS);
        outlet.ended = true;
        assert!(outlet.is_done() && outlet.waiting() == 0);
    }
}
