//! Generated histories and the randomness for them, shared by tests and benches.

pub mod prng;
pub mod register;
