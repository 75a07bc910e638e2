//! What a checker of this folder found, before anybody is blamed.

use std::collections::{BTreeMap, BTreeSet};

use perjury_history::{
    Anomaly, AnomalyKind, Finding, Index, Key, NodeName, Operation, Verdict, import,
};

use crate::Checker;
use crate::wording::known;

/// How many anomalies of a checker are kept; all are counted.
const MOST_KEPT: usize = 512;

/// An anomaly with the nodes that may be behind it.
pub(super) struct Suspicion {
    pub(super) anomaly: Anomaly,
    /// Of each set somebody lied, if the anomaly is to be explained. Empty if nobody can be told.
    pub(super) suspects: Vec<BTreeSet<NodeName>>,
    /// Those of whom it is proved.
    pub(super) proved: BTreeSet<NodeName>,
}

impl Suspicion {
    /// One of these lied; if there is only one, that proves it.
    pub(super) fn one_of(anomaly: Anomaly, suspects: BTreeSet<NodeName>) -> Suspicion {
        let proved = if suspects.len() == 1 { suspects.clone() } else { BTreeSet::new() };
        Suspicion { anomaly, suspects: vec![suspects], proved }
    }
}

/// The ways that the answers of one side went, each as the nodes on it.
pub(super) type Ways = BTreeSet<BTreeSet<NodeName>>;

/// Of two sides that contradict each other one has to be false as a whole: of each two answers of
/// different sides one is false, so that somebody on the way of one of them lied.
pub(super) fn pairs(sides: &[Ways]) -> Vec<BTreeSet<NodeName>> {
    let mut pairs = BTreeSet::new();
    for (at, left) in sides.iter().enumerate() {
        for right in &sides[at + 1..] {
            pairs.extend(left.iter().flat_map(|one| right.iter().map(move |other| one | other)));
        }
    }
    pairs.into_iter().collect()
}

/// What a checker found.
pub(super) struct Found {
    pub(super) checker: Checker,
    /// The summary where nothing is wrong.
    pub(super) good: String,
    /// What the anomalies are, in the plural, such as "answers of old versions".
    pub(super) what: &'static str,
    pub(super) kept: Vec<Suspicion>,
    pub(super) count: u64,
    /// The sets of suspects of all anomalies, also of those that are not kept.
    pub(super) suspects: BTreeSet<BTreeSet<NodeName>>,
    pub(super) proved: BTreeSet<NodeName>,
    pub(super) stats: BTreeMap<String, serde_json::Value>,
}

impl Found {
    pub(super) fn nothing(checker: Checker, what: &'static str) -> Found {
        Found {
            checker,
            good: String::new(),
            what,
            kept: Vec::new(),
            count: 0,
            suspects: BTreeSet::new(),
            proved: BTreeSet::new(),
            stats: BTreeMap::new(),
        }
    }

    pub(super) fn push(&mut self, suspicion: Suspicion) {
        self.count += 1;
        self.proved.extend(suspicion.proved.iter().cloned());
        if suspicion.proved.is_empty() {
            let told = suspicion.suspects.iter().filter(|suspects| !suspects.is_empty());
            self.suspects.extend(told.cloned());
        }
        if self.kept.len() < MOST_KEPT {
            self.kept.push(suspicion);
        }
    }

    pub(super) fn stat(&mut self, name: &str, value: u64) {
        self.stats.insert(name.to_owned(), value.into());
    }

    /// The finding. The first anomalies are the clearest: the fewest witnesses, the earliest.
    pub(super) fn finding(self) -> Finding {
        let mut anomalies: Vec<Anomaly> =
            self.kept.into_iter().map(|suspicion| suspicion.anomaly).collect();
        let rank = |anomaly: &Anomaly| (anomaly.witnesses.len(), anomaly.witnesses.last().copied());
        anomalies.sort_by_key(rank);
        anomalies.truncate(Finding::MOST_ANOMALIES);
        let (verdict, summary) = match self.count {
            0 => (Verdict::Valid, self.good),
            1 => (Verdict::Invalid, format!("Found: 1 of {}.", self.what)),
            more => (Verdict::Invalid, format!("Found: {more} of {}.", self.what)),
        };
        Finding {
            checker: self.checker.name().into(),
            verdict,
            summary,
            anomalies,
            anomaly_count: self.count,
            stats: self.stats,
        }
    }
}

/// An anomaly that these operations prove; `wrong` gave the answers in question.
pub(super) fn anomaly<'a>(
    kind: AnomalyKind,
    key: &Key,
    witnesses: impl IntoIterator<Item = &'a Operation>,
    wrong: impl IntoIterator<Item = &'a Operation>,
    detail: String,
) -> Anomaly {
    let mut indices: Vec<Index> =
        witnesses.into_iter().map(|operation| operation.invoked).collect();
    indices.sort_unstable();
    indices.dedup();
    let nodes = known(wrong.into_iter().map(Operation::answerer));
    let accused = Vec::new();
    Anomaly { kind, key: Some(key.clone()), witnesses: indices, nodes, accused, detail }
}

/// The nodes through whose hands an answer went, as far as is known: the one at the other end of
/// the connection, and the one that it says to have asked.
pub(super) fn path(operation: &Operation, nodes: &BTreeSet<NodeName>) -> BTreeSet<NodeName> {
    let mut path = BTreeSet::from([operation.answerer().clone()]);
    let member = operation.said.as_ref().and_then(|said| said.member.as_deref());
    let member = member.map(NodeName::from).filter(|member| nodes.contains(member));
    path.extend(member);
    path.retain(|node| node.as_str() != import::NOWHERE);
    path
}
