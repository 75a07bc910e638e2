//! Linearizability checking: is a concurrent history explained by a sequential model?
//!
//! A typed port of [Porcupine](https://github.com/anishathalye/porcupine) by Anish Athalye (MIT,
//! see `LICENSE-PORCUPINE`): the search of Wing and Gong (1993) with the cache of Lowe ("Testing
//! for linearizability", 2017) and the partitions of Horn and Kroening (2015). Beyond the original:
//! operations without an answer are optional, a cached configuration costs as many bits as
//! operations were open at once and not as many as the history is long, what nobody can see is not
//! tried, the cache forgets where memory ends, idle threads help in a hard partition, and the
//! budget counts time, configurations and bytes.
//!
//! [`check`] searches. [`decide`] gives the same verdict and first asks the model for a *shortcut*,
//! a path that needs no search: near-linear time for registers, compare-and-set and key-value
//! stores whose written values are distinct, locks with and without owners and fencing tokens,
//! counters, grow-only and mutable sets, logs, and bags, queues, stacks and priority queues of
//! distinct elements. It says which path was taken, and names the few operations that contradict
//! each other.
//!
//! Not here: reading history files, pictures, and deciding what a database promises.
//!
//! The invariant: [`Search::Linearizable`] and [`Search::Illegal`] are proofs. Whatever stops the
//! search early ends in [`Search::Exhausted`]; [`verify`] checks a proof of legality independently.
//!
//! ```
//! use perjury_porcupine::{Budget, Model, Operation, Search, check, verify};
//!
//! struct Register;
//! enum Input { Read, Write(u64) }
//! enum Output { Value(u64), Written }
//!
//! impl Model for Register {
//!     type State = u64;
//!     type Input = Input;
//!     type Output = Output;
//!     fn init(&self) -> u64 { 0 }
//!     fn step(&self, state: &u64, input: &Input, output: Option<&Output>) -> Option<u64> {
//!         match (input, output) {
//!             (Input::Read, None) => Some(*state),
//!             (Input::Read, Some(Output::Value(seen))) => (seen == state).then_some(*state),
//!             (Input::Write(new), None | Some(Output::Written)) => Some(*new),
//!             _ => None,
//!         }
//!     }
//! }
//!
//! let mut history = vec![
//!     Operation::completed(0, Input::Write(1), Output::Written, 0, 10),
//!     Operation::indeterminate(1, Input::Write(2), 5), // timed out: maybe, at any time from 5 on
//!     Operation::completed(2, Input::Read, Output::Value(1), 20, 30),
//!     Operation::completed(2, Input::Read, Output::Value(2), 40, 50),
//! ];
//! let Search::Linearizable(proof) = check(&Register, &history, &Budget::default()) else {
//!     panic!("write 2 may take effect between the reads");
//! };
//! assert_eq!(proof.partitions, [[0, 2, 1, 3]]);
//! assert_eq!(verify(&Register, &history, &proof), Ok(()));
//!
//! history.push(Operation::completed(2, Input::Read, Output::Value(1), 60, 70));
//! let Search::Illegal(evidence) = check(&Register, &history, &Budget::default()) else {
//!     panic!("1 was overwritten for good");
//! };
//! assert_eq!(evidence.blocked().collect::<Vec<_>>(), [4]);
//! ```

mod answer;
mod arena;
mod budget;
mod cache;
mod check;
mod crew;
mod gauge;
mod hash;
mod intern;
mod links;
mod model;
pub mod models;
mod nondeterministic;
mod observe;
mod operation;
mod order;
mod pace;
mod paths;
mod search;
mod shortcut;
mod sights;
mod sync;
mod table;
mod timeline;
mod verify;
mod walk;

pub use answer::{Evidence, Linearization, PartitionEvidence, Progress, Search};
pub use budget::{Budget, Meter, Reason};
pub use check::{Decision, Path, check, check_within, decide, decide_within};
pub use model::{Model, partition_by, partition_by_within};
pub use nondeterministic::{NondeterministicModel, PowerSet, States};
pub use operation::Operation;
pub use shortcut::{Kind, Shortcut, Witness};
pub use verify::{Flaw, verify};
