//! What a database wants done on a node, as data.

use perjury_agent::protocol::{MakeDir, Service, Write};
use serde::{Deserialize, Serialize};

/// A program that has to be on the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Where it is; absolute.
    pub path: String,
    /// The Debian package that brings it; `None` if none does.
    pub package: Option<String>,
}

/// All that it takes to run a database on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What has to be installed.
    pub programs: Vec<Program>,
    /// Directories, parents first.
    pub dirs: Vec<MakeDir>,
    /// Files, written before anything is started.
    pub files: Vec<Write>,
    /// What is started, in this order. The first one is the database proper: faults go to it.
    pub services: Vec<Service>,
    /// Further files to collect after the run, absolute; the logs of the services are collected
    /// anyhow.
    pub logs: Vec<String>,
}
