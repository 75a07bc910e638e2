//! Equivocation: one version of one key, and two contents.
//!
//! *Claim*: two answers state the same version of a key (same counter, same scope) and what the key
//! holds by them differs. *Why it is a proof*: the counters that are looked at give each number to
//! one write ([`perjury_history::Counter::names_a_write`]: etcd's `mod_revision`, the toy's
//! changes), and between a write and the next one a key holds what that write left. A write that
//! answered with its number states its own value. When the answers were given plays no part, nor
//! whether a read was allowed to be stale: an old version has one content too. Answers of different
//! scopes (another cluster, another timeline) are not compared.
//!
//! *Blame*: if one side is a value that was written and the other is not, the other side lied: that
//! is proved of a node if it alone gave all answers of that side. Two sides by one node alone are
//! proved too, whatever they are. Else of each two answers one went through a liar's hands.
//!
//! Source: A4; the split view of Certificate Transparency (Chuat and others 2015) and the forks of
//! Mazières and Shasha, "Building secure file systems out of Byzantine storage" (PODC 2002).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use perjury_history::{AnomalyKind, Key, NodeName, Operation, Value};

use super::Record;
use super::blame::nodes;
use super::finding::{Found, Suspicion, Ways, anomaly, pairs, path};
use super::stated::{Content, Scope, content, meant, shown, version};
use crate::Checker;
use crate::wording::at;

/// The answers that state one content.
type Sides<'a> = BTreeMap<Content<'a>, Vec<&'a Operation>>;

pub(super) fn check(record: &Record<'_>) -> Found {
    let mut stated: HashMap<(Scope<'_>, &Key, u64), Sides<'_>> = HashMap::new();
    let mut written: HashMap<&Key, HashSet<&Value>> = HashMap::new();
    for operation in record.operations {
        if let (Some(key), Some(value)) = (operation.call.key(), meant(&operation.call)) {
            written.entry(key).or_default().insert(value);
        }
    }
    for operation in record.all() {
        if let (Some((scope, key, Some(number), _)), Some(content)) =
            (version(operation), content(operation))
        {
            let sides = stated.entry((scope, key, number)).or_default();
            sides.entry(content).or_default().push(operation);
        }
    }
    let mut found = Found::nothing(Checker::Equivocation, "versions with two contents");
    found.good = format!("Each of {} versions has one content.", stated.len());
    found.stat("versions", stated.len() as u64);
    let mut forked: Vec<_> = stated.into_iter().filter(|(_, sides)| sides.len() > 1).collect();
    forked.sort_by_key(|((_, key, number), _)| (*number, *key));
    let nodes = nodes(record);
    for ((scope, key, number), sides) in &forked {
        let genuine = |content: &Content<'_>| match content {
            Content::One(value) => {
                value.is_nil() || written.get(*key).is_some_and(|all| all.contains(&**value))
            }
            Content::Many(elements) => {
                let all = written.get(*key);
                elements.iter().all(|element| all.is_some_and(|all| all.contains(element)))
            }
        };
        found.push(suspicion(key, (scope.0.name(), *number), sides, genuine, &nodes));
    }
    found
}

fn suspicion(
    key: &Key,
    (counter, number): (&str, u64),
    sides: &Sides<'_>,
    genuine: impl Fn(&Content<'_>) -> bool,
    nodes: &BTreeSet<NodeName>,
) -> Suspicion {
    let union = |side: &[&Operation]| -> BTreeSet<NodeName> {
        side.iter().flat_map(|operation| path(operation, nodes)).collect()
    };
    let (mut suspects, mut proved) = (Vec::new(), BTreeSet::new());
    let everybody: BTreeSet<NodeName> = sides.values().flat_map(|side| union(side)).collect();
    let false_sides: Vec<BTreeSet<NodeName>> = sides
        .iter()
        .filter(|(content, _)| !genuine(content))
        .map(|(_, side)| union(side))
        .collect();
    let is_true = sides.keys().any(&genuine);
    if everybody.len() == 1 {
        proved.clone_from(&everybody);
    } else if is_true && !false_sides.is_empty() {
        for side in &false_sides {
            match side.len() {
                1 => proved.extend(side.iter().cloned()),
                _ => suspects.push(side.clone()),
            }
        }
    } else {
        let ways = |side: &Vec<&Operation>| -> Ways {
            side.iter().map(|operation| path(operation, nodes)).collect()
        };
        let sides: Vec<Ways> = sides.values().map(ways).collect();
        suspects = pairs(&sides);
    }
    // One witness of each side is the contradiction.
    let witnesses: Vec<&Operation> = sides.values().map(|side| side[0]).collect();
    let tell = |(content, side): (&Content<'_>, &Vec<&Operation>)| {
        let by: BTreeSet<&NodeName> = side.iter().map(|operation| operation.answerer()).collect();
        let by: Vec<String> = by.into_iter().map(NodeName::to_string).collect();
        let lie = if genuine(content) { "" } else { ", which nobody wrote" };
        let (number, first) = (side.len(), side[0]);
        let more = if number == 1 { String::new() } else { format!(" and {} more", number - 1) };
        format!(
            "{}{lie} (process {}{}{more}; by {})",
            shown(content, genuine(content)),
            first.process,
            at(first.answerer()),
            by.join(", ")
        )
    };
    let told: Vec<String> = sides.iter().map(tell).collect();
    let detail = format!(
        "At {counter} {number} of {key} there are {} contents: {}.",
        sides.len(),
        told.join("; ")
    );
    let wrong = witnesses.clone();
    let anomaly = anomaly(AnomalyKind::Equivocation, key, witnesses, wrong, detail);
    Suspicion { anomaly, suspects, proved }
}
