//! The checkers against recorded histories, scripts, and their definitions.

#![allow(clippy::unwrap_used, reason = "a test may stop at anything unexpected")]

mod bank;
mod brute_force;
mod certificates;
mod corpus;
mod every_model;
mod histories;
mod liar;
mod lies;
mod minimize;
mod mutated;
mod naive;
mod objects;
mod online;
mod performance;
mod prng;
mod relaxed;
mod scripts;
mod sessions;
mod set_full;
mod simulated;
