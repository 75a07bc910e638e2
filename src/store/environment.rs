//! Where and when a run took place, and how it went for the harness itself.

use std::net::IpAddr;

use perjury_history::NodeName;
use serde::{Deserialize, Serialize};

use crate::databases::Claims;

/// The content of `environment.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Environment {
    /// The version of this program.
    pub perjury: String,
    /// When it began, in UTC.
    pub started: String,
    /// The database's own account of its version.
    pub database_version: String,
    /// What is claimed of the database.
    pub claims: Claims,
    /// Kernel of the controller.
    pub controller: String,
    /// The nodes.
    pub nodes: Vec<NodeInfo>,
    /// How it ended; `None` while it runs, and for ever if the controller was killed.
    pub ended: Option<Ended>,
}

/// What is known of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NodeInfo {
    /// Its name.
    pub name: NodeName,
    /// Its address.
    pub address: IpAddr,
    /// Its kernel's release.
    pub kernel: String,
    /// Its memory, in MiB.
    pub memory_mib: u64,
    /// What the agent cannot do there.
    pub missing: Vec<String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ended {
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Was it interrupted by its user?
    pub interrupted: bool,
    /// The first thing that failed in the harness, if anything did.
    pub compromised: Option<String>,
}
