//! Perjury puts databases under oath.

pub mod clusters;
pub mod config;
pub mod databases;
pub mod duration;
pub mod generators;
pub mod nemeses;
pub mod remote;
pub mod runner;
pub mod seed;
pub mod store;
pub mod workloads;
