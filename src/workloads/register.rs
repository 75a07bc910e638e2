//! Many registers, each for a while: reads, writes and compare-and-sets of unique values, and
//! deletes where a declaration asks for them.
//!
//! Every value is written at most once to a key, so a value read names the write that it came
//! from: that makes a verdict sharp and its explanation short. A compare-and-set asks for a value
//! that was recently seen, so that a fair part of them succeeds.

use perjury_history::{Call, Key, Outcome, Process, Reply, Value};
use serde::{Deserialize, Serialize};

use super::{Mint, Workload};
use crate::generators::{Boxed, Context, Generator, Limit, Next, PerKey};
use crate::seed::Stream;

/// The options of this load in a declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// How many workers share a key.
    pub workers_per_key: usize,
    /// After how many operations a key is left for a new one.
    pub ops_per_key: u64,
    /// The share of reads.
    pub reads: u64,
    /// The share of writes.
    pub writes: u64,
    /// The share of compare-and-sets.
    pub cas: u64,
    /// The share of deletes.
    pub deletes: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { workers_per_key: 5, ops_per_key: 200, reads: 2, writes: 1, cas: 1, deletes: 0 }
    }
}

pub(super) fn build(options: &Options, workers: usize, mint: &Mint) -> Workload {
    let group = options.workers_per_key.clamp(1, workers.max(1));
    let (owned, mint) = (options.clone(), mint.clone());
    let make = move |key: Key| -> Boxed {
        Box::new(Limit::new(OneKey::new(key, &owned, mint.clone()), owned.ops_per_key))
    };
    let model = match (options.cas, options.deletes) {
        (0, 0) => "register",
        (_, 0) => "cas-register",
        _ => "kv",
    };
    let load = Box::new(PerKey::new(group, u64::MAX, make));
    Workload { model, load, last: None, scrub: |key| Call::Read { key } }
}

/// The load on one key.
struct OneKey {
    key: Key,
    mint: Mint,
    weights: [u64; 4],
    written: i64,
    seen: Value,
}

impl OneKey {
    fn new(key: Key, options: &Options, mint: Mint) -> OneKey {
        let weights = [options.reads, options.writes, options.cas, options.deletes];
        OneKey { key, mint, weights, written: 0, seen: Value::Nil }
    }

    fn fresh(&mut self, process: Process) -> Value {
        self.mint.make(&self.key, process, &mut self.written)
    }

    fn draw(&mut self, process: Process, stream: &mut Stream) -> Call {
        let key = self.key.clone();
        let [reads, writes, cas, deletes] = self.weights;
        let at = stream.below(reads + writes + cas + deletes);
        if at < reads {
            Call::Read { key }
        } else if at >= reads + writes + cas {
            Call::Delete { key }
        } else if at < reads + writes || self.seen.is_nil() {
            Call::Write { key, value: self.fresh(process) }
        } else {
            Call::Cas { key, from: self.seen.clone(), to: self.fresh(process) }
        }
    }
}

impl Generator for OneKey {
    fn next(&mut self, context: &Context<'_>, stream: &mut Stream) -> Next {
        match context.free.pick(stream) {
            Some(worker) => Next::Op(worker, self.draw(context.process(worker), stream)),
            None => Next::Pending,
        }
    }

    fn observe(&mut self, _worker: usize, call: &Call, outcome: &Outcome) {
        let Outcome::Ok(reply) = outcome else { return };
        match (call, reply) {
            (Call::Read { key }, Reply::Value(value)) if self.mint.knows(key, value) => {
                self.seen = value.clone();
            }
            (Call::Write { value, .. }, _) => self.seen = value.clone(),
            (Call::Delete { .. }, _) => self.seen = Value::Nil,
            (Call::Cas { to, .. }, Reply::Swapped(true)) => self.seen = to.clone(),
            _ => {}
        }
    }
}
