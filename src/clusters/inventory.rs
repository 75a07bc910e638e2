//! The nodes of a cluster that is up, and how to reach them: all that a run has to know.
//!
//! Plain data, kept as `inventory.json` in the cluster's state folder. Its presence there means
//! that the cluster came up whole.

use std::net::IpAddr;
use std::path::PathBuf;

use perjury_history::{Node, NodeName, Topology};
use serde::{Deserialize, Serialize};

use crate::remote::SshTarget;

/// A cluster that is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Inventory {
    /// The cluster's name.
    pub name: String,
    /// What made it.
    pub backend: Backend,
    /// The name of the network namespace from which the nodes are reachable, as `ip netns` knows
    /// it. `None`: they are reachable from where the controller is.
    pub namespace: Option<String>,
    /// The nodes, in order.
    pub nodes: Vec<Member>,
    /// What the nodes cannot do.
    pub limits: Limits,
}

/// What made a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// Namespaces of this machine.
    Local,
    /// Containers.
    Docker,
    /// Nothing: the machines were there.
    Ssh,
    /// Nothing: there are no nodes, only addresses.
    Processes,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Member {
    /// Its name.
    pub name: NodeName,
    /// Where clients and the other nodes reach it.
    pub address: IpAddr,
    /// A second address of it, of the other family, if it is known to have one.
    pub other_address: Option<IpAddr>,
    /// How a program is run on it.
    pub reach: Reach,
}

/// How a program is run on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reach {
    /// By SSH.
    Ssh(SshLogin),
    /// As a process of this machine: the node is only an address.
    LocalProcess,
}

/// Where and as whom to log in. What is `None` or empty comes from the configuration of ssh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SshLogin {
    /// An address, a host name, or an alias in the configuration of ssh.
    pub host: String,
    /// The port of its sshd.
    pub port: Option<u16>,
    /// Who logs in.
    pub user: Option<String>,
    /// The private keys to try, in this order.
    pub identities: Vec<PathBuf>,
    /// The files of known host keys. A host that is in none of them is refused.
    pub known_hosts: Vec<PathBuf>,
    /// The configuration to read. `None`: the user's own.
    pub config: Option<PathBuf>,
}

impl From<&SshLogin> for SshTarget {
    fn from(login: &SshLogin) -> SshTarget {
        SshTarget {
            port: login.port,
            user: login.user.clone(),
            identities: login.identities.clone(),
            known_hosts: login.known_hosts.clone(),
            config: login.config.clone(),
            ..SshTarget::new(login.host.clone())
        }
    }
}

/// What is known beforehand about what nodes cannot do. An agent finds out the rest itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Limits {
    /// Whether each node has a wall clock of its own that may be set. `None`: not known.
    pub own_clock: Option<bool>,
    /// Linux capabilities that root lacks in a node, without `CAP_`, in lower case.
    pub lacking: Vec<String>,
}

impl Inventory {
    /// The nodes as the rest of Perjury knows them.
    pub fn topology(&self) -> Topology {
        let node = |member: &Member| Node { name: member.name.clone(), address: member.address };
        Topology { nodes: self.nodes.iter().map(node).collect() }
    }

    /// The node of that name.
    pub fn member(&self, name: &NodeName) -> Option<&Member> {
        self.nodes.iter().find(|member| member.name == *name)
    }
}
