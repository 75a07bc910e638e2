//! The nodes of a cluster, as plain data.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The name of a node within its cluster, such as `n1`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeName(pub Arc<str>);

impl NodeName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for NodeName {
    fn from(text: &str) -> NodeName {
        NodeName(text.into())
    }
}

impl From<String> for NodeName {
    fn from(text: String) -> NodeName {
        NodeName(text.into())
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its name, unique in the cluster.
    pub name: NodeName,
    /// Where clients and the other nodes reach it. IPv4 or IPv6, never a host name: an agent
    /// resolves nothing.
    pub address: IpAddr,
}

/// All nodes of a cluster, in their declared order. The order is part of the meaning: the first
/// node is where a database is bootstrapped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Topology {
    /// The nodes.
    pub nodes: Vec<Node>,
}

impl Topology {
    /// The names in order.
    pub fn names(&self) -> Vec<NodeName> {
        self.nodes.iter().map(|node| node.name.clone()).collect()
    }

    /// The node of that name.
    pub fn node(&self, name: &NodeName) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == *name)
    }

    /// The smallest number of nodes that is more than half.
    pub fn majority(&self) -> usize {
        self.nodes.len() / 2 + 1
    }
}
