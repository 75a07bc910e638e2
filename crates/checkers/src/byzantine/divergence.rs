//! Divergence: after healing and settling, the nodes' own copies differ.
//!
//! *Claim*: at the end of a run every fault was healed, the cluster settled, every node was asked
//! for its own copy of a key, several times if they differed, and two nodes stuck to different
//! contents. *Why*: the load had ended, so nothing changed any more, and replicas that follow the
//! same writes hold the same. Where both copies state the same version it is a contradiction by
//! itself. A copy that itself states that it is behind (it is taken from an older state than the
//! other) may only lag: it is counted (`behind`), and convicted only if
//! - it holds what nobody wrote: no state, however old, has that;
//! - or it is *stuck*: [`STUCK`] nanoseconds after another copy stated a newer state it stated the
//!   same old one as before, twice with at least that much time in between, though everything was
//!   healed and nothing else was asked of it. That is a bound and no proof, so nobody is *proved*
//!   to be guilty of it; a copy that moves at all is given time.
//!
//! What such a copy states of its own state is compared with what others stated of that state by
//! `equivocation`, `forks` and `snapshots`, which look at the copies as well. Without versions that
//! cannot be told, so a difference counts only if each node gave its content twice with the nodes
//! asked again in between: evidence of that strength, and no more. A fault that was not seen to
//! heal, or a cluster that did not recover, proves nothing: then nothing is said.
//!
//! *Blame*: a node whose copy holds what nobody wrote, while another's does not, is proved to
//! diverge. Else one of each two lied, so the smaller side is implicated.
//!
//! Source: rule A14; `CORDS` (Ganesan and others, FAST 2017) on silent corruption that spreads.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use perjury_history::{AnomalyKind, Event, Injection, Key, NodeName, Operation, Outcome, Value};

use super::Record;
use super::finding::{Found, Suspicion, Ways, anomaly, pairs};
use super::stated::{self, Content, content, scope, shown, sums};
use crate::Checker;

/// The copies of a key: of each node its last answers, the newest first.
type Copies<'a> = BTreeMap<&'a NodeName, Vec<&'a Operation>>;

/// After so long without any progress, in nanoseconds, a copy that is behind is stuck. The longest
/// that any database here waits before it tries to catch up again is less: etcd's followers hear
/// from their leader ten times a second, PostgreSQL's standbys ask again after half a second, and
/// Redis' replicas after one.
const STUCK: u64 = 5_000_000_000;

/// Nothing if there was no scrub or no peace.
pub(super) fn check(record: &Record<'_>) -> Option<Found> {
    let copies = copies(record)?;
    let mut written: HashMap<&Key, HashSet<&Value>> = HashMap::new();
    for operation in record.operations {
        for (key, value) in stated::written(&operation.call) {
            written.entry(key).or_default().insert(value);
        }
    }
    let sums = sums(record.operations);
    let what = "keys of which the nodes hold different contents";
    let mut found = Found::nothing(Checker::Divergence, what);
    let (mut behind, mut stuck, mut nodes) = (0, 0, BTreeSet::new());
    for (key, copies) in &copies {
        nodes.extend(copies.keys().copied());
        let own = written.get(*key);
        let genuine = |content: &Content<'_>| match content {
            // Of a sum nothing says whether anybody made it.
            Content::One(value) => {
                value.is_nil()
                    || sums.contains(*key)
                    || own.is_some_and(|all| all.contains(&**value))
            }
            Content::Many(all) => all.iter().all(|one| own.is_some_and(|own| own.contains(one))),
        };
        let several = copies.values().all(|answers| answers.len() > 1);
        let mut differing = differing(copies);
        let newest = differing.iter().filter_map(|one| Some(one.token()?.at)).max();
        let lags = |one: &Operation| one.token().is_some_and(|token| Some(token.at) < newest);
        let stated = differing.iter().all(|one| one.token().is_some());
        behind += differing.iter().filter(|one| lags(one)).count() as u64;
        let convicted = |one: &Operation| {
            is_stuck(one, copies) || content(one).is_some_and(|content| !genuine(&content))
        };
        stuck += differing.iter().filter(|one| lags(one) && is_stuck(one, copies)).count() as u64;
        differing.retain(|one| !lags(one) || convicted(one));
        let contents: BTreeSet<_> = differing.iter().filter_map(|one| content(one)).collect();
        let same_scope = differing.iter().filter_map(|one| one.token()).map(scope);
        let scopes: BTreeSet<_> = same_scope.collect();
        if contents.len() < 2 || scopes.len() > 1 || !(stated || several) {
            continue;
        }
        found.push(suspicion(key, &differing, genuine));
    }
    found.good =
        format!("After healing all {} nodes hold the same in {} keys.", nodes.len(), copies.len());
    found.stat("keys", copies.len() as u64);
    found.stat("behind", behind);
    found.stat("stuck", stuck);
    (nodes.len() > 1).then_some(found)
}

/// The copies that somebody else's contradicts, each node's last answer: of those that gave it
/// twice, or were asked once.
fn differing<'a>(copies: &Copies<'a>) -> Vec<&'a Operation> {
    let mut settled: Vec<&Operation> = Vec::new();
    for answers in copies.values() {
        match answers.as_slice() {
            [only] => settled.push(only),
            [last, before, ..] if content(last) == content(before) => settled.push(last),
            _ => {}
        }
    }
    let differs = |left: &&Operation| settled.iter().any(|right| content(left) != content(right));
    settled.iter().copied().filter(differs).collect()
}

/// Did the copy stay at one state while others had stated a newer one for long?
fn is_stuck(copy: &Operation, copies: &Copies<'_>) -> bool {
    let Some(token) = copy.token() else { return false };
    let newer = |one: &&&Operation| {
        one.token().is_some_and(|other| other.scope == token.scope && other.at > token.at)
    };
    let known = copies.values().flatten().filter(newer).filter_map(|one| one.end()).min();
    let own = copies.get(copy.answerer()).map(Vec::as_slice).unwrap_or_default();
    let same = own.iter().take_while(|one| one.token().is_some_and(|one| one.at == token.at));
    let since = same.map(|one| one.start).min();
    match (known, since) {
        (Some(known), Some(since)) => copy.start >= known.max(since).saturating_add(STUCK),
        _ => false,
    }
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
    let newest = differing.iter().filter_map(|one| Some(one.token()?.at)).max();
    let tell = |(content, side): (&Content<'_>, &Vec<&Operation>)| {
        let names: Vec<String> = by(side).iter().map(NodeName::to_string).collect();
        let lie = if genuine(content) { "" } else { ", not all of which was written" };
        let content = shown(content, genuine(content));
        let old = match side[0].token() {
            Some(token) if Some(token.at) < newest && lie.is_empty() => {
                format!(", which stays at {} {}", token.counter.name(), token.at)
            }
            _ => String::new(),
        };
        format!("{content} by {}{old}{lie}", names.join(", "))
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
