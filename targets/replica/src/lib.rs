//! What the replicated servers of `targets` share: the machine that is replicated, its
//! transactions, the links between replicas, the door for clients, the log on disk.
//!
//! Not here: agreement. That is what the library under test does, and each server has its own. A
//! server owes this crate what it has committed ([`clients::Committed`]), in an order that is the
//! same everywhere.

pub mod clients;
pub mod config;
pub mod journal;
pub mod log;
pub mod machine;
pub mod network;
pub mod pool;
pub mod start;
pub mod transaction;
