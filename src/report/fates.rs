//! What became of the lies: how many were rejected, masked, accepted or never reached anybody, and
//! what that counts for beside the database's claim.
//!
//! It is decided by the judgement; here it is only told. A fault that told nothing has a line of
//! its own and the sign of something that is missing: it is never drawn like a pass, and neither is
//! a lie that reached nobody.

use std::collections::BTreeMap;

use perjury_history::{Accounting, Class, Fate, LieFate, Nanos, NoticedBy};
use serde::Serialize;

use super::deeds;
use super::escape;
use super::evidence::Evidence;
use super::format;

/// How many lines there are of each kind, and how many signs that the database noticed.
const MOST_LINES: usize = 100;
const MOST_NOTICES: usize = 12;

/// The section.
#[derive(Debug, Serialize)]
pub struct Fates {
    lines: Vec<Line>,
    untold: Vec<Untold>,
    left_out: usize,
    notices: Vec<String>,
    /// How fast a lie came to light, as sentences.
    speed: Vec<String>,
    bound: String,
    /// What the anomalies of each checker count for.
    findings: Vec<(String, &'static str, &'static str)>,
}

/// Lies of one kind by one node.
#[derive(Debug, Serialize)]
struct Line {
    node: String,
    lie: String,
    meaning: &'static str,
    told: String,
    rejected: bool,
    masked: String,
    accepted: String,
    not_reached: String,
    fate: &'static str,
    class: &'static str,
    tone: &'static str,
    until_seen: String,
}

/// A fault that told nothing.
#[derive(Debug, Serialize)]
struct Untold {
    fault: String,
    nodes: String,
    reason: String,
}

/// What the section says; `None` if the judgement does not tell.
pub fn fates(evidence: &Evidence) -> Option<Fates> {
    let accounting = evidence.judgement.as_ref().ok()?.accounting.as_ref()?;
    let lines = lines(&accounting.lies);
    let untold: Vec<Untold> = accounting.untold.iter().take(MOST_LINES).map(untold).collect();
    let left_out = (lines.len() + accounting.untold.len())
        .saturating_sub(lines.len().min(MOST_LINES) + untold.len());
    let finding = |(checker, class): (&String, &Class)| {
        (escape::clip(checker, 80), class.name(), tone(*class))
    };
    Some(Fates {
        lines: lines.into_iter().take(MOST_LINES).collect(),
        untold,
        left_out,
        notices: notices(accounting),
        speed: speed(accounting),
        bound: bound(accounting),
        findings: accounting.findings.iter().take(MOST_LINES).map(finding).collect(),
    })
}

/// One line for each node and word: the faults together.
fn lines(all: &[LieFate]) -> Vec<Line> {
    let mut sums: BTreeMap<(&str, &str), LieFate> = BTreeMap::new();
    for one in all {
        match sums.get_mut(&(one.node.as_str(), one.lie.as_str())) {
            None => drop(sums.insert((one.node.as_str(), one.lie.as_str()), one.clone())),
            Some(sum) => {
                sum.told += one.told;
                sum.accepted += one.accepted;
                sum.masked += one.masked;
                sum.not_reached += one.not_reached;
                sum.fate = sum.fate.max(one.fate);
                sum.class = worse(sum.class, one.class);
                sum.first_told = sum.first_told.min(one.first_told);
                sum.first_seen = earlier(sum.first_seen, one.first_seen);
            }
        }
    }
    sums.values().map(line).collect()
}

fn earlier(left: Option<Nanos>, right: Option<Nanos>) -> Option<Nanos> {
    left.into_iter().chain(right).min()
}

/// The one that speaks for both: the classes stand in the order of their weight.
fn worse(left: Option<Class>, right: Option<Class>) -> Option<Class> {
    left.into_iter().chain(right).min()
}

fn line(sum: &LieFate) -> Line {
    let after =
        |seen: Nanos| format!("{} later", format::length(seen.saturating_sub(sum.first_told)));
    let (class, tone) = match (sum.class, sum.fate) {
        (None, Fate::NotReached) => ("not reached", "unknown"),
        (None, _) => ("withstood", "valid"),
        (Some(class), _) => (class.name(), tone(class)),
    };
    Line {
        node: escape::clip(sum.node.as_str(), 80),
        lie: escape::clip(&sum.lie, 40),
        meaning: deeds::meaning(&sum.lie),
        told: format::count(sum.told),
        rejected: sum.fate == Fate::Rejected || !sum.noticed.is_empty(),
        masked: format::count(sum.masked),
        accepted: format::count(sum.accepted),
        not_reached: format::count(sum.not_reached),
        fate: sum.fate.name(),
        class,
        tone,
        until_seen: sum.first_seen.map_or("never".into(), after),
    }
}

/// The class of the colour. Only what the database refused is like a pass.
fn tone(class: Class) -> &'static str {
    match class {
        Class::Refused => "valid",
        Class::ViolationInsideTheClaim => "invalid",
        Class::BeyondTheBound => "compromised",
        Class::Metric => "none",
        Class::NotTested => "unknown",
    }
}

fn untold(one: &perjury_history::Untold) -> Untold {
    let nodes: Vec<&str> = one.nodes.iter().take(20).map(|node| node.as_str()).collect();
    Untold {
        fault: one.fault.to_string(),
        nodes: escape::clip(&deeds::names(&nodes), 300),
        reason: escape::clip(&one.reason, 400),
    }
}

fn notices(accounting: &Accounting) -> Vec<String> {
    let all = accounting.lies.iter().flat_map(|fate| &fate.noticed);
    let mut lines: Vec<String> = Vec::new();
    for notice in all {
        let how = match notice.by {
            NoticedBy::Client => "told a client",
            NoticedBy::Log => "wrote into its log",
            NoticedBy::Exit => "ended by itself",
        };
        let when = notice.time.map(|time| format!(" at {}", format::moment(time)));
        let when = when.unwrap_or_default();
        let text = escape::clip(&notice.text, 300);
        let line = format!("{} {how}{when}: {text}", escape::clip(notice.node.as_str(), 80));
        if lines.len() < MOST_NOTICES && !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

fn speed(accounting: &Accounting) -> Vec<String> {
    let Some(first) = accounting.first_told else { return Vec::new() };
    let mut lines = vec![format!("The first lie was told at {}.", format::moment(first))];
    for (time, what) in [
        (accounting.first_seen, "an answer first gave a lie to a client"),
        (accounting.first_noticed, "the database first said that something is wrong"),
        (accounting.first_proved, "the record first proved an anomaly"),
    ] {
        lines.push(match time {
            Some(time) if time >= first => {
                format!("{} later {what}.", format::length(time - first))
            }
            Some(time) => format!("Before it, at {}, {what}.", format::moment(time)),
            None => continue,
        });
    }
    if accounting.first_noticed.is_none() {
        lines.push("The database never said to a client that something is wrong.".into());
    }
    if accounting.first_proved.is_none() {
        lines.push("The record never proved an anomaly.".into());
    }
    lines
}

fn bound(accounting: &Accounting) -> String {
    let nodes: Vec<&str> = accounting.charged.iter().take(20).map(|node| node.as_str()).collect();
    format!(
        "Of {}, {} charged with lies ({}). The database claims to withstand {}.",
        format::counted(accounting.nodes as u64, "node", "nodes"),
        format::counted(accounting.charged.len() as u64, "is", "are"),
        escape::clip(&deeds::names(&nodes), 300),
        match accounting.claimed {
            0 => "none".to_owned(),
            claimed => format::count(claimed as u64),
        }
    )
}
