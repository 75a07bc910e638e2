//! What an error means for the effect of a statement: by its SQLSTATE, in one table, [`DEFINITE`].
//!
//! | SQLSTATE | condition | source in the PostgreSQL 15 documentation |
//! |---|---|---|
//! | 22021 | `character_not_in_repertoire` | 24.3 Character Set Support; checked at Bind, 55.2.3 Extended Query |
//! | 25006 | `read_only_sql_transaction` | 27.4.1 Hot Standby, User's Overview: what a standby refuses |
//! | 40001 | `serialization_failure` | 13.5 Serialization Failure Handling: the complete transaction has to be tried again |
//! | 40P01 | `deadlock_detected` | 13.3.4 Deadlocks: resolved by aborting one of the transactions |
//! | 42... | syntax error or access rule violation | 52.3 The Parser Stage: before anything is executed |
//! | 57014 | `query_canceled` | 20.11.1 `statement_timeout` aborts the statement; its timer stops before the commit (`finish_xact_command` in `postgres.c`), and nobody else cancels |
//! | XX001 | `data_corrupted` | 20.17 `ignore_checksum_failure` and `zero_damaged_pages`: an error, "aborting the current transaction" |
//!
//! They count only with the severity ERROR. What is FATAL ends the session and may come when the
//! commit is already made; an ERROR cannot, for `RecordTransactionAbort` in PostgreSQL's `xact.c`
//! panics if the transaction is committed.
//!
//! Not in the table, and so in doubt: 57P01 `admin_shutdown` and 57P02 `crash_shutdown`, which may
//! come while a commit waits for a standby (27.2.8 Synchronous Replication); class 08, connection
//! exceptions; 53100 `disk_full`, 58030 `io_error` and XX000 `internal_error`, of which nothing is
//! promised; and whatever is not documented.

use std::error::Error as _;

use perjury_history::Cause;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity};

use super::super::Refusal;

/// Errors after which the statement's transaction is undone: the beginning of the SQLSTATE, and a
/// word to group them by.
const DEFINITE: &[(&str, &str)] = &[
    ("22021", "character-not-in-repertoire"),
    ("25006", "read-only-sql-transaction"),
    ("40001", "serialization-failure"),
    ("40P01", "deadlock-detected"),
    ("42", "syntax-or-access-rule"),
    ("57014", "query-canceled"),
    ("XX001", "data-corrupted"),
];

/// How the crate words that it did not understand the server. It keeps the kind to itself.
const GARBLED: &[&str] = &["unexpected message from server", "error parsing response from server"];

/// What is known of a statement's effect after this error.
pub(super) fn refusal(error: &Error) -> Refusal {
    let Some(said) = error.as_db_error() else {
        let what = sentence(error);
        return if GARBLED.iter().any(|wording| what.starts_with(wording)) {
            Refusal::Unmodelled(Cause::new("wrong-reply", what))
        } else {
            Refusal::Indefinite(Cause::new("connection-lost", what))
        };
    };
    let code = said.code().code();
    let row = DEFINITE.iter().find(|(known, _)| code.starts_with(known));
    match row.filter(|_| said.parsed_severity() == Some(Severity::Error)) {
        Some((_, word)) => Refusal::Definite(Cause::new(*word, detail(said))),
        None => {
            let word = format!("sqlstate-{}", code.to_ascii_lowercase());
            Refusal::Indefinite(Cause::new(word, detail(said)))
        }
    }
}

fn detail(said: &DbError) -> String {
    format!("{} {}: {}", said.severity(), said.code().code(), said.message())
}

/// The error and what it comes from, in one line.
pub(super) fn sentence(error: &Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(said), _) => detail(said),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}
