//! What became of each element of a set: Jepsen's `set-full`, with its defects mended.
//!
//! An element is *known* from the end of its acknowledged add, or of the first read that shows it,
//! on. A read that begins after that must show it. It is **lost** if some such read and every read
//! that began later miss it, **stale** if a later one shows it again. It is a **duplicate** if one
//! read shows it more often than it can have been added, a **phantom** if a read shows it although
//! its add was never called, was called only after the read, or had failed for sure. Each of these
//! contradicts a linearizable set by itself, so nothing has to be searched. An add in doubt may
//! show up or not. The set is taken to be empty at first.
//!
//! Jepsen's checker never reports duplicates: it asks for counts below one.

use std::collections::{BTreeMap, HashMap, HashSet};

use perjury_history::{
    Anomaly, AnomalyKind, Call, Finding, Index, Key, Operation, Outcome, Reply, Value, Verdict,
};

use crate::wording::{at, count, known, time, was};
use crate::{Checker, Order, set_order};

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

/// The finding and, where one order explains all of it, that order for each set.
pub(crate) fn check(operations: &[Operation]) -> (Finding, Option<Vec<Order>>) {
    let mut keys: BTreeMap<&Key, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        if let Some(key) = operation.call.key() {
            keys.entry(key).or_default().push(operation);
        }
    }
    let mut tally = Tally::default();
    let mut orders = Some(Vec::new());
    for (key, group) in keys {
        one_set(key, &group, &mut tally);
        let order = set_order::order(&group);
        let order = order.map(|operations| Order { key: Some(key.clone()), operations });
        orders = orders.zip(order).map(|(mut orders, order)| {
            orders.push(order);
            orders
        });
    }
    let mut finding = finding(tally);
    finding.stats.insert("path".into(), "elements".into());
    let wrong = finding.verdict == Verdict::Invalid;
    (finding, orders.filter(|_| !wrong))
}

fn finding(mut tally: Tally) -> Finding {
    let anomalies = tally.lost + tally.stale + tally.duplicated + tally.phantom;
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
    let elements = count(added, "acknowledged element");
    let (verdict, summary) = if anomalies > 0 {
        (Verdict::Invalid, wrong(&tally))
    } else if added == never_read {
        let text = match added {
            0 => "No element was acknowledged, so there is nothing that reads had to show.".into(),
            _ => format!("No read began after the acknowledgement of any of {elements}."),
        };
        (Verdict::Unknown, text)
    } else if !is_enough(added, never_read) {
        let text = format!(
            "Too little was read: after {never_read} of {elements} no read began. Nothing is wrong \
             with the others."
        );
        (Verdict::Unknown, text)
    } else {
        let judged = count(added - never_read, "acknowledged element");
        (Verdict::Valid, format!("Every later read showed what it had to: {judged}, none missing."))
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
        anomaly_count: anomalies,
        stats: stats.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect(),
    }
}

/// Is it enough to call a set valid that of these acknowledged elements so many were never read?
pub(crate) fn is_enough(added: u64, never_read: u64) -> bool {
    added > never_read && never_read * 10 <= added
}

/// "3 elements were lost, 1 was doubled."
fn wrong(tally: &Tally) -> String {
    let kinds = [
        (tally.lost, "lost"),
        (tally.stale, "missing from a read and back later"),
        (tally.duplicated, "shown too often by one read"),
        (tally.phantom, "shown that cannot have been there"),
    ];
    let parts: Vec<String> = kinds
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {} {what}", count(number, "element"), was(number)))
        .collect();
    let added = count(tally.added, "add");
    format!("{} ({added} {} acknowledged).", parts.join(", "), was(tally.added))
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
    let shown = reads.iter().filter(shows).min_by_key(|read| read.end);
    let acknowledged = element.add.and_then(|add| Some((add, add.end()?)));
    let known = match (acknowledged, shown) {
        (Some((add, end)), shown) if shown.is_none_or(|read| end <= read.end) => {
            Known { since: end, by: add, added: true }
        }
        (_, Some(read)) => Known { since: read.end, by: read.operation, added: false },
        _ => return,
    };
    let later = || reads.iter().filter(|read| read.operation.start > known.since);
    if later().next().is_none() {
        tally.never_read += u64::from(element.add.is_some());
        return;
    }
    let last_shown = later().filter(shows).map(|read| read.operation.start).max();
    let absent: Vec<&Operation> =
        later().filter(|read| !shows(read)).map(|read| read.operation).collect();
    let after_last = |read: &&&Operation| last_shown.is_none_or(|shown| read.start >= shown);
    if let Some(missing) = absent.iter().find(after_last) {
        tally.lost += 1;
        let kind = AnomalyKind::LostWrite;
        tally.anomalies.push(absence(key, value, kind, &known, missing));
    } else if let Some(missing) = absent.first() {
        tally.stale += 1;
        let kind = AnomalyKind::StaleRead;
        tally.anomalies.push(absence(key, value, kind, &known, missing));
    }
}

/// Since when, and by what, an element is known to be in the set.
struct Known<'a> {
    since: u64,
    by: &'a Operation,
    /// By the acknowledgement of its add? Else by a read that showed it.
    added: bool,
}

fn absence(
    key: &Key,
    value: &Value,
    kind: AnomalyKind,
    known: &Known<'_>,
    missing: &Operation,
) -> Anomaly {
    let by = known.by;
    let who = format!("process {}{}", by.process, at(&by.node));
    let since = time(known.since);
    let origin = if known.added {
        format!("was added by {who} and acknowledged at {since}")
    } else {
        format!("had been read by {who} by {since}")
    };
    let after = match kind {
        AnomalyKind::LostWrite => "and no read that began later shows it either",
        _ => "although a later read shows it again",
    };
    let detail = format!(
        "Element {value} of {key} {origin}, but the read by process {}{} that began at {} does not \
         show it, {after}.",
        missing.process,
        at(&missing.node),
        time(missing.start)
    );
    anomaly(key, kind, [by, missing].into_iter(), missing, detail)
}

/// An anomaly that these operations prove, of which one gave the wrong answer.
fn anomaly<'a>(
    key: &Key,
    kind: AnomalyKind,
    witnesses: impl Iterator<Item = &'a Operation>,
    wrong: &Operation,
    detail: String,
) -> Anomaly {
    let mut witnesses: Vec<Index> = witnesses.map(|operation| operation.invoked).collect();
    witnesses.sort_unstable();
    witnesses.dedup();
    let nodes = known(std::iter::once(&wrong.node));
    Anomaly { kind, key: Some(key.clone()), witnesses, nodes, accused: Vec::new(), detail }
}

fn phantom(key: &Key, value: &Value, adds: &[&Operation], reads: &[Read<'_>]) -> Option<Anomaly> {
    let read = reads
        .iter()
        .find(|read| read.counts.contains_key(value) && possible(adds, read).next().is_none())?;
    let failed = |add: &&Operation| matches!(add.outcome(), Some(Outcome::Fail(_)));
    let why = match adds {
        [] => "it was never added".into(),
        [add] if failed(add) => {
            format!("its add by process {} was answered with a failure", add.process)
        }
        [add] => format!("its add by process {} was called only later", add.process),
        _ => "each of its adds failed or was called only later".into(),
    };
    let operation = read.operation;
    let detail = format!(
        "The read of {key} by process {}{} that ended at {} shows {value}, but {why}.",
        operation.process,
        at(&operation.node),
        time(read.end)
    );
    let witnesses = adds.iter().copied().chain([operation]);
    Some(anomaly(key, AnomalyKind::PhantomValue, witnesses, operation, detail))
}

/// The adds that may have taken effect before the read ended.
fn possible<'a>(adds: &'a [&'a Operation], read: &Read<'_>) -> impl Iterator<Item = &'a Operation> {
    let end = read.end;
    adds.iter()
        .copied()
        .filter(move |add| add.start <= end && !matches!(add.outcome(), Some(Outcome::Fail(_))))
}

/// An element that is there more often than it can have been added. One that was added twice may
/// be shown twice: that is what a table without a unique key does with it.
fn duplicate(key: &Key, value: &Value, adds: &[&Operation], reads: &[Read<'_>]) -> Option<Anomaly> {
    let shown = |read: &Read<'_>| read.counts.get(value).copied().unwrap_or_default();
    let read = reads.iter().find(|read| shown(read) > possible(adds, read).count() as u64)?;
    let times = |number: u64| match number {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    };
    let operation = read.operation;
    let detail = format!(
        "The read of {key} by process {}{} that ended at {} shows {value} {}, but it was added {}.",
        operation.process,
        at(&operation.node),
        time(read.end),
        times(shown(read)),
        times(possible(adds, read).count() as u64)
    );
    let witnesses = possible(adds, read).chain([operation]);
    Some(anomaly(key, AnomalyKind::DuplicateElement, witnesses, operation, detail))
}
