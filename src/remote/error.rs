//! Why a node could not be reached or used: a variant per decision of a caller.
//!
//! Each message says where, what and, where that is known, how to mend it.

use std::time::Duration;

use thiserror::Error;

/// What is wrong with a host key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKeyProblem {
    /// The files know another key for this host: perhaps somebody else answers.
    Mismatch,
    /// The files know no key for this host.
    Unknown,
}

/// Why something could not be done on a node.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RemoteError {
    /// Nobody answers there, or not with SSH, until the deadline. Worth trying again later.
    #[error("cannot reach {host} port {port}: {reason} ({attempts} attempts in {waited:.1?})")]
    Unreachable {
        /// The host as asked for.
        host: String,
        /// Its port.
        port: u16,
        /// How often it was tried.
        attempts: u32,
        /// For how long.
        waited: Duration,
        /// What the last attempt said.
        reason: String,
    },
    /// The host's key is not the known one. Never worth trying again by itself.
    #[error("{message}")]
    HostKey {
        /// What is wrong.
        problem: HostKeyProblem,
        /// Where, what and how to mend it.
        message: String,
    },
    /// The host lets nobody in with the keys at hand.
    #[error("{place}: not let in: {reason}")]
    Auth {
        /// Where.
        place: String,
        /// What was tried and what was said.
        reason: String,
    },
    /// It took too long; whether it took effect is not known.
    #[error("{place}: {what} took more than {limit:.1?}; it may still be running there")]
    Timeout {
        /// Where.
        place: String,
        /// What.
        what: String,
        /// How long it was allowed to take.
        limit: Duration,
    },
    /// The connection broke; whether it took effect is not known.
    #[error("{place}: connection lost during {what}: {reason}")]
    Lost {
        /// Where.
        place: String,
        /// During what.
        what: String,
        /// What was said.
        reason: String,
    },
    /// The user may not become root.
    #[error("{place}: sudo refuses: {reason}; allow it without a password or log in as root")]
    Sudo {
        /// Where.
        place: String,
        /// What sudo said.
        reason: String,
    },
    /// No space is left there.
    #[error("{place}: no space left for {path}: {reason}")]
    DiskFull {
        /// Where.
        place: String,
        /// Which file was being written.
        path: String,
        /// What was said.
        reason: String,
    },
    /// What was asked cannot work: a wrong path, a wrong option, a missing program.
    #[error("{place}: {reason}")]
    Usage {
        /// Where.
        place: String,
        /// What is wrong and how to mend it.
        reason: String,
    },
}
