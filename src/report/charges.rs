//! What the judgement holds against each node: how many anomalies, how surely, and when.

use std::collections::BTreeMap;

use perjury_history::{
    Accusation, Anomaly, Confidence, Index, Nanos, NodeName, Operation, Outcome,
};

use super::evidence::Evidence;

/// How many of an anomaly's operations are looked at for its time.
const MOST_LOOKED_AT: usize = 200;

/// What is held against one node.
#[derive(Clone, Debug, Default)]
pub struct Charge {
    /// How many anomalies accuse it, by [`Confidence`].
    pub counts: [u64; 3],
    /// The first of the surest: its number among those that are listed.
    pub clearest: Option<usize>,
    /// From when to when it gave answers that a sure accusation cites.
    pub stretch: Option<(Nanos, Nanos)>,
}

impl Charge {
    /// How sure it is at the best.
    pub fn confidence(&self) -> Option<Confidence> {
        let all = [Confidence::Unknown, Confidence::Implicated, Confidence::Proved];
        all.into_iter().rev().find(|one| self.counts[*one as usize] > 0)
    }

    /// Is it held to have lied?
    pub fn is_conviction(&self) -> bool {
        self.confidence() > Some(Confidence::Unknown)
    }
}

/// What is held against each node that anything accuses.
pub fn charges(evidence: &Evidence) -> BTreeMap<NodeName, Charge> {
    let mut all: BTreeMap<NodeName, Charge> = BTreeMap::new();
    let mut best: BTreeMap<&NodeName, Confidence> = BTreeMap::new();
    for (number, anomaly) in evidence.listed().enumerate() {
        for Accusation { node, confidence } in &anomaly.accused {
            let charge = all.entry(node.clone()).or_default();
            charge.counts[*confidence as usize] += 1;
            if best.get(node).is_none_or(|best| best < confidence) {
                best.insert(node, *confidence);
                charge.clearest = Some(number);
            }
            if *confidence > Confidence::Unknown {
                for end in answers(anomaly, evidence)
                    .filter_map(|(end, by)| (by.answerer() == node).then_some(end))
                {
                    let stretch = charge.stretch.get_or_insert((end, end));
                    *stretch = (stretch.0.min(end), stretch.1.max(end));
                }
            }
        }
    }
    all
}

/// The answers among the operations of an anomaly, and when they came.
fn answers<'a>(
    anomaly: &'a Anomaly,
    evidence: &'a Evidence,
) -> impl DoubleEndedIterator<Item = (Nanos, &'a Operation)> {
    let cited = anomaly.witnesses.iter().rev().take(MOST_LOOKED_AT).rev();
    cited.filter_map(|index| {
        let operation = evidence.operation(*index)?;
        match &operation.completion {
            Some((_, end, Outcome::Ok(_))) => Some((*end, operation)),
            _ => None,
        }
    })
}

/// When the answer in question was given.
pub fn moment(anomaly: &Anomaly, evidence: &Evidence) -> Option<Nanos> {
    let all = || answers(anomaly, evidence).map(|(_, by)| (by.invoked, by.answerer()));
    let last = || answers(anomaly, evidence).next_back().map(|(end, _)| end);
    match in_question(anomaly, all()) {
        Some(index) => evidence.operation(index).and_then(Operation::end),
        None => last(),
    }
}

/// The last of these answers that one of the accused nodes gave: a checker cites what an answer
/// contradicts before the answer.
pub fn in_question<'a>(
    anomaly: &Anomaly,
    answers: impl DoubleEndedIterator<Item = (Index, &'a NodeName)>,
) -> Option<Index> {
    // Those who are held to have lied, if that is known of anybody; else all in question.
    let sure = |accused: &&Accusation| accused.confidence > Confidence::Unknown;
    let liars: Vec<_> = anomaly.accused.iter().filter(sure).map(|one| &one.node).collect();
    let named = |node: &NodeName| match liars.as_slice() {
        [] => anomaly.nodes.contains(node),
        liars => liars.contains(&node),
    };
    answers.rev().find(|(_, node)| named(node)).map(|(index, _)| index)
}
