//! Several keys in one etcd transaction: transactions of the load, a bank, and deletes.
//!
//! A transfer reads both accounts and then writes them on the condition that neither has changed:
//! a compare on their `mod_revision`, as the concurrency recipes of etcd do it (`stm.go`). The read
//! changes nothing, so what goes wrong with it is definite; the write is sent once, and where the
//! condition does not hold it is refused for sure.

use perjury_history::{ACCOUNTS, Call, Cause, Key, RESERVE, Reply, Value};
use serde_json::{Value as Json, json};

use super::super::Refusal;
use super::super::wire::{Steps, answered, plain, steps};
use super::client::{EtcdClient, decode, encode, kvs, number, unmodelled};

/// What a transfer finds in an account.
struct Account {
    held: i64,
    /// 0 if it is not there.
    revision: u64,
}

impl EtcdClient {
    /// The ranges of these keys in one transaction, which only reads.
    async fn ranges(&mut self, keys: &[&str]) -> Result<(Json, Vec<Option<Json>>), Refusal> {
        let range = |key: &&str| json!({ "request_range": { "key": encode(key) } });
        let body = json!({ "success": keys.iter().map(range).collect::<Vec<_>>() });
        let answer = self.post("/v3/kv/txn", &body).await?;
        let empty = Vec::new();
        let responses = answer["responses"].as_array().unwrap_or(&empty);
        if responses.len() != keys.len() {
            return Err(unmodelled("another number of answers", &answer));
        }
        let of_key = |response: &Json| match kvs(&response["response_range"]).as_slice() {
            [] => Ok(None),
            [kv] => Ok(Some((*kv).clone())),
            _ => Err(unmodelled("several values for one key", &answer)),
        };
        let found = responses.iter().map(of_key).collect::<Result<Vec<_>, _>>()?;
        Ok((answer.clone(), found))
    }

    pub(super) async fn transaction(&mut self, call: &Call) -> Result<Reply, Refusal> {
        let Call::Txn { steps: asked } = call else {
            return Err(Refusal::Definite(Cause::new("unsupported", call.name())));
        };
        match steps(asked)? {
            Steps::Reads(keys) => {
                let keys: Vec<&str> = keys.into_iter().map(Key::as_str).collect();
                let (answer, found) = self.ranges(&keys).await?;
                let value = |kv: &Option<Json>| match kv {
                    None => Ok(Value::Nil),
                    Some(kv) => Ok(Value::parse(&decode(&kv["value"])?)),
                };
                let values = found.iter().map(value).collect::<Result<Vec<_>, Refusal>>()?;
                answered(call, values).ok_or_else(|| unmodelled("no values", &answer))
            }
            Steps::Writes(pairs) => {
                let mut puts = Vec::new();
                for (key, value) in pairs {
                    let value = encode(&plain(value)?);
                    puts.push(
                        json!({ "request_put": { "key": encode(key.as_str()), "value": value } }),
                    );
                }
                let answer = self.post("/v3/kv/txn", &json!({ "success": puts })).await?;
                match answer.get("succeeded") {
                    Some(Json::Bool(true)) => Ok(Reply::Txn(asked.clone())),
                    _ => Err(unmodelled("an unconditional transaction failed", &answer)),
                }
            }
        }
    }

    pub(super) async fn transfer(
        &mut self,
        from: &str,
        to: &str,
        amount: i64,
    ) -> Result<Reply, Refusal> {
        // Nothing was written yet, whatever went wrong.
        let read = self.ranges(&[from, to]).await.map_err(|refusal| match refusal {
            Refusal::Indefinite(cause) => Refusal::Definite(cause),
            other => other,
        });
        let (answer, found) = read?;
        let accounts = found.iter().map(account).collect::<Option<Vec<_>>>();
        let Some([giver, taker]) = accounts.as_deref() else {
            return Err(Refusal::Definite(Cause::new("no-balance", answer.to_string())));
        };
        if from != RESERVE && giver.held < amount {
            return Err(Refusal::Definite(Cause::new("insufficient-funds", from)));
        }
        let is_still = |key: &str, account: &Account| {
            json!({
                "key": encode(key), "result": "EQUAL", "target": "MOD",
                "mod_revision": account.revision.to_string(),
            })
        };
        let holds = |key: &str, held: i64| {
            let value = encode(&held.to_string());
            json!({ "request_put": { "key": encode(key), "value": value } })
        };
        let body = json!({
            "compare": [is_still(from, giver), is_still(to, taker)],
            "success": [
                holds(from, giver.held.wrapping_sub(amount)),
                holds(to, taker.held.wrapping_add(amount)),
            ],
        });
        let answer = self.post("/v3/kv/txn", &body).await?;
        match answer.get("succeeded") {
            Some(Json::Bool(true)) => Ok(Reply::Done),
            None | Some(Json::Bool(false)) if answer.get("header").is_some() => {
                Err(Refusal::Definite(Cause::new("contended", "an account changed meanwhile")))
            }
            _ => Err(unmodelled("neither success nor failure", &answer)),
        }
    }

    pub(super) async fn accounts(&mut self) -> Result<Reply, Refusal> {
        // '0' is the byte after '/'.
        let end = format!("{}0", ACCOUNTS.trim_end_matches('/'));
        let answer =
            self.range(&json!({ "key": encode(ACCOUNTS), "range_end": encode(&end) })).await?;
        let held = |kv: &&Json| {
            let key = String::from_utf8_lossy(&decode(&kv["key"])?).into_owned();
            Ok((Key::from(key), Value::parse(&decode(&kv["value"])?)))
        };
        kvs(&answer).iter().map(held).collect::<Result<_, Refusal>>().map(Reply::Accounts)
    }

    /// Of nothing that was there no revision is made.
    pub(super) async fn delete(&mut self, key: &str) -> Result<Reply, Refusal> {
        let answer = self.post("/v3/kv/deleterange", &json!({ "key": encode(key) })).await?;
        match number(&answer["deleted"]) {
            Some(1) => {
                self.set_version(number(&answer["header"]["revision"]));
                Ok(Reply::Done)
            }
            // The gateway leaves out what is nought.
            None | Some(0) if answer.get("header").is_some() => Ok(Reply::Done),
            _ => Err(unmodelled("another number of keys", &answer)),
        }
    }
}

fn account(kv: &Option<Json>) -> Option<Account> {
    let Some(kv) = kv else { return Some(Account { held: 0, revision: 0 }) };
    match Value::parse(&decode(&kv["value"]).ok()?) {
        Value::Int(held) => Some(Account { held, revision: number(&kv["mod_revision"])? }),
        _ => None,
    }
}
