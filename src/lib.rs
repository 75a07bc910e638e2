//! Perjury puts databases under oath.

pub mod generators;
// pub mod remote;
pub mod seed;
