//! Perjury puts databases under oath.
//!
//! This library is the controller: it brings up a cluster, provisions a database on it, drives
//! load, injects faults, records everything, has the record judged and writes the report. The
//! modules below are its vocabulary; ARCHITECTURE.md is the tour.

pub mod cli;
pub mod clusters;
pub mod config;
pub mod databases;
pub mod duration;
pub mod generators;
pub mod nemeses;
pub mod remote;
pub mod report;
pub mod runner;
pub mod seed;
pub mod serve;
pub mod store;
pub mod workloads;
