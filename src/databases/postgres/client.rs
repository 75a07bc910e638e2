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
//! Each answer also says where the write-ahead log stands, in a column of its own. [`Position`] has
//! what that is worth.

use perjury_history::{Call, Cause, NodeName, Reply, Testimony, Token, Value};

use super::super::wire::{Steps, answered, plain, steps};
use super::super::{Boxed, Client, Refusal};
use super::connection::{Connection, optional, text};
use super::position::{self, Position};

/// What is read of a key, beside where the log stands: a row without a value if nothing is there.
macro_rules! read {
    ($value:literal, $table:literal) => {
        concat!(
            "SELECT ",
            $value,
            ", lsn FROM (",
            position::seen!(),
            ") AS log LEFT JOIN ",
            $table,
            " ON key = $1"
        )
    };
}

const READ: &str = read!("value", "registers");
const READ_ALL: &str = read!("element", "elements");

/// The end of a statement that changes rows: how many, and where the log stands after it.
macro_rules! count_changed {
    () => {
        concat!(
            " SELECT count(*)::text, ",
            $crate::databases::postgres::position::written!(),
            " FROM changed"
        )
    };
}
pub(super) use count_changed;

/// A statement that changes rows, and answers with [`count_changed`].
macro_rules! counted {
    ($change:literal) => {
        concat!("WITH changed AS (", $change, " RETURNING 1)", count_changed!())
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

/// Whom a client talks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// The node.
    pub name: NodeName,
    /// Is it asked for its own copy, which may lag behind?
    pub copy: bool,
    /// Does every commit wait until the log is on the disk? Else the log may go back in a crash,
    /// and its positions are left out.
    pub durable: bool,
}

pub(super) struct PostgresClient {
    pub(super) connection: Connection,
    server: Server,
    pub(super) position: Option<Position>,
}

impl PostgresClient {
    pub(super) fn new(connection: Connection, server: Server) -> PostgresClient {
        PostgresClient { connection, server, position: None }
    }

    /// The values of all rows, and where the log stood.
    async fn column(&mut self, statement: &str, key: &str) -> Result<Vec<Value>, Refusal> {
        // A copy that is catching up must not be taken for further than it is: its position is
        // asked for before the snapshot that the statement takes.
        let before = if self.server.copy { Some(self.stand().await?) } else { None };
        let rows = self.connection.ask(statement, &[key]).await?;
        let Some(first) = rows.first() else { return Err(unmodelled("no row".into())) };
        let stands = Position::parse(text(first, 1)?).map_err(unmodelled)?;
        self.position = Some(before.unwrap_or(stands));
        let values = rows.iter().filter_map(|row| optional(row, 0).transpose());
        values.map(|value| value.map(Value::parse)).collect()
    }

    async fn stand(&mut self) -> Result<Position, Refusal> {
        let rows = self.connection.ask(position::seen!(), &[]).await?;
        match rows.as_slice() {
            [row] => Position::parse(text(row, 0)?).map_err(unmodelled),
            rows => Err(unmodelled(format!("{} positions of the log", rows.len()))),
        }
    }

    /// How many rows were changed.
    pub(super) async fn change(
        &mut self,
        statement: &str,
        parameters: &[&str],
    ) -> Result<i64, Refusal> {
        let rows = self.connection.ask(statement, parameters).await?;
        let [row] = rows.as_slice() else {
            return Err(unmodelled(format!("{} rows with a count", rows.len())));
        };
        let stands = Position::parse(text(row, 1)?).map_err(unmodelled)?;
        match Value::parse_int(text(row, 0)?) {
            Value::Int(count) => {
                // What changed nothing commits nothing, and waits for no disk.
                self.position = (count > 0).then_some(stands);
                Ok(count)
            }
            other => Err(unmodelled(format!("no count of rows: {other:?}"))),
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
            self.position = None;
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

    fn testimony(&mut self) -> Testimony {
        let position = self.position.take().filter(|_| self.server.durable);
        Testimony {
            node: Some(self.server.name.clone()),
            local: self.server.copy,
            token: position.map(Token::from),
            ..Testimony::default()
        }
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
