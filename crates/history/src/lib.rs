//! What happened in a run, as plain data.
//!
//! This crate holds the vocabulary that every other part of Perjury shares: what a client asked
//! ([`Call`]), what it was answered ([`Reply`], [`Outcome`]), what was broken ([`Fault`],
//! [`Injection`]), where ([`Topology`]), and the file that records all of it ([`Writer`],
//! [`read_file`]). It also reads the histories of other tools ([`import`]) and writes Jepsen's EDN
//! ([`export`]).
//!
//! It holds no policy: nothing here opens a socket, starts a process, reads a clock or decides
//! whether a history is good.

mod corruption;
mod entry;
pub mod export;
mod fate;
mod fault;
mod file;
mod hex;
pub mod import;
mod lie;
mod line;
mod operation;
mod operations;
pub mod seal;
mod stream;
mod testimony;
mod topology;
mod value;
mod verdict;

pub use corruption::{Aim, Corruption, CorruptionMade, Damage, Files, Rot};
pub use entry::{Entry, Event, Index, Nanos, Phase, Process};
pub use fate::{Accounting, Class, Fate, LieFate, Notice, NoticedBy, Untold};
pub use fault::{Cut, Fault, FaultId, Injection};
pub use file::{
    FileError, Header, History, Order, SCHEMA, Truncation, Writer, close, read_bytes, read_file,
    verify_sum, write_history,
};
pub use hex::hex;
pub use lie::{Deceived, Framing, Instead, Lie, LieTold, Lying, Omit, On, Part, Tell, Turns};
pub use operation::{ACCOUNTS, Call, Cause, Micro, Outcome, RESERVE, Reply};
pub use operations::{Operation, PairingError, pair, scrubbed};
pub use stream::Entries;
pub use testimony::{Counter, Testimony, Token};
pub use topology::{Node, NodeName, Topology};
pub use value::{Key, Value};
pub use verdict::{Accusation, Anomaly, AnomalyKind, Confidence, Finding, Judgement, Verdict};
