//! Perjury puts databases under oath.

pub mod remote;
