//! A client of one server: each call is one statement, which is a transaction of its own.
//!
//! Isolation is read committed, PostgreSQL's default: a statement sees all that was committed
//! before it began, and one that changes a row which somebody else is changing waits for that and
//! looks at the row again (13.2.1). So on one server each of these statements is atomic.
//!
//! Every statement answers with text, also how many rows it changed, and what is not exactly that
//! is outside the contract: the number in the protocol's own `CommandComplete` is taken for zero by
//! the crate where it is none.
//!
//! A version of what was read would be one more column here: `pg_current_wal_insert_lsn()`, on a
//! standby `pg_last_wal_replay_lsn()`. It is taken after the statement's snapshot, and the log
//! also moves by what is not yet visible. So it bounds from above what was seen: two reads at one
//! position may differ and lie nothing. For one server's own log it never goes back.

use perjury_history::{Call, Cause, Reply, Value};

use super::super::wire::{Steps, answered, plain, steps};
use super::super::{Boxed, Client, Refusal};
use super::connection::{Connection, text};

const READ: &str = "SELECT value FROM registers WHERE key = $1";
const READ_ALL: &str = "SELECT element FROM elements WHERE key = $1";

/// A statement that changes rows, and answers how many.
macro_rules! counted {
    ($change:literal) => {
        concat!("WITH changed AS (", $change, " RETURNING 1) SELECT count(*)::text FROM changed")
    };
}

const WRITE: &str = counted!(
    "INSERT INTO registers VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
);
const CAS: &str = counted!("UPDATE registers SET value = $3 WHERE key = $1 AND value = $2");
/// Where nothing has to be there.
const CAS_NIL: &str =
    counted!("INSERT INTO registers VALUES ($1, $2) ON CONFLICT (key) DO NOTHING");
const ADD: &str = counted!("INSERT INTO elements VALUES ($1, $2)");

pub(super) struct PostgresClient {
    pub(super) connection: Connection,
}

impl PostgresClient {
    pub(super) fn new(connection: Connection) -> PostgresClient {
        PostgresClient { connection }
    }

    /// The only column of all rows.
    async fn column(&mut self, statement: &str, key: &str) -> Result<Vec<Value>, Refusal> {
        let rows = self.connection.ask(statement, &[key]).await?;
        rows.iter().map(|row| text(row, 0).map(Value::parse)).collect()
    }

    /// How many rows were changed.
    pub(super) async fn change(
        &mut self,
        statement: &str,
        parameters: &[&str],
    ) -> Result<i64, Refusal> {
        let rows = self.connection.ask(statement, parameters).await?;
        let counts = rows.iter().map(|row| text(row, 0).map(Value::parse_int));
        match counts.collect::<Result<Vec<Value>, _>>()?.as_slice() {
            [Value::Int(count)] => Ok(*count),
            others => Err(unmodelled(format!("no count of rows: {others:?}"))),
        }
    }

    async fn read(&mut self, key: &str) -> Result<Reply, Refusal> {
        match self.column(READ, key).await?.as_slice() {
            [] => Ok(Reply::Value(Value::Nil)),
            [value] => Ok(Reply::Value(value.clone())),
            values => Err(unmodelled(format!("several values for one key: {values:?}"))),
        }
    }

    /// A change that has exactly one row to change.
    async fn one(&mut self, statement: &str, parameters: &[&str]) -> Result<Reply, Refusal> {
        match self.change(statement, parameters).await? {
            1 => Ok(Reply::Done),
            count => Err(unmodelled(format!("{count} rows were changed"))),
        }
    }

    async fn cas(&mut self, key: &str, from: &Value, to: &Value) -> Result<Reply, Refusal> {
        let count = match from {
            Value::Nil => self.change(CAS_NIL, &[key, &plain(to)?]).await?,
            from => self.change(CAS, &[key, &plain(from)?, &plain(to)?]).await?,
        };
        match count {
            0 | 1 => Ok(Reply::Swapped(count == 1)),
            count => Err(unmodelled(format!("{count} rows were changed"))),
        }
    }
}

impl Client for PostgresClient {
    fn invoke<'a>(&'a mut self, call: &'a Call) -> Boxed<'a, Result<Reply, Refusal>> {
        Box::pin(async move {
            match call {
                Call::Read { key } => self.read(key.as_str()).await,
                Call::Write { key, value } => {
                    self.one(WRITE, &[key.as_str(), &plain(value)?]).await
                }
                Call::Cas { key, from, to } => self.cas(key.as_str(), from, to).await,
                Call::Add { key, element } => {
                    self.one(ADD, &[key.as_str(), &plain(element)?]).await
                }
                Call::ReadAll { key } => {
                    self.column(READ_ALL, key.as_str()).await.map(Reply::Elements)
                }
                Call::Delete { key } => self.delete(key.as_str()).await,
                Call::Transfer { from, to, amount } => {
                    self.transfer(from.as_str(), to.as_str(), *amount).await
                }
                Call::ReadAccounts => self.accounts().await,
                Call::Txn { steps: asked } => match steps(asked)? {
                    Steps::Reads(keys) => {
                        let values = self.values(&keys).await?;
                        answered(call, values).ok_or_else(|| unmodelled("no values".into()))
                    }
                    Steps::Writes(pairs) => {
                        self.write_all(&pairs).await.map(|()| Reply::Txn(asked.clone()))
                    }
                },
                other => {
                    let detail = format!("this client has no {}", other.name());
                    Err(Refusal::Definite(Cause::new("unsupported", detail)))
                }
            }
        })
    }

    fn is_open(&self) -> bool {
        self.connection.is_open()
    }
}

pub(super) fn unmodelled(what: String) -> Refusal {
    Refusal::Unmodelled(Cause::new("wrong-reply", what.chars().take(500).collect::<String>()))
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
