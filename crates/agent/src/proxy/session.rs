//! One connection through a liar: bytes in, bytes out, both ways.
//!
//! Pure: sockets and clocks are in [`super::engine`], so that every lie can be tested byte by byte.
//! The chain is: black hole, then messages (where the framing is known) or seals in the stream,
//! then what concerns the stream itself: flipped bits, truncation, delay, drip.
//!
//! Invariant: without framing, what comes out does not depend on how the stream was cut into
//! pieces on its way in, except by lies about time.

use std::sync::Arc;
use std::time::Duration;

use super::exchange::{Exchange, Out};
use super::framing::framing;
use super::outlet::{Outlet, Pace};
use super::running::{Place, Running};
use super::spec::{Part, Tell};
use super::told::{Link, Telling, Way};

/// How long the possible beginning of a seal waits for its rest. Longer than between two segments
/// of one message, shorter than any timeout.
const REST: Duration = Duration::from_millis(20);

/// Both ways, in the order of their numbers.
pub const WAYS: [Way; 2] = [Way::Requests, Way::Replies];

#[derive(Debug, Default)]
struct Side {
    lies: Vec<usize>,
    /// Of bytes and not of messages.
    of_stream: Vec<usize>,
    /// What may be the beginning of a seal, and since when.
    held: Vec<u8>,
    since: Duration,
    /// How many bytes were passed on.
    offset: u64,
    /// All is swallowed from now on.
    hole: bool,
    /// It drips, and that was written down.
    drips: bool,
    outlet: Outlet,
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    liar: Arc<Running>,
    link: Link,
    sides: [Side; 2],
    exchange: Option<Exchange>,
    /// Set when the connection has to break off as soon as that way is sent.
    broken: Option<Way>,
}

impl Session {
    /// A connection on which nothing was said yet.
    pub fn new(liar: Arc<Running>, link: Link) -> Session {
        let side = |way| {
            let lies = liar.lies_on(&link, way);
            let is_of_stream = |at: &usize| {
                let tell = &liar.spec.lies[*at].tell;
                !tell.needs_framing() && (!tell.is_about_seals())
            };
            let of_stream = lies.iter().copied().filter(is_of_stream).collect();
            Side { lies, of_stream, ..Side::default() }
        };
        let sides = WAYS.map(side);
        let lies = [sides[0].lies.clone(), sides[1].lies.clone()];
        let framing = framing(liar.spec.framing).filter(|_| lies.iter().any(|on| !on.is_empty()));
        let exchange = framing.map(|framing| Exchange::new(Arc::clone(&liar), link, framing, lies));
        Session { liar, link, sides, exchange, broken: None }
    }

    /// Does that way go through untouched and unread? Then the bytes need not come here.
    pub fn is_honest(&self, way: Way) -> bool {
        let side = &self.sides[way as usize];
        self.exchange.is_none() && !self.liar.watches_seals() && side.lies.is_empty()
    }

    /// Bytes came in.
    pub fn take(&mut self, way: Way, bytes: &[u8], now: Duration) {
        match &self.exchange {
            Some(exchange) if !exchange.is_opaque(way) => {
                self.exchange(now, |exchange| exchange.take(way, bytes, now));
            }
            _ => self.seek(way, bytes, now),
        }
    }

    /// Nothing more comes in.
    pub fn end(&mut self, way: Way, now: Duration) {
        self.exchange(now, |exchange| exchange.end(way));
        self.let_go(way, now);
        self.sides[way as usize].outlet.ended = true;
    }

    /// When [`Session::tick`] has something to do at the latest.
    pub fn due(&self) -> Option<Duration> {
        let held = self.sides.iter().filter(|side| !side.held.is_empty());
        let held = held.map(|side| side.since + REST).min();
        let exchange = self.exchange.as_ref().and_then(Exchange::due);
        held.into_iter().chain(exchange).min()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        for way in WAYS {
            let side = &self.sides[way as usize];
            if !side.held.is_empty() && side.since + REST <= now {
                self.let_go(way, now);
            }
        }
        if self.exchange.as_ref().and_then(Exchange::due).is_some_and(|due| due <= now) {
            self.exchange(now, |exchange| exchange.tick(now));
        }
    }

    /// What waits to be sent that way.
    pub fn outlet(&mut self, way: Way) -> &mut Outlet {
        &mut self.sides[way as usize].outlet
    }

    /// Has everything been sent that is sent before the connection breaks off?
    pub fn is_broken(&self) -> bool {
        self.broken.is_some_and(|way| self.sides[way as usize].outlet.waiting() == 0)
    }

    /// Passes on what comes of a step of the exchange, if there is one.
    fn exchange(&mut self, now: Duration, step: impl FnOnce(&mut Exchange) -> Vec<Out>) {
        let Some(exchange) = &mut self.exchange else { return };
        for Out { way, bytes, word } in step(exchange) {
            match word {
                Some(word) => self.stream(way, bytes, Some(&word), now),
                None => self.seek(way, &bytes, now),
            }
        }
    }

    /// Looks for seals in what is no message.
    fn seek(&mut self, way: Way, bytes: &[u8], now: Duration) {
        if !self.liar.watches_seals() {
            return self.stream(way, bytes.to_vec(), None, now);
        }
        let side = &mut self.sides[way as usize];
        if side.held.is_empty() {
            side.since = now;
        }
        side.held.extend_from_slice(bytes);
        self.settle(way, false, now);
    }

    fn let_go(&mut self, way: Way, now: Duration) {
        if !self.sides[way as usize].held.is_empty() {
            self.settle(way, true, now);
        }
    }

    fn settle(&mut self, way: Way, last: bool, now: Duration) {
        let side = &mut self.sides[way as usize];
        let place = Place { link: self.link, way, word: None, lies: &side.lies, now };
        let settled = self.liar.reseal(&mut side.held, last, &place);
        let rest = side.held.split_off(settled);
        let bytes = std::mem::replace(&mut side.held, rest);
        side.since = now;
        self.stream(way, bytes, None, now);
    }

    /// The last part of the chain: what concerns bytes as such.
    fn stream(&mut self, way: Way, mut bytes: Vec<u8>, word: Option<&str>, now: Duration) {
        if bytes.is_empty() || self.broken.is_some() {
            return;
        }
        let (liar, link) = (Arc::clone(&self.liar), self.link);
        let lies = self.sides[way as usize].of_stream.clone();
        let (mut due, mut pace) = (now, None);
        for at in lies {
            if !liar.is_awake(at, word, now) {
                continue;
            }
            let side = &mut self.sides[way as usize];
            let tell = |before: &[u8], after: &[u8], detail: String| {
                let telling = Telling { before, after, seal: None, detail };
                liar.tell(at, link, way, now, &telling);
            };
            match liar.spec.lies[at].tell {
                Tell::BlackHole if !side.hole && liar.strikes_link(at, &link) => {
                    side.hole = true;
                    tell(&bytes, b"", "from here on".into());
                }
                Tell::Corrupt(Part::Stream { block }) if !side.hole => {
                    flip(&liar, at, &link, (way, side.offset, block), &mut bytes, tell);
                }
                Tell::Delay { ms, jitter_ms } if !side.hole && liar.strikes(at) => {
                    let length = side.offset.to_be_bytes();
                    let about = [&link.connection.to_be_bytes()[..], &length].concat();
                    let more = liar.drawn(at, &about) % jitter_ms.saturating_add(1);
                    due = now + Duration::from_millis(ms.saturating_add(more));
                    tell(&bytes, &bytes, format!("{} ms", ms.saturating_add(more)));
                }
                Tell::Drip { bytes: some, every_ms }
                    if !side.hole && liar.strikes_link(at, &link) =>
                {
                    pace = Some(Pace { bytes: some, pause: Duration::from_millis(every_ms) });
                    if !std::mem::replace(&mut side.drips, true) {
                        tell(&bytes, &bytes, format!("{some} bytes every {every_ms} ms"));
                    }
                }
                Tell::Truncate { within } if !side.hole => {
                    let Some(cut) = cut_at(&liar, at, &link, side.offset, &bytes, word, within)
                    else {
                        continue;
                    };
                    tell(&bytes, &bytes[..cut], word.unwrap_or_default().to_owned());
                    bytes.truncate(cut);
                    self.broken = Some(way);
                }
                _ => {}
            }
        }
        let side = &mut self.sides[way as usize];
        side.offset += bytes.len() as u64;
        if !side.hole {
            side.outlet.push(&bytes, due, pace);
        }
    }
}

/// One bit in each block of the stream, at a place that follows from the block's number.
pub(super) fn flip(
    liar: &Running,
    lie: usize,
    link: &Link,
    (way, offset, block): (Way, u64, u64),
    bytes: &mut [u8],
    tell: impl Fn(&[u8], &[u8], String),
) {
    if bytes.is_empty() || !liar.strikes_link(lie, link) {
        return;
    }
    let end = offset + bytes.len() as u64;
    for number in offset / block..=(end - 1) / block {
        let parts = [link.connection, way as u64, number].map(u64::to_be_bytes).concat();
        let drawn = liar.drawn(lie, &parts);
        let at = number * block + drawn / 8 % block;
        let Some(at) = at.checked_sub(offset).and_then(|at| usize::try_from(at).ok()) else {
            continue;
        };
        if let Some(byte) = bytes.get_mut(at) {
            let before = *byte;
            *byte ^= 1 << (drawn % 8);
            let place = offset + at as u64;
            tell(&[before], &[*byte], format!("byte {place} of the stream"));
        }
    }
}

/// Where to break off: within a message, or within the first bytes of a stream.
fn cut_at(
    liar: &Running,
    lie: usize,
    link: &Link,
    offset: u64,
    bytes: &[u8],
    word: Option<&str>,
    within: u64,
) -> Option<usize> {
    let name = link.connection.to_be_bytes();
    if liar.is_framed() {
        word?;
        if bytes.len() < 2 || !liar.strikes(lie) {
            return None;
        }
        let most = within.min(bytes.len() as u64);
        return usize::try_from(1 + liar.drawn(lie, &name) % (most - 1)).ok();
    }
    if !liar.strikes_link(lie, link) {
        return None;
    }
    let at = 1 + liar.drawn(lie, &name) % (within - 1);
    let end = offset + bytes.len() as u64;
    (offset < at && at <= end).then(|| usize::try_from(at - offset).ok()).flatten()
}
