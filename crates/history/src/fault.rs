//! What was broken, in concrete terms: which nodes, which links.
//!
//! The same value is planned by a nemesis, sent to the agents, recorded in the history and drawn
//! in the report.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Corruption, Deceived, Lying, NodeName};

/// Identifies one injected fault within a run; its heal carries the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultId(pub u32);

impl fmt::Display for FaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {}", self.0)
    }
}

/// One direction of a cut: `node` drops what comes from `from`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// The node that no longer hears.
    pub node: NodeName,
    /// The nodes that it no longer hears.
    pub from: Vec<NodeName>,
}

/// One thing that was broken.
#[expect(missing_docs, reason = "the fields are named for what they are")]
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// Links between nodes are cut; clients still reach every node.
    Partition {
        /// The shape by its literature name: `halves`, `isolate-one`, `bridge`, ...
        shape: String,
        /// Every direction that is cut.
        cuts: Vec<Cut>,
    },
    /// The database's processes get SIGKILL; healing starts them again.
    Kill { nodes: Vec<NodeName> },
    /// The database's processes get SIGSTOP; healing sends SIGCONT.
    Pause { nodes: Vec<NodeName> },
    /// The database is stopped with SIGTERM and started again at once.
    Restart { nodes: Vec<NodeName> },
    /// Nodes lie to others, by a proxy in their connections; healing makes them honest.
    Lie(Lying),
    /// Bits turn over in the memory or the files of nodes; healing does not undo that.
    Corrupt(Corruption),
}

impl Fault {
    /// The word for the kind of fault.
    pub fn name(&self) -> &'static str {
        match self {
            Fault::Partition { .. } => "partition",
            Fault::Kill { .. } => "kill",
            Fault::Pause { .. } => "pause",
            Fault::Restart { .. } => "restart",
            Fault::Lie(_) => "lie",
            Fault::Corrupt(_) => "corrupt",
        }
    }

    /// The nodes on which something is done.
    pub fn nodes(&self) -> Vec<NodeName> {
        match self {
            Fault::Partition { cuts, .. } => cuts.iter().map(|cut| cut.node.clone()).collect(),
            Fault::Kill { nodes } | Fault::Pause { nodes } | Fault::Restart { nodes } => {
                nodes.clone()
            }
            Fault::Lie(lying) => lying.nodes.clone(),
            Fault::Corrupt(corruption) => corruption.nodes.clone(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Partition { shape, cuts } => {
                write!(f, "partition ({shape}):")?;
                for (at, cut) in cuts.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ";" };
                    write!(f, "{comma} {} does not hear {}", cut.node, names(&cut.from))?;
                }
                Ok(())
            }
            Fault::Kill { nodes } => write!(f, "kill {}", names(nodes)),
            Fault::Pause { nodes } => write!(f, "pause {}", names(nodes)),
            Fault::Restart { nodes } => write!(f, "restart {}", names(nodes)),
            Fault::Corrupt(corruption) => write!(f, "{corruption}"),
            Fault::Lie(lying) => {
                let whom = match &lying.deceived {
                    Deceived::Clients => "clients".to_owned(),
                    Deceived::Peers => "their peers".to_owned(),
                    Deceived::Nodes(nodes) => names(nodes),
                };
                let lies: Vec<_> = lying.lies.iter().map(|lie| lie.tell.name()).collect();
                let story = if lying.collude { ", one story" } else { "" };
                let wire = if lying.wire { ", in packets" } else { "" };
                let (who, lies) = (names(&lying.nodes), lies.join(", "));
                write!(f, "lies of {who} to {whom}: {lies}{wire}{story}")
            }
        }
    }
}

fn names(nodes: &[NodeName]) -> String {
    nodes.iter().map(|node| node.as_str()).collect::<Vec<_>>().join(", ")
}

/// What came of an injection or of a heal. Only a verified effect counts as `Installed`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Injection {
    /// It took effect, and this was seen. The text says how.
    Installed(String),
    /// It did not take effect, for this reason; nothing was broken.
    Skipped(String),
    /// Nobody knows whether it took effect, for this reason.
    Indeterminate(String),
}

impl Injection {
    /// The word for this result.
    pub fn name(&self) -> &'static str {
        match self {
            Injection::Installed(_) => "installed",
            Injection::Skipped(_) => "skipped",
            Injection::Indeterminate(_) => "indeterminate",
        }
    }

    /// How the effect was seen, or why there is none.
    pub fn reason(&self) -> &str {
        match self {
            Injection::Installed(text)
            | Injection::Skipped(text)
            | Injection::Indeterminate(text) => text,
        }
    }
}
