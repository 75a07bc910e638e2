//! Resurrected deletes: a value that comes back after it was deleted, with no write in between.
//!
//! *Claim*: every operation that may have written a value to a key had ended before a delete of
//! that key was called; the delete was acknowledged; and a read called after that shows the value.
//! *Why it is a proof*: the delete took effect after all writes of the value and before the read,
//! so what the read shows was written before the delete and not after it. Other writes may lie
//! anywhere: none of them wrote this value. A write in doubt may take effect at any later time and
//! so never counts as ended; a failed one had no effect. Times that are equal overlap. What may be
//! read from a node's own copy during the load may be old, and is left out; the copies that are
//! read after healing are compared too, if everything was healed.
//!
//! It is a stale read of a kind that has a name. It is looked for without versions; with them the
//! numbers prove the same, whatever was deleted.
//!
//! *Blame*: who gave the answer, or who acknowledged the delete. Nobody is *proved* to have lied: a
//! third node may have written the value again.
//!
//! Source: resurrected deletes of replicated stores without tombstones (Cassandra's
//! `gc_grace_seconds`; "zombies"); rule A9, of a delete.

use std::collections::{BTreeSet, HashMap};

use perjury_history::{AnomalyKind, Call, Key, Operation, Outcome, Reply, Value};

use super::Record;
use super::blame::nodes;
use super::divergence::copies;
use super::finding::{Found, Suspicion, anomaly, path};
use super::stated::meant;
use crate::Checker;
use crate::wording::{at, count, time};

/// Nothing if nothing was deleted.
pub(super) fn check(record: &Record<'_>) -> Option<Found> {
    let mut deletes: HashMap<&Key, Vec<&Operation>> = HashMap::new();
    let mut writers: HashMap<(&Key, &Value), Vec<&Operation>> = HashMap::new();
    for operation in record.operations {
        let Some(key) = operation.call.key() else { continue };
        let done = matches!(operation.outcome(), Some(Outcome::Ok(Reply::Done)));
        match &operation.call {
            Call::Delete { .. } if done => deletes.entry(key).or_default().push(operation),
            Call::Delete { .. } => {}
            call => {
                if let Some(value) = meant(call).filter(|_| may_have_written(operation)) {
                    writers.entry((key, value)).or_default().push(operation);
                }
            }
        }
    }
    if deletes.is_empty() {
        return None;
    }
    let (mut all, mut first_ends) = (0, HashMap::new());
    for (key, of_key) in &mut deletes {
        all += of_key.len() as u64;
        of_key.sort_by_key(|delete| (delete.start, delete.invoked));
        first_ends.insert(*key, earliest_ends(of_key));
    }
    let mut found = Found::nothing(Checker::Deletes, "reads of what had been deleted");
    let load = record.operations.iter().filter(|one| !one.is_local());
    let at_peace = copies(record).is_some();
    let scrubbed = record.scrubbed.iter().filter(|_| at_peace);
    let mut reads = 0;
    for read in load.chain(scrubbed) {
        let (Call::Read { key }, Some(Outcome::Ok(Reply::Value(value)))) =
            (&read.call, read.outcome())
        else {
            continue;
        };
        let (Some(of_key), Some(writers)) = (deletes.get(key), writers.get(&(key, value))) else {
            continue;
        };
        reads += 1;
        let ended = writers.iter().map(|one| one.end()).collect::<Option<Vec<u64>>>();
        let Some(ended) = ended.and_then(|ends| ends.into_iter().max()) else { continue };
        // Of the deletes that were called later, the one that was acknowledged first.
        let later = of_key.partition_point(|delete| delete.start <= ended);
        let delete = first_ends[key].get(later).map(|at| of_key[*at]);
        if let Some(delete) = delete.filter(|delete| delete.end() < Some(read.start)) {
            // Its node may lag behind; that it says so is the scrub's affair.
            if read.is_local() && lags(read, delete) {
                continue;
            }
            found.push(suspicion(record, key, value, writers[0], delete, read));
        }
    }
    found.good = format!(
        "Nothing came back of what was deleted ({}, {}).",
        count(all, "acknowledged delete"),
        count(reads, "value read")
    );
    Some(found)
}

fn may_have_written(operation: &Operation) -> bool {
    !matches!(operation.outcome(), Some(Outcome::Fail(_) | Outcome::Ok(Reply::Swapped(false))))
}

/// For each place the one that ended first among those from there on.
fn earliest_ends(deletes: &[&Operation]) -> Vec<usize> {
    let mut earliest: Vec<usize> = (0..deletes.len()).collect();
    for place in (0..deletes.len().saturating_sub(1)).rev() {
        let later = earliest[place + 1];
        if deletes[later].end() < deletes[place].end() {
            earliest[place] = later;
        }
    }
    earliest
}

/// Does the copy say that it is of a state before the delete, or nothing about that?
fn lags(copy: &Operation, delete: &Operation) -> bool {
    match (copy.token(), delete.token()) {
        (Some(copy), Some(delete)) => copy.at < delete.at || copy.scope != delete.scope,
        _ => true,
    }
}

fn suspicion(
    record: &Record<'_>,
    key: &Key,
    value: &Value,
    write: &Operation,
    delete: &Operation,
    read: &Operation,
) -> Suspicion {
    let nodes = nodes(record);
    let mut suspects = path(delete, &nodes);
    suspects.extend(path(read, &nodes));
    let detail = format!(
        "Process {}{} read {value} from {key}, called at {}. Process {} had written it by {}, \
         process {}{} deleted {key} between {} and {}, and nobody wrote it again.",
        read.process,
        at(read.answerer()),
        time(read.start),
        write.process,
        write.end().map(time).unwrap_or_default(),
        delete.process,
        at(delete.answerer()),
        time(delete.start),
        delete.end().map(time).unwrap_or_default()
    );
    let kind = AnomalyKind::ResurrectedDelete;
    let anomaly = anomaly(kind, key, [write, delete, read], [read], detail);
    Suspicion { anomaly, suspects: vec![suspects], proved: BTreeSet::new() }
}
