//! Stale answers by version: a key that is older than somebody knew it to be.
//!
//! *Claim*: before operation B on a key was called, an answered operation stated that the key had
//! been written at number v; B states that the last write of the key was before v. *Why it is a
//! proof*: if B has to be linearizable, it takes effect after everything that had ended, and the
//! number of a key's last write only grows. Absent is number 0, except of keys that somebody may
//! have deleted. What is asked for from a node's own copy may be stale: of it only the age is
//! counted (`oldest-local`, in nanoseconds), never an anomaly.
//!
//! *Blame*: one of the two answerers lied.
//!
//! Source: rules A6, A7 and A19; for the measured age Golab, Li and Shah, "Analyzing consistency
//! properties for fun and profit" (PODC 2011).

use std::collections::HashMap;

use perjury_history::{AnomalyKind, Key, Operation};

use super::Record;
use super::blame::nodes;
use super::finding::{Found, Suspicion, anomaly, path};
use super::stated::{absent, deleted, version};
use crate::Checker;
use crate::wording::{at, time};

/// What one answer says: the number of the last write of its key.
struct Stated<'a> {
    operation: &'a Operation,
    number: u64,
    end: u64,
}

pub(super) fn check(record: &Record<'_>) -> Found {
    let mut keys: HashMap<_, Vec<Stated<'_>>> = HashMap::new();
    let deleted = deleted(record);
    for operation in record.all() {
        let Some((scope, key, number, _)) = version(operation) else { continue };
        let nothing = absent(operation) && !deleted.contains(key);
        let number = number.or_else(|| nothing.then_some(0));
        if let (Some(number), Some(end)) = (number, operation.end()) {
            keys.entry((scope, key)).or_default().push(Stated { operation, number, end });
        }
    }
    let mut found = Found::nothing(Checker::Versions, "answers older than what was known");
    let mut keys: Vec<_> = keys.into_iter().collect();
    keys.sort_by_key(|(name, _)| *name);
    let (mut answers, mut local, mut oldest) = (0, 0, 0);
    for ((scope, key), stated) in &mut keys {
        answers += stated.len() as u64;
        for (newer, older, age) in stale(stated) {
            if older.operation.is_local() {
                local += 1;
                oldest = oldest.max(age);
            } else {
                found.push(suspicion(record, key, scope.0.name(), newer, older));
            }
        }
    }
    found.good = format!("No key was older than somebody knew it to be ({answers} answers).");
    found.stat("answers", answers);
    if local > 0 {
        found.stat("stale-local", local);
        found.stat("oldest-local", oldest);
    }
    found
}

/// The pairs of an answer and a stale one after it, with how long the newer number was known.
fn stale<'o, 'a>(stated: &'o mut [Stated<'a>]) -> Vec<(&'o Stated<'a>, &'o Stated<'a>, u64)> {
    stated.sort_by_key(|one| (one.end, one.operation.invoked));
    let stated = &*stated;
    let mut starts: Vec<usize> = (0..stated.len()).collect();
    starts.sort_by_key(|at| (stated[*at].operation.start, stated[*at].operation.invoked));
    // The answers that raised the highest known number, in order of their ends.
    let mut raised: Vec<usize> = Vec::new();
    let (mut next, mut pairs) = (0, Vec::new());
    for at in starts {
        let older = &stated[at];
        while next < stated.len() && stated[next].end < older.operation.start {
            let higher = |last: &usize| stated[*last].number < stated[next].number;
            if raised.last().is_none_or(higher) {
                raised.push(next);
            }
            next += 1;
        }
        let first = raised.partition_point(|known| stated[*known].number <= older.number);
        if let Some(newer) = raised.get(first).map(|known| &stated[*known]) {
            pairs.push((newer, older, older.operation.start - newer.end));
        }
    }
    pairs
}

fn suspicion(
    record: &Record<'_>,
    key: &Key,
    counter: &str,
    newer: &Stated<'_>,
    older: &Stated<'_>,
) -> Suspicion {
    let nodes = nodes(record);
    let mut suspects = path(newer.operation, &nodes);
    suspects.extend(path(older.operation, &nodes));
    let (before, after) = (newer.operation, older.operation);
    let was = match older.number {
        0 => "absent".to_owned(),
        number => format!("last written at {number}"),
    };
    let detail = format!(
        "By {} the answer to the {} of process {}{} said that {key} had been written at {counter} \
         {}, but by the answer to the {} of process {}{}, called at {}, it was {was}.",
        time(newer.end),
        before.call,
        before.process,
        at(before.answerer()),
        newer.number,
        after.call,
        after.process,
        at(after.answerer()),
        time(after.start)
    );
    let kind = AnomalyKind::StaleRead;
    Suspicion::one_of(anomaly(kind, key, [before, after], [after], detail), suspects)
}
