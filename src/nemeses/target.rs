//! Which nodes a fault of processes hits.

use perjury_history::{NodeName, Topology};
use serde::{Deserialize, Serialize};

use crate::seed::Stream;

/// A group of nodes, by Jepsen's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Targets {
    /// One node at random.
    One,
    /// The largest group that is less than half, at random.
    Minority,
    /// The smallest group that is more than half, at random.
    Majority,
    /// The nodes that hold themselves for primary.
    Primaries,
    /// Every node.
    All,
    /// So many: those that hold themselves for primary first, the others at random.
    Count(usize),
    /// These.
    Nodes(Vec<NodeName>),
}

impl Targets {
    /// Has somebody to be asked who is primary?
    pub fn aims_at_primaries(&self) -> bool {
        matches!(self, Targets::Primaries | Targets::Count(_))
    }

    /// The nodes that are meant, in the order of the topology. None of them when the primaries are
    /// meant and nobody is.
    pub fn choose(
        &self,
        topology: &Topology,
        primaries: &[NodeName],
        stream: &mut Stream,
    ) -> Vec<NodeName> {
        let mut names = topology.names();
        let count = match self {
            Targets::One => 1,
            Targets::Minority => names.len().saturating_sub(1) / 2,
            Targets::Majority => topology.majority(),
            Targets::All => names.len(),
            Targets::Count(count) => *count,
            Targets::Primaries => {
                names.retain(|name| primaries.contains(name));
                return names;
            }
            Targets::Nodes(chosen) => {
                names.retain(|name| chosen.contains(name));
                return names;
            }
        };
        stream.shuffle(&mut names);
        if matches!(self, Targets::Count(_)) {
            names.sort_by_key(|name| !primaries.contains(name));
        }
        names.truncate(count);
        topology.names().into_iter().filter(|name| names.contains(name)).collect()
    }
}
