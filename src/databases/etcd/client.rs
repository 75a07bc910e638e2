//! A client of one etcd member.
//!
//! Which errors are definite is decided by one table, [`DEFINITE`]. Everything else is in doubt:
//! `request timed out`, `leader changed` and a lost connection in particular say nothing about
//! whether the proposal was or will be committed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use perjury_history::{Call, Cause, Reply, Value};
use serde_json::{Value as Json, json};

use super::super::wire::plain;
use super::super::{Boxed, Client, Refusal};
use super::Reads;
use super::http::{Connection, HttpError};

/// Errors after which nothing was proposed, by gRPC code and by what the message contains.
///
/// | code | message | source in etcd's repository |
/// |---|---|---|
/// | 3 | any | `api/v3rpc/key.go`: requests are checked before they are passed on |
/// | 8 | too many requests | `v3_server.go`, `processInternalRaftRequestOnce`: before `Propose` |
/// | 8 | database space exceeded | `api/v3rpc/quota.go`: before the request is passed on |
const DEFINITE: &[(u64, &str)] =
    &[(3, ""), (8, "too many requests"), (8, "database space exceeded")];

pub(super) struct EtcdClient {
    connection: Connection,
    serializable: bool,
}

impl EtcdClient {
    pub(super) fn new(connection: Connection, reads: Reads) -> EtcdClient {
        EtcdClient { connection, serializable: reads == Reads::Serializable }
    }

    async fn post(&mut self, path: &str, body: &Json) -> Result<Json, Refusal> {
        self.connection.post(path, body).await.map_err(refusal)
    }

    async fn read(&mut self, key: &str) -> Result<Reply, Refusal> {
        let body = json!({ "key": encode(key), "serializable": self.serializable });
        let answer = self.post("/v3/kv/range", &body).await?;
        match kvs(&answer).as_slice() {
            [] => Ok(Reply::Value(Value::Nil)),
            [kv] => Ok(Reply::Value(Value::parse_int(&decode(&kv["value"])?))),
            _ => Err(unmodelled("several values for one key", &answer)),
        }
    }

    async fn write(&mut self, key: &str, value: &Value) -> Result<Reply, Refusal> {
        let body = json!({ "key": encode(key), "value": encode(&plain(value)) });
        let answer = self.post("/v3/kv/put", &body).await?;
        match answer.get("header") {
            Some(_) => Ok(Reply::Done),
            None => Err(unmodelled("no header", &answer)),
        }
    }

    async fn cas(&mut self, key: &str, from: &Value, to: &Value) -> Result<Reply, Refusal> {
        let compare = match from {
            Value::Nil => json!({ "target": "VERSION", "version": "0" }),
            from => json!({ "target": "VALUE", "value": encode(&plain(from)) }),
        };
        let mut compare = compare;
        compare["key"] = encode(key).into();
        compare["result"] = "EQUAL".into();
        let put = json!({ "key": encode(key), "value": encode(&plain(to)) });
        let body = json!({ "compare": [compare], "success": [{ "request_put": put }] });
        let answer = self.post("/v3/kv/txn", &body).await?;
        // The gateway leaves out what is false.
        match answer.get("succeeded") {
            Some(Json::Bool(true)) => Ok(Reply::Swapped(true)),
            None | Some(Json::Bool(false)) if answer.get("header").is_some() => {
                Ok(Reply::Swapped(false))
            }
            _ => Err(unmodelled("neither success nor failure", &answer)),
        }
    }

    async fn add(&mut self, key: &str, element: &Value) -> Result<Reply, Refusal> {
        let member = format!("{key}/{}", plain(element));
        self.write(&member, &Value::Int(1)).await
    }

    async fn read_all(&mut self, key: &str) -> Result<Reply, Refusal> {
        let prefix = format!("{key}/");
        // '0' is the byte after '/': the end of the range of everything below the prefix.
        let body = json!({
            "key": encode(&prefix),
            "range_end": encode(&format!("{key}0")),
            "keys_only": true,
            "serializable": self.serializable,
        });
        let answer = self.post("/v3/kv/range", &body).await?;
        let element = |kv: &&Json| {
            let name = decode(&kv["key"])?;
            Ok(Value::parse_int(name.strip_prefix(prefix.as_bytes()).unwrap_or(&name)))
        };
        kvs(&answer).iter().map(element).collect::<Result<_, Refusal>>().map(Reply::Elements)
    }
}

impl Client for EtcdClient {
    fn invoke<'a>(&'a mut self, call: &'a Call) -> Boxed<'a, Result<Reply, Refusal>> {
        Box::pin(async move {
            match call {
                Call::Read { key } => self.read(key.as_str()).await,
                Call::Write { key, value } => self.write(key.as_str(), value).await,
                Call::Cas { key, from, to } => self.cas(key.as_str(), from, to).await,
                Call::Add { key, element } => self.add(key.as_str(), element).await,
                Call::ReadAll { key } => self.read_all(key.as_str()).await,
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

/// What an error means for the effect of a request.
fn refusal(error: HttpError) -> Refusal {
    match error {
        HttpError::NotSent(cause) => Refusal::Definite(cause),
        HttpError::Lost(cause) => Refusal::Indefinite(cause),
        HttpError::NotJson(cause) => Refusal::Unmodelled(cause),
        HttpError::Status(status, body) => {
            let parsed: Json = serde_json::from_str(&body).unwrap_or_default();
            let message = parsed["message"].as_str().unwrap_or(&body).to_owned();
            let code = parsed["code"].as_u64();
            let definite =
                |(known, part): &(u64, &str)| code == Some(*known) && message.contains(part);
            let cause = Cause::new(slug(&message), format!("{status}: {message}"));
            if DEFINITE.iter().any(definite) {
                Refusal::Definite(cause)
            } else {
                Refusal::Indefinite(cause)
            }
        }
    }
}

/// A short word to group an error by.
fn slug(message: &str) -> String {
    let text = message.strip_prefix("etcdserver: ").unwrap_or(message);
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    text.chars().take(40).map(word).collect()
}

fn unmodelled(what: &str, answer: &Json) -> Refusal {
    let text: String = answer.to_string().chars().take(500).collect();
    Refusal::Unmodelled(Cause::new("wrong-reply", format!("{what}: {text}")))
}

fn kvs(answer: &Json) -> Vec<&Json> {
    answer["kvs"].as_array().map(|list| list.iter().collect()).unwrap_or_default()
}

fn encode(text: &str) -> String {
    BASE64.encode(text)
}

/// The bytes under a field. The gateway leaves out what is empty.
fn decode(field: &Json) -> Result<Vec<u8>, Refusal> {
    let text = field.as_str().unwrap_or_default();
    BASE64.decode(text).map_err(|_| unmodelled("no base64", field))
}
