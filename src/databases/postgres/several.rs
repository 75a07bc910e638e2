//! Several rows in one statement: transactions, and a bank in the table of the registers.
//!
//! Each is one statement, and so one transaction: what it reads is one snapshot, and what it writes
//! is committed as one (13.2.1 Read Committed Isolation Level). A transfer locks its two rows in
//! the order of their keys before it changes any, or transfers in opposite directions would be
//! deadlocked; the rows are looked at again once they are locked, so that no balance is lost. Two
//! that make the same account at the same time may still be, and are refused then (40P01).

use perjury_history::{ACCOUNTS, Cause, Key, RESERVE, Reply, Value};
use tokio_postgres::Row;

use super::super::Refusal;
use super::super::wire::plain;
use super::client::{PostgresClient, count_changed, unmodelled};
use super::connection::text;

/// From an account that may not be overdrawn: $3 leaves $1 for $2, if it is there.
const MOVE: &str = concat!(
    "\
WITH locked AS MATERIALIZED (
    SELECT key FROM registers WHERE key IN ($1, $2) ORDER BY key FOR UPDATE
), debit AS (
    UPDATE registers SET value = (value::bigint - $3::bigint)::text
    WHERE key = $1 AND (SELECT count(*) FROM locked) > 0 AND value::bigint >= $3::bigint
    RETURNING 1
), changed AS (
    INSERT INTO registers SELECT $2, $3 FROM debit
    ON CONFLICT (key) DO UPDATE
    SET value = (registers.value::bigint + excluded.value::bigint)::text
    RETURNING 1
)",
    count_changed!()
);

/// From the reserve, which may owe.
const FUND: &str = concat!(
    "\
WITH locked AS MATERIALIZED (
    SELECT key FROM registers WHERE key IN ($1, $2) ORDER BY key FOR UPDATE
), changed AS (
    INSERT INTO registers
    SELECT parts.key, parts.value FROM (SELECT count(*) FROM locked) AS first,
        (VALUES ($1, (-($3::bigint))::text), ($2, $3)) AS parts (key, value)
    ON CONFLICT (key) DO UPDATE
    SET value = (registers.value::bigint + excluded.value::bigint)::text
    RETURNING 1
)",
    count_changed!()
);

const ALL: &str = "SELECT key, value FROM registers WHERE starts_with(key, $1)";

/// `$1, $2, ...`, as many.
fn places(count: usize) -> String {
    (1..=count).map(|at| format!("${at}")).collect::<Vec<_>>().join(", ")
}

fn pair(row: &Row) -> Result<(Key, Value), Refusal> {
    let key = String::from_utf8_lossy(text(row, 0)?).into_owned();
    Ok((Key::from(key), Value::parse(text(row, 1)?)))
}

impl PostgresClient {
    pub(super) async fn transfer(
        &mut self,
        from: &str,
        to: &str,
        amount: i64,
    ) -> Result<Reply, Refusal> {
        let (statement, rows) = if from == RESERVE { (FUND, 2) } else { (MOVE, 1) };
        match self.change(statement, &[from, to, &amount.to_string()]).await? {
            0 if from != RESERVE => {
                Err(Refusal::Definite(Cause::new("insufficient-funds", from.to_owned())))
            }
            count if count == rows => Ok(Reply::Done),
            count => Err(unmodelled(format!("{count} rows were changed"))),
        }
    }

    pub(super) async fn accounts(&mut self) -> Result<Reply, Refusal> {
        let rows = self.connection.ask(ALL, &[ACCOUNTS]).await?;
        rows.iter().map(pair).collect::<Result<_, _>>().map(Reply::Accounts)
    }

    /// The values of these keys in one snapshot, in their order.
    pub(super) async fn values(&mut self, keys: &[&Key]) -> Result<Vec<Value>, Refusal> {
        let statement =
            format!("SELECT key, value FROM registers WHERE key IN ({})", places(keys.len()));
        let names: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
        let rows = self.connection.ask(&statement, &names).await?;
        let found = rows.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
        if found.len() > keys.len() {
            return Err(unmodelled(format!("{} values for {} keys", found.len(), keys.len())));
        }
        let value = |key: &&Key| {
            let of_key = found.iter().find(|(name, _)| name == *key);
            of_key.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        Ok(keys.iter().map(value).collect())
    }

    /// Writes all of them, in the order of their keys.
    pub(super) async fn write_all(&mut self, pairs: &[(&Key, &Value)]) -> Result<(), Refusal> {
        let mut pairs = pairs.to_vec();
        pairs.sort_by_key(|(key, _)| *key);
        let rows: Vec<String> =
            (0..pairs.len()).map(|at| format!("(${}, ${})", 2 * at + 1, 2 * at + 2)).collect();
        let statement = format!(
            "WITH changed AS (INSERT INTO registers VALUES {} ON CONFLICT (key) DO UPDATE SET \
             value = excluded.value RETURNING 1){}",
            rows.join(", "),
            count_changed!()
        );
        let mut parameters: Vec<String> = Vec::new();
        for (key, value) in &pairs {
            parameters.extend([key.to_string(), plain(value)?]);
        }
        let parameters: Vec<&str> = parameters.iter().map(String::as_str).collect();
        match self.change(&statement, &parameters).await? {
            count if usize::try_from(count) == Ok(pairs.len()) => Ok(()),
            count => Err(unmodelled(format!("{count} rows were changed"))),
        }
    }

    /// Nothing to remove is as good.
    pub(super) async fn delete(&mut self, key: &str) -> Result<Reply, Refusal> {
        const DELETE: &str = concat!(
            "WITH changed AS (DELETE FROM registers WHERE key = $1 RETURNING 1)",
            count_changed!()
        );
        match self.change(DELETE, &[key]).await? {
            0 | 1 => Ok(Reply::Done),
            count => Err(unmodelled(format!("{count} rows were changed"))),
        }
    }
}
