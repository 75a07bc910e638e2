//! A client of one etcd member.
//!
//! Which errors are definite is decided by one table, [`DEFINITE`]. Everything else is in doubt:
//! `request timed out`, `leader changed` and a lost connection in particular say nothing about
//! whether the proposal was or will be committed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use perjury_history::{Call, Cause, Counter, Reply, Testimony, Token, Value};
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
    said: Testimony,
}

impl EtcdClient {
    pub(super) fn new(connection: Connection, reads: Reads) -> EtcdClient {
        let serializable = reads == Reads::Serializable;
        EtcdClient { connection, serializable, said: Testimony::default() }
    }

    pub(super) async fn post(&mut self, path: &str, body: &Json) -> Result<Json, Refusal> {
        let answer = self.connection.post(path, body).await.map_err(refusal)?;
        self.said = testimony(&answer["header"]);
        Ok(answer)
    }

    /// The number of the last write of the key of the answer.
    pub(super) fn set_version(&mut self, version: Option<u64>) {
        if let Some(token) = &mut self.said.token {
            token.version = version;
        }
    }

    /// A range, read as the declaration says.
    pub(super) async fn range(&mut self, of: &Json) -> Result<Json, Refusal> {
        let mut body = of.clone();
        body["serializable"] = self.serializable.into();
        let answer = self.post("/v3/kv/range", &body).await?;
        self.said.local = self.serializable;
        Ok(answer)
    }

    async fn read(&mut self, key: &str) -> Result<Reply, Refusal> {
        let answer = self.range(&json!({ "key": encode(key) })).await?;
        match kvs(&answer).as_slice() {
            [] => Ok(Reply::Value(Value::Nil)),
            [kv] => {
                self.set_version(number(&kv["mod_revision"]));
                Ok(Reply::Value(Value::parse(&decode(&kv["value"])?)))
            }
            _ => Err(unmodelled("several values for one key", &answer)),
        }
    }

    async fn write(&mut self, key: &str, value: &Value) -> Result<Reply, Refusal> {
        let body = json!({ "key": encode(key), "value": encode(&plain(value)?) });
        let answer = self.post("/v3/kv/put", &body).await?;
        self.set_version(number(&answer["header"]["revision"]));
        match answer.get("header") {
            Some(_) => Ok(Reply::Done),
            None => Err(unmodelled("no header", &answer)),
        }
    }

    async fn cas(&mut self, key: &str, from: &Value, to: &Value) -> Result<Reply, Refusal> {
        let compare = match from {
            Value::Nil => json!({ "target": "VERSION", "version": "0" }),
            from => json!({ "target": "VALUE", "value": encode(&plain(from)?) }),
        };
        let mut compare = compare;
        compare["key"] = encode(key).into();
        compare["result"] = "EQUAL".into();
        let put = json!({ "key": encode(key), "value": encode(&plain(to)?) });
        let body = json!({ "compare": [compare], "success": [{ "request_put": put }] });
        let answer = self.post("/v3/kv/txn", &body).await?;
        // The gateway leaves out what is false.
        match answer.get("succeeded") {
            Some(Json::Bool(true)) => {
                self.set_version(number(&answer["header"]["revision"]));
                Ok(Reply::Swapped(true))
            }
            None | Some(Json::Bool(false)) if answer.get("header").is_some() => {
                Ok(Reply::Swapped(false))
            }
            _ => Err(unmodelled("neither success nor failure", &answer)),
        }
    }

    async fn add(&mut self, key: &str, element: &Value) -> Result<Reply, Refusal> {
        let member = format!("{key}/{}", plain(element)?);
        self.write(&member, &Value::Int(1)).await
    }

    async fn read_all(&mut self, key: &str) -> Result<Reply, Refusal> {
        let prefix = format!("{key}/");
        // '0' is the byte after '/': the end of the range of everything below the prefix.
        let body = json!({
            "key": encode(&prefix),
            "range_end": encode(&format!("{key}0")),
            "keys_only": true,
        });
        let answer = self.range(&body).await?;
        let element = |kv: &&Json| {
            let name = decode(&kv["key"])?;
            Ok(Value::parse(name.strip_prefix(prefix.as_bytes()).unwrap_or(&name)))
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
                Call::Delete { key } => self.delete(key.as_str()).await,
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
        std::mem::take(&mut self.said)
    }

    fn is_open(&self) -> bool {
        self.connection.is_open()
    }
}

/// Who answered, and at which revision: of a put or of a transaction that writes its own one, of a
/// range the one that it reads at (etcd's `rpc.proto`, `ResponseHeader`). A key's `mod_revision` is
/// the revision of its last write; a revision is given to one transaction.
fn testimony(header: &Json) -> Testimony {
    let text = |field: &str| header[field].as_str().unwrap_or_default().to_owned();
    let token = number(&header["revision"]).map(|at| Token {
        counter: Counter::Revision,
        scope: text("cluster_id"),
        at,
        version: None,
    });
    let member = Some(text("member_id")).filter(|member| !member.is_empty());
    Testimony { member, token, ..Testimony::default() }
}

/// A 64-bit number, which the gateway writes as text.
pub(super) fn number(field: &Json) -> Option<u64> {
    field.as_str().and_then(|text| text.parse().ok()).or_else(|| field.as_u64())
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

pub(super) fn unmodelled(what: &str, answer: &Json) -> Refusal {
    let text: String = answer.to_string().chars().take(500).collect();
    Refusal::Unmodelled(Cause::new("wrong-reply", format!("{what}: {text}")))
}

pub(super) fn kvs(answer: &Json) -> Vec<&Json> {
    answer["kvs"].as_array().map(|list| list.iter().collect()).unwrap_or_default()
}

pub(super) fn encode(text: &str) -> String {
    BASE64.encode(text)
}

/// The bytes under a field. The gateway leaves out what is empty.
pub(super) fn decode(field: &Json) -> Result<Vec<u8>, Refusal> {
    let text = field.as_str().unwrap_or_default();
    BASE64.decode(text).map_err(|_| unmodelled("no base64", field))
}

#[cfg(test)]
mod tests {
    use perjury_history::seal::{Form, Seals};

    use super::*;

    #[test]
    fn seals_survive_the_gateways_base64() {
        for form in [Form::Text, Form::Integer] {
            let value = Seals::of_run("r", "1", form).seal(&"k".into(), 17, 3);
            let field = Json::from(encode(&plain(&value).unwrap()));
            assert_eq!(Value::parse(&decode(&field).unwrap()), value);
        }
    }

    #[test]
    fn a_header_tells_who_answered_and_when() {
        let header = json!({ "cluster_id": "11", "member_id": "22", "revision": "7" });
        let said = testimony(&header);
        assert_eq!(said.member.as_deref(), Some("22"));
        let token = said.token.unwrap();
        assert_eq!((token.at, token.scope.as_str(), token.version), (7, "11", None));
        assert!(testimony(&Json::Null).is_empty());
    }
}
