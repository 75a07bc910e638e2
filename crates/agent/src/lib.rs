//! The node side of Perjury: a small static program that breaks one node and heals it.
//!
//! The controller starts it over SSH and speaks [`protocol`] with it; it uses this crate as a
//! library for the types. What runs as root on a foreign machine stays small enough to audit: no
//! async runtime, no name lookups, nothing of the harness.
//!
//! Invariant: **undo is owned by the node.** Each change that has to be undone is journaled and
//! synced before it is made. When standard input ends, the lease runs out, a signal arrives or the
//! worker process dies, everything in the journal is undone. If every process of the agent dies at
//! once, the journal remains and `perjury-agent heal` works from it.

mod agent;
mod bytes;
mod command;
pub mod corruption;
mod files;
pub mod frame;
#[doc(hidden)]
pub mod guardian;
mod hello;
#[doc(hidden)]
pub mod init;
mod journal;
#[doc(hidden)]
pub mod launch;
mod lock;
mod memory;
mod network;
mod processes;
pub mod protocol;
mod server;
mod services;
mod undo;

pub use bytes::Bytes;

/// Which build this is: the version and a hash of the crate's sources. The controller and the
/// agent have to agree on it.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "+", env!("PERJURY_AGENT_BUILD"));
