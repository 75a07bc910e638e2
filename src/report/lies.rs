//! What was said and what was true, side by side, for each lie: from the ground truth.

use std::collections::HashMap;

use perjury_history::Index;
use serde::Serialize;

use super::deeds;
use super::difference::{self, Side};
use super::escape;
use super::evidence::Evidence;
use super::format;
use super::label;
use super::truth::{ACKNOWLEDGE, Group, Kept, ROT, Truth};
use super::values::{self, Values};

/// How many operations are named that saw one lie.
const MOST_NAMED: usize = 6;
/// How many anomalies have a place in the page that a link can lead to.
const MOST_LINKED: usize = 32;

/// The section.
#[derive(Debug, Serialize)]
pub struct Lies {
    sentence: String,
    groups: Vec<GroupLine>,
    ungrouped: u64,
    unreadable: u64,
}

/// Lies of one kind from one to another.
#[derive(Debug, Serialize)]
struct GroupLine {
    fault: String,
    from: String,
    to: String,
    word: String,
    meaning: &'static str,
    count: String,
    when: String,
    seen: Option<String>,
    /// What stands above the two sides.
    heads: (&'static str, &'static str),
    is_rot: bool,
    kept: Vec<Line>,
    more: u64,
}

/// One lie.
#[derive(Debug, Serialize)]
struct Line {
    time: String,
    at: String,
    detail: String,
    before: Side,
    after: Side,
    /// What each side is, in words; may be empty.
    before_is: String,
    after_is: String,
    about: Option<String>,
    readers: Vec<Seen>,
    readers_left_out: usize,
    /// In the line that stands for it when it is folded.
    short: String,
}

/// An operation that was given a lie.
#[derive(Debug, Serialize)]
struct Seen {
    text: String,
    /// The anomalies that cite it: number and kind, and is it in this page?
    anomalies: Vec<(usize, &'static str, bool)>,
}

/// What the section says; `None` if nothing is on record.
pub fn lies(evidence: &Evidence, truth: &Truth, values: &Values<'_>) -> Option<Lies> {
    if truth.is_empty() && truth.unreadable == 0 {
        return None;
    }
    let citing = citing(evidence);
    let group = |group: &Group| GroupLine {
        fault: group.fault.to_string(),
        from: escape::clip(if group.says { group.node.as_str() } else { &group.other }, 80),
        to: escape::clip(if group.says { &group.other } else { group.node.as_str() }, 80),
        word: escape::clip(&group.word, 40),
        meaning: deeds::meaning(&group.word),
        count: format::counted(group.count, "time", "times"),
        when: format!("{} to {}", format::moment(group.first), format::moment(group.last)),
        seen: (!group.readers.is_empty()).then(|| {
            format::counted(group.readers.len() as u64, "answer shows it", "answers show it")
        }),
        heads: heads(group),
        is_rot: group.word == ROT,
        kept: group
            .kept
            .iter()
            .map(|kept| line((kept, is_answer(group)), evidence, values, &citing))
            .collect(),
        more: group.count - group.kept.len() as u64,
    };
    Some(Lies {
        sentence: sentence(truth),
        groups: truth.groups.iter().map(group).collect(),
        ungrouped: truth.ungrouped,
        unreadable: truth.unreadable,
    })
}

/// Does the lie answer what stands before it? Then the two have nothing in common.
fn is_answer(group: &Group) -> bool {
    group.word == ACKNOWLEDGE
}

fn heads(group: &Group) -> (&'static str, &'static str) {
    match group.word.as_str() {
        ROT => ("What stood there", "What stands there now"),
        ACKNOWLEDGE => ("What was asked, and never done", "What was said"),
        _ if group.says => ("What was true", "What was said"),
        _ => ("What was said", "What arrived"),
    }
}

fn sentence(truth: &Truth) -> String {
    let mut what = Vec::new();
    if truth.lies > 0 {
        what.push(format::counted(truth.lies, "lie was told", "lies were told"));
    }
    if truth.places > 0 {
        let one = "place in a node's memory or files was corrupted";
        let many = "places in nodes' memory or files were corrupted";
        what.push(format::counted(truth.places, one, many));
    }
    let readers = match truth.seen() {
        (_, 0) => "no answer to a client is known to show one".into(),
        (_, readers) => {
            let one = "answer to a client shows one";
            format::counted(readers, one, "answers to clients show one")
        }
    };
    format!("{}; {readers}.", what.join(", "))
}

/// The listed anomalies that cite an operation: number and kind.
type Citing = HashMap<Index, Vec<(usize, &'static str)>>;

fn citing(evidence: &Evidence) -> Citing {
    let mut citing = Citing::new();
    for (at, anomaly) in evidence.listed().enumerate() {
        for witness in &anomaly.witnesses {
            citing.entry(*witness).or_default().push((at + 1, anomaly.kind.name()));
        }
    }
    citing
}

fn line(
    (kept, is_answer): (&Kept, bool),
    evidence: &Evidence,
    values: &Values<'_>,
    citing: &Citing,
) -> Line {
    let bytes = |value| values::bytes(value).map_or_else(|| number(value), <[u8]>::to_vec);
    let (before, after) = (bytes(&kept.before), bytes(&kept.after));
    let origin = |seal: Option<&String>, bytes: &[u8]| {
        let bytes = seal.map_or(bytes, |seal| seal.as_bytes());
        escape::clip(&values.origin(bytes), 200)
    };
    let (seal_before, seal_after) = match &kept.seals {
        Some((before, after)) => (Some(before), Some(after)),
        None => (None, None),
    };
    let (before_is, after_is) = (origin(seal_before, &before), origin(seal_after, &after));
    let about = kept.about.filter(|_| before_is.is_empty()).map(|at| operation(evidence, at));
    let name = |text: &str, bytes: &[u8]| match text.split_once(": ") {
        Some((name, _)) => name.to_owned(),
        None => escape::shorten(&escape::lossy(&bytes[..bytes.len().min(40)]), 28),
    };
    let mark = if after_is.ends_with("nobody wrote it") { "✗" } else { "" };
    let asked = kept.about.filter(|_| before_is.is_empty());
    let asked = asked.map(|at| label::call(&evidence.operations[at].call, values));
    let was = asked.unwrap_or_else(|| name(&before_is, &before));
    let short = format!("{was} → {mark}{}", name(&after_is, &after));
    let (before, after) = match is_answer {
        true => difference::apart(&before, &after),
        false => difference::sides(&before, &after),
    };
    Line {
        time: format!("{} (+{} at most)", format::moment(kept.time), format::length(kept.within)),
        at: escape::clip(&kept.at, 200),
        detail: escape::clip(&kept.detail, 200),
        before,
        after,
        before_is,
        after_is,
        about,
        readers: kept
            .readers
            .iter()
            .take(MOST_NAMED)
            .map(|at| seen(evidence, *at, citing))
            .collect(),
        readers_left_out: kept.readers.len().saturating_sub(MOST_NAMED),
        short: escape::clip(&short, 120),
    }
}

fn number(value: &perjury_history::Value) -> Vec<u8> {
    match value {
        perjury_history::Value::Nil => Vec::new(),
        value => value.to_string().into_bytes(),
    }
}

/// An operation in a few words.
fn operation(evidence: &Evidence, at: usize) -> String {
    let operation = &evidence.operations[at];
    let key = operation.call.key().map(|key| format!(" {key}")).unwrap_or_default();
    let end = match operation.outcome() {
        Some(outcome) => outcome.name(),
        None => "never answered",
    };
    let text = format!(
        "{}: {}{key} by process {} at {}, {} ({end})",
        operation.invoked,
        operation.call.name(),
        operation.process,
        operation.answerer(),
        format::moment(operation.start)
    );
    escape::clip(&text, 240)
}

fn seen(evidence: &Evidence, at: usize, citing: &Citing) -> Seen {
    let anomalies = citing.get(&evidence.operations[at].invoked).map(Vec::as_slice);
    let linked = |(number, kind): &(usize, &'static str)| (*number, *kind, *number <= MOST_LINKED);
    let anomalies = anomalies.unwrap_or_default().iter().take(3).map(linked).collect();
    Seen { text: operation(evidence, at), anomalies }
}
