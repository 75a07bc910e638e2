//! A client of one Redis server, through the plain multiplexed connection of the `redis` crate:
//! that one neither retries nor reconnects.
//!
//! Which errors are definite is decided by one table, [`DEFINITE`]: those that Redis answers
//! before it runs a command (`processCommand` in its `server.c`).

use std::net::SocketAddr;
use std::time::Duration;

use perjury_history::{ACCOUNTS, Call, Cause, Key, NodeName, RESERVE, Reply, Testimony, Value};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, Value as Redis};

use super::super::wire::{Steps, answered, plain, steps};
use super::super::{Boxed, Client, Refusal};

/// Error codes of commands that were not run.
const DEFINITE: &[&str] = &[
    "READONLY",
    "LOADING",
    "MASTERDOWN",
    "NOREPLICAS",
    "MISCONF",
    "OOM",
    "NOAUTH",
    "NOPERM",
    "BUSY",
    "WRONGTYPE",
];

/// The worker's own time limit is shorter; this one only keeps the crate's default of half a
/// second from cutting calls off.
const LIMIT: Duration = Duration::from_secs(60);

/// Sets the second argument if the first is there.
const CAS: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then \
                   redis.call('SET', KEYS[1], ARGV[2]) return 1 else return 0 end";
/// The same where nothing has to be there.
const CAS_NIL: &str = "if redis.call('EXISTS', KEYS[1]) == 0 then \
                       redis.call('SET', KEYS[1], ARGV[1]) return 1 else return 0 end";

/// Moves what the second key is to get from the first one, which has to have it unless it is the
/// reserve. A script is carried out as one. Lua's numbers are exact up to 2^53.
const TRANSFER: &str = "local held = tonumber(redis.call('GET', KEYS[1]) or '0') \
                        if KEYS[1] ~= ARGV[2] and held < tonumber(ARGV[1]) then return 0 end \
                        redis.call('DECRBY', KEYS[1], ARGV[1]) \
                        redis.call('INCRBY', KEYS[2], ARGV[1]) return 1";
/// All accounts and what they hold, one after the other.
const ALL: &str = "local all = {} \
                   for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do \
                   all[#all + 1] = key all[#all + 1] = redis.call('GET', key) end return all";

pub(super) struct RedisClient {
    connection: MultiplexedConnection,
    open: bool,
    /// Who is at the other end, if it is one of the nodes.
    node: Option<NodeName>,
    local: bool,
}

/// Opens a connection without any retry.
pub(super) async fn open(address: SocketAddr) -> Result<MultiplexedConnection, Cause> {
    let failed = |error: RedisError| Cause::new("no-connection", format!("{address}: {error}"));
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_secs(2)))
        .set_response_timeout(Some(LIMIT));
    let client = redis::Client::open(format!("redis://{address}/")).map_err(failed)?;
    client.get_multiplexed_async_connection_with_config(&config).await.map_err(failed)
}

impl RedisClient {
    /// `local`: whatever the server there holds is asked for, primary or not.
    pub(super) async fn open(
        address: SocketAddr,
        node: Option<NodeName>,
        local: bool,
    ) -> Result<RedisClient, Cause> {
        Ok(RedisClient { connection: open(address).await?, open: true, node, local })
    }

    async fn ask(&mut self, command: &redis::Cmd) -> Result<Redis, Refusal> {
        let result: Result<Redis, RedisError> = command.query_async(&mut self.connection).await;
        result.map_err(|error| {
            let code = error.code().unwrap_or_default().to_owned();
            let definite = DEFINITE.contains(&code.as_str());
            // Whoever is told that this is no primary has to ask the sentinel again.
            self.open = definite && code != "READONLY" && code != "MASTERDOWN";
            if definite {
                Refusal::Definite(Cause::new(code.to_lowercase(), error.to_string()))
            } else if code.is_empty() {
                Refusal::Indefinite(Cause::new("connection-lost", error.to_string()))
            } else {
                Refusal::Indefinite(Cause::new(code.to_lowercase(), error.to_string()))
            }
        })
    }

    async fn cas(&mut self, key: &str, from: &Value, to: &Value) -> Result<Reply, Refusal> {
        let mut command = redis::cmd("EVAL");
        match from {
            Value::Nil => command.arg(CAS_NIL).arg(1).arg(key).arg(plain(to)?),
            from => command.arg(CAS).arg(1).arg(key).arg(plain(from)?).arg(plain(to)?),
        };
        match self.ask(&command).await? {
            Redis::Int(1) => Ok(Reply::Swapped(true)),
            Redis::Int(0) => Ok(Reply::Swapped(false)),
            other => Err(unmodelled(&other)),
        }
    }

    async fn transfer(&mut self, from: &str, to: &str, amount: i64) -> Result<Reply, Refusal> {
        let mut command = redis::cmd("EVAL");
        command.arg(TRANSFER).arg(2).arg(from).arg(to).arg(amount).arg(RESERVE);
        match self.ask(&command).await? {
            Redis::Int(1) => Ok(Reply::Done),
            Redis::Int(0) => Err(Refusal::Definite(Cause::new("insufficient-funds", from))),
            other => Err(unmodelled(&other)),
        }
    }

    async fn accounts(&mut self) -> Result<Reply, Refusal> {
        let mut command = redis::cmd("EVAL");
        let list = match self.ask(command.arg(ALL).arg(0).arg(ACCOUNTS)).await? {
            Redis::Array(list) if list.len().is_multiple_of(2) => list,
            other => return Err(unmodelled(&other)),
        };
        let held = |pair: &[Redis]| match &pair[0] {
            Redis::BulkString(key) => {
                Ok((Key::from(&*String::from_utf8_lossy(key)), value(&pair[1])?))
            }
            other => Err(unmodelled(other)),
        };
        list.chunks_exact(2).map(held).collect::<Result<_, _>>().map(Reply::Accounts)
    }

    /// All keys in one command, which Redis carries out as one.
    async fn transaction(&mut self, call: &Call) -> Result<Reply, Refusal> {
        let Call::Txn { steps: asked } = call else {
            return Err(Refusal::Definite(Cause::new("unsupported", call.name())));
        };
        match steps(asked)? {
            Steps::Reads(keys) => {
                let mut command = redis::cmd("MGET");
                keys.iter().for_each(|key| {
                    command.arg(key.as_str());
                });
                let list = match self.ask(&command).await? {
                    Redis::Array(list) => list,
                    other => return Err(unmodelled(&other)),
                };
                let read = |one: &Redis| match one {
                    Redis::Nil => Ok(Value::Nil),
                    other => value(other),
                };
                let values = list.iter().map(read).collect::<Result<_, _>>()?;
                answered(call, values).ok_or_else(|| unmodelled(&Redis::Array(list)))
            }
            Steps::Writes(pairs) => {
                let mut command = redis::cmd("MSET");
                for (key, value) in pairs {
                    command.arg(key.as_str()).arg(plain(value)?);
                }
                match self.ask(&command).await? {
                    Redis::Okay => Ok(Reply::Txn(asked.clone())),
                    other => Err(unmodelled(&other)),
                }
            }
        }
    }
}

impl Client for RedisClient {
    fn invoke<'a>(&'a mut self, call: &'a Call) -> Boxed<'a, Result<Reply, Refusal>> {
        Box::pin(async move {
            match call {
                Call::Read { key } => match self.ask(redis::cmd("GET").arg(key.as_str())).await? {
                    Redis::Nil => Ok(Reply::Value(Value::Nil)),
                    other => Ok(Reply::Value(value(&other)?)),
                },
                Call::Write { key, value } => {
                    let mut command = redis::cmd("SET");
                    match self.ask(command.arg(key.as_str()).arg(plain(value)?)).await? {
                        Redis::Okay => Ok(Reply::Done),
                        other => Err(unmodelled(&other)),
                    }
                }
                Call::Cas { key, from, to } => self.cas(key.as_str(), from, to).await,
                Call::Add { key, element } => {
                    let mut command = redis::cmd("SADD");
                    match self.ask(command.arg(key.as_str()).arg(plain(element)?)).await? {
                        Redis::Int(_) => Ok(Reply::Done),
                        other => Err(unmodelled(&other)),
                    }
                }
                Call::ReadAll { key } => {
                    match self.ask(redis::cmd("SMEMBERS").arg(key.as_str())).await? {
                        Redis::Array(list) | Redis::Set(list) => {
                            list.iter().map(value).collect::<Result<_, _>>().map(Reply::Elements)
                        }
                        other => Err(unmodelled(&other)),
                    }
                }
                Call::Delete { key } => {
                    match self.ask(redis::cmd("DEL").arg(key.as_str())).await? {
                        Redis::Int(0 | 1) => Ok(Reply::Done),
                        other => Err(unmodelled(&other)),
                    }
                }
                Call::Transfer { from, to, amount } => {
                    self.transfer(from.as_str(), to.as_str(), *amount).await
                }
                Call::ReadAccounts => self.accounts().await,
                Call::Txn { .. } => self.transaction(call).await,
                other => {
                    let detail = format!("this client has no {}", other.name());
                    Err(Refusal::Definite(Cause::new("unsupported", detail)))
                }
            }
        })
    }

    fn testimony(&mut self) -> Testimony {
        Testimony { node: self.node.clone(), local: self.local, ..Testimony::default() }
    }

    fn is_open(&self) -> bool {
        self.open
    }
}

fn value(stored: &Redis) -> Result<Value, Refusal> {
    match stored {
        Redis::BulkString(bytes) => Ok(Value::parse(bytes)),
        Redis::SimpleString(text) => Ok(Value::parse(text.as_bytes())),
        Redis::Int(number) => Ok(Value::Int(*number)),
        other => Err(unmodelled(other)),
    }
}

fn unmodelled(reply: &Redis) -> Refusal {
    let text: String = format!("{reply:?}").chars().take(500).collect();
    Refusal::Unmodelled(Cause::new("wrong-reply", text))
}

#[cfg(test)]
mod tests {
    use perjury_history::seal::{Form, Seals};

    use super::*;

    #[test]
    fn seals_survive_bulk_strings() {
        for form in [Form::Text, Form::Integer] {
            let sealed = Seals::of_run("r", "1", form).seal(&"k".into(), 17, 3);
            let mut command = redis::cmd("SET");
            command.arg("k").arg(plain(&sealed).unwrap());
            let text = plain(&sealed).unwrap();
            let framed = format!("${}\r\n{text}\r\n", text.len());
            let packed = command.get_packed_command();
            assert!(packed.ends_with(framed.as_bytes()), "{}", String::from_utf8_lossy(&packed));
            assert_eq!(value(&Redis::BulkString(text.into_bytes())), Ok(sealed));
        }
    }
}
