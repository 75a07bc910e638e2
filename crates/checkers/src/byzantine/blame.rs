//! Who lied: what was proved, and the smallest set of nodes whose lying explains the rest.
//!
//! *Proved* is said by a checker: whatever the other nodes did, this node's answers, or a link that
//! speaks in its name, are false. For the rest each anomaly names its suspects, of whom one at
//! least has to have lied; so the liars are a hitting set of these sets. *Implicated* is who is in
//! every smallest one. Among several smallest sets the one counts whose nodes gave wrong answers at
//! twice the rate of any other's: a node that many clients heard and only some found wrong is the
//! less likely liar. If the other one had lied, each of `k` wrong answers would have gone through
//! the suspect too by chance alone, with the ratio of the rates as the odds: so that ratio to the
//! power `k` has to be at least [`ODDS`]. `k` counts the anomalies of one checker, since several
//! checkers may convict one answer. Where that does not decide, all of them stay *unknown*: one
//! cannot be told from another, and that is said.
//!
//! Minimum hitting set is NP-hard (Karp 1972) and clusters are small: all sets of up to
//! [`MOST_NODES`] nodes are tried by size. With more suspects nobody is implicated.
//!
//! Source: fault localisation by minimum vertex cover as for conflicting processes in Haeberlen,
//! Kouznetsov and Druschel, "`PeerReview`" (SOSP 2007), here from the outside.

use std::collections::{BTreeMap, BTreeSet};

use perjury_history::{Accusation, Confidence, Finding, NodeName, Operation, Outcome};

use super::Record;
use super::finding::{Found, path};

/// Up to so many suspects all sets are tried.
const MOST_NODES: usize = 16;

/// How much likelier an explanation has to be than the next one.
const ODDS: f64 = 1000.0;

/// How wrong a node was.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    /// In how many anomalies it is a suspect, and how many answers went through it.
    wrong: u64,
    all: u64,
    /// In how many anomalies of the checker that names it most.
    most: u64,
}

/// Who is held guilty over all anomalies.
#[derive(Default)]
pub(crate) struct Blame {
    pub(crate) proved: BTreeSet<NodeName>,
    pub(crate) implicated: BTreeSet<NodeName>,
}

impl Blame {
    /// Accuses those who gave the answers in question, where a checker accused nobody.
    pub(crate) fn accuse(&self, finding: &mut Finding) {
        for anomaly in &mut finding.anomalies {
            if anomaly.accused.is_empty() {
                let of = |node: &NodeName| self.of(node, &BTreeSet::new());
                let accuse =
                    |node: &NodeName| Accusation { node: node.clone(), confidence: of(node) };
                anomaly.accused = anomaly.nodes.iter().map(accuse).collect();
                anomaly.accused.sort_by_key(|one| std::cmp::Reverse(one.confidence));
            }
        }
    }

    fn of(&self, node: &NodeName, proved_here: &BTreeSet<NodeName>) -> Confidence {
        if proved_here.contains(node) {
            Confidence::Proved
        } else if self.proved.contains(node) || self.implicated.contains(node) {
            Confidence::Implicated
        } else {
            Confidence::Unknown
        }
    }
}

/// Accuses, and makes the findings.
pub(super) fn blame(mut found: Vec<Found>, record: &Record<'_>) -> (Blame, Vec<Finding>) {
    let proved: BTreeSet<NodeName> =
        found.iter().flat_map(|found| found.proved.iter().cloned()).collect();
    let open: BTreeSet<&BTreeSet<NodeName>> = found
        .iter()
        .flat_map(|found| &found.suspects)
        .filter(|suspects| suspects.is_disjoint(&proved))
        .collect();
    let implicated = implicated(&open, &rates(&found, record));
    let blame = Blame { proved, implicated };
    for suspicion in found.iter_mut().flat_map(|found| &mut found.kept) {
        let all: BTreeSet<&NodeName> =
            suspicion.suspects.iter().flatten().chain(&suspicion.proved).collect();
        let accuse = |node: &NodeName| Accusation {
            node: node.clone(),
            confidence: blame.of(node, &suspicion.proved),
        };
        let mut accused: Vec<Accusation> = all.into_iter().map(accuse).collect();
        accused.sort_by_key(|accusation| std::cmp::Reverse(accusation.confidence));
        suspicion.anomaly.accused = accused;
    }
    (blame, found.into_iter().map(Found::finding).collect())
}

fn rates(found: &[Found], record: &Record<'_>) -> BTreeMap<NodeName, Rate> {
    let nodes = nodes(record);
    let mut rates: BTreeMap<NodeName, Rate> = BTreeMap::new();
    if found.iter().all(|found| found.count == 0) {
        return rates;
    }
    let answered = |operation: &&Operation| matches!(operation.outcome(), Some(Outcome::Ok(_)));
    for operation in record.all().filter(answered) {
        for node in path(operation, &nodes) {
            rates.entry(node).or_default().all += 1;
        }
    }
    for found in found {
        let mut named: BTreeMap<&NodeName, u64> = BTreeMap::new();
        for suspicion in &found.kept {
            for node in suspicion.suspects.iter().flatten().collect::<BTreeSet<_>>() {
                *named.entry(node).or_default() += 1;
            }
        }
        for (node, count) in named {
            let rate = rates.entry(node.clone()).or_default();
            rate.wrong += count;
            rate.most = rate.most.max(count);
        }
    }
    rates
}

/// The nodes of the history.
pub(super) fn nodes(record: &Record<'_>) -> BTreeSet<NodeName> {
    let header = record.history.header.as_ref();
    header.map(|header| header.nodes.names().into_iter().collect()).unwrap_or_default()
}

/// Those who are in every smallest set that explains all, or in the likeliest of them.
fn implicated(
    open: &BTreeSet<&BTreeSet<NodeName>>,
    rates: &BTreeMap<NodeName, Rate>,
) -> BTreeSet<NodeName> {
    let suspects: BTreeSet<&NodeName> = open.iter().copied().flatten().collect();
    let suspects: Vec<&NodeName> = suspects.into_iter().collect();
    let smallest = smallest(open, &suspects);
    let named = |chosen: u32| -> BTreeSet<NodeName> {
        let of = (0..suspects.len()).filter(|at| chosen >> at & 1 == 1);
        of.map(|at| suspects[at].clone()).collect()
    };
    let common = smallest.iter().copied().reduce(|left, right| left & right).unwrap_or(0);
    let rate = |node: &NodeName| rates.get(node).copied().unwrap_or_default();
    let likeliest = |set: &BTreeSet<NodeName>| -> f64 {
        let share = |node| {
            let Rate { wrong, all, .. } = rate(node);
            wrong as f64 / all.max(1) as f64
        };
        set.iter().map(share).fold(f64::INFINITY, f64::min)
    };
    let decides = |first: &(f64, BTreeSet<NodeName>), second: &(f64, BTreeSet<NodeName>)| {
        let most = first.1.iter().map(|node| rate(node).most).min().unwrap_or(0);
        let ratio = first.0 / second.0;
        first.0 > 0.0 && ratio >= 2.0 && ratio.powf(most as f64) >= ODDS
    };
    let mut ranked: Vec<(f64, BTreeSet<NodeName>)> =
        smallest.iter().map(|chosen| (likeliest(&named(*chosen)), named(*chosen))).collect();
    ranked.sort_by(|left, right| right.0.total_cmp(&left.0));
    match ranked.as_slice() {
        [first, second, ..] if decides(first, second) => first.1.clone(),
        _ => named(common),
    }
}

/// All hitting sets of the least size, as bits over the suspects.
fn smallest(open: &BTreeSet<&BTreeSet<NodeName>>, suspects: &[&NodeName]) -> Vec<u32> {
    if open.is_empty() || suspects.len() > MOST_NODES {
        return Vec::new();
    }
    let bits = |set: &BTreeSet<NodeName>| -> u32 {
        let of = (0..suspects.len()).filter(|at| set.contains(suspects[*at]));
        of.fold(0, |bits, at| bits | 1 << at)
    };
    let sets: Vec<u32> = open.iter().map(|set| bits(set)).collect();
    let hits = |chosen: &u32| sets.iter().all(|set| set & chosen != 0);
    (1..=suspects.len() as u32)
        .map(|size| {
            let all = 0..1_u32 << suspects.len();
            all.filter(|chosen| chosen.count_ones() == size).filter(hits).collect::<Vec<_>>()
        })
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<NodeName> {
        names.iter().map(|name| NodeName::from(*name)).collect()
    }

    fn implicate(sets: &[&[&str]], rates: &[(&str, u64, u64)]) -> Vec<String> {
        let sets: Vec<BTreeSet<NodeName>> = sets.iter().map(|names| set(names)).collect();
        let rates = rates.iter().map(|(name, wrong, all)| {
            ((*name).into(), Rate { wrong: *wrong, all: *all, most: *wrong })
        });
        let found = implicated(&sets.iter().collect(), &rates.collect());
        found.iter().map(NodeName::to_string).collect()
    }

    #[test]
    fn the_smallest_explanation_counts_and_a_tie_is_said() {
        assert_eq!(implicate(&[&["a", "b"], &["a", "c"]], &[]), ["a"]);
        // A cycle of four pairs needs two, and there are two ways.
        let cycle: &[&[&str]] = &[&["a", "b"], &["b", "c"], &["c", "d"], &["d", "a"]];
        assert!(implicate(cycle, &[]).is_empty());
        assert!(implicate(&[&["a", "b"]], &[("a", 3, 30), ("b", 3, 40)]).is_empty());
        assert_eq!(implicate(&[&["a", "b"]], &[("a", 3, 30), ("b", 3, 300)]), ["a"]);
        // Three through the one in five that is busiest by chance: that may be.
        assert!(implicate(&[&["a", "b"]], &[("a", 3, 30), ("b", 3, 150)]).is_empty());
        assert_eq!(implicate(&[&["a"], &["b"]], &[]), ["a", "b"]);
        assert!(implicate(&[], &[]).is_empty());
    }
}
