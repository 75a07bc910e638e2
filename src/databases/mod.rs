//! The databases that can be put under oath.
//!
//! A database describes itself and acts on nothing: [`Database::plan`] is a pure function to the
//! files, directories and services of one node, and the runner carries it out. A [`Client`] speaks
//! to the database and never retries, reconnects or follows a redirect in secret: each call is
//! sent at most once, and what came of it is said as it is.

#[cfg(feature = "db-etcd")]
pub mod etcd;
pub mod hotstuff;
pub mod malachite;
mod plan;
#[cfg(feature = "db-postgres")]
pub mod postgres;
#[cfg(feature = "db-redis")]
pub mod redis;
pub mod replicas;
mod sign;
pub mod toy;
mod wire;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use perjury_history::{Call, Cause, Framing, Node, NodeName, Reply, Testimony, Topology};
use serde::{Deserialize, Serialize};

pub use plan::{Plan, Program, Step, Upload};
pub use sign::Sign;

/// A future in a box, so that the traits here can be trait objects.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a client has no reply. Only the worker makes an outcome of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The call had no effect and never will: the database said so, or it was never sent.
    Definite(Cause),
    /// The call may have had an effect or may still get one.
    Indefinite(Cause),
    /// The reply is outside the database's contract. Kept, flagged, and the effect is unknown.
    Unmodelled(Cause),
}

/// One connection to the database, used by one process.
pub trait Client: Send {
    /// Sends the call once and waits for what comes of it. The caller sets the time limit by
    /// dropping the future, and drops the client with it.
    fn invoke<'a>(&'a mut self, call: &'a Call) -> Boxed<'a, Result<Reply, Refusal>>;

    /// What the last reply said of itself, beside its content: who gave it, of which version it
    /// is. Asked for once after each reply.
    fn testimony(&mut self) -> Testimony {
        Testimony::default()
    }

    /// Is it of any use to ask this client again? Looked at after a definite refusal; after any
    /// other one the client is dropped anyhow.
    fn is_open(&self) -> bool {
        true
    }
}

/// What a vendor promises, as far as a test needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The promise in one sentence.
    pub promise: String,
    /// Where the vendor says so.
    pub source: String,
    /// What the promise does not cover; then an anomaly of that kind is outside the claim.
    pub exempt: Option<String>,
    /// Why the promise says nothing of a node that changes what its own clients ask of it.
    #[serde(default)]
    pub requests: Option<String>,
    /// How many nodes may lie without breaking it.
    #[serde(default)]
    pub byzantine: Bound,
    /// How many nodes may be down while calls are still answered.
    #[serde(default)]
    pub crashes: Bound,
}

/// How many nodes may fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// None.
    #[default]
    None,
    /// Less than a half: the rest is a majority.
    Half,
    /// Less than a third: the most that is possible under partial synchrony (Dwork, Lynch and
    /// Stockmeyer, JACM 1988).
    Third,
}

impl Bound {
    /// Of so many nodes.
    pub fn most(self, nodes: usize) -> usize {
        match self {
            Bound::None => 0,
            Bound::Half => nodes.saturating_sub(1) / 2,
            Bound::Third => nodes.saturating_sub(1) / 3,
        }
    }
}

/// The ports that are dialled, and how messages are told apart there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wire {
    /// None: nobody has said.
    pub ports: Vec<u16>,
    /// Not at all, if nobody has said.
    pub framing: Framing,
}

/// What a liar has to know of a database's connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wires {
    /// Between clients and nodes.
    pub clients: Wire,
    /// Between nodes. It may be the same port: a node is known by its address.
    pub peers: Wire,
}

/// A database, with its options.
pub trait Database: Send + Sync {
    /// Its name as in declarations, such as `etcd`.
    fn name(&self) -> &'static str;

    /// What is promised with these options.
    fn claims(&self) -> Claims;

    /// What it takes to run it on that node, below the directory `dir` (absolute, empty, the
    /// run's own).
    fn plan(&self, node: &Node, topology: &Topology, dir: &str) -> Plan;

    /// The argv that prints its version. It runs in the first directory of the plan.
    fn version(&self) -> Vec<String>;

    /// Opens a connection for a client whose home is `node`. Nothing has been asked yet, so every
    /// failure is definite.
    fn connect<'a>(
        &'a self,
        node: &'a Node,
        topology: &'a Topology,
    ) -> Boxed<'a, Result<Box<dyn Client>, Cause>>;

    /// Opens a connection that reads `node`'s own copy, however old it is, without asking any other
    /// node: for the scrub at the end of a run. `None` if there is no such thing.
    fn connect_local<'a>(
        &'a self,
        _node: &'a Node,
        _topology: &'a Topology,
    ) -> Option<Boxed<'a, Result<Box<dyn Client>, Cause>>> {
        None
    }

    /// Does the node say that it is healthy, as a load balancer would ask it? `None` if there is no
    /// such question, or nothing runs there.
    fn probe<'a>(
        &'a self,
        _node: &'a Node,
        _topology: &'a Topology,
    ) -> Option<Boxed<'a, Result<(), Cause>>> {
        None
    }

    /// Is the whole cluster up and able to serve? Asked again until it is; the error says what is
    /// still missing. Unless it says otherwise, it is when every node says that it is healthy.
    fn ready<'a>(&'a self, topology: &'a Topology) -> Boxed<'a, Result<(), String>> {
        Box::pin(async move {
            for node in &topology.nodes {
                let Some(asking) = self.probe(node, topology) else { continue };
                asking.await.map_err(|cause| format!("{}: {cause}", node.name))?;
            }
            Ok(())
        })
    }

    /// Its connections. Without ports it cannot be lied to on the wire.
    fn wires(&self) -> Wires {
        Wires::default()
    }

    /// What its logs say when it notices damage; nothing if nobody has looked.
    fn signs(&self) -> &'static [Sign] {
        &[]
    }

    /// The nodes that hold themselves for primary at this moment; several in a split brain.
    fn primaries<'a>(&'a self, topology: &'a Topology) -> Boxed<'a, Vec<NodeName>>;
}

/// The registry: the word in a declaration and its options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Spec {
    /// etcd 3.4 or later.
    #[cfg(feature = "db-etcd")]
    Etcd(etcd::Options),
    /// `hotstuff_rs` 0.4, a Byzantine fault tolerant library, with a server of ours on top.
    Hotstuff(hotstuff::Options),
    /// Malachite's consensus 0.5, Tendermint's algorithm, with a server of ours around it.
    Malachite(malachite::Options),
    /// PostgreSQL 15, alone or with standbys.
    #[cfg(feature = "db-postgres")]
    Postgres(postgres::Options),
    /// Redis 7 with Sentinel.
    #[cfg(feature = "db-redis")]
    Redis(redis::Options),
    /// The built-in database with switches for planted bugs.
    Toy(toy::Options),
}

impl Spec {
    /// The database that is declared.
    pub fn build(&self) -> Arc<dyn Database> {
        match self {
            #[cfg(feature = "db-etcd")]
            Spec::Etcd(options) => Arc::new(etcd::Etcd::new(options.clone())),
            Spec::Hotstuff(options) => Arc::new(options.clone().build()),
            Spec::Malachite(options) => Arc::new(options.clone().build()),
            #[cfg(feature = "db-postgres")]
            Spec::Postgres(options) => Arc::new(postgres::Postgres::new(options.clone())),
            #[cfg(feature = "db-redis")]
            Spec::Redis(options) => Arc::new(redis::Redis::new(options.clone())),
            Spec::Toy(options) => Arc::new(toy::Toy::new(options.clone())),
        }
    }
}
