//! Perjury puts databases under oath.

pub mod databases;
pub mod duration;
pub mod generators;
pub mod nemeses;
pub mod remote;
pub mod runner;
pub mod seed;
pub mod workloads;
