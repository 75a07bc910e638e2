//! What became of each lie that was told: rejected, masked, accepted or not reached; and what the
//! anomalies count for beside the database's claim.
//!
//! No checker: it reads the ground truth, which checkers never see, and convicts nobody. A lie is
//! *accepted* if a client was given it: the false value itself where there is one (a value that
//! nobody wrote, after the lie; another key's; an older one, by the liar while it lied or in an
//! answer that an anomaly cites). Lies without a value are accepted by their effect: a write
//! answered while its acknowledgement was forged, a read while a default was made up, a call that
//! came to nothing while an answer was withheld. Else it is *masked* if somebody read the key
//! after the lie, and *not reached* if nobody is known to have asked. Lies of which none is known
//! to have been given to a client are accepted as a whole if there is an anomaly after the first of
//! them (where several faults compete: one that names the liar or whom it lied to). Where the
//! database noticed (a sign of its log, an error that names the damage, a process that ended by
//! itself), what was not accepted is *rejected*.
//!
//! Source: the classes of S. Gunawi's and others' fault studies as in "Redundancy does not imply
//! fault tolerance" (Ganesan and others, FAST 2017): detected, masked, silent.

use std::collections::{BTreeMap, BTreeSet};

use perjury_history::{
    Accounting, AnomalyKind, Class, CorruptionMade, Event, Fate, Fault, FaultId, Finding, History,
    Injection, LieFate, LieTold, Nanos, NodeName, Notice, NoticedBy, Outcome, Untold, Value,
    Verdict,
};

use super::bound::{self, effective};
use super::reached::{Answers, Seen, ended, is_answered_read};
use super::stated::wrote;

/// How many signs are kept of one node in one fault.
const MOST_SIGNS: usize = 4;
/// How much of a sign is kept.
const MOST_TEXT: usize = 300;
/// A call that was withheld its answer may take so long to come to nothing.
const PATIENCE: Nanos = 10_000_000_000;

/// What was really said and done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Truth<'a> {
    /// The lines of `lies.jsonl`.
    pub lies: &'a [LieTold],
    /// The lines of `corruptions.jsonl`.
    pub corruptions: &'a [CorruptionMade],
}

/// What a database claims, as far as lies go, and how it shows that it noticed one.
#[derive(Clone, Debug, Default)]
pub struct Claimed<'a> {
    /// How many nodes may lie.
    pub bound: usize,
    /// Does its promise exempt what was found?
    pub exempt: bool,
    /// Words by which an error to a client names damage.
    pub signs: &'a [&'a str],
    /// Lines of its logs with such words.
    pub logged: Vec<Notice>,
}

/// Accounts for the lies of a run; nothing where none were planned.
pub fn account(
    history: &History,
    findings: &[Finding],
    truth: Truth<'_>,
    claimed: &Claimed<'_>,
) -> Option<Accounting> {
    let faults = bound::byzantine(history);
    if faults.is_empty() {
        return None;
    }
    let answers = Answers::new(history, findings);
    let charged = bound::charged(history, truth);
    let broken = Broken { findings, class: class(charged.len(), claimed) };
    let mut lies = wire(history, truth.lies, &answers);
    lies.extend(damage(truth.corruptions, &answers));
    lies.extend(amnesia(&effective(history), history, &answers));
    let first_told = lies.iter().map(|lie| lie.first_told).min();
    let noticed = noticed(history, &answers, claimed, first_told.unwrap_or(Nanos::MAX));
    for lie in &mut lies {
        let heard = victims(history, lie, truth.lies);
        let of = noticed.iter().filter(|notice| heard.contains(&notice.node));
        lie.noticed = of.take(MOST_SIGNS).cloned().collect();
        let who = (faults.len() > 1).then_some(&heard);
        lie.first_seen = lie.first_seen.or_else(|| broke(findings, &answers, who, lie.first_told));
        lie.fate = match () {
            () if lie.first_seen.is_some() => Fate::Accepted,
            () if !lie.noticed.is_empty() => Fate::Rejected,
            () if lie.masked > 0 => Fate::Masked,
            () => Fate::NotReached,
        };
        lie.class = broken.counts_for(lie.fate);
    }
    let header = history.header.as_ref();
    Some(Accounting {
        nodes: header.map_or(0, |header| header.nodes.nodes.len()),
        claimed: claimed.bound,
        charged: charged.into_iter().collect(),
        first_told,
        first_seen: lies.iter().filter_map(|lie| lie.first_seen).min(),
        first_noticed: noticed.iter().filter_map(|notice| notice.time).min(),
        first_proved: first_told.and_then(|told| broke(findings, &answers, None, told)),
        untold: untold(&faults),
        findings: broken.findings(),
        lies,
    })
}

/// What an anomaly counts for.
fn class(charged: usize, claimed: &Claimed<'_>) -> Class {
    match () {
        () if charged > claimed.bound => Class::BeyondTheBound,
        () if claimed.exempt => Class::Metric,
        () => Class::ViolationInsideTheClaim,
    }
}

struct Broken<'a> {
    findings: &'a [Finding],
    class: Class,
}

impl Broken<'_> {
    fn findings(&self) -> BTreeMap<String, Class> {
        let invalid = self.findings.iter().filter(|one| one.verdict == Verdict::Invalid);
        invalid.map(|finding| (finding.checker.clone(), self.class)).collect()
    }

    fn counts_for(&self, fate: Fate) -> Option<Class> {
        let any = self.findings.iter().any(|one| one.verdict == Verdict::Invalid);
        match fate {
            Fate::Accepted => any.then_some(self.class),
            Fate::Rejected => Some(Class::Refused),
            Fate::Masked | Fate::NotReached => None,
        }
    }
}

/// What became of one lie.
enum One {
    Accepted(Nanos),
    Masked,
    NotReached,
}

fn came_to(seen: Seen, masked: impl FnOnce() -> bool) -> One {
    match seen {
        Some(time) => One::Accepted(time),
        None if masked() => One::Masked,
        None => One::NotReached,
    }
}

fn empty(fault: FaultId, node: &NodeName, lie: &str) -> LieFate {
    LieFate {
        fault,
        node: node.clone(),
        lie: lie.to_owned(),
        told: 0,
        accepted: 0,
        masked: 0,
        not_reached: 0,
        fate: Fate::NotReached,
        class: None,
        first_told: Nanos::MAX,
        first_seen: None,
        noticed: Vec::new(),
    }
}

fn count(lie: &mut LieFate, time: Nanos, one: &One) {
    lie.told += 1;
    lie.first_told = lie.first_told.min(time);
    match one {
        One::Accepted(seen) => {
            lie.accepted += 1;
            lie.first_seen = Some(lie.first_seen.map_or(*seen, |first| first.min(*seen)));
        }
        One::Masked => lie.masked += 1,
        One::NotReached => lie.not_reached += 1,
    }
}

/// The lies on the wire, by fault, node and word.
fn wire(history: &History, told: &[LieTold], answers: &Answers) -> Vec<LieFate> {
    let mut all: BTreeMap<(FaultId, &NodeName, &str), LieFate> = BTreeMap::new();
    for lie in told {
        let name = (lie.fault, &lie.node, lie.lie.as_str());
        let one = match &lie.seal_after {
            Some(after) => value_lie(lie, after, answers),
            None => effect(lie, bound::other(history, lie).is_some(), answers),
        };
        let fate = all.entry(name).or_insert_with(|| empty(name.0, name.1, name.2));
        count(fate, lie.time, &one);
    }
    all.into_values().collect()
}

/// A text as a client may have read it: as a seal, or as what is none any more.
fn forms(text: &str) -> [Value; 2] {
    [Value::Text(text.into()), Value::Raw(text.as_bytes().into())]
}

fn value_lie(lie: &LieTold, after: &str, answers: &Answers) -> One {
    let late = lie.time.saturating_add(lie.within);
    let [text, raw] = forms(after);
    let before = Value::Text(lie.seal_before.as_deref().unwrap_or_default().into());
    let seen = if answers.is_genuine(&text) {
        // Whoever asks for that other key is told the truth by it.
        let is_of_that_key = !answers.are_of_other_keys(&before, &text);
        answers.seen(&text, lie.time, |read| {
            let by_the_liar = is_of_that_key && read.answerer() == &lie.node && read.start <= late;
            !answers.belongs(&text, read) || by_the_liar || answers.is_cited(read)
        })
    } else {
        [text, raw].iter().filter_map(|one| answers.seen(one, lie.time, |_| true)).min()
    };
    came_to(seen, || answers.is_read_after(&before, lie.time))
}

/// A lie that puts no value in another's place.
fn effect(lie: &LieTold, between_nodes: bool, answers: &Answers) -> One {
    let late = lie.time.saturating_add(lie.within);
    let ok = |operation: &perjury_history::Operation| {
        matches!(operation.outcome(), Some(Outcome::Ok(_)))
    };
    let seen = match lie.lie.as_str() {
        "acknowledge" => answers.around(Some(&lie.node), lie.time, late).find(|one| wrote(one)),
        "default" => {
            answers.around(Some(&lie.node), lie.time, late).find(|one| is_answered_read(one))
        }
        "duplicate" => answers.repeated_after(lie.time),
        _ => {
            let node = if between_nodes { None } else { Some(&lie.node) };
            let end = late.saturating_add(PATIENCE);
            answers.around(node, lie.time, end).find(|one| !ok(one) && one.start <= late)
        }
    };
    let asked = || answers.around(Some(&lie.node), late, Nanos::MAX).any(ok);
    came_to(seen.map(ended).map(|time| time.max(lie.time)), asked)
}

/// Corrupted places, by fault, node and kind.
fn damage(made: &[CorruptionMade], answers: &Answers) -> impl Iterator<Item = LieFate> {
    let mut all: BTreeMap<(FaultId, &NodeName, &str), LieFate> = BTreeMap::new();
    for place in made {
        let kind = if place.at.starts_with('/') { "files" } else { "memory" };
        let earliest = place.time.saturating_sub(place.within);
        let one = match (text(&place.before), text(&place.after)) {
            (Some(before), Some(after)) if answers.is_genuine(&forms(before)[0]) => {
                let shown = forms(after);
                let seen =
                    shown.iter().filter_map(|one| answers.seen(one, earliest, |_| true)).min();
                came_to(seen, || answers.is_read_after(&forms(before)[0], place.time))
            }
            _ => One::NotReached,
        };
        let name = (place.fault, &place.node, kind);
        let fate = all.entry(name).or_insert_with(|| empty(name.0, name.1, name.2));
        count(fate, earliest, &one);
    }
    all.into_values().collect::<Vec<_>>().into_iter()
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Raw(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

/// When an anomaly that names one of these was first complete after that time; of any, if nobody
/// is given.
fn broke(
    findings: &[Finding],
    answers: &Answers,
    who: Option<&BTreeSet<NodeName>>,
    since: Nanos,
) -> Seen {
    let ends = answers.ends();
    let anomalies = findings.iter().flat_map(|finding| &finding.anomalies);
    let of = anomalies.filter(|anomaly| {
        let accused = anomaly.accused.iter().map(|accused| &accused.node);
        let mut named = accused.chain(&anomaly.nodes);
        let is_meant = who.is_none_or(|who| named.any(|node| who.contains(node)));
        anomaly.kind != AnomalyKind::DishonestHealth && is_meant
    });
    let ends = of.filter_map(|anomaly| {
        anomaly.witnesses.iter().filter_map(|witness| ends.get(witness)).max().copied()
    });
    ends.filter(|end| *end >= since && *end < Nanos::MAX).min()
}

/// Nodes that got older files: one lie each, told when the fault ended.
fn amnesia(faults: &[(FaultId, &Fault)], history: &History, answers: &Answers) -> Vec<LieFate> {
    let mut all = Vec::new();
    for (id, fault) in faults.iter().filter(|(_, fault)| bound::rolls_back(fault)) {
        let healed = |event: &Event| matches!(event, Event::Healed { id: of, .. } if of == id);
        let entry = history.entries.iter().find(|entry| healed(&entry.event));
        let Some(time) = entry.map(|entry| entry.time) else { continue };
        for node in fault.nodes() {
            let asked = || answers.around(Some(&node), time, Nanos::MAX).any(is_answered_read);
            let mut fate = empty(*id, &node, "roll-back");
            count(&mut fate, time, &came_to(None, asked));
            all.push(fate);
        }
    }
    all
}

/// Who may have noticed these lies: the liar, and the nodes that it lied to.
fn victims(history: &History, lie: &LieFate, told: &[LieTold]) -> BTreeSet<NodeName> {
    let same = told.iter().filter(|one| one.fault == lie.fault && one.node == lie.node);
    let others = same.filter_map(|one| bound::other(history, one));
    others.chain([lie.node.clone()]).collect()
}

/// The signs that the database noticed something, since the first lie as far as that is known.
fn noticed(
    history: &History,
    answers: &Answers,
    claimed: &Claimed<'_>,
    since: Nanos,
) -> Vec<Notice> {
    let mut all: Vec<Notice> = Vec::new();
    for operation in answers.operations() {
        let Some(Outcome::Fail(cause) | Outcome::Info(cause)) = operation.outcome() else {
            continue;
        };
        let said = cause.to_string();
        let time = ended(operation);
        if time >= since && claimed.signs.iter().any(|sign| said.contains(sign)) {
            let node = operation.node.clone();
            all.push(Notice { node, by: NoticedBy::Client, time: Some(time), text: cut(&said) });
        }
    }
    let logged = claimed.logged.iter().cloned();
    all.extend(logged.map(|notice| Notice { text: cut(&notice.text), ..notice }));
    for entry in &history.entries {
        // The runner's words for a service that does not run although nothing holds it down.
        if let Event::Note(note) = &entry.event
            && let Some((node, _)) = note.split_once(": the database ")
            && note.ends_with(", by itself")
        {
            let node = NodeName::from(node);
            all.push(Notice { node, by: NoticedBy::Exit, time: None, text: cut(note) });
        }
    }
    all
}

fn cut(text: &str) -> String {
    text.chars().take(MOST_TEXT).collect()
}

fn untold(faults: &[(FaultId, &Fault, Option<&Injection>)]) -> Vec<Untold> {
    let idle = faults.iter().filter_map(|(id, fault, injection)| match injection {
        Some(Injection::Skipped(reason)) => {
            Some(Untold { fault: *id, nodes: fault.nodes(), reason: reason.clone() })
        }
        _ => None,
    });
    idle.collect()
}

#[cfg(test)]
#[path = "fate_tests.rs"]
mod tests;
