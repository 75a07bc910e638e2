//! Reads dbcop's binary file, which PolySI's corpus is in: bincode with every integer in eight
//! bytes, little-endian, and nothing between the fields.
//!
//! ```text
//! file        id sessions keys transactions events: u64 each, as they were planned
//!             database begin end: string each (u64 length in bytes, UTF-8)
//!             u64 count, so many sessions
//! session     u64 count, so many transactions
//! transaction u64 count, so many events, u8 committed
//! event       u8 is write, u64 key, u64 value, u8 success
//! ```
//!
//! Written by hand: the `bincode` crate is no longer kept. The invariant: a count is believed only
//! as far as bytes are there for it, so that no file makes us reserve more than it is long, and
//! every error names the byte.
//!
//! Source: <https://github.com/rnbguy/dbcop>.

use super::sessions::Transaction;
use crate::{Key, Micro, Process, Value};

/// The bytes of the five counts at the beginning.
pub(super) const COUNTS: usize = 40;

/// The offset from 0, and what is wrong there.
pub(super) type Flaw = (u64, String);

/// The least bytes of each: a count of nothing, the same and a flag, and an event whole.
const SESSION: u64 = 8;
const TRANSACTION: u64 = 9;
const EVENT: u64 = 18;

/// All transactions, session by session.
pub(super) fn transactions(bytes: &[u8]) -> Result<Vec<Transaction>, Flaw> {
    let mut reader = Reader { bytes, at: 0 };
    for planned in ["id", "sessions", "keys", "transactions", "events"] {
        reader.number(planned)?;
    }
    for text in ["the database's name", "the time of the beginning", "the time of the end"] {
        reader.text(text)?;
    }
    let mut transactions = Vec::new();
    for session in 0..reader.count("sessions", SESSION)? {
        for _ in 0..reader.count("transactions", TRANSACTION)? {
            transactions.push(reader.transaction(session)?);
        }
    }
    match reader.left() {
        0 => Ok(transactions),
        more => {
            Err(reader
                .flaw(format!("{more} bytes follow the last session; a file holds one history")))
        }
    }
}

/// One event, as it stands in the file.
struct Event {
    at: u64,
    micro: Micro,
    success: bool,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn flaw(&self, what: impl Into<String>) -> Flaw {
        (self.at as u64, what.into())
    }

    fn left(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    fn take(&mut self, length: usize, what: &str) -> Result<&[u8], Flaw> {
        let left = &self.bytes[self.at..];
        let Some(taken) = left.get(..length) else {
            return Err(self.flaw(format!(
                "the file is cut off: {what} takes {length} bytes, and {} are left",
                left.len()
            )));
        };
        self.at += length;
        Ok(taken)
    }

    fn number(&mut self, what: &str) -> Result<u64, Flaw> {
        let mut number = [0; 8];
        number.copy_from_slice(self.take(8, what)?);
        Ok(u64::from_le_bytes(number))
    }

    fn flag(&mut self, what: &str) -> Result<bool, Flaw> {
        match self.take(1, what)? {
            [0] => Ok(false),
            [1] => Ok(true),
            other => {
                let what = format!("{what} is {other:?}, which is neither 0 nor 1");
                Err((self.at as u64 - 1, what))
            }
        }
    }

    /// How many of what follows next, of which each takes at least so many bytes.
    fn count(&mut self, what: &str, least: u64) -> Result<u64, Flaw> {
        let at = self.at as u64;
        let count = self.number(what)?;
        match count.checked_mul(least) {
            Some(bytes) if bytes <= self.left() => Ok(count),
            _ => {
                let left = self.left();
                let what = format!(
                    "{count} {what} cannot be in the {left} bytes that are left: the file is cut \
                     off, damaged, or no history of dbcop"
                );
                Err((at, what))
            }
        }
    }

    fn text(&mut self, what: &str) -> Result<(), Flaw> {
        let length = self.count(&format!("bytes of {what}"), 1)?;
        let at = self.at as u64;
        // It fits: `count` compared it with the length of a slice.
        let text = self.take(usize::try_from(length).unwrap_or(usize::MAX), what)?;
        match std::str::from_utf8(text) {
            Ok(_) => Ok(()),
            Err(error) => Err((at + error.valid_up_to() as u64, format!("{what} is not UTF-8"))),
        }
    }

    fn transaction(&mut self, session: Process) -> Result<Transaction, Flaw> {
        let mut events = Vec::new();
        for _ in 0..self.count("events", EVENT)? {
            events.push(self.event()?);
        }
        let committed = self.flag("whether the transaction was committed")?;
        let failed = |event: &&Event| !event.success && !event.micro.is_read();
        if let (true, Some(event)) = (committed, events.iter().find(failed)) {
            let what = "a write without success in a committed transaction: whether it took effect \
                is not said, so nothing can be concluded from this history";
            return Err((event.at, what.into()));
        }
        let seen = |event: Event| match (event.micro, event.success) {
            (Micro::Read(key, _), false) => Micro::Read(key, None),
            (micro, _) => micro,
        };
        Ok(Transaction { session, steps: events.into_iter().map(seen).collect(), committed })
    }

    fn event(&mut self) -> Result<Event, Flaw> {
        let at = self.at as u64;
        let write = self.flag("whether the event is a write")?;
        let key = Key::from(self.number("a key")?.to_string());
        let value = self.number("a value")?;
        let value = i64::try_from(value)
            .map(Value::Int)
            .map_err(|_| (at, format!("the value {value} is above the largest, {}", i64::MAX)))?;
        let micro = match write {
            true => Micro::Write(key, value),
            false => Micro::Read(key, Some(value)),
        };
        Ok(Event { at, micro, success: self.flag("whether the event had success")? })
    }
}
