//! Dishonest health: a node that said it was healthy while it gave false answers.
//!
//! *Claim*: of this node a lie is proved, and every probe of its health from the first of its false
//! answers that a finding cites to the last, at least one, was answered with "healthy". *Why it is
//! a proof*: it inherits that of the lie. It does not say that the node knew: gray failure is just
//! that (Huang and others, "Gray failure: the Achilles' heel of cloud-scale systems", HotOS 2017).
//! Nothing is said of nodes of whom no lie is proved, and a share of wrong answers below some bound
//! is no anomaly.

use std::collections::BTreeMap;

use perjury_history::{
    Accusation, Anomaly, AnomalyKind, Confidence, Event, Finding, Index, NodeName,
};

use super::finding::{Found, Suspicion};
use super::{Blame, Record};
use crate::Checker;
use crate::wording::{count, time};

/// The finding; nothing if nobody was probed.
pub(crate) fn check(record: &Record<'_>, findings: &[Finding], blame: &Blame) -> Option<Finding> {
    let mut probes: BTreeMap<&NodeName, Vec<(u64, bool)>> = BTreeMap::new();
    for entry in &record.history.entries {
        if let Event::Probe { node, healthy, .. } = &entry.event {
            probes.entry(node).or_default().push((entry.time, *healthy));
        }
    }
    if probes.is_empty() {
        return None;
    }
    let times: BTreeMap<Index, (u64, &NodeName)> =
        record.all().filter_map(|one| Some((one.invoked, (one.end()?, one.answerer())))).collect();
    let mut found = Found::nothing(Checker::Health, "nodes that said they were healthy");
    let all: usize = probes.values().map(Vec::len).sum();
    found.good = format!(
        "No node of which a lie is proved said it was healthy meanwhile ({}).",
        count(all as u64, "probe")
    );
    for (node, probes) in probes {
        if !blame.proved.contains(node) {
            continue;
        }
        let proof = Accusation { node: node.clone(), confidence: Confidence::Proved };
        let mut lies: Vec<(u64, Index)> = findings
            .iter()
            .flat_map(|finding| &finding.anomalies)
            .filter(|anomaly| anomaly.accused.contains(&proof))
            .flat_map(|anomaly| &anomaly.witnesses)
            .filter_map(|witness| {
                let (end, by) = times.get(witness)?;
                (*by == node).then_some((*end, *witness))
            })
            .collect();
        lies.sort_unstable();
        lies.dedup();
        let (Some(first), Some(last)) = (lies.first(), lies.last()) else { continue };
        let within: Vec<bool> = probes
            .iter()
            .filter(|(time, _)| (first.0..=last.0).contains(time))
            .map(|(_, healthy)| *healthy)
            .collect();
        if within.is_empty() || within.contains(&false) {
            continue;
        }
        let detail = format!(
            "{node} gave false answers from {} to {}, and said {} meanwhile that it was healthy.",
            time(first.0),
            time(last.0),
            match within.len() {
                1 => "once".to_owned(),
                more => format!("{more} times"),
            }
        );
        let anomaly = Anomaly {
            kind: AnomalyKind::DishonestHealth,
            key: None,
            witnesses: vec![first.1, last.1],
            nodes: vec![node.clone()],
            accused: vec![proof],
            detail,
        };
        found.push(Suspicion { anomaly, suspects: Vec::new(), proved: Default::default() });
    }
    Some(found.finding())
}
