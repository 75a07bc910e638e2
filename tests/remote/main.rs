//! Reaching machines: over SSH against a real `sshd` of our own, and this machine itself.
//!
//! The server listens on 127.0.0.1 with its own keys and configuration in a temporary folder; no
//! configuration or key of the user's is read or changed.
#![allow(clippy::unwrap_used, reason = "helpers of tests are no #[test] functions")]

mod agent;
mod jump;
mod login;
mod programs;
mod server;
mod ssh_agent;
mod trace;
