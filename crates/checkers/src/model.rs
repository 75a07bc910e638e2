//! The words for specifications, as in declarations and on the command line.

use std::fmt;
use std::str::FromStr;

/// A sequential specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelName {
    /// Read and write, each key alone.
    Register,
    /// Read, write and compare-and-set, each key alone.
    CasRegister,
    /// The same as `cas-register` and delete, by the name that key-value stores use.
    Kv,
    /// Get, put and append of strings, each key alone.
    KvAppend,
    /// Add, and read all.
    Set,
    /// Increment and read, each key alone.
    Counter,
    /// Enqueue and dequeue, first in, first out.
    Queue,
    /// Enqueue and dequeue in any order.
    UnorderedQueue,
    /// Enqueue and dequeue, last in, first out.
    Stack,
    /// Enqueue and dequeue, the least element first.
    PriorityQueue,
    /// Append, which may tell the position, and read all in order.
    Log,
    /// Acquire and release.
    Mutex,
    /// Acquire, which gives a rising token, and release.
    FencedLock,
    /// Transactions over several registers.
    MultiRegister,
    /// Transfers between accounts, and reads of one or of all.
    Bank,
}

impl ModelName {
    /// All of them.
    pub const ALL: [ModelName; 15] = [
        ModelName::Register,
        ModelName::CasRegister,
        ModelName::Kv,
        ModelName::KvAppend,
        ModelName::Set,
        ModelName::Counter,
        ModelName::Queue,
        ModelName::UnorderedQueue,
        ModelName::Stack,
        ModelName::PriorityQueue,
        ModelName::Log,
        ModelName::Mutex,
        ModelName::FencedLock,
        ModelName::MultiRegister,
        ModelName::Bank,
    ];

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            ModelName::Register => "register",
            ModelName::CasRegister => "cas-register",
            ModelName::Kv => "kv",
            ModelName::KvAppend => "kv-append",
            ModelName::Set => "set",
            ModelName::Counter => "counter",
            ModelName::Queue => "queue",
            ModelName::UnorderedQueue => "unordered-queue",
            ModelName::Stack => "stack",
            ModelName::PriorityQueue => "priority-queue",
            ModelName::Log => "log",
            ModelName::Mutex => "mutex",
            ModelName::FencedLock => "fenced-lock",
            ModelName::MultiRegister => "multi-register",
            ModelName::Bank => "bank",
        }
    }

    /// Is each object a register, of which a read returns what one operation wrote?
    pub(crate) fn is_register(self) -> bool {
        matches!(self, ModelName::Register | ModelName::CasRegister | ModelName::Kv)
    }

    /// The calls that it knows, by their names in the history.
    pub(crate) fn calls(self) -> &'static [&'static str] {
        match self {
            ModelName::Register => &["read", "write"],
            ModelName::CasRegister => &["read", "write", "cas"],
            ModelName::Kv => &["read", "write", "cas", "delete"],
            ModelName::KvAppend => &["read", "write", "append"],
            ModelName::Set => &["add", "read-all"],
            ModelName::Counter => &["increment", "read"],
            ModelName::Queue
            | ModelName::UnorderedQueue
            | ModelName::Stack
            | ModelName::PriorityQueue => &["enqueue", "dequeue"],
            ModelName::Log => &["append", "read-all"],
            ModelName::Mutex | ModelName::FencedLock => &["acquire", "release"],
            ModelName::MultiRegister => &["txn"],
            ModelName::Bank => &["transfer", "read-accounts", "read"],
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ModelName {
    type Err = String;

    fn from_str(word: &str) -> Result<ModelName, String> {
        ModelName::ALL.into_iter().find(|model| model.name() == word).ok_or_else(|| {
            let known = ModelName::ALL.map(ModelName::name).join(", ");
            format!("unknown model {word:?}; expected one of {known}")
        })
    }
}
