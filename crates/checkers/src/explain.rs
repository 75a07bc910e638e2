//! Says in words why a small illegal history is illegal.
//!
//! The general sentence is always true: no order explains these operations. Two patterns are
//! looked for first, because they are most of what is found in practice and have names: a value
//! that nobody wrote, and a read of a value that had been replaced before the read began.

use perjury_history::{
    Anomaly, AnomalyKind, Call, Key, NodeName, Operation, Outcome, Reply, Value,
};
use perjury_porcupine::Reason;

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
    initial: &Value,
) -> Anomaly {
    let mut core: Vec<&Operation> = core.iter().map(|at| &operations[*at]).collect();
    core.sort_by_key(|operation| operation.invoked);
    let (kind, detail, accused) = phantom(&core, operations, initial)
        .or_else(|| stale(&core, initial))
        .unwrap_or_else(|| general(&core));
    let mut nodes: Vec<NodeName> = accused.iter().map(|operation| operation.node.clone()).collect();
    nodes.sort();
    nodes.dedup();
    let witnesses = core.iter().map(|operation| operation.invoked).collect();
    Anomaly { kind, key, witnesses, nodes, detail }
}

type Explained<'a> = (AnomalyKind, String, Vec<&'a Operation>);

/// Seconds with three digits, as in the report's plots.
fn at(nanos: u64) -> String {
    format!("{:.3} s", nanos as f64 / 1e9)
}

fn when(operation: &Operation) -> String {
    match operation.end() {
        Some(end) => format!("from {} to {}", at(operation.start), at(end)),
        None => format!("from {} on, never answered", at(operation.start)),
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

/// The value that an operation leaves behind, if it may.
fn left(operation: &Operation) -> Option<&Value> {
    match (&operation.call, operation.outcome()) {
        (_, Some(Outcome::Fail(_) | Outcome::Ok(Reply::Swapped(false)))) => None,
        (Call::Write { value, .. }, _) => Some(value),
        (Call::Cas { to, .. }, _) => Some(to),
        _ => None,
    }
}

fn phantom<'a>(
    core: &[&'a Operation],
    all: &[Operation],
    initial: &Value,
) -> Option<Explained<'a>> {
    core.iter().find_map(|operation| {
        let value = seen(operation)?;
        let key = operation.call.key()?;
        let writers = || all.iter().filter(|other| other.call.key() == Some(key));
        let written = writers().any(|other| left(other) == Some(value));
        if written || value == initial {
            return None;
        }
        let failed = writers().find(|other| match &other.call {
            Call::Write { value: wrote, .. } | Call::Cas { to: wrote, .. } => wrote == value,
            _ => false,
        });
        let why = match failed {
            Some(failed) => format!(
                "the only operation that would have written it, {} by process {}, had failed for \
                 sure",
                failed.invoked, failed.process
            ),
            None => "nobody ever wrote it".into(),
        };
        let detail = format!(
            "Process {} saw {value} in {key} at {} ({}), but {why}.",
            operation.process,
            operation.node,
            when(operation)
        );
        Some((AnomalyKind::PhantomValue, detail, vec![*operation]))
    })
}

/// A read of a value that had been replaced: the write of the value (or the beginning of the
/// history, for the initial value) had ended before something began that wrote or saw another
/// value, and that had ended before the read began.
fn stale<'a>(core: &[&'a Operation], initial: &Value) -> Option<Explained<'a>> {
    core.iter().find_map(|read| {
        let old = seen(read)?;
        let mut writes = core.iter().filter(|other| left(other) == Some(old));
        let write = writes.next();
        if writes.next().is_some() || (write.is_none() && old != initial) {
            return None;
        }
        let written_by = match write {
            Some(write) => write.end()?,
            None => 0,
        };
        let newer = core.iter().find(|other| {
            let changed = match (&other.call, seen(other)) {
                (Call::Read { .. }, Some(value)) => value != old,
                _ => left(other).is_some_and(|value| value != old),
            };
            changed && other.start > written_by && other.end().is_some_and(|end| end < read.start)
        })?;
        // Seeing another value only proves that it came later if its own write did too.
        if let (Call::Read { .. }, Some(value)) = (&newer.call, seen(newer)) {
            let mut sources = core.iter().filter(|other| left(other) == Some(value));
            if sources.next()?.start <= written_by || sources.next().is_some() {
                return None;
            }
        }
        let key = read.call.key()?;
        let did = match (&newer.call, seen(newer)) {
            (Call::Read { .. }, Some(value)) => format!("read {value}"),
            _ => format!("had its {} acknowledged", newer.call),
        };
        let from = match write {
            Some(write) => format!(
                "the {} by process {} had ended at {}",
                write.call,
                write.process,
                at(written_by)
            ),
            None => "that is what it held at first".into(),
        };
        let detail = format!(
            "Process {} saw {old} in {key} at {} ({}), although process {} {did} at {} before that \
             ({}); {from}.",
            read.process,
            read.node,
            when(read),
            newer.process,
            newer.node,
            when(newer)
        );
        Some((AnomalyKind::StaleRead, detail, vec![*read]))
    })
}

/// How many operations a sentence lists.
const MOST_LISTED: usize = 8;

fn general<'a>(core: &[&'a Operation]) -> Explained<'a> {
    let tell = |operation: &&Operation| {
        let answer = match operation.outcome() {
            Some(Outcome::Ok(Reply::Done)) => String::new(),
            Some(Outcome::Ok(reply)) => format!(" = {reply}"),
            Some(Outcome::Fail(_)) => " failed".into(),
            Some(Outcome::Info(_)) | None => " in doubt".into(),
        };
        let (process, call) = (operation.process, &operation.call);
        format!("process {process}: {call}{answer} ({})", when(operation))
    };
    let shown: Vec<String> = core.iter().rev().take(MOST_LISTED).rev().map(tell).collect();
    let more = match core.len().saturating_sub(MOST_LISTED) {
        0 => String::new(),
        more => format!("{more} earlier ones; "),
    };
    let detail = format!(
        "No order that respects real time explains these {} operations: {more}{}.",
        core.len(),
        shown.join("; ")
    );
    (AnomalyKind::NonLinearizable, detail, core.last().copied().into_iter().collect())
}
