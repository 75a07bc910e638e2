//! Byzantine fault tolerant libraries that are published without a server: each gets a small
//! key-value server in `targets`, and all of these servers speak to clients alike, so there is one
//! driver for them. What differs is a [`Server`].
//!
//! Every node of the cluster is a replica. A server is no package of any distribution: `make`
//! builds it, and the plan copies it to the nodes.
//!
//! A write, a compare-and-set, an addition and, unless the declaration asks for less, a read is a
//! transaction in the one order that the replicas agree on. A client that wants to bear f liars
//! believes nobody: it takes an answer when f + 1 replicas give the same.

mod client;
mod lines;
mod setup;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use perjury_history::{Cause, Framing, Node, NodeName, Topology};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::wire::{ask_all, limited};
use super::{Bound, Boxed, Claims, Client, Database, Plan, Sign, Wire, Wires};

pub use setup::program;

/// Where replicas hear each other.
pub const PEER_PORT: u16 = 7100;
/// Where they hear clients.
pub const CLIENT_PORT: u16 = 7101;

/// One library with its server.
#[derive(Debug)]
pub struct Server {
    /// The word in a declaration, the folder in `targets` and the target of `make`.
    pub name: &'static str,
    /// The program that is built.
    pub program: &'static str,
    /// The variable of the environment that names another one.
    pub variable: &'static str,
    /// What the library promises.
    pub promise: &'static str,
    /// Where it does.
    pub source: &'static str,
    /// What its logs say when it is told what is not so.
    pub signs: &'static [Sign],
}

/// What can be asked of each server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Common {
    /// How reads are made.
    pub reads: Reads,
    /// When the answer to a transaction is believed.
    pub answers: Answers,
    /// How long a leader with nothing to propose waits before it proposes nothing.
    pub idle: Duration,
    /// Is everything on the disk before it counts?
    pub sync: bool,
    /// What the keys of the replicas are made of. They guard an experiment and nothing else.
    pub key_seed: String,
}

/// How reads are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// As a transaction among the others: linearizable.
    #[default]
    Ordered,
    /// From what f + 1 replicas have committed and agree on: true once, perhaps stale.
    Quorum,
    /// From what one replica says that it has committed.
    Single,
}

/// When the answer to a transaction is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answers {
    /// When f + 1 replicas give the same: at least one of them is honest.
    #[default]
    Quorum,
    /// When the replica that took it in gives it: a client that trusts its node.
    One,
}

/// The replicas of one server with their options.
pub struct Replicas {
    server: &'static Server,
    common: Common,
    /// What this protocol alone wants to know.
    protocol: Json,
    program: PathBuf,
}

impl Replicas {
    /// Replicas that run a program.
    pub fn new(
        server: &'static Server,
        common: Common,
        protocol: Json,
        program: PathBuf,
    ) -> Replicas {
        Replicas { server, common, protocol, program }
    }

    async fn open(
        &self,
        reads: Reads,
        answers: Answers,
        node: &Node,
        topology: &Topology,
    ) -> Result<client::ReplicaClient, Cause> {
        client::ReplicaClient::open(reads, answers, node, topology).await
    }
}

/// A length of time as a configuration of a server has it.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The most liars among so many replicas that the protocol claims to bear.
pub fn bearable(replicas: usize) -> usize {
    replicas.saturating_sub(1) / 3
}

fn client_address(node: &Node) -> SocketAddr {
    SocketAddr::new(node.address, CLIENT_PORT)
}

impl Database for Replicas {
    fn name(&self) -> &'static str {
        self.server.name
    }

    fn claims(&self) -> Claims {
        let exempt = match (self.common.reads, self.common.answers) {
            (Reads::Ordered, Answers::Quorum) => None,
            (Reads::Ordered, Answers::One) => {
                Some("one replica was believed: the claim is about what correct replicas agree on")
            }
            (Reads::Quorum, _) => {
                Some("reads were asked for as f + 1 equal copies: each is true, and may be stale")
            }
            (Reads::Single, _) => {
                Some("reads were asked of one replica: it may be stale, and it may lie")
            }
        };
        Claims {
            promise: self.server.promise.into(),
            source: self.server.source.into(),
            exempt: exempt.map(str::to_owned),
            requests: Some(
                "clients sign nothing here (targets/replica): a replica that changes what its own \
                 clients ask proposes it as theirs, which no consensus can tell"
                    .into(),
            ),
            byzantine: Bound::Third,
            crashes: Bound::Third,
        }
    }

    fn plan(&self, node: &Node, topology: &Topology, dir: &str) -> Plan {
        setup::plan(self, node, topology, dir)
    }

    fn version(&self) -> Vec<String> {
        vec![format!("./{}", self.server.program), "--version".into()]
    }

    fn connect<'a>(
        &'a self,
        node: &'a Node,
        topology: &'a Topology,
    ) -> Boxed<'a, Result<Box<dyn Client>, Cause>> {
        Box::pin(async move {
            let client = self.open(self.common.reads, self.common.answers, node, topology).await?;
            Ok(Box::new(client) as Box<dyn Client>)
        })
    }

    fn connect_local<'a>(
        &'a self,
        node: &'a Node,
        topology: &'a Topology,
    ) -> Option<Boxed<'a, Result<Box<dyn Client>, Cause>>> {
        Some(Box::pin(async move {
            let client = self.open(Reads::Single, Answers::One, node, topology).await?;
            Ok(Box::new(client) as Box<dyn Client>)
        }))
    }

    fn probe<'a>(
        &'a self,
        node: &'a Node,
        _topology: &'a Topology,
    ) -> Option<Boxed<'a, Result<(), Cause>>> {
        Some(Box::pin(async move {
            let status = limited(client::status(client_address(node))).await?;
            let (view, height) = (status.view, status.height.unwrap_or_default());
            let detail = format!("no progress in view {view}, height {height}");
            if status.healthy { Ok(()) } else { Err(Cause::new("unhealthy", detail)) }
        }))
    }

    fn signs(&self) -> &'static [Sign] {
        self.server.signs
    }

    /// Frames between replicas and lines of JSON to clients: nobody tells their messages apart.
    fn wires(&self) -> Wires {
        let wire = |port| Wire { ports: vec![port], framing: Framing::None };
        Wires { clients: wire(CLIENT_PORT), peers: wire(PEER_PORT) }
    }

    /// The leader of the highest view: a replica that is a little behind holds itself for the
    /// leader of a view that is over. Most views have another one, so this is true for
    /// some milliseconds only; while views time out, for a second.
    fn primaries<'a>(&'a self, topology: &'a Topology) -> Boxed<'a, Vec<NodeName>> {
        let asking = |node: Node| async move { client::status(client_address(&node)).await };
        Box::pin(async move {
            let answers = ask_all(topology.nodes.clone(), asking).await;
            let leading = answers.into_iter().filter(|(_, said)| said.leader == said.replica);
            let last = leading.max_by_key(|(_, said)| said.view);
            last.map(|(name, _)| name).into_iter().collect()
        })
    }
}
