//! The ground truth: a record of every lie that was told.
//!
//! Invariant: a lie is in the counts before any byte of it leaves. Records are kept until they are
//! fetched, within bounds; those that had to go are counted as lost, never forgotten silently.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;

/// How many bytes before and after a lie are kept in its record.
pub const MOST_SHOWN: usize = 256;

/// How many records wait to be fetched.
const MOST_RECORDS: usize = 1 << 15;

/// How many records one answer carries, so that it fits a frame.
pub const MOST_FETCHED: usize = 4096;

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// From who dialled to who listened.
    Requests,
    /// From who listened to who dialled.
    Replies,
}

/// A connection through a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Counted from 0 in the life of the proxy.
    pub connection: u64,
    /// Who dialled.
    pub dialler: SocketAddr,
    /// Whom they dialled: the original destination.
    pub listener: SocketAddr,
    /// Did this node dial?
    pub outgoing: bool,
}

/// A lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// Counted from 0 in the life of the proxy.
    pub number: u64,
    /// When, in nanoseconds of the node's monotonic clock since the proxy began.
    pub at_ns: u64,
    /// On which connection.
    pub link: Link,
    /// In which direction.
    pub way: Way,
    /// Its word, such as `forge`.
    pub lie: String,
    /// What was said: the beginning.
    pub before: Bytes,
    /// What was made of it: the beginning.
    pub after: Bytes,
    /// The seal that was said, if it was about one.
    #[serde(default)]
    pub seal_before: Option<String>,
    /// What stood in its place.
    #[serde(default)]
    pub seal_after: Option<String>,
    /// The word of the message and what else there is to say.
    #[serde(default)]
    pub detail: String,
}

/// What is known of a lie where it is told.
#[derive(Debug, Default)]
pub struct Telling<'a> {
    /// What was said.
    pub before: &'a [u8],
    /// What was made of it.
    pub after: &'a [u8],
    /// The seal that was said and what stands in its place.
    pub seal: Option<(&'a [u8], &'a [u8])>,
    /// What else there is to say.
    pub detail: String,
}

/// The records of one proxy.
#[derive(Debug, Default)]
pub struct Log {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    lost: u64,
    kept: VecDeque<Told>,
    counts: BTreeMap<String, u64>,
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down a lie that is about to be told.
    pub fn tell(&self, at_ns: u64, link: Link, way: Way, lie: &str, telling: &Telling<'_>) {
        let shown = |bytes: &[u8]| Bytes(bytes[..bytes.len().min(MOST_SHOWN)].to_vec());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut inner = self.lock();
        let number = inner.next;
        inner.next += 1;
        *inner.counts.entry(lie.to_owned()).or_default() += 1;
        if inner.kept.len() >= MOST_RECORDS {
            inner.kept.pop_front();
            inner.lost += 1;
        }
        inner.kept.push_back(Told {
            number,
            at_ns,
            link,
            way,
            lie: lie.to_owned(),
            before: shown(telling.before),
            after: shown(telling.after),
            seal_before: telling.seal.map(|(before, _)| text(before)),
            seal_after: telling.seal.map(|(_, after)| text(after)),
            detail: telling.detail.chars().take(MOST_SHOWN).collect(),
        });
    }

    /// The records from a number on, the oldest first, at most [`MOST_FETCHED`]. Those before it
    /// are thereby received, and forgotten.
    pub fn fetch(&self, from: u64) -> Vec<Told> {
        let mut inner = self.lock();
        while inner.kept.front().is_some_and(|told| told.number < from) {
            inner.kept.pop_front();
        }
        inner.kept.iter().take(MOST_FETCHED).cloned().collect()
    }

    /// How many lies of each kind were told, and how many records had to go unfetched.
    pub fn counts(&self) -> (BTreeMap<String, u64>, u64) {
        let inner = self.lock();
        (inner.counts.clone(), inner.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_kept_until_fetched_and_the_lost_ones_are_counted() {
        let log = Log::default();
        let any = "127.0.0.1:1".parse().unwrap();
        let link = Link { connection: 0, dialler: any, listener: any, outgoing: false };
        let extra = 10;
        for at in 0..(MOST_RECORDS + extra) as u64 {
            let telling = Telling { before: &[7; 999], ..Telling::default() };
            log.tell(at, link, Way::Replies, "forge", &telling);
        }
        let (counts, lost) = log.counts();
        assert_eq!(counts["forge"], (MOST_RECORDS + extra) as u64);
        assert_eq!(lost, extra as u64);
        let mut from = 0;
        let mut seen = Vec::new();
        loop {
            let some = log.fetch(from);
            let Some(last) = some.last() else { break };
            from = last.number + 1;
            seen.extend(some.iter().map(|told| told.number));
        }
        let wanted: Vec<u64> = (extra as u64..(MOST_RECORDS + extra) as u64).collect();
        assert_eq!(seen, wanted);
        assert_eq!(log.counts().1, extra as u64);
    }
}
