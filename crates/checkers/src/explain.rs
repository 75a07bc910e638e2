//! Says in words why a small illegal history is illegal.
//!
//! The general sentence is always true: no order explains these operations. Two patterns are
//! looked for first, because they are most of what is found in practice and have names: a value
//! that nobody wrote, and a read of a value that had been replaced before the read began. Both are
//! proved from all operations on the object, not only from the core, so that a write outside of it
//! cannot make the sentence false.

use perjury_history::{Anomaly, AnomalyKind, Call, Key, Operation, Outcome, Reply, Value};
use perjury_porcupine::Reason;

use crate::ModelName;
use crate::wording::{at, known, time};

/// Why a search gave up, in words.
pub(crate) fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Time => "its time ran out",
        Reason::States => "it visited as many states as it may",
        Reason::Bytes => "it used as much memory as it may",
        Reason::Cancelled => "it was cancelled",
    }
}

/// The anomaly that these operations prove.
pub(crate) fn anomaly(
    key: Option<Key>,
    core: &[usize],
    operations: &[Operation],
    model: ModelName,
    initial: &Value,
) -> Anomaly {
    let mut core: Vec<&Operation> = core.iter().map(|at| &operations[*at]).collect();
    core.sort_by_key(|operation| operation.invoked);
    let object: Vec<&Operation> = operations
        .iter()
        .filter(|operation| key.is_some() && operation.call.key() == key.as_ref())
        .collect();
    let (kind, detail, accused) =
        register(&core, &object, model, initial).unwrap_or_else(|| general(&core));
    let nodes = known(accused.iter().map(|operation| &operation.node));
    let witnesses = core.iter().map(|operation| operation.invoked).collect();
    Anomaly { kind, key, witnesses, nodes, detail }
}

type Explained<'a> = (AnomalyKind, String, Vec<&'a Operation>);

/// What can only be said where a read returns what one operation wrote.
fn register<'a>(
    core: &[&'a Operation],
    object: &[&'a Operation],
    model: ModelName,
    initial: &Value,
) -> Option<Explained<'a>> {
    match model {
        ModelName::Register | ModelName::CasRegister | ModelName::Kv => {
            phantom(core, object, initial).or_else(|| stale(core, object, initial))
        }
        ModelName::KvAppend | ModelName::Set | ModelName::Mutex | ModelName::MultiRegister => None,
    }
}

fn when(operation: &Operation) -> String {
    match operation.end() {
        Some(end) => format!("between {} and {}", time(operation.start), time(end)),
        None => format!("from {} on, never answered", time(operation.start)),
    }
}

/// The value that an operation saw, if it saw one.
fn seen(operation: &Operation) -> Option<&Value> {
    match (&operation.call, operation.outcome()) {
        (Call::Read { .. }, Some(Outcome::Ok(Reply::Value(value)))) => Some(value),
        (Call::Cas { from, .. }, Some(Outcome::Ok(Reply::Swapped(true)))) => Some(from),
        _ => None,
    }
}

/// "Process 3 at n1 read 4 from x between 1.000 s and 1.002 s".
fn saw(operation: &Operation, value: &Value, key: &Key) -> String {
    let (process, at) = (operation.process, at(&operation.node));
    let did = match operation.call {
        Call::Cas { .. } => format!("found {value} in {key} by a compare-and-set"),
        _ => format!("read {value} from {key}"),
    };
    format!("Process {process}{at} {did} {}", when(operation))
}

/// The value that an operation would leave behind.
fn meant(operation: &Operation) -> Option<&Value> {
    match &operation.call {
        Call::Write { value, .. } => Some(value),
        Call::Cas { to, .. } => Some(to),
        _ => None,
    }
}

/// The value that an operation leaves behind, if it may.
fn left(operation: &Operation) -> Option<&Value> {
    match operation.outcome() {
        Some(Outcome::Fail(_) | Outcome::Ok(Reply::Swapped(false))) => None,
        _ => meant(operation),
    }
}

/// A value that no operation may have written before the read of it ended.
fn phantom<'a>(
    core: &[&'a Operation],
    object: &[&'a Operation],
    initial: &Value,
) -> Option<Explained<'a>> {
    core.iter().find_map(|read| {
        let value = seen(read).filter(|value| *value != initial)?;
        let end = read.end()?;
        if object.iter().any(|other| {
            left(other) == Some(value) && other.start <= end && other.invoked != read.invoked
        }) {
            return None;
        }
        let failed: Vec<_> = object
            .iter()
            .filter(|other| meant(other) == Some(value) && left(other).is_none())
            .collect();
        let later =
            object.iter().find(|other| left(other) == Some(value) && other.invoked != read.invoked);
        let why = match (failed.as_slice(), later) {
            (_, Some(later)) => format!(
                "it was written only afterwards, by process {} from {} on",
                later.process,
                time(later.start)
            ),
            ([], None) => "nobody ever wrote it".to_owned(),
            ([one], None) => format!(
                "the only operation that would have written it, the {} by process {}, was answered \
                 with a failure",
                one.call, one.process
            ),
            (more, None) => format!(
                "all {} operations that would have written it were answered with a failure",
                more.len()
            ),
        };
        let detail = format!("{}, but {why}.", saw(read, value, read.call.key()?));
        Some((AnomalyKind::PhantomValue, detail, vec![*read]))
    })
}

/// A read of a value that had been replaced.
///
/// Why this is a proof. Let `old` be the value read, and let every operation that may have written
/// it before the read ended have itself ended before some other operation began (if `old` is the
/// initial value, there may be none). If that other one wrote another value, or read one that can
/// only have been written after all those ends, then `old` was gone at its end at the latest.
/// Nothing could bring it back, and the read began still later. "Before" is strict: at equal times
/// operations may have overlapped.
fn stale<'a>(
    core: &[&'a Operation],
    object: &[&'a Operation],
    initial: &Value,
) -> Option<Explained<'a>> {
    core.iter().find_map(|read| {
        let old = seen(read)?;
        let end = read.end()?;
        let key = read.call.key()?;
        let sources: Vec<(&Operation, u64)> = object
            .iter()
            .filter(|other| {
                left(other) == Some(old) && other.start <= end && other.invoked != read.invoked
            })
            .map(|source| Some((*source, source.end()?)))
            .collect::<Option<_>>()?;
        let last = sources.into_iter().max_by_key(|(_, end)| *end);
        if last.is_none() && old != initial {
            return None;
        }
        let after = |operation: &Operation| last.is_none_or(|(_, end)| operation.start > end);
        let newer = |other: &&&Operation| {
            let ended = other.end().is_some_and(|end| end < read.start);
            let replaced = match (&other.call, seen(other)) {
                // A value that was read is newer only if all that can have written it came later.
                (Call::Read { .. }, Some(value)) => {
                    let mut sources = object.iter().filter(|from| left(from) == Some(value));
                    value != old && value != initial && sources.all(|source| after(source))
                }
                _ => left(other).is_some_and(|value| value != old),
            };
            ended && replaced && after(other)
        };
        let newer = core.iter().find(newer)?;
        let detail = stale_detail(read, old, key, newer, last);
        Some((AnomalyKind::StaleRead, detail, vec![*read]))
    })
}

fn stale_detail(
    read: &Operation,
    old: &Value,
    key: &Key,
    newer: &Operation,
    write: Option<(&Operation, u64)>,
) -> String {
    let by = newer.end().map(time).unwrap_or_default();
    let (process, node) = (newer.process, at(&newer.node));
    let replaced = match (&newer.call, seen(newer)) {
        (Call::Read { .. }, Some(value)) => {
            format!("process {process}{node} had read the newer {value} by {by} already")
        }
        (call, _) => format!("the {call} by process {process}{node} had been acknowledged at {by}"),
    };
    let origin = match write {
        Some((write, end)) => format!(
            "{old} was last written by process {}{} and acknowledged at {}, before that began",
            write.process,
            at(&write.node),
            time(end)
        ),
        None => format!("{old} is what {key} held at first"),
    };
    format!("{}, but {replaced}; {origin}.", saw(read, old, key))
}

/// How many operations a sentence lists.
const MOST_LISTED: usize = 8;

fn general<'a>(core: &[&'a Operation]) -> Explained<'a> {
    let tell = |operation: &&Operation| {
        let answer = match operation.outcome() {
            Some(Outcome::Ok(Reply::Done | Reply::Txn(_))) => String::new(),
            Some(Outcome::Ok(reply)) => format!(": {reply}"),
            Some(Outcome::Fail(_)) => ": failed".into(),
            Some(Outcome::Info(_)) | None => ": in doubt".into(),
        };
        // The answer to a transaction repeats its steps.
        let call = match operation.outcome() {
            Some(Outcome::Ok(Reply::Txn(steps))) => Call::Txn { steps: steps.clone() }.to_string(),
            _ => operation.call.to_string(),
        };
        let (process, at) = (operation.process, at(&operation.node));
        format!("process {process}{at}, {call}{answer}, {}", when(operation))
    };
    let shown: Vec<String> = core.iter().rev().take(MOST_LISTED).rev().map(tell).collect();
    let more = match core.len().saturating_sub(MOST_LISTED) {
        0 => String::new(),
        1 => "1 earlier one; ".to_owned(),
        more => format!("{more} earlier ones; "),
    };
    let these = match core.len() {
        1 => "this operation".to_owned(),
        many => format!("these {many} operations"),
    };
    let detail =
        format!("No order that respects real time explains {these}: {more}{}.", shown.join("; "));
    // Which of the answers is wrong cannot be told: all of them are in question.
    let answers = core.iter().copied().filter(|operation| {
        !matches!(operation.outcome(), None | Some(Outcome::Ok(Reply::Done) | Outcome::Info(_)))
    });
    let mut accused: Vec<&Operation> = answers.collect();
    if accused.is_empty() {
        accused = core.iter().copied().filter(|operation| operation.end().is_some()).collect();
    }
    (AnomalyKind::NonLinearizable, detail, accused)
}
