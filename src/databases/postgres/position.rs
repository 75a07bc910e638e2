//! Where a server's write-ahead log stands, as an answer says it: PostgreSQL's LSN.
//!
//! - A **read** of the primary says how far the log is on the disk (`pg_current_wal_flush_lsn`). A
//!   commit is shown after it is there, and the function runs after the statement's snapshot, so
//!   all that was seen is before it. It never goes back, in a crash neither: recovery goes on
//!   behind it.
//! - A **write** says how far the log is written behind its rows (`pg_current_wal_insert_lsn`); its
//!   commit comes after that, and is on the disk before it is acknowledged. So a copy that is not
//!   so far lacks the write.
//! - A **copy**, of a standby, says how far it has replayed (`pg_last_wal_replay_lsn`). A standby
//!   replays only what is on the primary's disk.
//!
//! It bounds what was seen and names no write: the log also moves by what nobody sees. With
//! `synchronous_commit` off the first two do not hold. No standby is ever promoted here, so there
//! is one timeline.
//!
//! Source: the PostgreSQL 15 documentation, 9.27.3 and 9.27.4 (the functions), 8.20 (`pg_lsn`),
//! 30.5 WAL Configuration (`XLogFlush`), 27.2.5 Streaming Replication.

use perjury_history::{Counter, Token};

/// A statement for where the log of a server stands, whatever it is. One column, `lsn`.
macro_rules! seen {
    () => {
        "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
         ELSE pg_current_wal_flush_lsn() END)::text AS lsn"
    };
}
pub(super) use seen;

/// A column for where the log stands after rows were changed.
macro_rules! written {
    () => {
        "pg_current_wal_insert_lsn()::text"
    };
}
pub(super) use written;

/// A position in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(u64);

impl Position {
    /// Two numbers in hexadecimal, the upper and the lower half, as `16/B374D848`.
    pub(super) fn parse(text: &[u8]) -> Result<Position, String> {
        let half = |digits: &str| {
            let is_hex =
                !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            u32::from_str_radix(digits, 16).ok().filter(|_| is_hex)
        };
        let halves = std::str::from_utf8(text).ok().and_then(|text| text.split_once('/'));
        let parsed = halves.and_then(|(upper, lower)| Some((half(upper)?, half(lower)?)));
        let (upper, lower) =
            parsed.ok_or_else(|| format!("no position of the log: {:?}", text.escape_ascii()))?;
        Ok(Position(u64::from(upper) << 32 | u64::from(lower)))
    }
}

impl From<Position> for Token {
    fn from(position: Position) -> Token {
        Token { counter: Counter::Lsn, scope: String::new(), at: position.0, version: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_two_halves_in_hexadecimal() {
        assert_eq!(Position::parse(b"16/B374D848"), Ok(Position(0x16_B374_D848)));
        assert_eq!(Position::parse(b"0/0"), Ok(Position(0)));
        for text in ["", "1", "/", "1/", "1/x", "+1/1", "1/2/3", "1/123456789"] {
            assert!(Position::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Position::parse(b"0/\xff").is_err());
    }
}
