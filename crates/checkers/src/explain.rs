//! Says in words why a small illegal history is illegal.
//!
//! The general sentence is always true: no order explains these operations. Where a pattern with a
//! name proves it, the sentence says that instead.

use perjury_history::{Anomaly, AnomalyKind, Call, Key, Operation, Outcome, Reply, Value};
use perjury_porcupine::Reason;

use crate::patterns::{Pattern, seen};
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

/// The anomaly of a pattern on this object.
pub(crate) fn pattern(key: &Key, pattern: &Pattern<'_>) -> Anomaly {
    let detail = match pattern {
        Pattern::Phantom { read, failed, later } => phantom(key, read, failed, *later),
        Pattern::Stale { read, newer, source, .. } => stale(key, read, newer, *source),
    };
    Anomaly {
        kind: pattern.kind(),
        key: Some(key.clone()),
        witnesses: pattern.witnesses().into_iter().map(|operation| operation.invoked).collect(),
        nodes: known(std::iter::once(&pattern.accused().node)),
        accused: Vec::new(),
        detail,
    }
}

fn when(operation: &Operation) -> String {
    match operation.end() {
        Some(end) => format!("between {} and {}", time(operation.start), time(end)),
        None => format!("from {} on, never answered", time(operation.start)),
    }
}

/// "Process 3 at n1 read 4 from x between 1.000 s and 1.002 s".
pub(crate) fn saw(operation: &Operation, key: &Key) -> String {
    let did = match (&operation.call, seen(operation)) {
        (Call::Cas { .. }, Some(value)) => {
            format!("found {value} in {key} by a compare-and-set")
        }
        (_, Some(value)) => format!("read {value} from {key}"),
        (_, None) => format!("read {key}"),
    };
    format!("Process {}{} {did} {}", operation.process, at(&operation.node), when(operation))
}

fn phantom(
    key: &Key,
    read: &Operation,
    failed: &[&Operation],
    later: Option<&Operation>,
) -> String {
    let why = match (failed, later) {
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
    format!("{}, but {why}.", saw(read, key))
}

fn stale(key: &Key, read: &Operation, newer: &Operation, source: Option<&Operation>) -> String {
    let old = seen(read).unwrap_or(&Value::Nil);
    let by = newer.end().map(time).unwrap_or_default();
    let (process, node) = (newer.process, at(&newer.node));
    let replaced = match (&newer.call, seen(newer)) {
        (Call::Read { .. }, Some(value)) => {
            format!("process {process}{node} had read the newer {value} by {by} already")
        }
        (call, _) => format!("the {call} by process {process}{node} had been acknowledged at {by}"),
    };
    let origin = match source {
        Some(source) => format!(
            "{old} was last written by process {}{} and acknowledged at {}, before the newer one \
             began",
            source.process,
            at(&source.node),
            source.end().map(time).unwrap_or_default()
        ),
        None => format!("{old} is what {key} held at first"),
    };
    format!("{}, but {replaced}; {origin}.", saw(read, key))
}

/// Which real time the proof needs, in words.
fn what_counts(pairs: &[(usize, usize)], operations: &[Operation]) -> String {
    let tell = |(first, second): &(usize, usize)| {
        let (first, second) = (&operations[*first], &operations[*second]);
        format!(
            "the {} by process {} had ended before the {} by process {} began",
            first.call, first.process, second.call, second.process
        )
    };
    match pairs {
        [] => " Not even an order that ignores real time would.".to_owned(),
        [one] => format!(" What counts is that {}.", tell(one)),
        [all @ .., last] if all.len() < MOST_LISTED => {
            let all: Vec<String> = all.iter().map(tell).collect();
            format!(" What counts is that {} and {}.", all.join(", "), tell(last))
        }
        _ => String::new(),
    }
}

/// How many operations a sentence lists.
const MOST_LISTED: usize = 8;

/// The anomaly that these operations prove together.
///
/// `needed` are the pairs of which it matters that the first ended before the second began.
pub(crate) fn general(
    key: Option<Key>,
    core: &[usize],
    needed: Option<&[(usize, usize)]>,
    operations: &[Operation],
) -> Anomaly {
    let order = needed.map(|pairs| what_counts(pairs, operations)).unwrap_or_default();
    let mut core: Vec<&Operation> = core.iter().map(|at| &operations[*at]).collect();
    core.sort_by_key(|operation| operation.invoked);
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
    let detail = format!(
        "No order that respects real time explains {these}: {more}{}.{order}",
        shown.join("; ")
    );
    // Which of the answers is wrong cannot be told: all of them are in question.
    let answered = |operation: &&&Operation| operation.end().is_some();
    let told = |operation: &&&Operation| match operation.outcome() {
        Some(Outcome::Ok(reply)) => *reply != Reply::Done,
        _ => false,
    };
    let mut nodes = known(core.iter().filter(told).map(|operation| &operation.node));
    if nodes.is_empty() {
        nodes = known(core.iter().filter(answered).map(|operation| &operation.node));
    }
    let witnesses = core.iter().map(|operation| operation.invoked).collect();
    let (kind, accused) = (AnomalyKind::NonLinearizable, Vec::new());
    Anomaly { kind, key, witnesses, nodes, accused, detail }
}
