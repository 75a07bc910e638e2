//! Divergence: after healing and settling, the nodes' own copies differ.
//!
//! *Claim*: at the end of a run every fault was healed, the cluster settled, every node was asked
//! for its own copy of a key, several times if they differed, and two nodes stuck to different
//! contents. *Why*: the load had ended, so nothing changed any more, and replicas that follow the
//! same writes hold the same. Where both copies state the same version it is a contradiction by
//! itself. A copy that itself states that it is behind (it is taken from an older state than the
//! other) only lags: it is counted (`behind`), and is no anomaly. Without versions that cannot be
//! told, so a difference counts only if each node gave its content twice with the nodes asked again
//! in between: evidence of that strength, and no more. A fault that was not seen to heal, or a
//! cluster that did not recover, proves nothing: then nothing is said.
//!
//! *Blame*: a node whose copy holds what nobody wrote, while another's does not, is proved to
//! diverge. Else one of each two lied, so the smaller side is implicated.
//!
//! Source: rule A14; `CORDS` (Ganesan and others, FAST 2017) on silent corruption that spreads.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use perjury_history::{AnomalyKind, Event, Injection, Key, NodeName, Operation, Outcome, Value};

use super::Record;
use super::finding::{Found, Suspicion, Ways, anomaly, pairs};
use super::stated::{Content, content, meant, scope, shown};
use crate::Checker;

/// The copies of a key: of each node its last answers, the newest first.
type Copies<'a> = BTreeMap<&'a NodeName, Vec<&'a Operation>>;

/// Nothing if there was no scrub or no peace.
pub(super) fn check(record: &Record<'_>) -> Option<Found> {
    let copies = copies(record)?;
    let mut written: HashMap<&Key, HashSet<&Value>> = HashMap::new();
    for operation in record.operations {
        if let (Some(key), Some(value)) = (operation.call.key(), meant(&operation.call)) {
            written.entry(key).or_default().insert(value);
        }
    }
    let what = "keys of which the nodes hold different contents";
    let mut found = Found::nothing(Checker::Divergence, what);
    let (mut behind, mut nodes) = (0, BTreeSet::new());
    for (key, copies) in &copies {
        nodes.extend(copies.keys().copied());
        let mut settled: Vec<&Operation> = Vec::new();
        for answers in copies.values() {
            match answers.as_slice() {
                [only] => settled.push(only),
                [last, before, ..] if content(last) == content(before) => settled.push(last),
                _ => {}
            }
        }
        let differ =
            |left: &&Operation| settled.iter().any(|right| content(left) != content(right));
        let several = copies.values().all(|answers| answers.len() > 1);
        let mut differing: Vec<&Operation> = settled.iter().copied().filter(differ).collect();
        let newest = differing.iter().filter_map(|one| Some(one.token()?.at)).max();
        let lags = |one: &&Operation| one.token().is_some_and(|token| Some(token.at) < newest);
        let stated = differing.iter().all(|one| one.token().is_some());
        behind += differing.iter().filter(|one| lags(one)).count() as u64;
        differing.retain(|one| !lags(one));
        let contents: BTreeSet<_> = differing.iter().filter_map(|one| content(one)).collect();
        let same_scope = differing.iter().filter_map(|one| one.token()).map(scope);
        let scopes: BTreeSet<_> = same_scope.collect();
        if contents.len() < 2 || scopes.len() > 1 || !(stated || several) {
            continue;
        }
        let own = written.get(*key);
        let genuine = |content: &Content<'_>| match content {
            Content::One(value) => value.is_nil() || own.is_some_and(|all| all.contains(&**value)),
            Content::Many(all) => all.iter().all(|one| own.is_some_and(|own| own.contains(one))),
        };
        found.push(suspicion(key, &differing, genuine));
    }
    found.good =
        format!("After healing all {} nodes hold the same in {} keys.", nodes.len(), copies.len());
    found.stat("keys", copies.len() as u64);
    found.stat("behind", behind);
    (nodes.len() > 1).then_some(found)
}

/// Each node's answers of each key; nothing where something was not healed.
pub(super) fn copies<'a>(record: &Record<'a>) -> Option<BTreeMap<&'a Key, Copies<'a>>> {
    if record.scrubbed.is_empty() || !at_peace(record) {
        return None;
    }
    let mut copies: BTreeMap<&Key, Copies<'_>> = BTreeMap::new();
    for operation in record.scrubbed.iter().rev() {
        if let (Some(Outcome::Ok(_)), Some(key)) = (operation.outcome(), operation.call.key()) {
            copies.entry(key).or_default().entry(operation.answerer()).or_default().push(operation);
        }
    }
    Some(copies)
}

/// Was everything healed, for sure, and did nothing fall or stay down?
fn at_peace(record: &Record<'_>) -> bool {
    let (mut broken, mut healed) = (BTreeSet::new(), BTreeSet::new());
    for entry in &record.history.entries {
        match &entry.event {
            Event::Injected { id, injection } if !matches!(injection, Injection::Skipped(_)) => {
                broken.insert(*id);
            }
            Event::Healed { id, injection: Injection::Installed(_) } => {
                healed.insert(*id);
            }
            // The runner's words for a cluster that stays ill.
            Event::Note(text) if text.starts_with("after healing the cluster did not recover") => {
                return false;
            }
            _ => {}
        }
    }
    broken.is_subset(&healed)
}

fn suspicion<'a>(
    key: &Key,
    differing: &[&'a Operation],
    genuine: impl Fn(&Content<'_>) -> bool,
) -> Suspicion {
    let mut sides: BTreeMap<Content<'a>, Vec<&'a Operation>> = BTreeMap::new();
    for operation in differing {
        if let Some(content) = content(operation) {
            sides.entry(content).or_default().push(operation);
        }
    }
    let by = |side: &[&Operation]| -> BTreeSet<NodeName> {
        side.iter().map(|operation| operation.answerer().clone()).collect()
    };
    let tell = |(content, side): (&Content<'_>, &Vec<&Operation>)| {
        let names: Vec<String> = by(side).iter().map(NodeName::to_string).collect();
        let lie = if genuine(content) { "" } else { ", not all of which was written" };
        let content = shown(content, genuine(content));
        format!("{content} by {}{lie}", names.join(", "))
    };
    let told: Vec<String> = sides.iter().map(tell).collect();
    let detail = format!("After healing {key} is {}.", told.join(", but "));
    let false_ones: BTreeSet<NodeName> = sides
        .iter()
        .filter(|(content, _)| !genuine(content))
        .flat_map(|(_, side)| by(side))
        .collect();
    let is_true = sides.keys().any(&genuine);
    let proved = if is_true { false_ones } else { BTreeSet::new() };
    let all = sides.values().map(|side| side[0]);
    let alone = |node: NodeName| BTreeSet::from([node]);
    let ways = |side: &Vec<&Operation>| -> Ways { by(side).into_iter().map(alone).collect() };
    let sides: Vec<Ways> = sides.values().map(ways).collect();
    let anomaly = anomaly(AnomalyKind::Divergence, key, all.clone(), all, detail);
    Suspicion { anomaly, suspects: pairs(&sides), proved }
}
