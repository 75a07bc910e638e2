//! Partial writes: keys that are always written together, and seen apart.
//!
//! *Claim*: every transaction of the run that writes one of two keys writes both, and one answer
//! shows a value of the first that one transaction wrote and a value of the second that another
//! one wrote (or that nothing had been written there). *Why it is a proof*: in every state between
//! transactions both keys hold what the same transaction left, for each one replaces both. It
//! needs no order of the transactions and no clock. Values that two transactions wrote to one key
//! tell nothing and are left out, so is what nobody wrote (`values`). A transaction in doubt may
//! have taken effect, but only as a whole; one that failed did not, and is `contract`'s.
//!
//! Only answers to transactions that read nothing but these keys, in the state between
//! transactions; what a transaction reads after its own writes is its own affair. Reads of a node's
//! own copy are left out: such a copy may be between two states of its log.
//!
//! *Blame*: who gave the answer, or who took one of the two transactions and did half of it; where
//! one of these was never answered nobody can be told.
//!
//! Source: fractured reads of Bailis and others, "Scalable atomic visibility with RAMP
//! transactions" (SIGMOD 2014); rule A12 (a).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use perjury_history::{AnomalyKind, Call, Key, Micro, NodeName, Operation, Outcome, Reply, Value};

use super::Record;
use super::blame::nodes;
use super::finding::{Found, Suspicion, anomaly, path};
use crate::Checker;
use crate::wording::{at, count, time};

/// Who wrote a value to a key.
#[derive(Clone, Copy)]
enum Writer<'a> {
    Nobody,
    One(&'a Operation),
}

impl<'a> Writer<'a> {
    fn operation(self) -> Option<&'a Operation> {
        match self {
            Writer::Nobody => None,
            Writer::One(operation) => Some(operation),
        }
    }
}

/// Nothing if no keys are written together.
pub(super) fn check(record: &Record<'_>) -> Option<Found> {
    let together = together(record.operations);
    if together.is_empty() {
        return None;
    }
    let mut writers: HashMap<(&Key, &Value), Option<&Operation>> = HashMap::new();
    for operation in record.operations {
        for (key, value) in writes(operation) {
            let writer = writers.entry((key, value)).or_insert(Some(operation));
            if writer.is_some_and(|first| first.invoked != operation.invoked) {
                *writer = None;
            }
        }
    }
    let nodes = nodes(record);
    let mut found = Found::nothing(Checker::Pairs, "answers that show half of a transaction");
    let mut answers = 0;
    for read in record.operations.iter().filter(|one| !one.is_local()) {
        let mut first: BTreeMap<usize, (&Key, Writer<'_>)> = BTreeMap::new();
        for (key, value) in seen(read) {
            let Some(group) = together.get(key) else { continue };
            let writer = match writers.get(&(key, value)) {
                _ if value == record.initial => Writer::Nobody,
                Some(Some(writer)) => Writer::One(writer),
                Some(None) | None => continue,
            };
            let before = *first.entry(*group).or_insert((key, writer));
            answers += u64::from(before.0 != key);
            let name = |writer: Writer<'_>| writer.operation().map(|one| one.invoked);
            if name(before.1) != name(writer) {
                found.push(suspicion(read, before, (key, writer), &nodes));
                break;
            }
        }
    }
    found.good = format!(
        "What was written together was seen together ({}).",
        count(answers, "pair of values")
    );
    found.stat("pairs", answers);
    Some(found)
}

/// The groups of keys that every transaction writes together, by a number.
fn together(operations: &[Operation]) -> HashMap<&Key, usize> {
    let mut sets: BTreeMap<&Key, BTreeSet<&Key>> = BTreeMap::new();
    for operation in operations {
        let written: BTreeSet<&Key> = match &operation.call {
            Call::Txn { .. } => writes(operation).map(|(key, _)| key).collect(),
            call if call.is_read_only() => BTreeSet::new(),
            call => call.key().into_iter().collect(),
        };
        for key in &written {
            let of = sets.entry(key).or_insert_with(|| written.clone());
            of.retain(|other| written.contains(other));
        }
    }
    // Of two keys each has to be written with the other: else one is written alone sometimes.
    let mut groups: HashMap<&Key, usize> = HashMap::new();
    let names: Vec<&Key> = sets.keys().copied().collect();
    for (number, key) in names.iter().enumerate() {
        let mutual = |other: &&&Key| sets.get(*other).is_some_and(|back| back.contains(key));
        let group: Vec<&Key> = sets[key].iter().filter(mutual).copied().collect();
        if group.len() > 1 && !groups.contains_key(key) {
            groups.extend(group.into_iter().map(|member| (member, number)));
        }
    }
    groups
}

fn writes(operation: &Operation) -> impl Iterator<Item = (&Key, &Value)> {
    let steps = match &operation.call {
        Call::Txn { steps } => steps.as_slice(),
        _ => &[],
    };
    steps.iter().filter_map(|step| match step {
        Micro::Write(key, value) | Micro::Append(key, value) => Some((key, value)),
        Micro::Read(..) | Micro::ReadList(..) => None,
    })
}

/// What a transaction that only reads was shown.
fn seen(operation: &Operation) -> impl Iterator<Item = (&Key, &Value)> {
    let steps = match (&operation.call, operation.outcome()) {
        (Call::Txn { steps }, Some(Outcome::Ok(Reply::Txn(read))))
            if steps.iter().all(Micro::is_read) =>
        {
            read.as_slice()
        }
        _ => &[],
    };
    steps.iter().filter_map(|step| match step {
        Micro::Read(key, Some(value)) => Some((key, value)),
        _ => None,
    })
}

fn suspicion(
    read: &Operation,
    first: (&Key, Writer<'_>),
    second: (&Key, Writer<'_>),
    nodes: &BTreeSet<NodeName>,
) -> Suspicion {
    let tell = |(key, writer): (&Key, Writer<'_>)| match writer {
        Writer::Nobody => format!("nothing in {key}"),
        Writer::One(write) => format!(
            "in {key} what process {}{} wrote from {} on",
            write.process,
            at(&write.node),
            time(write.start)
        ),
    };
    let detail = format!(
        "Process {}{} found {}, and {} by {}; but both are always written together.",
        read.process,
        at(read.answerer()),
        tell(first),
        tell(second),
        read.end().map(time).unwrap_or_default()
    );
    let writers: Vec<&Operation> =
        [first.1, second.1].into_iter().filter_map(Writer::operation).collect();
    let answered = |one: &&Operation| matches!(one.outcome(), Some(Outcome::Ok(_)));
    let mut suspects = path(read, nodes);
    writers.iter().for_each(|write| suspects.extend(path(write, nodes)));
    if !writers.iter().all(answered) {
        suspects = nodes.clone();
    }
    let cited = writers.iter().copied().chain([read]);
    let anomaly = anomaly(AnomalyKind::PartialWrite, second.0, cited, [read], detail);
    // A node may have carried out what another one took: nobody is proved guilty.
    Suspicion { anomaly, suspects: vec![suspects], proved: BTreeSet::new() }
}
