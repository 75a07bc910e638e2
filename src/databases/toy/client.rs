//! The toy's client: one connection, one line out, one line in.

use std::net::SocketAddr;
use std::time::Duration;

use perjury_history::{Call, Cause, Counter, NodeName, Reply, Testimony, Token, Topology, Value};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::super::{Boxed, Client, Refusal};
use super::{Answer, Ask, Say};

pub(super) struct ToyClient {
    stream: BufReader<TcpStream>,
    local: bool,
    /// The names of the nodes in their order.
    names: Vec<NodeName>,
    said: Testimony,
}

impl ToyClient {
    pub(super) async fn open(address: SocketAddr) -> Result<ToyClient, Cause> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| Cause::new("no-connection", format!("{address}: {error}")))?;
        stream.set_nodelay(true).map_err(|error| Cause::new("no-connection", error.to_string()))?;
        let stream = BufReader::new(stream);
        Ok(ToyClient { stream, local: false, names: Vec::new(), said: Testimony::default() })
    }

    /// The same, but its reads ask for the node's own copy.
    pub(super) fn local(self) -> ToyClient {
        ToyClient { local: true, ..self }
    }

    /// The same, for a client that knows the nodes.
    pub(super) fn among(self, topology: &Topology) -> ToyClient {
        ToyClient { names: topology.names(), ..self }
    }

    /// Sends one line and reads one. The error says whether anything can have been done.
    pub(super) async fn ask(&mut self, ask: &Ask) -> Result<Answer, Refusal> {
        let lost = |error: std::io::Error| {
            Refusal::Indefinite(Cause::new("connection-lost", error.to_string()))
        };
        let mut line = serde_json::to_vec(ask)
            .map_err(|error| Refusal::Definite(Cause::new("not-sent", error.to_string())))?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).await.map_err(lost)?;
        let mut answer = Vec::new();
        self.stream.read_until(b'\n', &mut answer).await.map_err(lost)?;
        if answer.is_empty() {
            return Err(Refusal::Indefinite(Cause::new("connection-lost", "closed by the node")));
        }
        serde_json::from_slice(&answer).map_err(|error| {
            let text = String::from_utf8_lossy(&answer).into_owned();
            Refusal::Unmodelled(Cause::new("not-json", format!("{error}: {text}")))
        })
    }
}

impl Client for ToyClient {
    fn invoke<'a>(&'a mut self, call: &'a Call) -> Boxed<'a, Result<Reply, Refusal>> {
        Box::pin(async move {
            let Some(ask) = Ask::from_call(call, self.local) else {
                let detail = format!("the toy has no {}", call.name());
                return Err(Refusal::Definite(Cause::new("unsupported", detail)));
            };
            let answer = self.ask(&ask).await?;
            self.said = testimony(&answer, &self.names);
            match answer.say {
                Say::Done => Ok(match call {
                    Call::Txn { steps } => Reply::Txn(steps.clone()),
                    _ => Reply::Done,
                }),
                Say::Value(value) => Ok(Reply::Value(value)),
                Say::Swapped(swapped) => Ok(Reply::Swapped(swapped)),
                Say::Elements(elements) => Ok(Reply::Elements(elements)),
                Say::Values(values) => read(call, values),
                Say::Accounts(all) => {
                    let named = all.into_iter().map(|(key, held)| (key.into(), held));
                    Ok(Reply::Accounts(named.collect()))
                }
                Say::Refused(why) => Err(Refusal::Definite(Cause::new("refused", why))),
                Say::Lost(why) => Err(Refusal::Indefinite(Cause::new("primary-lost", why))),
                other @ (Say::Role { .. } | Say::Changes { .. }) => {
                    let what = format!("{other:?}, unasked");
                    Err(Refusal::Unmodelled(Cause::new("wrong-reply", what)))
                }
            }
        })
    }

    fn testimony(&mut self) -> Testimony {
        std::mem::take(&mut self.said)
    }
}

/// The steps of a transaction that only read, with what they read.
fn read(call: &Call, values: Vec<Value>) -> Result<Reply, Refusal> {
    match super::super::wire::answered(call, values) {
        Some(reply) => Ok(reply),
        None => Err(Refusal::Unmodelled(Cause::new("wrong-reply", "another number of values"))),
    }
}

fn testimony(answer: &Answer, names: &[NodeName]) -> Testimony {
    let token = Token {
        counter: Counter::Change,
        scope: String::new(),
        at: answer.at,
        version: answer.version,
    };
    let member = names.get(answer.by).map(NodeName::to_string);
    Testimony { node: None, member, local: answer.local, token: Some(token) }
}

/// Is that node primary?
pub(super) async fn role(address: SocketAddr, limit: Duration) -> Result<bool, Cause> {
    let asking = async {
        let mut client = ToyClient::open(address).await?;
        match client.ask(&Ask::Role).await {
            Ok(Answer { say: Say::Role { primary }, .. }) => Ok(primary),
            other => Err(Cause::new("wrong-reply", format!("{other:?}"))),
        }
    };
    tokio::time::timeout(limit, asking)
        .await
        .unwrap_or_else(|_| Err(Cause::new("timeout", "no answer about its role")))
}
