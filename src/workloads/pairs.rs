//! Two keys that are always written together, an order and its payment: whoever reads both has to
//! find both of one write.
//!
//! Each pair lives for a while and is worked on by a few workers, as registers are. All of it is
//! transactions: writes of both, reads of both, and reads of one alone. Values are seals, each of
//! its own key, so half of a transaction shows in a single answer.

use perjury_history::{Call, Key, Micro, Process};
use serde::{Deserialize, Serialize};

use super::{Mint, Workload};
use crate::generators::{Boxed, Context, Generator, Limit, Next, PerKey};
use crate::seed::Stream;

/// The options of this load in a declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// How many workers share a pair.
    pub workers_per_pair: usize,
    /// After how many transactions a pair is left for a new one.
    pub ops_per_pair: u64,
    /// The share of writes of both.
    pub writes: u64,
    /// The share of reads of both.
    pub reads: u64,
    /// The share of reads of one.
    pub glances: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { workers_per_pair: 5, ops_per_pair: 100, writes: 2, reads: 3, glances: 1 }
    }
}

pub(super) fn build(options: &Options, workers: usize, mint: &Mint) -> Workload {
    let group = options.workers_per_pair.clamp(1, workers.max(1));
    let (owned, mint) = (options.clone(), mint.clone());
    let make = move |key: Key| -> Boxed {
        let keys = halves(&key);
        let weights = [owned.writes, owned.reads, owned.glances];
        let pair = OnePair { keys, mint: mint.clone(), weights, written: 0 };
        Box::new(Limit::new(pair, owned.ops_per_pair))
    };
    let load = Box::new(PerKey::new(group, u64::MAX, make));
    Workload { model: "multi-register", load, last: None, scrub: |key| Call::Read { key } }
}

/// The keys of one pair.
pub(super) fn halves(pair: &Key) -> [Key; 2] {
    ["order", "payment"].map(|half| Key::from(format!("{pair}/{half}")))
}

/// The load on one pair.
struct OnePair {
    keys: [Key; 2],
    mint: Mint,
    weights: [u64; 3],
    written: i64,
}

impl OnePair {
    fn draw(&mut self, process: Process, stream: &mut Stream) -> Call {
        let [writes, reads, glances] = self.weights;
        let at = stream.below(writes + reads + glances);
        let [order, payment] = &self.keys;
        let steps = if at < writes {
            let write = |key: &Key| {
                // Both halves are of one number where they are plain.
                let mut number = self.written;
                Micro::Write(key.clone(), self.mint.make(key, process, &mut number))
            };
            let steps = vec![write(order), write(payment)];
            self.written += 1;
            steps
        } else if at < writes + reads {
            vec![Micro::Read(order.clone(), None), Micro::Read(payment.clone(), None)]
        } else {
            let half = &self.keys[usize::from(stream.below(2) == 1)];
            vec![Micro::Read(half.clone(), None)]
        };
        Call::Txn { steps }
    }
}

impl Generator for OnePair {
    fn next(&mut self, context: &Context<'_>, stream: &mut Stream) -> Next {
        match context.free.pick(stream) {
            Some(worker) => Next::Op(worker, self.draw(context.process(worker), stream)),
            None => Next::Pending,
        }
    }
}
