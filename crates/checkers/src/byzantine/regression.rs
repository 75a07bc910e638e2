//! Version regression: an answer of an older state of the whole database than one before it.
//!
//! *Claim*: operation A ended before operation B was called, A's answer is taken from state R of
//! the database, and B's from a state before R. *Why it is a proof*: if B has to be linearizable,
//! it takes effect after everything that had ended, so it sees at least the state that A saw, and a
//! state that any answer was taken from exists. That A itself was allowed to be stale does not
//! matter. A B that is asked for from one node's own copy may be stale, and is compared only with
//! earlier answers of that same copy, within one life of the node: whatever was done to a node that
//! may have taken it back (any fault but a partition or a pause) begins a new one. So a member that
//! was replaced, wiped or restarted on purpose is no liar. Scopes (clusters, timelines) are not
//! compared with each other. "Before" is strict: at equal times the two may have overlapped.
//!
//! *Blame*: one of the two answerers lied: A about the future, or B about the past.
//!
//! Source: rule A5; monotonicity of Lamport's logical clocks (1978) along real time.

use std::collections::HashMap;

use perjury_history::{
    AnomalyKind, Event, Fault, FaultId, History, Key, NodeName, Operation, Outcome,
};

use super::Record;
use super::blame::nodes;
use super::finding::{Found, Suspicion, anomaly, path};
use super::stated::scope;
use crate::Checker;
use crate::wording::{at, time};

pub(super) fn check(record: &Record<'_>) -> Found {
    let mut found = Found::nothing(Checker::Regression, "answers of older states than before");
    let spoken: Vec<&Operation> = record.all().filter(|one| answered(one)).collect();
    let mut groups: HashMap<_, Vec<&Operation>> = HashMap::new();
    for operation in &spoken {
        if let Some(token) = operation.token() {
            groups.entry(scope(token)).or_default().push(operation);
        }
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(scope, _)| *scope);
    for ((counter, _), group) in &groups {
        let strict = |operation: &Operation| !operation.is_local();
        sweep(group, strict, |earlier, later| {
            found.push(suspicion(record, counter.name(), earlier, later));
        });
        for life in lives(record.history, group) {
            sweep(
                &life,
                |_| true,
                |earlier, later| {
                    found.push(suspicion(record, counter.name(), earlier, later));
                },
            );
        }
    }
    found.good = format!("No later answer is of an older state ({} answers).", spoken.len());
    found.stat("answers", spoken.len() as u64);
    found
}

fn answered(operation: &Operation) -> bool {
    operation.token().is_some() && matches!(operation.outcome(), Some(Outcome::Ok(_)))
}

fn number(operation: &Operation) -> u64 {
    operation.token().map_or(0, |token| token.at)
}

/// Finds the operations that are `judged` and of an older state than one that ended before they
/// began; each with the newest such one.
fn sweep<'a>(
    group: &[&'a Operation],
    judged: impl Fn(&Operation) -> bool,
    mut found: impl FnMut(&'a Operation, &'a Operation),
) {
    let mut ends: Vec<&Operation> = group.to_vec();
    ends.sort_by_key(|operation| (operation.end(), operation.invoked));
    let mut starts: Vec<&Operation> = group.to_vec();
    starts.sort_by_key(|operation| (operation.start, operation.invoked));
    let (mut next, mut newest): (usize, Option<&Operation>) = (0, None);
    for later in starts {
        while let Some(ended) = ends.get(next).filter(|one| one.end() < Some(later.start)) {
            if newest.is_none_or(|newest| number(newest) < number(ended)) {
                newest = Some(ended);
            }
            next += 1;
        }
        if let Some(newest) = newest.filter(|newest| number(newest) > number(later))
            && judged(later)
        {
            found(newest, later);
        }
    }
}

/// The answers of each node's own copy, for each of its lives.
fn lives<'a>(history: &History, group: &[&'a Operation]) -> Vec<Vec<&'a Operation>> {
    let breaks = breaks(history);
    let mut lives: HashMap<(&NodeName, usize), Vec<&Operation>> = HashMap::new();
    for operation in group.iter().filter(|operation| operation.is_local()) {
        let node = operation.answerer();
        let breaks = breaks.get(node).map(Vec::as_slice).unwrap_or_default();
        let life = breaks.partition_point(|time| *time < operation.start);
        let same =
            operation.end().is_some_and(|end| breaks.partition_point(|time| *time <= end) == life);
        if same {
            lives.entry((node, life)).or_default().push(operation);
        }
    }
    let mut lives: Vec<_> = lives.into_iter().collect();
    lives.sort_by_key(|(name, _)| *name);
    lives.into_iter().map(|(_, life)| life).collect()
}

/// When each node may have been taken back, in order.
fn breaks(history: &History) -> HashMap<NodeName, Vec<u64>> {
    let mut faults: HashMap<FaultId, Vec<NodeName>> = HashMap::new();
    let mut breaks: HashMap<NodeName, Vec<u64>> = HashMap::new();
    for entry in &history.entries {
        let id = match &entry.event {
            Event::Inject { id, fault } => {
                let harmless = matches!(fault, Fault::Partition { .. } | Fault::Pause { .. });
                let nodes = if harmless { Vec::new() } else { fault.nodes() };
                faults.insert(*id, nodes);
                id
            }
            Event::Injected { id, .. } | Event::Heal { id } | Event::Healed { id, .. } => id,
            _ => continue,
        };
        for node in faults.get(id).into_iter().flatten() {
            breaks.entry(node.clone()).or_default().push(entry.time);
        }
    }
    breaks
}

fn suspicion(
    record: &Record<'_>,
    counter: &str,
    earlier: &Operation,
    later: &Operation,
) -> Suspicion {
    let nodes = nodes(record);
    let mut suspects = path(earlier, &nodes);
    suspects.extend(path(later, &nodes));
    let detail = format!(
        "The {} by process {}{} was answered from {counter} {} by {}, and the {} by process {}{}, \
         called at {}, from {counter} {}.",
        earlier.call,
        earlier.process,
        at(earlier.answerer()),
        number(earlier),
        earlier.end().map(time).unwrap_or_default(),
        later.call,
        later.process,
        at(later.answerer()),
        time(later.start),
        number(later)
    );
    let key: Key = later.call.key().cloned().unwrap_or_else(|| "?".into());
    let kind = AnomalyKind::VersionRegression;
    Suspicion::one_of(anomaly(kind, &key, [earlier, later], [later], detail), suspects)
}
