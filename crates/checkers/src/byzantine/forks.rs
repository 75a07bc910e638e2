//! Forked orders: answers that no single order of the writes explains.
//!
//! *Claims*, for counters that give each number to one transaction, within one scope:
//! 1. *forged acknowledgement*: two acknowledged writes state the same number;
//! 2. *forked order, two keys*: two answers say that one number was the write of different keys,
//!    where no operation of the run writes several;
//! 3. *forked order, a hole*: an answer that is taken from state R of the database says that the
//!    last write of a key was number v (or that there is none), while another answer says that the
//!    key was written at a number between v and R.
//!
//! *Why they are proofs*: if there were one order of the writes, counted by the number, then each
//! number would have one place, and the state at R would have every write up to R. No clock and no
//! real time is used, and a read that may be stale has to speak of *some* state all the same. These
//! are the views that a fork-linearizable store may show to clients who never compare them; here
//! they are compared. "Absent" is number 0, except of keys that somebody may have deleted.
//!
//! *Blame*: one of those who gave the two answers lied; if that is one node alone, it is proved.
//!
//! Source: Mazières and Shasha, "Building secure file systems out of Byzantine storage" (PODC
//! 2002); rules A4f and A8.

use std::collections::{BTreeMap, HashMap};

use perjury_history::{AnomalyKind, Call, Key, Operation};

use super::Record;
use super::blame::nodes;
use super::finding::{Found, Suspicion, anomaly, path};
use super::stated::{Scope, absent, deleted, version, wrote};
use crate::Checker;
use crate::wording::at;

pub(super) fn check(record: &Record<'_>) -> Found {
    let mut places: HashMap<(Scope<'_>, u64), Place<'_>> = HashMap::new();
    let several = record.operations.iter().any(writes_several);
    let mut found = Found::nothing(Checker::Forks, "contradictions about the order of the writes");
    let mut known: HashMap<(Scope<'_>, &Key), BTreeMap<u64, &Operation>> = HashMap::new();
    let speak = |operation: &&Operation| !matches!(operation.call, Call::Txn { .. });
    for operation in record.all().filter(speak) {
        let Some((scope, key, Some(number), _)) = version(operation) else { continue };
        known.entry((scope, key)).or_default().entry(number).or_insert(operation);
        let place = places.entry((scope, number)).or_default();
        place.take(operation, key);
    }
    found.good = format!("One order of {} writes explains what the answers state.", places.len());
    found.stat("writes", places.len() as u64);
    let mut places: Vec<_> = places.into_iter().collect();
    places.sort_by_key(|((_, number), _)| *number);
    for ((scope, number), place) in &places {
        let name = scope.0.name();
        if let Some((first, second)) = place.forged {
            let detail = format!(
                "Both the {} by process {}{} and the {} by process {}{} were acknowledged as \
                 {name} {number}, which is given to one write only.",
                first.call,
                first.process,
                at(first.answerer()),
                second.call,
                second.process,
                at(second.answerer())
            );
            let kind = AnomalyKind::ForgedAcknowledgement;
            found.push(suspicion(record, kind, first, second, detail));
        }
        if let Some((first, second)) = place.keys.filter(|_| !several) {
            let detail = format!(
                "By the answer to process {}{} {name} {number} was a write of {}, by the answer to \
                 process {}{} one of {}.",
                first.process,
                at(first.answerer()),
                key(first),
                second.process,
                at(second.answerer()),
                key(second)
            );
            found.push(suspicion(record, AnomalyKind::ForkedOrder, first, second, detail));
        }
    }
    holes(record, &known, &mut found);
    found
}

/// Does it give one number to several keys?
fn writes_several(operation: &Operation) -> bool {
    match &operation.call {
        Call::Transfer { .. } => true,
        Call::Txn { steps } => steps.iter().filter(|step| !step.is_read()).count() > 1,
        _ => false,
    }
}

/// What was said of one number.
#[derive(Default)]
struct Place<'a> {
    first: Option<&'a Operation>,
    acknowledged: Option<&'a Operation>,
    forged: Option<(&'a Operation, &'a Operation)>,
    keys: Option<(&'a Operation, &'a Operation)>,
}

impl<'a> Place<'a> {
    fn take(&mut self, operation: &'a Operation, key: &Key) {
        let first = *self.first.get_or_insert(operation);
        if first.call.key() != Some(key) && self.keys.is_none() {
            self.keys = Some((first, operation));
        }
        if wrote(operation) {
            match self.acknowledged {
                Some(before) if self.forged.is_none() => self.forged = Some((before, operation)),
                Some(_) => {}
                None => self.acknowledged = Some(operation),
            }
        }
    }
}

fn holes(
    record: &Record<'_>,
    known: &HashMap<(Scope<'_>, &Key), BTreeMap<u64, &Operation>>,
    found: &mut Found,
) {
    let deleted = deleted(record);
    for read in record.all() {
        let Some((scope, key, number, token)) = version(read) else { continue };
        let number = match number {
            Some(number) => number,
            None if absent(read) && !deleted.contains(key) => 0,
            None => continue,
        };
        let Some(writes) = known.get(&(scope, key)) else { continue };
        if number >= token.at {
            continue;
        }
        let Some((hidden, says)) = writes.range(number + 1..=token.at).next() else { continue };
        let name = scope.0.name();
        let what = match number {
            0 => format!("{key} is absent"),
            number => format!("{key} was last written at {number}"),
        };
        let detail = format!(
            "The answer to process {}{} is taken from {name} {} and says that {what}, but by the \
             answer to process {}{} it was written at {hidden}.",
            read.process,
            at(read.answerer()),
            token.at,
            says.process,
            at(says.answerer())
        );
        found.push(suspicion(record, AnomalyKind::ForkedOrder, says, read, detail));
    }
}

fn key(operation: &Operation) -> &str {
    operation.call.key().map_or("nothing", Key::as_str)
}

fn suspicion(
    record: &Record<'_>,
    kind: AnomalyKind,
    first: &Operation,
    second: &Operation,
    detail: String,
) -> Suspicion {
    let nodes = nodes(record);
    let mut suspects = path(first, &nodes);
    suspects.extend(path(second, &nodes));
    let about = second.call.key().cloned().unwrap_or_else(|| "?".into());
    let both = [first, second];
    Suspicion::one_of(anomaly(kind, &about, both, both, detail), suspects)
}
