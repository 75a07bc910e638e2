//! The words for specifications, as in declarations and on the command line.
//!
//! A specification with a limit has it in its word, behind a colon: `semaphore:3`. So a history and
//! a certificate name with one word what they are judged by.

use std::fmt;
use std::num::NonZeroU32;
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
    /// Add, remove, and look for one element; each element alone.
    MutableSet,
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
    /// Append, which may tell the position, and read at a position or all in order.
    Log,
    /// Acquire and release, by whomever.
    Mutex,
    /// Acquire, which gives a rising token, and release, by whomever.
    FencedLock,
    /// Acquire, so many times without a release between, and release by the process that holds it.
    OwnedMutex(NonZeroU32),
    /// The same, and acquire gives a token that rises with each new holder.
    OwnedFencedLock(NonZeroU32),
    /// Acquire one of so many permits, and release by a process that holds one.
    Semaphore(NonZeroU32),
    /// Transactions over several registers.
    MultiRegister,
    /// Transfers between accounts, and reads of one or of all.
    Bank,
}

const ONE: NonZeroU32 = NonZeroU32::MIN;

impl ModelName {
    /// All of them, those with a limit with the least one.
    pub const ALL: [ModelName; 19] = [
        ModelName::Register,
        ModelName::CasRegister,
        ModelName::Kv,
        ModelName::KvAppend,
        ModelName::Set,
        ModelName::MutableSet,
        ModelName::Counter,
        ModelName::Queue,
        ModelName::UnorderedQueue,
        ModelName::Stack,
        ModelName::PriorityQueue,
        ModelName::Log,
        ModelName::Mutex,
        ModelName::FencedLock,
        ModelName::OwnedMutex(ONE),
        ModelName::OwnedFencedLock(ONE),
        ModelName::Semaphore(ONE),
        ModelName::MultiRegister,
        ModelName::Bank,
    ];

    /// The word, without a limit.
    pub fn name(self) -> &'static str {
        match self {
            ModelName::Register => "register",
            ModelName::CasRegister => "cas-register",
            ModelName::Kv => "kv",
            ModelName::KvAppend => "kv-append",
            ModelName::Set => "set",
            ModelName::MutableSet => "mutable-set",
            ModelName::Counter => "counter",
            ModelName::Queue => "queue",
            ModelName::UnorderedQueue => "unordered-queue",
            ModelName::Stack => "stack",
            ModelName::PriorityQueue => "priority-queue",
            ModelName::Log => "log",
            ModelName::Mutex => "mutex",
            ModelName::FencedLock => "fenced-lock",
            ModelName::OwnedMutex(_) => "owned-mutex",
            ModelName::OwnedFencedLock(_) => "owned-fenced-lock",
            ModelName::Semaphore(_) => "semaphore",
            ModelName::MultiRegister => "multi-register",
            ModelName::Bank => "bank",
        }
    }

    /// Is each object a register, of which a read returns what one operation wrote?
    pub(crate) fn is_register(self) -> bool {
        matches!(self, ModelName::Register | ModelName::CasRegister | ModelName::Kv)
    }

    /// Does it matter which process asks?
    pub fn has_owners(self) -> bool {
        matches!(
            self,
            ModelName::OwnedMutex(_) | ModelName::OwnedFencedLock(_) | ModelName::Semaphore(_)
        )
    }

    /// What a reader of a proof has to know of holders.
    pub(crate) fn rule(self) -> Option<String> {
        let holder = |most: NonZeroU32| match most {
            ONE => "Only the process that holds the lock can release it, and none can acquire it \
                    meanwhile"
                .to_owned(),
            most => format!(
                "Only the process that holds the lock can release it, or acquire it meanwhile, up \
                 to {most} times in all"
            ),
        };
        Some(match self {
            ModelName::OwnedMutex(most) => format!("{}.", holder(most)),
            ModelName::OwnedFencedLock(most) => {
                format!("{}; each holder gets a greater token than the one before.", holder(most))
            }
            ModelName::Semaphore(ONE) => {
                "There is 1 permit, and only the process that holds it can release it.".to_owned()
            }
            ModelName::Semaphore(permits) => format!(
                "There are {permits} permits, and a process can release only what it holds."
            ),
            _ => return None,
        })
    }

    /// The calls that it knows, by their names in the history.
    pub(crate) fn calls(self) -> &'static [&'static str] {
        match self {
            ModelName::Register => &["read", "write"],
            ModelName::CasRegister => &["read", "write", "cas"],
            ModelName::Kv => &["read", "write", "cas", "delete"],
            ModelName::KvAppend => &["read", "write", "append"],
            ModelName::Set => &["add", "read-all"],
            ModelName::MutableSet => &["add", "remove", "contains"],
            ModelName::Counter => &["increment", "read"],
            ModelName::Queue
            | ModelName::UnorderedQueue
            | ModelName::Stack
            | ModelName::PriorityQueue => &["enqueue", "dequeue"],
            ModelName::Log => &["append", "read-at", "read-all"],
            ModelName::Mutex
            | ModelName::FencedLock
            | ModelName::OwnedMutex(_)
            | ModelName::OwnedFencedLock(_)
            | ModelName::Semaphore(_) => &["acquire", "release"],
            ModelName::MultiRegister => &["txn"],
            ModelName::Bank => &["transfer", "read-accounts", "read"],
        }
    }

    /// The same with this limit; `None` if it has none.
    fn limited(self, limit: NonZeroU32) -> Option<ModelName> {
        match self {
            ModelName::OwnedMutex(_) => Some(ModelName::OwnedMutex(limit)),
            ModelName::OwnedFencedLock(_) => Some(ModelName::OwnedFencedLock(limit)),
            ModelName::Semaphore(_) => Some(ModelName::Semaphore(limit)),
            _ => None,
        }
    }

    /// How it is written.
    fn form(self) -> String {
        match self {
            ModelName::Semaphore(_) => "semaphore:PERMITS".to_owned(),
            limited if limited.has_owners() => format!("{}[:TIMES]", self.name()),
            _ => self.name().to_owned(),
        }
    }
}

/// The word with its limit, as it is parsed: a lock that its holder cannot take again needs none.
impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ModelName::OwnedMutex(ONE) | ModelName::OwnedFencedLock(ONE) => {
                f.write_str(self.name())
            }
            ModelName::OwnedMutex(limit)
            | ModelName::OwnedFencedLock(limit)
            | ModelName::Semaphore(limit) => write!(f, "{}:{limit}", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}

impl FromStr for ModelName {
    type Err = String;

    fn from_str(text: &str) -> Result<ModelName, String> {
        let (word, limit) = match text.split_once(':') {
            Some((word, limit)) => (word, Some(limit)),
            None => (text, None),
        };
        let model = ModelName::ALL.into_iter().find(|model| model.name() == word);
        let model = model.ok_or_else(|| {
            let known = ModelName::ALL.map(ModelName::form).join(", ");
            format!("unknown model {text:?}; expected one of {known}")
        })?;
        match (model, limit) {
            (ModelName::Semaphore(_), None) => {
                Err("a semaphore needs the number of its permits, as in semaphore:2".to_owned())
            }
            (model, None) => Ok(model),
            (model, Some(limit)) => {
                let given = limit.parse().ok().map(|limit| model.limited(limit));
                match given {
                    Some(Some(model)) => Ok(model),
                    Some(None) => Err(format!("the model {word} has no limit; leave out :{limit}")),
                    None => Err(format!(
                        "the limit of {text:?} has to be a whole number from 1 to {}",
                        u32::MAX
                    )),
                }
            }
        }
    }
}
