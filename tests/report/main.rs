//! The report of a run, from folders as a run leaves them: hostile text stays text, every state of
//! a folder has a report, a real browser shows it and runs nothing, and the index gives out only
//! what it should.

#![allow(clippy::unwrap_used, reason = "helpers of tests are no #[test] functions")]

mod browser;
mod hostile;
mod index;
mod liars;
mod parts;
mod run;
mod states;
