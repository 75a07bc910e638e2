//! Who lied, node by node: the ground truth beside what is held against each, in a table and in
//! sentences that need no knowledge of the run.
//!
//! The two sides come from different records and neither corrects the other. A node that passes on
//! what it was told cannot be told from the link that lied to it: it is convicted in the liar's
//! place, and the ground truth, where there is one, says so.

use std::collections::{BTreeMap, BTreeSet};

use perjury_history::{Anomaly, Confidence, NodeName};
use serde::Serialize;

use super::charges::Charge;
use super::deeds;
use super::escape;
use super::evidence::Evidence;
use super::format;
use super::probes::Falsehood;
use super::truth::{Group, Liar, ROT, Truth};

/// How many nodes have a line, and how many a sentence.
const MOST_NODES: usize = 64;
const MOST_SENTENCES: usize = 6;
/// How many deeds of a node are told in its sentence.
const MOST_DEEDS: usize = 4;

/// The section.
#[derive(Debug, Serialize)]
pub struct Conviction {
    /// About each liar.
    stories: Vec<Story>,
    stories_left_out: usize,
    /// About all others.
    innocents: Option<String>,
    /// Ground truth against conviction, in one sentence.
    compared: String,
    rows: Vec<Row>,
    rows_left_out: usize,
    /// How many anomalies were found of which nothing is listed.
    not_listed: u64,
    /// Is there a ground truth?
    injected: bool,
}

/// What is told of one node.
#[derive(Debug, Serialize)]
struct Story {
    node: String,
    /// Such as "lied.".
    verb: &'static str,
    deeds: String,
    /// How that is known.
    known: String,
    quote: Option<Quote>,
    health: Option<String>,
}

/// What a checker says.
#[derive(Debug, Serialize)]
struct Quote {
    number: usize,
    kind: &'static str,
    confidence: &'static str,
    detail: String,
}

/// One node.
#[derive(Debug, Serialize)]
struct Row {
    node: String,
    told: Vec<String>,
    places: String,
    charges: Vec<String>,
    confidence: &'static str,
    healthy: Option<String>,
    dishonest: bool,
    conclusion: String,
    class: &'static str,
    symbol: &'static str,
}

/// Everything the section is made of.
struct Case<'a> {
    evidence: &'a Evidence,
    truth: &'a Truth,
    charges: &'a BTreeMap<NodeName, Charge>,
    falsehood: &'a Falsehood,
    /// Those that were to lie or to be corrupted.
    assigned: BTreeSet<&'a NodeName>,
    listed: Vec<&'a Anomaly>,
}

/// What the section says; `None` if nobody was to lie and nobody is held to have.
pub fn conviction(
    evidence: &Evidence,
    truth: &Truth,
    charges: &BTreeMap<NodeName, Charge>,
    falsehood: &Falsehood,
) -> Option<Conviction> {
    let byzantine = evidence.survey.faults.iter().filter(|life| life.is_byzantine());
    let assigned: BTreeSet<&NodeName> = byzantine.flat_map(|life| &life.nodes).collect();
    if truth.is_empty() && assigned.is_empty() && !charges.values().any(Charge::is_conviction) {
        return None;
    }
    let listed: Vec<&Anomaly> = evidence.listed().collect();
    let not_listed = evidence.anomaly_count().saturating_sub(listed.len() as u64);
    let case = Case { evidence, truth, charges, falsehood, assigned, listed };
    let nodes = case.nodes();
    let guilty: Vec<&NodeName> =
        nodes.iter().copied().filter(|node| case.lied(node) || case.convicted(node)).collect();
    // The liars first, and of them the one that lied most.
    let mut order = guilty.clone();
    order.sort_by_key(|node| {
        let liar = truth.nodes.get(*node);
        std::cmp::Reverse(liar.map_or(0, |liar| liar.told + liar.places))
    });
    Some(Conviction {
        stories: order.iter().take(MOST_SENTENCES).map(|node| case.story(node)).collect(),
        stories_left_out: order.len().saturating_sub(MOST_SENTENCES),
        innocents: case.innocents(&nodes),
        compared: case.compared(&nodes),
        rows: nodes.iter().take(MOST_NODES).map(|node| case.row(node)).collect(),
        rows_left_out: nodes.len().saturating_sub(MOST_NODES),
        not_listed,
        injected: !truth.is_empty() || !case.assigned.is_empty(),
    })
}

impl<'a> Case<'a> {
    /// All nodes of the run, and whoever else is named.
    fn nodes(&self) -> Vec<&'a NodeName> {
        let declared: Vec<&NodeName> =
            self.evidence.nodes.nodes.iter().map(|node| &node.name).collect();
        let named = self.truth.nodes.keys().chain(self.charges.keys());
        let others: BTreeSet<&NodeName> = named.filter(|node| !declared.contains(node)).collect();
        declared.into_iter().chain(others).collect()
    }

    fn lied(&self, node: &NodeName) -> bool {
        self.truth.nodes.contains_key(node)
    }

    fn convicted(&self, node: &NodeName) -> bool {
        self.charges.get(node).is_some_and(Charge::is_conviction)
    }

    /// The liars that told this node lies.
    fn deceivers(&self, node: &NodeName) -> Vec<&'a str> {
        let all = self.truth.deceived.get(node);
        all.map(|all| all.keys().map(NodeName::as_str).collect()).unwrap_or_default()
    }

    /// The nodes that this one told lies, and that are convicted.
    fn mouthpieces(&self, liar: &NodeName) -> Vec<&'a NodeName> {
        let deceived = self.truth.deceived.iter().filter(|(_, liars)| liars.contains_key(liar));
        deceived.map(|(node, _)| node).filter(|node| self.convicted(node)).collect()
    }

    fn groups(&self, node: &NodeName) -> Vec<&'a Group> {
        self.truth.groups.iter().filter(|group| group.node == *node).collect()
    }

    fn quote(&self, node: &NodeName) -> Option<Quote> {
        let charge = self.charges.get(node)?;
        let number = charge.clearest?;
        let anomaly = self.listed.get(number)?;
        Some(Quote {
            number: number + 1,
            kind: anomaly.kind.name(),
            confidence: charge.confidence().unwrap_or(Confidence::Unknown).name(),
            detail: escape::clip(&anomaly.detail, 400),
        })
    }

    fn story(&self, node: &'a NodeName) -> Story {
        let (lied, convicted) = (self.lied(node), self.convicted(node));
        let mouthpieces = self.mouthpieces(node);
        let others: Vec<&str> = mouthpieces.iter().map(|node| node.as_str()).collect();
        let seen: u64 = self.groups(node).iter().map(|group| group.seen).sum();
        let sure = self.charges.get(node).and_then(Charge::confidence);
        let known = if sure == Some(Confidence::Proved) {
            "This is proved: its own answers contradict the record.".into()
        } else if convicted {
            "It is held to have lied because no smaller number of liars explains what was found:"
                .into()
        } else if let [_, ..] = others.as_slice() {
            let are = if others.len() == 1 { "is" } else { "are" };
            let names = deeds::names(&others);
            format!(
                "No answer of its own gives it away. {names} passed on what it had said, and {are} \
                 convicted in its place:"
            )
        } else if seen > 0 {
            format!(
                "{} given to a client, and no checker holds it against this node.",
                format::counted(seen, "of these was", "of these were")
            )
        } else {
            "No answer to a client is known to show it, and no checker accuses this node.".into()
        };
        let probed = self.falsehood.probed(node, self.evidence);
        let health = (probed.1 > 0).then(|| {
            format!(
                "Asked for its health meanwhile, it said “healthy” {} of {} times.",
                format::count(probed.0),
                format::count(probed.1)
            )
        });
        let accuser = if convicted { Some(node) } else { mouthpieces.first().copied() };
        let liar = self.truth.nodes.get(node);
        let verb = match liar {
            Some(Liar { told: 1.., .. }) => "lied.",
            Some(_) => "was corrupted.",
            None => "spoke falsely.",
        };
        Story {
            node: escape::clip(node.as_str(), 80),
            verb,
            deeds: if lied { self.deeds(node) } else { self.unrecorded(node) },
            known,
            quote: accuser.and_then(|node| self.quote(node)),
            health,
        }
    }

    /// What it did by the ground truth, the most frequent first.
    fn deeds(&self, node: &NodeName) -> String {
        let groups = self.groups(node);
        let from = groups.iter().map(|group| group.first).min().unwrap_or(0);
        let until = groups.iter().map(|group| group.last).max().unwrap_or(0);
        // The same in several faults is one deed.
        let mut kinds: BTreeMap<(&str, &str, bool), u64> = BTreeMap::new();
        for group in &groups {
            let kind = (group.word.as_str(), group.other.as_str(), group.says);
            *kinds.entry(kind).or_default() += group.count;
        }
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let tell = |((word, other, says), count): &((&str, &str, bool), u64)| {
            deeds::deed(word, other, *says, *count)
        };
        let mut said: Vec<String> = kinds.iter().take(MOST_DEEDS).map(tell).collect();
        let rest: u64 = kinds.iter().skip(MOST_DEEDS).map(|(_, count)| count).sum();
        if rest > 0 {
            said.push(format!("told {} more", format::counted(rest, "lie", "lies")));
        }
        let when = format!("between {} and {}", format::moment(from), format::moment(until));
        escape::clip(&format!("It {}, {when}.", deeds::names(&said)), 800)
    }

    /// Of a node that is held to have lied, although no lie of it is on record.
    fn unrecorded(&self, node: &NodeName) -> String {
        let deceivers = self.deceivers(node);
        if !deceivers.is_empty() {
            let from = deeds::names(&deceivers);
            return format!("It told no lie of its own: it passed on what {from} had told it.");
        }
        match self.truth.is_empty() {
            true if self.assigned.is_empty() => {
                "Nobody was made to lie in this run: this is the database's own doing.".into()
            }
            true => "No lie was told in this run: this is the database's own doing.".into(),
            false => "No lie of it is on record: it passed on what others had made false, or it \
                      is accused wrongly."
                .into(),
        }
    }

    fn innocents(&self, nodes: &[&NodeName]) -> Option<String> {
        let free = nodes.iter().filter(|node| !self.lied(node) && !self.convicted(node));
        let (clear, asked): (Vec<&&NodeName>, Vec<&&NodeName>) =
            free.partition(|node| !self.charges.contains_key(**node));
        let mut sentences = Vec::new();
        let recorded = !self.truth.is_empty();
        for (list, end) in
            [(clear, "nothing accuses"), (asked, "nothing that is known makes a liar of")]
        {
            let names: Vec<&str> = list.iter().take(20).map(|node| node.as_str()).collect();
            if !names.is_empty() {
                let whom = if list.len() == 1 { "it" } else { "them" };
                let more = list.len() - names.len();
                let more = if more > 0 { format!(" ({more} more)") } else { String::new() };
                let names = deeds::names(&names);
                let told = if recorded { " told no lie, and" } else { ":" };
                sentences.push(format!("{names}{more}{told} {end} {whom}."));
            }
        }
        (!sentences.is_empty()).then(|| escape::clip(&sentences.join(" "), 1000))
    }

    fn compared(&self, nodes: &[&NodeName]) -> String {
        let of = |is: &dyn Fn(&NodeName) -> bool| -> Vec<&str> {
            nodes.iter().filter(|node| is(node)).map(|node| node.as_str()).collect()
        };
        let liars = of(&|node| self.lied(node));
        let held = of(&|node| self.convicted(node));
        let missed = of(&|node| {
            self.lied(node) && !self.convicted(node) && self.mouthpieces(node).is_empty()
        });
        let wrong =
            of(&|node| self.convicted(node) && !self.lied(node) && self.deceivers(node).is_empty());
        let passed = of(&|node| {
            self.convicted(node) && !self.lied(node) && !self.deceivers(node).is_empty()
        });
        let mut text = format!("Held to have lied: {}.", deeds::names(&held));
        if self.truth.is_empty() {
            let none = match self.assigned.is_empty() {
                true => "no fault of this run lies or corrupts",
                false => "a fault was to lie or to corrupt, and nothing came of it: not tested",
            };
            return format!("Ground truth: {none}. {text}");
        }
        text = format!("Ground truth: {} false. {text}", deeds::names(&liars));
        if !passed.is_empty() {
            text += &format!(
                " {} passed on a lie that came in by a link: from outside, a link that lies in a \
                 node's name cannot be told from the node.",
                deeds::names(&passed)
            );
        }
        if !missed.is_empty() {
            text += &format!(" Not found: {}.", deeds::names(&missed));
        }
        if !wrong.is_empty() {
            text += &format!(" Accused without a lie on record: {}.", deeds::names(&wrong));
        }
        if missed.is_empty() && wrong.is_empty() {
            text += " Nobody was missed, and nobody is accused wrongly.";
        }
        escape::clip(&text, 1200)
    }

    fn row(&self, node: &'a NodeName) -> Row {
        let charge = self.charges.get(node).cloned().unwrap_or_default();
        let probed = self.falsehood.probed(node, self.evidence);
        let places = self.truth.nodes.get(node).map_or(0, |liar| liar.places);
        let (conclusion, class, symbol) = self.conclusion(node, &charge);
        let names = [Confidence::Proved, Confidence::Implicated, Confidence::Unknown];
        let counts = names.map(|one| (charge.counts[one as usize], one.name()));
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        Row {
            node: escape::clip(node.as_str(), 80),
            told: self.told(node),
            places: if places > 0 {
                format::counted(places, "place", "places")
            } else {
                "no".into()
            },
            charges: counts
                .map(|(count, name)| format!("{} {name}", format::count(count)))
                .collect(),
            confidence: charge.confidence().map_or("none", Confidence::name),
            healthy: (probed.1 > 0)
                .then(|| format!("{} of {}", format::count(probed.0), format::count(probed.1))),
            dishonest: probed.0 > 0,
            conclusion,
            class,
            symbol,
        }
    }

    /// How often which lie, to whom.
    fn told(&self, node: &NodeName) -> Vec<String> {
        let mut kinds: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for group in self.groups(node).into_iter().filter(|group| group.word != ROT) {
            *kinds.entry((&group.word, &group.other)).or_default() += group.count;
        }
        let tell = |((word, other), count): ((&str, &str), u64)| {
            escape::clip(&format!("{} {word} → {other}", format::count(count)), 120)
        };
        kinds.into_iter().map(tell).take(12).collect()
    }

    fn conclusion(&self, node: &NodeName, charge: &Charge) -> (String, &'static str, &'static str) {
        let recorded = match self.truth.nodes.get(node) {
            Some(Liar { told: 1.., .. }) => Some("lied"),
            Some(_) => Some("corrupted"),
            None => None,
        };
        let mouthpieces = self.mouthpieces(node);
        match (recorded, charge.is_conviction()) {
            (Some(what), true) => (format!("{what}, and convicted"), "invalid", "✗"),
            (Some(what), false) if !mouthpieces.is_empty() => {
                let names: Vec<&str> = mouthpieces.iter().map(|node| node.as_str()).collect();
                (format!("{what}; found at {}", deeds::names(&names)), "invalid", "✗")
            }
            (Some(what), false) => (format!("{what}, not convicted"), "unknown", "?"),
            (None, true) if !self.deceivers(node).is_empty() => {
                ("convicted: passed a lie on".into(), "compromised", "⚠")
            }
            (None, true) if self.truth.is_empty() => ("convicted".into(), "invalid", "✗"),
            (None, true) => ("accused, no lie on record".into(), "compromised", "⚠"),
            (None, false) if self.assigned.contains(node) => {
                ("told nothing: not tested".into(), "none", "–")
            }
            (None, false) if charge.confidence().is_some() => {
                ("honest; in question only".into(), "valid", "✓")
            }
            (None, false) => ("honest".into(), "valid", "✓"),
        }
    }
}
