//! `hotstuff_rs` 0.4: a published implementation of HotStuff, a Byzantine fault tolerant consensus,
//! with the small key-value server of `targets/hotstuff` on top of it.
//!
//! Every node of the cluster is a replica. The server is no package of any distribution: `make
//! hotstuff` builds it, and the plan copies it to the nodes.
//!
//! A write, a compare-and-set, an addition and, unless the declaration asks for less, a read is a
//! transaction in the one order that the replicas agree on. A client that wants to bear f liars
//! believes nobody: it takes an answer when f + 1 replicas give the same.

mod client;
mod lines;
mod setup;
mod signs;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use perjury_history::{Cause, Framing, Node, NodeName, Topology};
use serde::{Deserialize, Serialize};

use super::wire::{ask_all, limited};
use super::{Bound, Boxed, Claims, Client, Database, Plan, Sign, Wire, Wires};

pub use setup::program;

/// Where replicas hear each other.
pub const PEER_PORT: u16 = 7100;
/// Where they hear clients.
pub const CLIENT_PORT: u16 = 7101;

/// The options of `hotstuff_rs` in a declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// How reads are made.
    pub reads: Reads,
    /// When the answer to a transaction is believed.
    pub answers: Answers,
    /// How long a view may last, in seconds: the library loses fractions
    /// (`pacemaker/implementation.rs`, `as_secs`).
    pub view_seconds: u64,
    /// After how many views all replicas meet in one. The deadlines of the views count from the
    /// beginning of an epoch: in one of 2n views, a single lost proposal can stop everything for 2n
    /// seconds. With 1, each view has its own.
    pub epoch: u32,
    /// How long a replica looks at a block before it votes. With none, a replica that is a little
    /// slower than a quorum misses blocks and has to fetch them.
    #[serde(with = "crate::duration")]
    pub pace: Duration,
    /// How long a leader with nothing to propose waits before it proposes an empty block.
    #[serde(with = "crate::duration")]
    pub idle: Duration,
    /// Is everything on the disk before it counts? A killed replica forgets nothing without it; one
    /// that loses its power does.
    pub sync: bool,
    /// Without it, a replica that missed a block never catches up: `block_data` of the published
    /// library loses the content of every block (`block_tree/pluggables.rs`).
    pub mend_block_sync: bool,
    /// What the keys of the replicas are made of. They guard an experiment and nothing else.
    pub key_seed: String,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            reads: Reads::Ordered,
            answers: Answers::Quorum,
            view_seconds: 1,
            epoch: 1,
            pace: Duration::from_millis(20),
            idle: Duration::from_millis(100),
            sync: false,
            mend_block_sync: true,
            key_seed: "perjury".into(),
        }
    }
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

/// `hotstuff_rs` with its options.
pub struct Hotstuff {
    options: Options,
    program: PathBuf,
}

impl Hotstuff {
    /// With these options, and the server that was built here.
    pub fn new(options: Options) -> Hotstuff {
        Hotstuff { options, program: program() }
    }

    /// With a server of one's own.
    pub fn with_program(options: Options, program: PathBuf) -> Hotstuff {
        Hotstuff { options, program }
    }
}

/// The most liars among so many replicas that the protocol claims to bear.
pub fn bearable(replicas: usize) -> usize {
    replicas.saturating_sub(1) / 3
}

fn client_address(node: &Node) -> SocketAddr {
    SocketAddr::new(node.address, CLIENT_PORT)
}

impl Database for Hotstuff {
    fn name(&self) -> &'static str {
        "hotstuff"
    }

    fn claims(&self) -> Claims {
        let exempt = match (self.options.reads, self.options.answers) {
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
            promise: "safety and liveness while at most f = floor((n - 1) / 3) of n replicas are \
                      crashed or Byzantine: all transactions are linearizable, and they go on"
                .into(),
            source: "hotstuff_rs 0.4.0: lib.rs (\"guaranteed to satisfy safety and liveness \
                     invariants as long as no more than 1/3rd of the TotalPower of a ValidatorSet \
                     is faulty\"), README.md (\"Provable Safety\")"
                .into(),
            exempt: exempt.map(str::to_owned),
            byzantine: Bound::Third,
            crashes: Bound::Third,
        }
    }

    fn plan(&self, node: &Node, topology: &Topology, dir: &str) -> Plan {
        setup::plan(self, node, topology, dir)
    }

    fn version(&self) -> Vec<String> {
        vec![format!("./{}", setup::NAME), "--version".into()]
    }

    fn connect<'a>(
        &'a self,
        node: &'a Node,
        topology: &'a Topology,
    ) -> Boxed<'a, Result<Box<dyn Client>, Cause>> {
        Box::pin(async move {
            let client = client::HotstuffClient::open(&self.options, node, topology).await?;
            Ok(Box::new(client) as Box<dyn Client>)
        })
    }

    fn connect_local<'a>(
        &'a self,
        node: &'a Node,
        topology: &'a Topology,
    ) -> Option<Boxed<'a, Result<Box<dyn Client>, Cause>>> {
        Some(Box::pin(async move {
            let own = Options { reads: Reads::Single, answers: Answers::One, ..Options::default() };
            let client = client::HotstuffClient::open(&own, node, topology).await?;
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

    fn ready<'a>(&'a self, topology: &'a Topology) -> Boxed<'a, Result<(), String>> {
        Box::pin(async move {
            for node in &topology.nodes {
                let Some(asking) = self.probe(node, topology) else { continue };
                asking.await.map_err(|cause| format!("{}: {cause}", node.name))?;
            }
            Ok(())
        })
    }

    fn signs(&self) -> &'static [Sign] {
        signs::SIGNS
    }

    /// Frames between replicas and lines of JSON to clients: nobody tells their messages apart.
    fn wires(&self) -> Wires {
        let wire = |port| Wire { ports: vec![port], framing: Framing::None };
        Wires { clients: wire(CLIENT_PORT), peers: wire(PEER_PORT) }
    }

    /// The leader of the highest view: a replica that is a little behind holds itself for the
    /// leader of a view that is over. Every view has another one, so this is true for some
    /// milliseconds only; while views time out, for a second.
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
