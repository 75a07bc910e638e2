//! What a client can ask of a database and what can come of it.

use std::fmt;

use crate::{Key, Value};

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Micro {
    /// Read a key. The value is what was read; in an invocation `None`.
    Read(Key, Option<Value>),
    /// Read a key that holds a list: all its elements in their order. Only in answers.
    ReadList(Key, Vec<Value>),
    /// Write a value to a key.
    Write(Key, Value),
    /// Append a value to the list at a key.
    Append(Key, Value),
}

impl Micro {
    /// The object that the step touches.
    pub fn key(&self) -> &Key {
        match self {
            Micro::Read(key, _)
            | Micro::ReadList(key, _)
            | Micro::Write(key, _)
            | Micro::Append(key, _) => key,
        }
    }

    /// Can the step change nothing?
    pub fn is_read(&self) -> bool {
        matches!(self, Micro::Read(..) | Micro::ReadList(..))
    }

    /// Is this what a step that was asked can be answered with? A read may show anything.
    pub fn answers(&self, asked: &Micro) -> bool {
        match (asked.is_read(), self.is_read()) {
            (true, true) => asked.key() == self.key(),
            _ => asked == self,
        }
    }
}

impl fmt::Display for Micro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Micro::Read(key, None) => write!(f, "[read {key}]"),
            Micro::Read(key, Some(value)) => write!(f, "[read {key} = {value}]"),
            Micro::ReadList(key, list) => {
                write!(f, "[read {key} = (")?;
                for (at, value) in list.iter().enumerate() {
                    write!(f, "{}{value}", if at == 0 { "" } else { " " })?;
                }
                f.write_str(")]")
            }
            Micro::Write(key, value) => write!(f, "[write {value} to {key}]"),
            Micro::Append(key, value) => write!(f, "[append {value} to {key}]"),
        }
    }
}

/// What a client asks.
#[expect(missing_docs, reason = "the fields are named for what they are")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Read a register.
    Read { key: Key },
    /// Overwrite a register.
    Write { key: Key, value: Value },
    /// Set a register to `to` if it holds `from`.
    Cas { key: Key, from: Value, to: Value },
    /// Remove a register: it holds nothing afterwards, as before its first write.
    Delete { key: Key },
    /// Concatenate text to what the key holds.
    Append { key: Key, value: Value },
    /// Add one element to a set.
    Add { key: Key, element: Value },
    /// Take one element out of a set.
    Remove { key: Key, element: Value },
    /// Ask whether an element is in a set.
    Contains { key: Key, element: Value },
    /// Read all elements of a set, or all entries of a log.
    ReadAll { key: Key },
    /// Read the entry of a log at this position, counted from 0.
    ReadAt { key: Key, position: u64 },
    /// Add a number to a counter.
    Increment { key: Key, by: i64 },
    /// Put one element behind a queue.
    Enqueue { key: Key, element: Value },
    /// Take one element from a queue.
    Dequeue { key: Key },
    /// Take a lock.
    Acquire { key: Key },
    /// Give a lock back.
    Release { key: Key },
    /// Move money from one account of a bank to another. It is refused if the first one would be
    /// overdrawn by it, unless that is the [reserve](RESERVE).
    Transfer { from: Key, to: Key, amount: i64 },
    /// Read the balances of all accounts of a bank.
    ReadAccounts,
    /// Apply several steps as one.
    Txn { steps: Vec<Micro> },
}

/// What the keys of a bank's accounts begin with, so that all of them can be told from other keys.
pub const ACCOUNTS: &str = "account/";

/// The one account of a bank that may be overdrawn: all money comes from it. Every account holds
/// nothing at first, so the sum over all of them is nought for ever.
pub const RESERVE: &str = "account/reserve";

impl Call {
    /// The word for this call in the history file (its `f`).
    pub fn name(&self) -> &'static str {
        match self {
            Call::Read { .. } => "read",
            Call::Write { .. } => "write",
            Call::Cas { .. } => "cas",
            Call::Delete { .. } => "delete",
            Call::Append { .. } => "append",
            Call::Add { .. } => "add",
            Call::Remove { .. } => "remove",
            Call::Contains { .. } => "contains",
            Call::ReadAll { .. } => "read-all",
            Call::ReadAt { .. } => "read-at",
            Call::Increment { .. } => "increment",
            Call::Enqueue { .. } => "enqueue",
            Call::Dequeue { .. } => "dequeue",
            Call::Acquire { .. } => "acquire",
            Call::Release { .. } => "release",
            Call::Transfer { .. } => "transfer",
            Call::ReadAccounts => "read-accounts",
            Call::Txn { .. } => "txn",
        }
    }

    /// The one object that the call touches; `None` for a transaction and for a bank's calls.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Call::Read { key }
            | Call::Write { key, .. }
            | Call::Cas { key, .. }
            | Call::Delete { key }
            | Call::Append { key, .. }
            | Call::Add { key, .. }
            | Call::Remove { key, .. }
            | Call::Contains { key, .. }
            | Call::ReadAll { key }
            | Call::ReadAt { key, .. }
            | Call::Increment { key, .. }
            | Call::Enqueue { key, .. }
            | Call::Dequeue { key }
            | Call::Acquire { key }
            | Call::Release { key } => Some(key),
            Call::Transfer { .. } | Call::ReadAccounts | Call::Txn { .. } => None,
        }
    }

    /// Every object that the call names; of a read of all accounts none.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        let (pair, steps) = match self {
            Call::Transfer { from, to, .. } => ([Some(from), Some(to)], [].as_slice()),
            Call::Txn { steps } => ([None, None], steps.as_slice()),
            call => ([call.key(), None], [].as_slice()),
        };
        pair.into_iter().flatten().chain(steps.iter().map(Micro::key))
    }

    /// Can the call change nothing? Then an unanswered one had no effect for sure.
    pub fn is_read_only(&self) -> bool {
        match self {
            Call::Read { .. }
            | Call::Contains { .. }
            | Call::ReadAll { .. }
            | Call::ReadAt { .. }
            | Call::ReadAccounts => true,
            Call::Txn { steps } => steps.iter().all(Micro::is_read),
            _ => false,
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Read { key } => write!(f, "read {key}"),
            Call::Write { key, value } => write!(f, "write {value} to {key}"),
            Call::Cas { key, from, to } => write!(f, "compare-and-set {key} from {from} to {to}"),
            Call::Delete { key } => write!(f, "delete {key}"),
            Call::Append { key, value } => write!(f, "append {value} to {key}"),
            Call::Add { key, element } => write!(f, "add {element} to {key}"),
            Call::Remove { key, element } => write!(f, "remove {element} from {key}"),
            Call::Contains { key, element } => write!(f, "look for {element} in {key}"),
            Call::ReadAll { key } => write!(f, "read all of {key}"),
            Call::ReadAt { key, position } => write!(f, "read {key} at position {position}"),
            Call::Increment { key, by } => write!(f, "increment {key} by {by}"),
            Call::Enqueue { key, element } => write!(f, "enqueue {element} to {key}"),
            Call::Dequeue { key } => write!(f, "dequeue from {key}"),
            Call::Acquire { key } => write!(f, "acquire {key}"),
            Call::Release { key } => write!(f, "release {key}"),
            Call::Transfer { from, to, amount } => {
                write!(f, "transfer {amount} from {from} to {to}")
            }
            Call::ReadAccounts => f.write_str("read all accounts"),
            Call::Txn { steps } => {
                f.write_str("transaction")?;
                steps.iter().try_for_each(|step| write!(f, " {step}"))
            }
        }
    }
}

/// What a database answered to a call that it carried out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// The call took effect; there is nothing more to say.
    Done,
    /// The value that was read, the element that was taken from a queue, the token that a lock
    /// gave, or the position of an entry in a log.
    Value(Value),
    /// There was nothing to take: the queue was empty. Or nothing to read: the log has no entry at
    /// that position yet.
    Empty,
    /// A value was read but it is not known (Knossos writes `nil`): it matches anything.
    Unknown,
    /// Did the compare-and-set find what it asked for?
    Swapped(bool),
    /// Did adding or removing the element change the set?
    Changed(bool),
    /// Was the element in the set?
    Contains(bool),
    /// The elements that were read, in the order of the answer, duplicates kept.
    Elements(Vec<Value>),
    /// Every account of a bank and its balance, in the order of the answer.
    Accounts(Vec<(Key, Value)>),
    /// The steps of a transaction with the values read.
    Txn(Vec<Micro>),
}

/// How many elements a sentence lists; of more it says how many there were.
const MOST_SHOWN: usize = 8;

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Done => f.write_str("done"),
            Reply::Value(value) => write!(f, "{value}"),
            Reply::Empty => f.write_str("nothing was there"),
            Reply::Unknown => f.write_str("some value"),
            Reply::Swapped(true) => f.write_str("swapped"),
            Reply::Swapped(false) => f.write_str("not swapped: another value was there"),
            Reply::Changed(true) => f.write_str("changed it"),
            Reply::Changed(false) => f.write_str("changed nothing"),
            Reply::Contains(true) => f.write_str("it was there"),
            Reply::Contains(false) => f.write_str("it was not there"),
            Reply::Elements(elements) if elements.len() <= MOST_SHOWN => {
                let shown: Vec<String> = elements.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", shown.join(", "))
            }
            Reply::Elements(elements) => write!(f, "{} elements", elements.len()),
            Reply::Accounts(accounts) => {
                let shown = |(key, balance): &(Key, Value)| format!("{key}: {balance}");
                f.write_str(&accounts.iter().map(shown).collect::<Vec<_>>().join(", "))
            }
            Reply::Txn(steps) => write!(f, "{}", Call::Txn { steps: steps.clone() }),
        }
    }
}

/// Why a call did not succeed: a short stable word to group by, and the details in full.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cause {
    /// A lower-case word with hyphens, such as `timeout` or `connection-refused`.
    pub code: String,
    /// What was said, for people. Hostile text: it may come from the database.
    pub detail: String,
}

impl Cause {
    /// The code of a reply outside the database's contract. It makes the run unacceptable as a
    /// pass: whatever the checkers assume of replies did not hold.
    pub const UNMODELLED: &str = "unmodelled";

    /// A cause from its code and details.
    pub fn new(code: impl Into<String>, detail: impl Into<String>) -> Cause {
        Cause { code: code.into(), detail: detail.into() }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            return f.write_str(&self.code);
        }
        write!(f, "{}: {}", self.code, self.detail)
    }
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It took effect at some instant between its invocation and this completion.
    Ok(Reply),
    /// It did not take effect and never will.
    Fail(Cause),
    /// Nobody knows: it may take effect at any time after its invocation, or never.
    Info(Cause),
}

impl Outcome {
    /// The word for this outcome in the history file (its `type`).
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Ok(_) => "ok",
            Outcome::Fail(_) => "fail",
            Outcome::Info(_) => "info",
        }
    }
}
