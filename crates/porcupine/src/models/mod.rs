//! Sequential specifications of the usual objects, generic over their values.
//!
//! Not tied to any database or file format: importers translate into these inputs and outputs. What
//! a format's *nil* means differs (really nothing, or unknown), so each model says how to express
//! both; see [`Seen`]. An answer that does not belong to its question is never allowed.

mod cas_register;
mod counter;
mod fenced_lock;
mod fifo_queue;
mod kv;
mod kv_append;
mod log;
mod multi_register;
mod mutable_set;
mod mutex;
mod owned_fenced_lock;
mod owned_mutex;
mod priority_queue;
mod register;
mod semaphore;
mod set;
mod stack;
mod unordered_queue;

pub use cas_register::{CasInput, CasOutput, CasRegister};
pub use counter::{Counter, CounterInput, CounterOutput};
pub use fenced_lock::{FencedLock, FencedLockInput, FencedLockOutput};
pub use fifo_queue::{FifoQueue, QueueInput, QueueOutput};
pub use kv::{Kv, KvInput, KvOutput};
pub use kv_append::{KvAppend, KvAppendInput, KvAppendOutput};
pub use log::{Log, LogInput, LogOutput};
pub use multi_register::{Access, MultiRegister};
pub use mutable_set::{MutableSet, MutableSetInput, MutableSetOutput};
pub use mutex::{Mutex, MutexInput, MutexOutput};
pub use owned_fenced_lock::{Fences, OwnedFencedLock};
pub use owned_mutex::{OwnedInput, OwnedMutex};
pub use priority_queue::PriorityQueue;
pub use register::{Register, RegisterInput, RegisterOutput};
pub use semaphore::Semaphore;
pub use set::{Set, SetInput, SetOutput};
pub use stack::Stack;
pub use unordered_queue::UnorderedQueue;

/// What an answered operation saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seen<V> {
    /// This value, which must be the right one. "Really nothing" is a value too, such as `None`.
    Value(V),
    /// It was answered, but with what is not recorded: anything fits.
    Unknown,
}

impl<V: PartialEq> Seen<V> {
    /// Whether it may have been `actual`.
    pub fn fits(&self, actual: &V) -> bool {
        match self {
            Self::Value(seen) => seen == actual,
            Self::Unknown => true,
        }
    }
}
