//! One growing set: unique elements are added under faults; after healing every worker reads all.
//!
//! The cheapest test of durability: what was acknowledged has to be there at the end.

use perjury_history::{Call, Key};
use serde::{Deserialize, Serialize};

use super::{Mint, Workload};
use crate::generators::{Context, FromFn, Generator, Mix, Next, UntilOk};
use crate::seed::Stream;

/// The options of this load in a declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// The share of adds.
    pub adds: u64,
    /// The share of reads of the whole set while it grows. They tell a lost element from one that
    /// was never seen, and cost more the larger the set is.
    pub reads: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { adds: 20, reads: 1 }
    }
}

/// How long the final reads are repeated on a node that does not answer.
const PAUSE: u64 = 500_000_000;
const TRIES: u32 = 20;

/// The one key.
pub(super) fn key() -> Key {
    Key::from("set")
}

pub(super) fn build(options: &Options, mint: &Mint) -> Workload {
    let key = key();
    let all = Call::ReadAll { key: key.clone() };
    let add = Adds { key, mint: mint.clone(), written: 0 };
    let read = {
        let all = all.clone();
        FromFn(move |_: &mut Stream| all.clone())
    };
    let load = Mix::new(vec![(options.adds, Box::new(add)), (options.reads, Box::new(read))]);
    let last = UntilOk::new(all, PAUSE, TRIES);
    let scrub = |key| Call::ReadAll { key };
    Workload { model: "set", load: Box::new(load), last: Some(Box::new(last)), scrub }
}

/// Adds one new element after the other.
struct Adds {
    key: Key,
    mint: Mint,
    written: i64,
}

impl Generator for Adds {
    fn next(&mut self, context: &Context<'_>, stream: &mut Stream) -> Next {
        let Some(worker) = context.free.pick(stream) else { return Next::Pending };
        let element = self.mint.make(&self.key, context.process(worker), &mut self.written);
        Next::Op(worker, Call::Add { key: self.key.clone(), element })
    }
}
