//! What an invocation asks.
//!
//! The same words mean different things in different workloads: `:read` reads a register or a whole
//! set, and `[1 2]` is a value pair of a compare-and-set or a key with its value. So the file as a
//! whole is looked at first ([`Context`]).

use std::collections::HashSet;

use super::datum::Datum;
use super::said::{Kind, Said, Speaker};
use super::{Dialect, Format};
use crate::{Call, Key, Micro, Value};

/// What the file as a whole says about its entries.
pub(super) struct Context<'a> {
    pub(super) format: Format,
    pub(super) dialect: &'a Dialect,
    /// `:add` occurs, so a `:read` reads all elements.
    pub(super) sets: bool,
    /// `:append` occurs with what reads entries, so it appends to a log.
    logs: bool,
    /// No `:acquire` asks for a value, so a number that answers it is a token.
    pub(super) tokens: bool,
    /// `:add` occurs and reads give numbers, so it adds a number to a counter.
    counters: bool,
    /// `:transfer` occurs, or a read gives a map: the accounts of a bank.
    bank: bool,
    /// Values are `[key value]`, as Jepsen's `independent` makes them.
    pub(super) keyed: bool,
}

impl<'a> Context<'a> {
    pub(super) fn of(entries: &[Said], format: Format, dialect: &'a Dialect) -> Context<'a> {
        let clients = || entries.iter().filter(|said| said.process != Speaker::Nemesis);
        let occurs = |word: &str| clients().any(|said| said.f.as_deref() == Some(word));
        let adds = occurs("add");
        let invoked = || clients().filter(|said| said.kind == Kind::Invoke);
        let mut keyed = invoked().next().is_some() && invoked().all(is_keyed);
        // Nothing is removed from a counter, and it contains nothing.
        let elements = occurs("remove") || occurs("contains");
        let counters = adds && !elements && counts(entries, keyed);
        let sets = adds && !counters;
        if sets {
            // An element may itself be a pair; only if the answers are `[key elements]` with a key
            // that was added to are the pairs keys.
            let keys: HashSet<Option<Key>> =
                invoked().map(|said| said.value.list()?.first()?.key()).collect();
            keyed &= clients()
                .filter(|said| said.kind == Kind::Ok && said.f.as_deref() == Some("read"))
                .all(|said| match said.value.list() {
                    Some([key, Datum::List(_) | Datum::Nil]) => keys.contains(&key.key()),
                    _ => false,
                });
        }
        let bank = clients().any(|said| match said.f.as_deref() {
            Some("transfer") => true,
            Some("read") => said.kind == Kind::Ok && matches!(said.value, Datum::Map(_)),
            _ => false,
        });
        let logs = occurs("read-at") || (occurs("append") && occurs("read-all"));
        let mut context =
            Context { format, dialect, sets, logs, tokens: true, counters, bank, keyed };
        let asks = |said: &Said| {
            said.f.as_deref() == Some("acquire") && *context.bare(&said.value) != Datum::Nil
        };
        context.tokens = !invoked().any(asks);
        context
    }

    /// The value without its key, if it has one.
    pub(super) fn bare<'v>(&self, value: &'v Datum) -> &'v Datum {
        match value.list() {
            Some([_, value]) if self.keyed => value,
            _ => value,
        }
    }

    fn key(&self, said: &Said, otherwise: &str) -> Result<Key, String> {
        let key = match said.value.list() {
            Some([key, _]) if self.keyed => Some(key),
            _ => said.key.as_ref(),
        };
        match key {
            None => Ok(Key::from(otherwise)),
            Some(key) => key.key().ok_or_else(|| {
                format!("{key} is no key; expected a word, a string or a whole number")
            }),
        }
    }
}

/// Do the reads that were answered give numbers, and nothing but numbers and nils? Where there are
/// none, is one number added twice? That is no way to fill a set.
fn counts(entries: &[Said], keyed: bool) -> bool {
    let answered = |said: &&Said| said.kind == Kind::Ok && said.f.as_deref() == Some("read");
    let values = entries.iter().filter(answered).map(|said| match said.value.list() {
        Some([_, value]) if keyed => value,
        _ => &said.value,
    });
    if values.clone().next().is_none() {
        let mut seen = HashSet::new();
        let added = entries
            .iter()
            .filter(|said| said.kind == Kind::Invoke && said.f.as_deref() == Some("add"));
        let mut numbers = added.map(|said| match said.value {
            Datum::Int(number) => Some(number),
            _ => None,
        });
        return numbers.clone().all(|number| number.is_some())
            && numbers.any(|number| !seen.insert(number));
    }
    values.clone().any(|value| matches!(value, Datum::Int(_)))
        && values.into_iter().all(|value| matches!(value, Datum::Int(_) | Datum::Nil))
}

/// Does an invocation have the shape that `independent` gives it?
fn is_keyed(said: &Said) -> bool {
    let Some([key, value]) = said.value.list() else { return false };
    let pair = value.list().is_some_and(|pair| pair.len() == 2);
    key.key().is_some() && (pair || said.f.as_deref() != Some("cas"))
}

/// The object's name where the file has only one.
const REGISTER: &str = "register";
const SET: &str = "set";
const LOCK: &str = "lock";
const COUNTER: &str = "counter";
const QUEUE: &str = "queue";
const LOG: &str = "log";

/// The call that an invocation makes.
pub(super) fn call(said: &Said, context: &Context<'_>) -> Result<Call, String> {
    let value = context.bare(&said.value);
    let Some(f) = said.f.as_deref() else {
        return transaction(value, "an entry without :f");
    };
    Ok(match f {
        "read" if is_steps(value) => transaction(value, ":read")?,
        "write" if is_steps(value) => transaction(value, ":write")?,
        "txn" => transaction(value, ":txn")?,
        "read" if context.bank => Call::ReadAccounts,
        "transfer" => transfer(value)?,
        "read" if context.sets => Call::ReadAll { key: context.key(said, SET)? },
        "read" if context.counters => Call::Read { key: context.key(said, COUNTER)? },
        "read" | "get" => Call::Read { key: context.key(said, REGISTER)? },
        "write" | "put" => {
            Call::Write { key: context.key(said, REGISTER)?, value: scalar(value, f)? }
        }
        "delete" => Call::Delete { key: context.key(said, REGISTER)? },
        "append" if context.logs => {
            Call::Append { key: context.key(said, LOG)?, value: element(value) }
        }
        "read-all" if context.logs => Call::ReadAll { key: context.key(said, LOG)? },
        "read-at" => {
            Call::ReadAt { key: context.key(said, LOG)?, position: position(value, "a :read-at")? }
        }
        "append" => Call::Append { key: context.key(said, REGISTER)?, value: scalar(value, f)? },
        "cas" => match value.list() {
            Some([from, to]) => Call::Cas {
                key: context.key(said, REGISTER)?,
                from: scalar(from, f)?,
                to: scalar(to, f)?,
            },
            _ => return Err(format!("a :cas needs the value [FROM TO], not {value}")),
        },
        "increment" => increment(value, context.key(said, COUNTER)?)?,
        "add" if context.counters => increment(value, context.key(said, COUNTER)?)?,
        "enqueue" => Call::Enqueue { key: context.key(said, QUEUE)?, element: element(value) },
        "dequeue" => Call::Dequeue { key: context.key(said, QUEUE)? },
        "add" => Call::Add { key: context.key(said, SET)?, element: element(value) },
        "remove" => Call::Remove { key: context.key(said, SET)?, element: element(value) },
        "contains" => Call::Contains { key: context.key(said, SET)?, element: element(value) },
        "read-all" => Call::ReadAll { key: context.key(said, SET)? },
        "acquire" => Call::Acquire { key: context.key(said, LOCK)? },
        "release" => Call::Release { key: context.key(said, LOCK)? },
        other => return Err(unknown(other)),
    })
}

fn increment(value: &Datum, key: Key) -> Result<Call, String> {
    match value {
        Datum::Int(by) => Ok(Call::Increment { key, by: *by }),
        other => Err(format!("what is added to a counter has to be a whole number, not {other}")),
    }
}

/// The position of an entry in a log.
pub(super) fn position(value: &Datum, what: &str) -> Result<u64, String> {
    let number = match value {
        Datum::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    number.ok_or_else(|| format!("{what} needs a position, a whole number from 0, not {value}"))
}

fn transfer(value: &Datum) -> Result<Call, String> {
    let shape = || format!("a :transfer needs {{:from A, :to B, :amount N}}, not {value}");
    let account = |name: &str| value.field(name).and_then(Datum::key);
    match (account("from"), account("to"), value.field("amount")) {
        (Some(from), Some(to), Some(Datum::Int(amount))) => {
            Ok(Call::Transfer { from, to, amount: *amount })
        }
        _ => Err(shape()),
    }
}

fn unknown(f: &str) -> String {
    let workload = match f {
        "drain" => "queue with drain",
        "generate" => "unique ids",
        _ => {
            let shown = Datum::Word(f.to_owned());
            return format!(
                "unknown operation {shown}; known are :read, :write, :cas, :append, :get, :put, \
                 :delete, :add, :remove, :contains, :read-all, :read-at, :increment, :enqueue, \
                 :dequeue, :acquire, :release, :transfer and :txn"
            );
        }
    };
    unsupported(workload, &format!(":{f}"))
}

fn unsupported(workload: &str, why: &str) -> String {
    format!("Jepsen's {workload} workload is not supported yet ({why})")
}

fn scalar(value: &Datum, f: &str) -> Result<Value, String> {
    value.value().ok_or_else(|| {
        format!("the value of a :{f} has to be a number, a word, a string or nil, not {value}")
    })
}

/// An element of a set: where it is no scalar, its text.
pub(super) fn element(value: &Datum) -> Value {
    value.value().unwrap_or_else(|| Value::Text(value.text().into()))
}

/// Is it a list of `[:r key value]` and the like?
fn is_steps(value: &Datum) -> bool {
    let step = |step: &Datum| {
        let word = step.list().and_then(|list| list.first()).and_then(Datum::word);
        matches!(word, Some("r" | "w" | "append" | "read" | "write"))
    };
    value.list().is_some_and(|list| !list.is_empty() && list.iter().all(step))
}

fn transaction(value: &Datum, what: &str) -> Result<Call, String> {
    let steps = value.list().ok_or_else(|| {
        format!("{what} needs a list of steps like [[:r x nil] [:w y 1]], not {value}")
    })?;
    // What a read of an invocation names as its value is not known yet.
    let asked = |step: Micro| match step {
        Micro::Read(key, _) | Micro::ReadList(key, _) => Micro::Read(key, None),
        change => change,
    };
    let steps = steps.iter().map(|step| micro(step).map(asked)).collect::<Result<_, _>>()?;
    Ok(Call::Txn { steps })
}

/// One step, with the value that was read where it names one.
pub(super) fn micro(step: &Datum) -> Result<Micro, String> {
    let shape = || {
        format!(
            "a step of a transaction is [:r KEY VALUE], [:w KEY VALUE] or [:append KEY VALUE], \
             not {step}"
        )
    };
    let (word, key, value) = match step.list() {
        Some([word, key]) => (word, key, None),
        Some([word, key, value]) => (word, key, Some(value)),
        _ => return Err(shape()),
    };
    let key = key.key().ok_or_else(shape)?;
    let value = match value {
        Some(Datum::List(list)) if matches!(word.word(), Some("r" | "read")) => {
            let list = list.iter().map(Datum::value).collect::<Option<_>>().ok_or_else(shape)?;
            return Ok(Micro::ReadList(key, list));
        }
        Some(value) => Some(value.value().ok_or_else(shape)?),
        None => None,
    };
    match (word.word(), value) {
        (Some("r" | "read"), value) => Ok(Micro::Read(key, value)),
        (Some("w" | "write"), Some(value)) => Ok(Micro::Write(key, value)),
        (Some("append"), Some(value)) => Ok(Micro::Append(key, value)),
        _ => Err(shape()),
    }
}
