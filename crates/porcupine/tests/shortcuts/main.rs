//! Every shortcut agrees with the brute force on all small histories, and with the search on random
//! ones; every legal order verifies, and every witness is illegal by itself.

#![allow(clippy::unwrap_used, reason = "a test may stop at anything unexpected")]

mod agree;
mod cells;
mod collections;
mod everything;
mod fences;
#[allow(dead_code, reason = "shared with tests that use other parts")]
#[path = "../brute_force/histories.rs"]
mod histories;
mod lies;
mod logs;
mod long;
mod maps;
mod mutable_sets;
#[path = "../brute_force/naive.rs"]
mod naive;
mod owners;
#[path = "../load/prng.rs"]
mod prng;
mod registers;
mod sets;
mod shapes;
mod simulate;
mod strings;
mod sums;
mod transactions;
mod turns;
mod words;
