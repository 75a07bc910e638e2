//! Clusters for real: nodes are made on this machine, logged in to, and gone without a trace.
//!
//! They need root, a few programs and the agent; where one is missing, a test says SKIPPED and what
//! is missing, and passes. Each has a state folder of its own and names of its own, and shares the
//! cache, whose first filling takes minutes. How long things take is printed, never asserted.

#![allow(clippy::unwrap_used)]

mod bench;
mod containers;
mod killed;
mod local;
mod machines;
mod plain;
