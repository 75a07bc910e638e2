//! PostgreSQL 15: one primary alone, or with standbys by streaming replication, the first of them
//! synchronous.
//!
//! The first node is the primary for ever. PostgreSQL itself never promotes a standby, so there is
//! no failover here: while the primary is down or cut off from its synchronous standby, writes
//! wait. Registers and sets are rows of two tables; each call is one statement and a transaction of
//! its own, at read committed. Source: the PostgreSQL 15 documentation, by section.

mod client;
mod connection;
mod position;
mod setup;
mod several;
mod signs;
mod sqlstate;

use std::net::SocketAddr;
use std::time::Duration;

use perjury_history::{Cause, Framing, Node, NodeName, Topology};
use serde::{Deserialize, Serialize};

use super::wire::{limited, who_says_yes};
use super::{Bound, Boxed, Claims, Client, Database, Plan, Sign, Wire, Wires};
use connection::{Connection, observe};

const PORT: u16 = 5432;

/// The options of PostgreSQL in a declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// The major version, as in the name of its Debian package: 15, from 14 on.
    pub version: u32,
    /// How many nodes are standbys: those after the first. Nodes beyond them run nothing. Absent:
    /// all of them.
    pub standbys: Option<usize>,
    /// How many of the standbys are synchronous: a commit waits for each of them.
    pub synchronous: usize,
    /// What a commit waits for.
    pub synchronous_commit: SynchronousCommit,
    /// Who is asked for reads.
    pub reads: Reads,
    /// Do pages carry checksums (`initdb --data-checksums`)? Off by default, as in PostgreSQL 15:
    /// a bit that flips on the disk is then returned as truth, and with checksums it is refused.
    pub checksums: bool,
    /// After how long the server gives up a statement. It is then undone, for sure.
    #[serde(with = "crate::duration")]
    pub statement_timeout: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            version: 15,
            standbys: None,
            synchronous: 1,
            synchronous_commit: SynchronousCommit::On,
            reads: Reads::Primary,
            checksums: false,
            statement_timeout: Duration::from_secs(1),
        }
    }
}

/// What a commit waits for: PostgreSQL's `synchronous_commit`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SynchronousCommit {
    /// The primary and the synchronous standbys have it on disk: the default of PostgreSQL.
    #[default]
    On,
    /// And the synchronous standbys show it to readers.
    RemoteApply,
    /// Nothing.
    Off,
}

impl SynchronousCommit {
    fn word(self) -> &'static str {
        match self {
            SynchronousCommit::On => "on",
            SynchronousCommit::RemoteApply => "remote_apply",
            SynchronousCommit::Off => "off",
        }
    }
}

/// Who is asked for reads. A client has one connection; a standby refuses the writes on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// The primary, wherever the client's home is.
    #[default]
    Primary,
    /// The client's home, standby or not.
    Home,
}

/// PostgreSQL with its options.
pub struct Postgres {
    options: Options,
}

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Primary,
    Standby,
    Idle,
}

impl Postgres {
    /// PostgreSQL with these options.
    pub fn new(options: Options) -> Postgres {
        Postgres { options }
    }

    /// The nodes after the first one that replicate it.
    fn standbys<'a>(&self, topology: &'a Topology) -> &'a [Node] {
        let others = topology.nodes.get(1..).unwrap_or_default();
        &others[..self.options.standbys.unwrap_or(others.len()).min(others.len())]
    }

    /// Those of the standbys that a commit waits for.
    fn synchronous<'a>(&self, topology: &'a Topology) -> &'a [Node] {
        let standbys = self.standbys(topology);
        &standbys[..self.options.synchronous.min(standbys.len())]
    }

    fn role(&self, node: &Node, topology: &Topology) -> Role {
        let is = |other: &Node| other.name == node.name;
        if topology.nodes.first().is_some_and(is) {
            Role::Primary
        } else if self.standbys(topology).iter().any(is) {
            Role::Standby
        } else {
            Role::Idle
        }
    }

    /// Whom a client is connected to whose home is that node.
    fn server<'a>(&self, node: &'a Node, topology: &'a Topology) -> &'a Node {
        let at_home =
            self.options.reads == Reads::Home && self.role(node, topology) == Role::Standby;
        if at_home { node } else { topology.nodes.first().unwrap_or(node) }
    }

    fn settings(&self) -> String {
        format!("-c statement_timeout={}", self.options.statement_timeout.as_millis())
    }

    async fn client(&self, server: &Node, copy: bool) -> Result<Box<dyn Client>, Cause> {
        let connection = Connection::open(address(server), &self.settings()).await?;
        let durable = self.options.synchronous_commit != SynchronousCommit::Off;
        let server = client::Server { name: server.name.clone(), copy, durable };
        Ok(Box::new(client::PostgresClient::new(connection, server)))
    }

    async fn is_ready(&self, topology: &Topology) -> Result<(), String> {
        let Some(primary) = topology.nodes.first() else { return Err("there is no node".into()) };
        let said = |node: &Node, what: &dyn std::fmt::Display| format!("{}: {what}", node.name);
        if is_standby(primary).await.map_err(|cause| said(primary, &cause))? {
            return Err(said(primary, &"it is in recovery"));
        }
        let seen = replication(primary).await.map_err(|cause| said(primary, &cause))?;
        for (at, standby) in self.standbys(topology).iter().enumerate() {
            let kind = if at < self.options.synchronous { "sync" } else { "async" };
            let wanted = format!("{} streaming {kind}", standby.name);
            if !seen.contains(&wanted) {
                return Err(said(primary, &format!("no {wanted:?} in {seen:?}")));
            }
            if !is_standby(standby).await.map_err(|cause| said(standby, &cause))? {
                return Err(said(standby, &"it is no standby any more"));
            }
        }
        Ok(())
    }
}

fn address(node: &Node) -> SocketAddr {
    SocketAddr::new(node.address, PORT)
}

/// Is this server in recovery, which for a running one means: a standby?
async fn is_standby(node: &Node) -> Result<bool, Cause> {
    let answer = limited(observe(address(node), "SELECT pg_is_in_recovery()::text")).await?;
    match answer.as_slice() {
        [word] if word == "true" => Ok(true),
        [word] if word == "false" => Ok(false),
        other => Err(Cause::new("wrong-reply", format!("in recovery: {other:?}"))),
    }
}

/// Who replicates this server: name, state, and whether commits wait for it.
async fn replication(node: &Node) -> Result<Vec<String>, Cause> {
    const WHO: &str = "SELECT concat_ws(' ', application_name, state, sync_state) \
                       FROM pg_stat_replication ORDER BY application_name";
    limited(observe(address(node), WHO)).await
}

impl Database for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn claims(&self) -> Claims {
        let mut exempt = Vec::new();
        if self.options.synchronous_commit == SynchronousCommit::Off {
            exempt.push(
                "with synchronous_commit off \"the most recent transactions may be lost if the \
                 database should crash\" (30.4 Asynchronous Commit)",
            );
        }
        if self.options.reads == Reads::Home {
            exempt.push(
                "reads were asked of standbys, whose data \"is eventually consistent with the \
                 primary\": they may be stale (27.4.1 Hot Standby, User's Overview)",
            );
        }
        Claims {
            promise: "a statement sees what was committed before it began; what was acknowledged \
                      survives a crash and is on every synchronous standby; no standby is promoted \
                      by itself, so without the primary nothing is written"
                .into(),
            source: "PostgreSQL 15 documentation: 13.2.1 Read Committed Isolation Level, 30.1 \
                     Reliability, 27.2.8 Synchronous Replication, 27.3 Failover"
                .into(),
            byzantine: Bound::None,
            crashes: Bound::None,
            exempt: (!exempt.is_empty()).then(|| exempt.join("; ")),
        }
    }

    fn plan(&self, node: &Node, topology: &Topology, dir: &str) -> Plan {
        setup::plan(self, node, topology, dir)
    }

    fn version(&self) -> Vec<String> {
        vec![setup::program(self.options.version, "postgres"), "--version".into()]
    }

    fn connect<'a>(
        &'a self,
        node: &'a Node,
        topology: &'a Topology,
    ) -> Boxed<'a, Result<Box<dyn Client>, Cause>> {
        Box::pin(async move {
            let server = self.server(node, topology);
            let copy = self.role(server, topology) == Role::Standby;
            self.client(server, copy).await
        })
    }

    fn connect_local<'a>(
        &'a self,
        node: &'a Node,
        topology: &'a Topology,
    ) -> Option<Boxed<'a, Result<Box<dyn Client>, Cause>>> {
        let runs = self.role(node, topology) != Role::Idle;
        runs.then(|| -> Boxed<'a, _> { Box::pin(self.client(node, true)) })
    }

    /// Does it take a connection and answer a statement? That is what a probe of its port is worth.
    fn probe<'a>(
        &'a self,
        node: &'a Node,
        topology: &'a Topology,
    ) -> Option<Boxed<'a, Result<(), Cause>>> {
        let runs = self.role(node, topology) != Role::Idle;
        runs.then(|| -> Boxed<'a, _> {
            Box::pin(async move { limited(observe(address(node), "SELECT '1'")).await.map(drop) })
        })
    }

    fn ready<'a>(&'a self, topology: &'a Topology) -> Boxed<'a, Result<(), String>> {
        Box::pin(self.is_ready(topology))
    }

    fn signs(&self) -> &'static [Sign] {
        signs::SIGNS
    }

    fn wires(&self) -> Wires {
        // Standbys dial the same port as clients; what they are told is a stream.
        Wires {
            clients: Wire { ports: vec![PORT], framing: Framing::Postgres },
            peers: Wire { ports: vec![PORT], framing: Framing::None },
        }
    }

    fn primaries<'a>(&'a self, topology: &'a Topology) -> Boxed<'a, Vec<NodeName>> {
        let runs = |node: &&Node| self.role(node, topology) != Role::Idle;
        let nodes: Vec<Node> = topology.nodes.iter().filter(runs).cloned().collect();
        Box::pin(who_says_yes(nodes, |node| async move { Ok(!is_standby(&node).await?) }))
    }
}
