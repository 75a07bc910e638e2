//! What load a test puts on a database: the generators, the model, and how it ends.

mod bank;
mod pairs;
mod register;
mod set;
mod values;

use perjury_history::{Call, Key};
use serde::{Deserialize, Serialize};

pub use values::{Mint, Values};

use crate::generators::{Boxed, numbered};

/// The registry: the word in a declaration and its options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Spec {
    /// Many registers: read, write, compare-and-set.
    Register(register::Options),
    /// One growing set: add elements, and read them all at the end.
    Set(set::Options),
    /// A bank: transfers between accounts, reads of one account and of all.
    Bank(bank::Options),
    /// Two keys that are always written together: an order and its payment.
    Pairs(pairs::Options),
}

/// A load, ready to be driven.
pub struct Workload {
    /// The word for the model, as in the header of the history.
    pub model: &'static str,
    /// The main load, without rate and time limit.
    pub load: Boxed,
    /// What is asked after healing, if anything is.
    pub last: Option<Boxed>,
    /// The call that reads all of a key, for the scrub of every node.
    pub scrub: fn(Key) -> Call,
}

impl Spec {
    /// The word for this kind of load.
    pub fn name(&self) -> &'static str {
        match self {
            Spec::Register(_) => "register",
            Spec::Set(_) => "set",
            Spec::Bank(_) => "bank",
            Spec::Pairs(_) => "pairs",
        }
    }

    /// The names of the keys whose values certify themselves, the first so many of them: balances
    /// cannot.
    pub fn keys(&self, most: u64) -> Vec<Key> {
        match self {
            Spec::Register(_) => (0..most).map(numbered).collect(),
            Spec::Set(_) => vec![set::key()],
            Spec::Bank(_) => Vec::new(),
            Spec::Pairs(_) => {
                (0..most.div_ceil(2)).flat_map(|at| pairs::halves(&numbered(at))).collect()
            }
        }
    }

    /// The load for so many workers, with values of that mint.
    pub fn build(&self, workers: usize, mint: &Mint) -> Workload {
        match self {
            Spec::Register(options) => register::build(options, workers, mint),
            Spec::Set(options) => set::build(options, mint),
            Spec::Bank(options) => bank::build(options),
            Spec::Pairs(options) => pairs::build(options, workers, mint),
        }
    }
}
