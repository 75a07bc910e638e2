//! Lost acknowledged writes, in the nodes' own copies at the end.
//!
//! *Claim*: a write of a register had been acknowledged, and after healing and settling a node's
//! own copy holds a value whose write had ended before the lost one was called; or an acknowledged
//! element of a set is not in the copy. *Why*: a copy that had applied the write holds it or what
//! was written after it (a delete writes nil); a value whose only write ended before the other
//! began is neither. A copy that states that it is taken from a state before the lost write only
//! lags and is left out, and so is what a write in doubt may have left; one whose key was written
//! at a later version than the write's holds something after it, an older write applied again, say
//! (that is `duplicates`' to tell). Without versions a copy counts only if it was asked twice with
//! the same answer, or if all copies agree. When it cannot be said that everything was healed,
//! nothing is said (see `divergence`).
//!
//! `set-full` proves the same of the load's own reads; here it is known which copies lack it.
//!
//! *Blame*: the copies that lack it, if another one holds it; if others only hold what came later,
//! also whoever acknowledged it; if all lack it, whoever acknowledged it, or took the write that
//! stands there and repeated it later.
//!
//! Source: rule A9; Jepsen's `set-full` and its final reads of every node.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use perjury_history::{AnomalyKind, Call, Key, NodeName, Operation, Outcome, Reply, Value};

use super::Record;
use super::blame::nodes;
use super::divergence::copies;
use super::finding::{Found, Suspicion, anomaly, path};
use super::stated::{content, meant, version, wrote};
use crate::Checker;
use crate::wording::{at, count, time};

/// So many of the lost elements of a set are cited.
const MOST_CITED: usize = 8;

/// What is missing where: the lost writes, and the reads that show it.
type Missing<'a> = BTreeMap<Vec<u64>, (Vec<&'a Operation>, Vec<&'a Operation>)>;

/// Nothing if there was no scrub or no peace.
pub(super) fn check(record: &Record<'_>) -> Option<Found> {
    let copies = copies(record)?;
    let mut acknowledged: HashMap<&Key, Vec<&Operation>> = HashMap::new();
    let mut writers: HashMap<(&Key, &Value), Vec<&Operation>> = HashMap::new();
    for operation in record.operations {
        let Some(key) = operation.call.key() else { continue };
        if let Some(value) = meant(&operation.call) {
            writers.entry((key, value)).or_default().push(operation);
        }
        if wrote(operation) {
            acknowledged.entry(key).or_default().push(operation);
        }
    }
    let mut found = Found::nothing(Checker::Lost, "objects of which acknowledged writes are lost");
    let mut total = 0;
    for (key, of_key) in &copies {
        let all = acknowledged.get(*key).map(Vec::as_slice).unwrap_or_default();
        total += all.len() as u64;
        let last: Vec<&Operation> = of_key.values().map(|answers| answers[0]).collect();
        let agree = last.windows(2).all(|pair| content(pair[0]) == content(pair[1]));
        // A copy that states its version says by itself whether it lags.
        let steady = |answers: &&Vec<&Operation>| match answers.as_slice() {
            [last, ..] if last.token().is_some() => true,
            [last, before, ..] => content(last) == content(before),
            _ => agree,
        };
        let counted: Vec<&Operation> =
            of_key.values().filter(steady).map(|answers| answers[0]).collect();
        let mut missing: Missing<'_> = BTreeMap::new();
        for copy in counted.iter().copied() {
            let lost = match &copy.call {
                Call::ReadAll { .. } => elements(copy, all),
                _ => register(key, copy, all, &writers).into_iter().collect(),
            };
            if !lost.is_empty() {
                let name = lost.iter().map(|lost| lost.invoked.0).collect();
                missing.entry(name).or_insert((lost, Vec::new())).1.push(copy);
            }
        }
        for (lost, copies) in missing.into_values() {
            let lacks = |copy: &&Operation| {
                copies.iter().any(|lacking| lacking.invoked == copy.invoked)
                    || lost.iter().all(|write| lags(copy, write))
            };
            let everywhere = counted.iter().all(lacks);
            let held = copies.iter().filter_map(|copy| read(copy)).filter(|_| everywhere);
            let over = held.filter_map(|value| writers.get(&(*key, value))).flatten();
            let over: Vec<&Operation> = over.copied().collect();
            let all = || of_key.values().flatten();
            let is_there = |write: &&Operation| all().any(|copy| shows(copy, write));
            let elsewhere = match everywhere {
                true => Elsewhere::Nowhere(over),
                false if lost.iter().all(is_there) => Elsewhere::It,
                false => Elsewhere::Later,
            };
            found.push(suspicion(record, key, &lost, &copies, &elsewhere));
        }
    }
    found.good = format!(
        "No copy lacks an acknowledged write ({}, {}).",
        count(total, "acknowledged write"),
        count(copies.len() as u64, "key")
    );
    Some(found)
}

/// Does the copy say that it is of a state before that write?
fn lags(copy: &Operation, write: &Operation) -> bool {
    match (copy.token(), write.token()) {
        (Some(copy), Some(write)) => copy.at < write.at || copy.scope != write.scope,
        _ => false,
    }
}

/// What the other copies hold of a write that some lack.
enum Elsewhere<'a> {
    /// The write itself: it was made.
    It,
    /// Only what came after it.
    Later,
    /// Neither; the writes of what stands there instead.
    Nowhere(Vec<&'a Operation>),
}

/// Does the copy hold what was written?
fn shows(copy: &Operation, write: &Operation) -> bool {
    let value = meant(&write.call);
    match copy.outcome() {
        Some(Outcome::Ok(Reply::Value(held))) => value == Some(held),
        Some(Outcome::Ok(Reply::Elements(held))) => value.is_some_and(|value| held.contains(value)),
        _ => false,
    }
}

/// Does the copy say that the key was written after that write?
fn is_past(copy: &Operation, write: &Operation) -> bool {
    match (version(copy), version(write)) {
        (Some((scope, _, copy, _)), Some((same, _, write, _))) => scope == same && copy > write,
        _ => false,
    }
}

/// The value of a register that was read.
fn read(copy: &Operation) -> Option<&Value> {
    match copy.outcome() {
        Some(Outcome::Ok(Reply::Value(value))) => Some(value),
        _ => None,
    }
}

/// The acknowledged elements that the copy does not have.
fn elements<'a>(copy: &Operation, acknowledged: &[&'a Operation]) -> Vec<&'a Operation> {
    let Some(Outcome::Ok(Reply::Elements(elements))) = copy.outcome() else { return Vec::new() };
    let there: HashSet<&Value> = elements.iter().collect();
    let absent = |write: &&&Operation| {
        meant(&write.call).is_some_and(|element| !there.contains(element)) && !lags(copy, write)
    };
    acknowledged.iter().filter(absent).copied().collect()
}

/// The last acknowledged write of which the copy can hold nothing.
fn register<'a>(
    key: &Key,
    copy: &Operation,
    acknowledged: &[&'a Operation],
    writers: &HashMap<(&Key, &Value), Vec<&Operation>>,
) -> Option<&'a Operation> {
    let value = read(copy)?;
    let ended = match writers.get(&(key, value)).map(Vec::as_slice) {
        // Nothing had been written.
        None if value.is_nil() => 0,
        // By whom is not known, or it may have been written at any time.
        None | Some([]) => return None,
        Some(all) => {
            all.iter().map(|write| write.end()).try_fold(0, |most, end| Some(end?.max(most)))?
        }
    };
    let nothing = value.is_nil() && !writers.contains_key(&(key, value));
    let after = |write: &&&Operation| {
        (nothing || write.start > ended) && !lags(copy, write) && !is_past(copy, write)
    };
    acknowledged.iter().filter(after).copied().max_by_key(|write| write.start)
}

fn suspicion(
    record: &Record<'_>,
    key: &Key,
    lost: &[&Operation],
    copies: &[&Operation],
    elsewhere: &Elsewhere<'_>,
) -> Suspicion {
    let names: BTreeSet<NodeName> = copies.iter().map(|copy| copy.answerer().clone()).collect();
    let place = match elsewhere {
        Elsewhere::Nowhere(_) => "no node's own copy".to_owned(),
        _ => {
            let names: Vec<String> = names.iter().map(NodeName::to_string).collect();
            format!("not the copy of {}", names.join(", "))
        }
    };
    let first = lost[0];
    let more = match lost.len() {
        1 => String::new(),
        all => format!(", the first of {},", count(all as u64, "such write")),
    };
    let detail = format!(
        "The {} by process {}{}{more} was acknowledged by {}, but after healing {place} has it or \
         anything after it.",
        first.call,
        first.process,
        at(first.answerer()),
        first.end().map(time).unwrap_or_default()
    );
    let way = |write: &Operation| path(write, &nodes(record));
    let together = |writes: &[&Operation]| -> BTreeSet<NodeName> {
        writes.iter().flat_map(|write| way(write)).collect()
    };
    let with = |others: BTreeSet<NodeName>| {
        let one = move |name: &NodeName| &BTreeSet::from([name.clone()]) | &others;
        names.iter().map(one).collect::<Vec<_>>()
    };
    let suspects = match elsewhere {
        Elsewhere::It => with(BTreeSet::new()),
        // Who acknowledged it may have made it up, and the copy only lags.
        Elsewhere::Later => with(together(lost)),
        Elsewhere::Nowhere(over) => {
            let repeated = together(over);
            lost.iter().map(|write| &way(write) | &repeated).collect()
        }
    };
    let cited = lost.iter().copied().take(MOST_CITED).chain(copies.iter().copied());
    let wrong = copies.iter().copied();
    let anomaly = anomaly(AnomalyKind::LostWrite, key, cited, wrong, detail);
    Suspicion { anomaly, suspects, proved: BTreeSet::new() }
}
