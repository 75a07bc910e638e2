//! Perjury puts databases under oath.

pub mod generators;
// pub mod remote;
pub mod databases;
pub mod runner;
pub mod seed;
