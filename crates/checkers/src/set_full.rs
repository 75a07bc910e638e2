//! What became of each element of a set: Jepsen's `set-full`, with its defects mended.
//!
//! An element is *known* from the end of its acknowledged add, or of the first read that shows it,
//! on. A read that begins after that must show it. It is **lost** if from some such read on no
//! read shows it any more, **stale** if a later read shows it again. It is a **duplicate** if one
//! read shows it twice, a **phantom** if a read shows it although its add was never called, was
//! called only after the read, or had failed for sure. Each of these contradicts a linearizable
//! set by itself, so nothing has to be searched. An add in doubt may show up or not.

use std::collections::{BTreeMap, HashMap, HashSet};

use perjury_history::{
    Anomaly, AnomalyKind, Call, Finding, Key, Operation, Outcome, Reply, Value, Verdict,
};

use crate::Checker;

/// One answered read: which operation, and how often it shows each element.
struct Read<'a> {
    operation: &'a Operation,
    end: u64,
    counts: HashMap<&'a Value, u64>,
}

/// What is known of one element.
struct Element<'a> {
    value: &'a Value,
    add: Option<&'a Operation>,
}

#[derive(Default)]
struct Tally {
    added: u64,
    seen: u64,
    lost: u64,
    stale: u64,
    duplicated: u64,
    phantom: u64,
    never_read: u64,
    anomalies: Vec<Anomaly>,
}

pub(crate) fn check(operations: &[Operation]) -> Finding {
    let mut keys: BTreeMap<&Key, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        if let Some(key) = operation.call.key() {
            keys.entry(key).or_default().push(operation);
        }
    }
    let mut tally = Tally::default();
    for (key, group) in keys {
        one_set(key, &group, &mut tally);
    }
    finding(tally)
}

fn finding(mut tally: Tally) -> Finding {
    let count = tally.lost + tally.stale + tally.duplicated + tally.phantom;
    // Loss first: it is the worst that can happen to data.
    let rank = |kind| match kind {
        AnomalyKind::LostWrite => 0,
        AnomalyKind::PhantomValue => 1,
        AnomalyKind::DuplicateElement => 2,
        _ => 3,
    };
    tally.anomalies.sort_by_key(|anomaly| (rank(anomaly.kind), anomaly.witnesses.first().copied()));
    tally.anomalies.truncate(Finding::MOST_ANOMALIES);
    let Tally { added, seen, lost, stale, duplicated, phantom, never_read, .. } = tally;
    let judged = added - never_read;
    let (verdict, summary) = if count > 0 {
        let text = format!(
            "Of {added} acknowledged elements {lost} were lost; {stale} were missing from a read \
             and came back, {duplicated} were doubled, {phantom} were never added."
        );
        (Verdict::Invalid, text)
    } else if judged == 0 {
        let text = format!(
            "Nothing can be said: of {added} acknowledged elements none was looked for afterwards."
        );
        (Verdict::Unknown, text)
    } else if never_read * 10 > added {
        let text = format!(
            "Too little was read: {never_read} of {added} acknowledged elements were never looked \
             for afterwards; nothing is wrong with the others."
        );
        (Verdict::Unknown, text)
    } else {
        (Verdict::Valid, format!("Each of {judged} acknowledged elements was there when read."))
    };
    let stats = [
        ("acknowledged", added),
        ("seen", seen),
        ("lost", lost),
        ("stale", stale),
        ("duplicated", duplicated),
        ("phantom", phantom),
        ("never-read", never_read),
    ];
    Finding {
        checker: Checker::SetFull.name().into(),
        verdict,
        summary,
        anomalies: tally.anomalies,
        anomaly_count: count,
        stats: stats.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect(),
    }
}

fn one_set(key: &Key, operations: &[&Operation], tally: &mut Tally) {
    let mut reads: Vec<Read<'_>> =
        operations.iter().filter_map(|operation| read(operation)).collect();
    reads.sort_by_key(|read| read.operation.start);
    let mut adds: BTreeMap<&Value, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        if let Call::Add { element, .. } = &operation.call {
            adds.entry(element).or_default().push(operation);
        }
    }
    let shown: HashSet<&Value> =
        reads.iter().flat_map(|read| read.counts.keys().copied()).collect();
    let mut unknown: Vec<&&Value> =
        shown.iter().filter(|value| !adds.contains_key(**value)).collect();
    unknown.sort();
    for value in unknown {
        judge(key, &Element { value, add: None }, &[], &reads, tally);
    }
    for (value, calls) in &adds {
        // Which of several adds was acknowledged first is what the element's life hangs on.
        let acknowledged = calls
            .iter()
            .filter(|add| matches!(add.outcome(), Some(Outcome::Ok(_))))
            .min_by_key(|add| add.end());
        let element = Element { value, add: acknowledged.copied() };
        judge(key, &element, calls, &reads, tally);
    }
}

fn read(operation: &Operation) -> Option<Read<'_>> {
    match (&operation.completion, &operation.call) {
        (Some((_, end, Outcome::Ok(Reply::Elements(elements)))), Call::ReadAll { .. }) => {
            let mut counts = HashMap::with_capacity(elements.len());
            for element in elements {
                *counts.entry(element).or_insert(0) += 1;
            }
            Some(Read { operation, end: *end, counts })
        }
        _ => None,
    }
}

fn judge(
    key: &Key,
    element: &Element<'_>,
    adds: &[&Operation],
    reads: &[Read<'_>],
    tally: &mut Tally,
) {
    let value = element.value;
    let shows = |read: &&Read<'_>| read.counts.contains_key(value);
    if reads.iter().any(|read| shows(&read)) {
        tally.seen += 1;
    }
    tally.added += u64::from(element.add.is_some());
    if let Some(anomaly) = phantom(key, value, adds, reads) {
        tally.phantom += 1;
        tally.anomalies.push(anomaly);
        return;
    }
    if let Some(anomaly) = duplicate(key, value, adds, reads) {
        tally.duplicated += 1;
        tally.anomalies.push(anomaly);
    }
    let first_seen = reads.iter().filter(shows).map(|read| read.end).min();
    let acknowledged = element.add.and_then(Operation::end);
    let Some(known) = first_seen.into_iter().chain(acknowledged).min() else { return };
    let later = || reads.iter().filter(|read| read.operation.start > known);
    let last_shown = later().filter(shows).map(|read| read.operation.start).max();
    let absent: Vec<&Read<'_>> = later().filter(|read| !shows(read)).collect();
    if later().next().is_none() {
        tally.never_read += u64::from(element.add.is_some());
        return;
    }
    let Some(last_absent) = absent.last() else { return };
    let lost = last_shown.is_none_or(|shown| last_absent.operation.start > shown);
    let (kind, counter) = if lost {
        (AnomalyKind::LostWrite, &mut tally.lost)
    } else {
        (AnomalyKind::StaleRead, &mut tally.stale)
    };
    *counter += 1;
    let missing = absent
        .iter()
        .find(|read| !lost || last_shown.is_none_or(|shown| read.operation.start > shown));
    let missing = missing.map_or(last_absent.operation, |read| read.operation);
    let by = element.add.or_else(|| adds.first().copied());
    tally.anomalies.push(absence(key, value, kind, by, acknowledged, missing));
}

fn seconds(nanos: u64) -> String {
    format!("{:.3} s", nanos as f64 / 1e9)
}

fn absence(
    key: &Key,
    value: &Value,
    kind: AnomalyKind,
    add: Option<&Operation>,
    acknowledged: Option<u64>,
    missing: &Operation,
) -> Anomaly {
    let origin = match (add, acknowledged) {
        (Some(add), Some(end)) => format!(
            "was added by process {} at {} and acknowledged at {}",
            add.process,
            add.node,
            seconds(end)
        ),
        _ => "had been read before".into(),
    };
    let after = match kind {
        AnomalyKind::LostWrite => "no later read shows it again",
        _ => "a later read shows it again",
    };
    let detail = format!(
        "Element {value} of {key} {origin}, but the read by process {} at {}, begun at {}, does \
         not show it; {after}.",
        missing.process,
        missing.node,
        seconds(missing.start)
    );
    let witnesses = add.map(|add| add.invoked).into_iter().chain([missing.invoked]).collect();
    let nodes = vec![missing.node.clone()];
    Anomaly { kind, key: Some(key.clone()), witnesses, nodes, detail }
}

fn phantom(key: &Key, value: &Value, adds: &[&Operation], reads: &[Read<'_>]) -> Option<Anomaly> {
    let possible = |read: &Read<'_>| {
        adds.iter()
            .any(|add| add.start <= read.end && !matches!(add.outcome(), Some(Outcome::Fail(_))))
    };
    let read = reads.iter().find(|read| read.counts.contains_key(value) && !possible(read))?;
    let why = match adds.first() {
        None => "it was never added".into(),
        Some(add) if matches!(add.outcome(), Some(Outcome::Fail(_))) => {
            format!("its add {} had failed for sure", add.invoked)
        }
        Some(add) => format!("its add {} was called only later", add.invoked),
    };
    let operation = read.operation;
    let detail = format!(
        "The read of {key} by process {} at {} shows {value}, but {why}.",
        operation.process, operation.node
    );
    Some(Anomaly {
        kind: AnomalyKind::PhantomValue,
        key: Some(key.clone()),
        witnesses: adds
            .first()
            .map(|add| add.invoked)
            .into_iter()
            .chain([operation.invoked])
            .collect(),
        nodes: vec![operation.node.clone()],
        detail,
    })
}

fn duplicate(key: &Key, value: &Value, adds: &[&Operation], reads: &[Read<'_>]) -> Option<Anomaly> {
    let read = reads.iter().find(|read| read.counts.get(value).is_some_and(|count| *count > 1))?;
    let count = read.counts.get(value)?;
    let operation = read.operation;
    let detail = format!(
        "The read of {key} by process {} at {} shows {value} {count} times; it was added {}.",
        operation.process,
        operation.node,
        if adds.len() == 1 { "once".to_owned() } else { format!("{} times", adds.len()) }
    );
    Some(Anomaly {
        kind: AnomalyKind::DuplicateElement,
        key: Some(key.clone()),
        witnesses: adds.iter().map(|add| add.invoked).chain([operation.invoked]).collect(),
        nodes: vec![operation.node.clone()],
        detail,
    })
}
