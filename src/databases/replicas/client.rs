//! A client of the replicas.
//!
//! A transaction is given to one replica, its home, once. With [`Answers::Quorum`] other replicas
//! are then asked what came of it, one after the other, until f + 1 say the same: a question that
//! changes nothing. So a lying home can keep a transaction back, which is a doubt, but cannot make
//! the client believe what no honest replica says.
//!
//! | answer | is | source in `targets/replica` |
//! |---|---|---|
//! | `refused` | definite | `clients.rs`, `carry_out`: before it is signed or told to anybody |
//! | `undecided` | in doubt | `clients.rs`, `wait`: it stays in the pools of all replicas |
//! | no f + 1 equal answers | in doubt | the home may have told the truth |
//! | connection lost, no answer | in doubt | |
//!
//! `refused` is the word of one replica; one that lies can make a definite failure of what it
//! commits. That is a finding, and the checkers call it so.

use std::net::SocketAddr;

use perjury_history::{Call, Cause, Counter, Node, Reply, Testimony, Token, Topology, Value};
use serde_json::{Value as Json, json};

use super::super::wire::{limited, plain};
use super::super::{Boxed, Client, Refusal};
use super::lines::{Answer, Done, Lines, Output, Status};
use super::{Answers, Reads, bearable, client_address};

pub(super) struct ReplicaClient {
    home: Lines,
    /// The other replicas, from the one after the home on, with a connection once there is one.
    others: Vec<(SocketAddr, Option<Lines>)>,
    /// So many replicas have to say the same.
    agreeing: usize,
    reads: Reads,
    answers: Answers,
    said: Testimony,
}

impl ReplicaClient {
    /// Connects to the home. Nothing is sent yet.
    pub(super) async fn open(
        reads: Reads,
        answers: Answers,
        node: &Node,
        topology: &Topology,
    ) -> Result<ReplicaClient, Cause> {
        let nodes = &topology.nodes;
        let me = nodes.iter().position(|other| other.name == node.name).unwrap_or(0);
        let after = nodes.iter().skip(me + 1).chain(nodes.iter().take(me));
        Ok(ReplicaClient {
            home: Lines::open(client_address(node)).await?,
            others: after.map(|node| (client_address(node), None)).collect(),
            agreeing: bearable(nodes.len()) + 1,
            reads,
            answers,
            said: Testimony::default(),
        })
    }

    /// Gives a transaction to the home and answers what came of it.
    async fn transact(&mut self, operation: &Json) -> Result<Output, Refusal> {
        let done = match self.home.ask(operation).await? {
            Answer::Done(done) => done,
            other => return Err(refusal(other)),
        };
        if self.answers == Answers::One {
            self.said.token = Some(token(&done));
            return Ok(done.output);
        }
        let question = json!({ "outcome": { "id": done.id } });
        let same = |answer: Answer| match answer {
            Answer::Done(done) => Some(done),
            _ => None,
        };
        let agreed: Done = self.agree(done, &question, same).await?;
        self.said.token = Some(token(&agreed));
        Ok(agreed.output)
    }

    /// Asks the home for its copy, and with [`Reads::Quorum`] the others for theirs. Only a single
    /// copy is of one state: several that agree about one key may differ in how far they are.
    async fn copy<T: PartialEq>(
        &mut self,
        question: &Json,
        content: impl Fn(Answer) -> Option<T>,
    ) -> Result<T, Refusal> {
        let answer = self.home.ask(question).await?;
        self.said.local = true;
        if self.reads == Reads::Single {
            self.said.token = stand(&answer);
        }
        let unmodelled = refusal(answer.clone());
        let own = content(answer).ok_or(unmodelled)?;
        match self.reads {
            Reads::Single => Ok(own),
            _ => self.agree(own, question, content).await,
        }
    }

    /// Asks the others until enough replicas, the home among them, say the same.
    async fn agree<T: PartialEq>(
        &mut self,
        own: T,
        question: &Json,
        content: impl Fn(Answer) -> Option<T>,
    ) -> Result<T, Refusal> {
        let mut said: Vec<(T, usize)> = vec![(own, 1)];
        let mut silent = Vec::new();
        let agreeing = self.agreeing;
        let mut others = self.others.iter_mut();
        loop {
            if let Some(at) = said.iter().position(|(_, votes)| *votes >= agreeing) {
                return Ok(said.swap_remove(at).0);
            }
            let Some((address, connection)) = others.next() else { break };
            match ask_another(*address, connection, question).await {
                Ok(answer) => match content(answer) {
                    Some(one) => match said.iter_mut().find(|(other, _)| *other == one) {
                        Some((_, votes)) => *votes += 1,
                        None => said.push((one, 1)),
                    },
                    None => silent.push(format!("{address} has another kind of answer")),
                },
                Err(cause) => silent.push(format!("{address}: {cause}")),
            }
        }
        let different = said.len();
        let detail = format!("{different} different answers, none from {agreeing} replicas");
        let detail = [vec![detail], silent].concat().join("; ");
        Err(Refusal::Indefinite(Cause::new("no-agreement", detail)))
    }

    async fn read(&mut self, key: &str) -> Result<Reply, Refusal> {
        let value = match self.reads {
            Reads::Ordered => match self.transact(&json!({ "read": { "key": key } })).await? {
                Output::Register { value, .. } => value,
                other => return Err(unmodelled(&other)),
            },
            Reads::Quorum | Reads::Single => {
                let question = json!({ "committed": { "key": key } });
                let content = |answer| match answer {
                    Answer::Committed { value, version, .. } => Some((value, version)),
                    _ => None,
                };
                self.copy(&question, content).await?.0
            }
        };
        let parse = |text: String| Value::parse(text.as_bytes());
        Ok(Reply::Value(value.map_or(Value::Nil, parse)))
    }

    async fn read_all(&mut self, key: &str) -> Result<Reply, Refusal> {
        let elements = match self.reads {
            Reads::Ordered => match self.transact(&json!({ "elements": { "key": key } })).await? {
                Output::Elements(elements) => elements,
                other => return Err(unmodelled(&other)),
            },
            Reads::Quorum | Reads::Single => {
                let question = json!({ "committed-elements": { "key": key } });
                let content = |answer| match answer {
                    Answer::CommittedElements { elements, .. } => Some(elements),
                    _ => None,
                };
                self.copy(&question, content).await?
            }
        };
        let parse = |text: &String| Value::parse(text.as_bytes());
        Ok(Reply::Elements(elements.iter().map(parse).collect()))
    }

    /// A transaction that only says that it was done.
    async fn just_done(&mut self, operation: &Json) -> Result<Reply, Refusal> {
        match self.transact(operation).await? {
            Output::Done => Ok(Reply::Done),
            other => Err(unmodelled(&other)),
        }
    }

    async fn cas(&mut self, key: &str, from: &Value, to: &Value) -> Result<Reply, Refusal> {
        let from = match from {
            Value::Nil => None,
            from => Some(plain(from)?),
        };
        let operation = json!({ "cas": { "key": key, "from": from, "to": plain(to)? } });
        match self.transact(&operation).await? {
            Output::Swapped(swapped) => Ok(Reply::Swapped(swapped)),
            other => Err(unmodelled(&other)),
        }
    }
}

impl Client for ReplicaClient {
    fn invoke<'a>(&'a mut self, call: &'a Call) -> Boxed<'a, Result<Reply, Refusal>> {
        Box::pin(async move {
            self.said = Testimony::default();
            match call {
                Call::Read { key } => self.read(key.as_str()).await,
                Call::ReadAll { key } => self.read_all(key.as_str()).await,
                Call::Write { key, value } => {
                    let (key, value) = (key.as_str(), plain(value)?);
                    self.just_done(&json!({ "write": { "key": key, "value": value } })).await
                }
                Call::Add { key, element } => {
                    let (key, element) = (key.as_str(), plain(element)?);
                    self.just_done(&json!({ "add": { "key": key, "element": element } })).await
                }
                Call::Cas { key, from, to } => self.cas(key.as_str(), from, to).await,
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
}

/// Places count from 0, the numbers of the checkers from 1: 0 is what nobody has written.
fn number(place: u64) -> u64 {
    place.saturating_add(1)
}

/// What a committed transaction states: its own number, and that of the last write of its key.
fn token(done: &Done) -> Token {
    let version = match &done.output {
        Output::Done | Output::Swapped(true) => Some(number(done.at)),
        Output::Register { version, .. } => version.map(number),
        Output::Swapped(false) | Output::Elements(_) => None,
    };
    Token { counter: Counter::Sequence, scope: String::new(), at: number(done.at), version }
}

/// What a copy states: how many transactions are in it.
fn stand(answer: &Answer) -> Option<Token> {
    let (at, version) = match answer {
        Answer::Committed { transactions, version, .. } => (*transactions, version.map(number)),
        Answer::CommittedElements { transactions, .. } => (*transactions, None),
        _ => return None,
    };
    Some(Token { counter: Counter::Sequence, scope: String::new(), at, version })
}

/// Asks another replica, which has a short time for it. A connection on which an answer is still
/// out is given up: it would be taken for the next one.
async fn ask_another(
    address: SocketAddr,
    connection: &mut Option<Lines>,
    question: &Json,
) -> Result<Answer, Cause> {
    let kept = connection.take();
    let asking = async {
        let mut lines = match kept {
            Some(lines) => lines,
            None => Lines::open(address).await?,
        };
        match lines.ask(question).await {
            Ok(answer) => Ok((lines, answer)),
            Err(
                Refusal::Definite(cause) | Refusal::Indefinite(cause) | Refusal::Unmodelled(cause),
            ) => Err(cause),
        }
    };
    let (lines, answer) = limited(asking).await?;
    *connection = Some(lines);
    Ok(answer)
}

/// How the replica at that address is.
pub(super) async fn status(address: SocketAddr) -> Result<Status, Cause> {
    match ask_another(address, &mut None, &json!("status")).await? {
        Answer::Status(status) => Ok(status),
        other => Err(Cause::new("wrong-reply", format!("{other:?}"))),
    }
}

/// What an answer that is no success means for the effect of a call.
fn refusal(answer: Answer) -> Refusal {
    match answer {
        Answer::Refused(why) => Refusal::Definite(Cause::new("refused", why)),
        Answer::Undecided(why) => Refusal::Indefinite(Cause::new("undecided", why)),
        other => unmodelled(&other),
    }
}

fn unmodelled(answer: &impl std::fmt::Debug) -> Refusal {
    let text: String = format!("{answer:?}").chars().take(500).collect();
    Refusal::Unmodelled(Cause::new("wrong-reply", text))
}
