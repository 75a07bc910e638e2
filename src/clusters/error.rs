//! Why a cluster could not be brought up, found or taken down: a variant per decision of a caller.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong with a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The declaration asks for what cannot be. Never worth trying again unchanged.
    #[error("{what}")]
    Declaration {
        /// Where, what and how to mend it.
        what: String,
    },
    /// Only root may do this.
    #[error("{what} needs root: run it with sudo, or use a cluster of another kind")]
    NeedsRoot {
        /// What was to be done.
        what: String,
    },
    /// This machine lacks something that can be had.
    #[error("{what}: {mend}")]
    Missing {
        /// What is missing.
        what: String,
        /// How to get it.
        mend: String,
    },
    /// A cluster of that name is there.
    #[error("cluster {name} is there already: take it down with `perjury cluster down {name}`")]
    Exists {
        /// Its name.
        name: String,
    },
    /// Another process is at work on it. Worth trying again later.
    #[error("{what} is in use by another process: wait until it is done (lock {})", lock.display())]
    Busy {
        /// What is in use.
        what: String,
        /// The file that is locked.
        lock: PathBuf,
    },
    /// No cluster of that name is recorded.
    #[error(
        "no cluster {name} is recorded in {}: `perjury cluster status` lists them",
        state.display()
    )]
    Unknown {
        /// The name.
        name: String,
        /// The state folder that was looked at.
        state: PathBuf,
    },
    /// A program of this machine failed.
    #[error("{step}: {what}")]
    Failed {
        /// During what.
        step: String,
        /// What was run and the end of what it said.
        what: String,
    },
    /// A node did not come up.
    #[error("node {node}: {what}")]
    Node {
        /// Its name.
        node: String,
        /// What happened and the end of its log.
        what: String,
    },
    /// A file of ours cannot be read, written or removed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ClusterError {
    /// For `map_err` on what touches this file.
    pub(super) fn io(path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> ClusterError {
        let path = path.as_ref().to_owned();
        move |source| ClusterError::Io { path, source }
    }
}
