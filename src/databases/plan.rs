//! What a database wants done on a node, as data.

use std::path::PathBuf;

use perjury_agent::protocol::{MakeDir, Run, Service, Write};
use serde::{Deserialize, Serialize};

/// A program that has to be on the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Where it is; absolute.
    pub path: String,
    /// The Debian package that brings it; `None` if none does.
    pub package: Option<String>,
}

/// A file of this machine that is copied to a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Where it is on this machine.
    pub from: PathBuf,
    /// Where it goes; absolute, below a directory of the plan.
    pub to: String,
    /// The permission bits, such as `0o755`.
    pub mode: u32,
    /// What to do if it is not there, such as "run `make it`".
    pub mend: String,
}

/// A command that is run to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The command. It has to exit with 0.
    pub run: Run,
    /// It is tried again for so long, in milliseconds, if it needs something of another node. 0:
    /// it is tried once.
    pub patience_ms: u64,
}

/// All that it takes to run a database on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What has to be installed.
    pub programs: Vec<Program>,
    /// Directories, parents first; the one that holds the data last.
    pub dirs: Vec<MakeDir>,
    /// What is copied from this machine, after the directories are made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uploads: Vec<Upload>,
    /// Files, written before anything is started.
    pub files: Vec<Write>,
    /// What is run once, in this order, after the files are written and before anything is started.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepare: Vec<Step>,
    /// What is started, in this order. The first one is the database proper: faults go to it.
    pub services: Vec<Service>,
    /// How the first service is asked to end, if SIGTERM is not the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Run>,
    /// Further files to collect after the run, absolute; the logs of the services are collected
    /// anyhow.
    pub logs: Vec<String>,
}

impl Plan {
    /// The directory that holds the data; `None` if nothing is kept.
    pub fn data(&self) -> Option<&str> {
        self.dirs.last().map(|dir| dir.path.as_str())
    }
}
