//! The built-in database: a replicated store of registers, sets and accounts served by our own
//! binary, with a switch for each planted bug.
//!
//! It exists to prove the harness: every planted bug must be found, and the clean toy must pass.
//! It runs as plain processes, with no root, no SSH and no cluster. Without a bug it is
//! linearizable by construction: one primary for ever, which logs before it answers; the other
//! nodes forward to it. It survives nothing in style: while the primary is down, nobody is served.

mod client;
mod insider;
mod server;

use std::net::SocketAddr;
use std::time::Duration;

use perjury_agent::protocol::{Limits, MakeDir, Service, Write};
use perjury_history::{Call, Cause, Framing, Micro, Node, NodeName, Topology, Value};
use serde::{Deserialize, Serialize};

use super::wire::{self, Steps, who_says_yes};
use super::{Bound, Boxed, Claims, Client, Database, Plan, Program, Wire, Wires};

pub use insider::Lie;
pub use server::serve;

/// The port on which every toy node listens.
pub const PORT: u16 = 7077;

/// The file in which a lying node writes down what it told; collected with its log.
pub const TRUTH: &str = "toy.lies";

/// The options of the toy in a declaration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// The bug that is switched on; none by default.
    pub bug: Bug,
    /// The lie that one node tells, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lie: Option<Lie>,
    /// Which node that is, by its place, from 0.
    #[serde(skip_serializing_if = "is_first")]
    pub liar: usize,
}

fn is_first(place: &usize) -> bool {
    *place == 0
}

/// A planted bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bug {
    /// The clean toy.
    #[default]
    None,
    /// Followers answer reads from their own copy, which lags behind.
    StaleReads,
    /// The primary acknowledges one write in sixteen and forgets it.
    LostWrites,
    /// A follower takes over when the primary does not answer, and both go on serving.
    SplitBrain,
    /// The primary applies one write in sixteen a second time, later.
    DuplicateApply,
    /// The primary does one transfer (or transaction) in sixteen in two parts, with a pause.
    PartialTransfers,
    /// The primary takes every other delete back, later.
    ResurrectedDeletes,
}

/// What a node is told at its start.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    /// Its own place in `nodes`; node 0 is the primary.
    me: usize,
    /// Where each node listens.
    nodes: Vec<SocketAddr>,
    /// Its log.
    log: String,
    bug: Bug,
    /// The lie that it tells, and where it writes down what it told.
    lie: Option<(Lie, String)>,
}

/// What a client or another node asks of a node: one line of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ask {
    Read(String),
    Write(String, Value),
    Cas(String, Value, Value),
    Add(String, Value),
    ReadAll(String),
    Delete(String),
    /// Several registers as one.
    Put(Vec<(String, Value)>),
    Get(Vec<String>),
    Transfer(String, String, i64),
    Accounts,
    /// Read this node's own copy of a register, however old.
    Peek(String),
    /// The same for a set.
    PeekAll(String),
    /// Who are you? Answered by `Role`.
    Role,
    /// From the primary: this happened, as one.
    Replicate(Vec<Change>),
    /// From a follower: what has changed after that number?
    Since(u64),
}

impl Ask {
    /// The call in the toy's own words, if it knows such calls; `local`: of a node's own copy.
    fn from_call(call: &Call, local: bool) -> Option<Ask> {
        let name = |key: &perjury_history::Key| key.as_str().to_owned();
        Some(match call {
            Call::Read { key } if local => Ask::Peek(name(key)),
            Call::ReadAll { key } if local => Ask::PeekAll(name(key)),
            Call::Read { key } => Ask::Read(name(key)),
            Call::Write { key, value } => Ask::Write(name(key), value.clone()),
            Call::Cas { key, from, to } => Ask::Cas(name(key), from.clone(), to.clone()),
            Call::Add { key, element } => Ask::Add(name(key), element.clone()),
            Call::ReadAll { key } => Ask::ReadAll(name(key)),
            Call::Delete { key } => Ask::Delete(name(key)),
            Call::Transfer { from, to, amount } => Ask::Transfer(name(from), name(to), *amount),
            Call::ReadAccounts if !local => Ask::Accounts,
            Call::Txn { steps } if !local => Ask::of_steps(steps)?,
            _ => return None,
        })
    }

    /// A transaction that only reads, or only writes.
    fn of_steps(steps: &[Micro]) -> Option<Ask> {
        let name = |key: &perjury_history::Key| key.as_str().to_owned();
        Some(match wire::steps(steps).ok()? {
            Steps::Reads(keys) => Ask::Get(keys.into_iter().map(name).collect()),
            Steps::Writes(pairs) => {
                let owned = |(key, value): (&_, &Value)| (name(key), value.clone());
                Ask::Put(pairs.into_iter().map(owned).collect())
            }
        })
    }
}

/// One change, as it is in the log, and as the primary tells it to the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    key: String,
    /// Its own number, and that of the change of the key before it.
    number: u64,
    after: u64,
    value: Value,
    /// Does the value replace what was there? Else it comes behind it.
    replace: bool,
}

/// The content of a key and the number of its last change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Content {
    number: u64,
    values: Vec<Value>,
}

/// One line of JSON: what a node says, and of which version it speaks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    say: Say,
    /// The number of the last change of the state that this is taken from, or of the change itself.
    at: u64,
    /// The number of the last change of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// The place of the node that carried it out.
    by: usize,
    /// Is it from that node's own copy?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    local: bool,
}

/// What a node says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Say {
    Done,
    Value(Value),
    Swapped(bool),
    Elements(Vec<Value>),
    /// In the order of the keys that were asked for.
    Values(Vec<Value>),
    Accounts(Vec<(String, Value)>),
    Changes {
        changes: Vec<(String, Content)>,
        upto: u64,
    },
    Role {
        primary: bool,
    },
    /// Not done, for sure.
    Refused(String),
    /// Sent on to the primary, which did not answer.
    Lost(String),
}

/// The toy with its options.
pub struct Toy {
    options: Options,
    program: String,
}

impl Toy {
    /// A toy whose nodes run this very program.
    pub fn new(options: Options) -> Toy {
        let program = std::env::var("PERJURY_SELF").ok().or_else(|| {
            std::env::current_exe().ok().map(|path| path.to_string_lossy().into_owned())
        });
        Toy { options, program: program.unwrap_or_else(|| "perjury".to_owned()) }
    }

    fn address(node: &Node) -> SocketAddr {
        SocketAddr::new(node.address, PORT)
    }
}

impl Database for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn claims(&self) -> Claims {
        Claims {
            promise: "every operation is linearizable; while the primary is down, none is served"
                .into(),
            source: "src/databases/toy".into(),
            byzantine: Bound::None,
            crashes: Bound::None,
            exempt: None,
        }
    }

    fn plan(&self, node: &Node, topology: &Topology, dir: &str) -> Plan {
        let me = topology.nodes.iter().position(|other| other.name == node.name).unwrap_or(0);
        let truth = format!("{dir}/{TRUTH}");
        let lie = self.options.lie.filter(|_| me == self.options.liar);
        let config = Config {
            me,
            nodes: topology.nodes.iter().map(Toy::address).collect(),
            log: format!("{dir}/toy.wal"),
            bug: self.options.bug,
            lie: lie.map(|lie| (lie, truth.clone())),
        };
        let text = serde_json::to_string(&config).unwrap_or_default();
        let path = format!("{dir}/toy.json");
        Plan {
            programs: vec![Program { path: self.program.clone(), package: None }],
            dirs: vec![MakeDir {
                path: dir.to_owned(),
                mode: 0o755,
                owner: None,
                remove_on_heal: true,
            }],
            files: vec![Write {
                path: path.clone(),
                bytes: text.into_bytes().into(),
                mode: 0o644,
                owner: None,
                append: false,
            }],
            services: vec![Service {
                name: "toy".into(),
                argv: vec![self.program.clone(), "toy-node".into(), path],
                env: Default::default(),
                cwd: None,
                log: format!("{dir}/toy.log"),
                user: None,
                limits: Limits::default(),
            }],
            logs: lie.map(|_| truth).into_iter().collect(),
            ..Plan::default()
        }
    }

    fn version(&self) -> Vec<String> {
        vec![self.program.clone(), "--version".into()]
    }

    fn connect<'a>(
        &'a self,
        node: &'a Node,
        topology: &'a Topology,
    ) -> Boxed<'a, Result<Box<dyn Client>, Cause>> {
        Box::pin(async move {
            let client = client::ToyClient::open(Toy::address(node)).await?.among(topology);
            Ok(Box::new(client) as Box<dyn Client>)
        })
    }

    fn connect_local<'a>(
        &'a self,
        node: &'a Node,
        topology: &'a Topology,
    ) -> Option<Boxed<'a, Result<Box<dyn Client>, Cause>>> {
        Some(Box::pin(async move {
            let client = client::ToyClient::open(Toy::address(node)).await?.among(topology).local();
            Ok(Box::new(client) as Box<dyn Client>)
        }))
    }

    fn probe<'a>(
        &'a self,
        node: &'a Node,
        _topology: &'a Topology,
    ) -> Option<Boxed<'a, Result<(), Cause>>> {
        Some(Box::pin(async move {
            client::role(Toy::address(node), Duration::from_millis(500)).await.map(|_| ())
        }))
    }

    fn ready<'a>(&'a self, topology: &'a Topology) -> Boxed<'a, Result<(), String>> {
        Box::pin(async move {
            for node in &topology.nodes {
                client::role(Toy::address(node), Duration::from_secs(1))
                    .await
                    .map_err(|cause| format!("{}: {cause}", node.name))?;
            }
            Ok(())
        })
    }

    fn wires(&self) -> Wires {
        Wires {
            clients: Wire { ports: vec![PORT], framing: Framing::None },
            peers: Wire { ports: vec![PORT], framing: Framing::None },
        }
    }

    fn primaries<'a>(&'a self, topology: &'a Topology) -> Boxed<'a, Vec<NodeName>> {
        let asking = |node: Node| async move {
            client::role(Toy::address(&node), Duration::from_millis(200)).await
        };
        Box::pin(who_says_yes(topology.nodes.clone(), asking))
    }
}
