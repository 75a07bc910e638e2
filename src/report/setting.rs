//! The rest of a report: what was claimed, what was broken, where it ran, how to repeat it.

use perjury_history::{Injection, Verdict};
use serde::Serialize;

use super::escape;
use super::evidence::Evidence;
use super::format;
use super::record::FaultLife;

/// What was claimed, and what was found.
#[derive(Debug, Serialize)]
pub struct Claimed {
    promise: Option<String>,
    source: Option<String>,
    /// Is the source an address that may be followed?
    source_is_link: bool,
    exempt: Option<String>,
    outside: Option<String>,
    /// What was found: how often which anomaly.
    found: Vec<(String, String)>,
    /// What was found, in one sentence.
    conclusion: String,
}

/// What the section says.
pub fn claimed(evidence: &Evidence) -> Claimed {
    let claims = evidence.environment.as_ref().ok().map(|all| &all.claims);
    let judgement = evidence.judgement.as_ref().ok();
    let outside = judgement.and_then(|all| all.outside_claim.clone());
    let text = |text: &String| Some(escape::clip(text, 1000)).filter(|text| !text.is_empty());
    let conclusion = match (judgement.map(|all| all.verdict), &outside) {
        (None, _) => "Nothing was judged.",
        (Some(Verdict::Valid), _) => {
            "Nothing in this record contradicts the promise. That is evidence, not proof."
        }
        (Some(Verdict::Unknown), _) => "The record neither contradicts nor supports the promise.",
        (Some(Verdict::Invalid), None) => "The record contradicts the promise.",
        (Some(Verdict::Invalid), Some(_)) => {
            "There are anomalies, under conditions that the promise does not cover."
        }
    };
    let source = claims.and_then(|claims| text(&claims.source));
    let followed = |source: &String| {
        source.starts_with("https://") && source.chars().all(|c| c.is_ascii_graphic())
    };
    Claimed {
        promise: claims.and_then(|claims| text(&claims.promise)),
        source_is_link: source.as_ref().is_some_and(followed),
        source,
        exempt: claims.and_then(|claims| claims.exempt.as_ref()).and_then(text),
        outside,
        found: found(evidence),
        conclusion: conclusion.into(),
    }
}

/// How many of the shown anomalies are of which kind.
fn found(evidence: &Evidence) -> Vec<(String, String)> {
    let mut kinds: Vec<(&'static str, u64)> = Vec::new();
    for anomaly in evidence.anomalies() {
        let name = anomaly.kind.name();
        match kinds.iter_mut().find(|(kind, _)| *kind == name) {
            Some((_, count)) => *count += 1,
            None => kinds.push((name, 1)),
        }
    }
    let shown: u64 = kinds.iter().map(|(_, count)| count).sum();
    let more = evidence.anomaly_count().saturating_sub(shown);
    let mut lines: Vec<(String, String)> =
        kinds.into_iter().map(|(kind, count)| (kind.into(), format::count(count))).collect();
    if more > 0 {
        lines.push(("not listed".into(), format::count(more)));
    }
    lines
}

/// One fault's line.
#[derive(Debug, Serialize)]
pub struct FaultLine {
    id: String,
    name: &'static str,
    what: String,
    nodes: String,
    from: String,
    until: String,
    effect: Option<Effect>,
    heal: Option<Effect>,
}

#[derive(Debug, Serialize)]
struct Effect {
    name: &'static str,
    symbol: &'static str,
    text: String,
}

fn effect(injection: &Injection) -> Effect {
    let symbol = match injection {
        Injection::Installed(_) => "✓",
        Injection::Skipped(_) => "–",
        Injection::Indeterminate(_) => "?",
    };
    Effect { name: injection.name(), symbol, text: escape::clip(injection.reason(), 300) }
}

/// The table of faults.
pub fn faults(evidence: &Evidence) -> Vec<FaultLine> {
    let line = |life: &FaultLife| {
        let mut nodes: Vec<&str> = life.nodes.iter().map(|node| node.as_str()).collect();
        nodes.dedup();
        FaultLine {
            id: life.id.0.to_string(),
            name: life.name,
            what: life.what.clone(),
            nodes: escape::clip(&nodes.join(", "), 200),
            from: format::moment(life.from),
            until: life.until.map_or("never".into(), format::moment),
            effect: life.injection.as_ref().map(effect),
            heal: life.heal.as_ref().map(|heal| match heal {
                // The same word means the opposite of a heal.
                Injection::Installed(_) => Effect { name: "healed", ..effect(heal) },
                _ => effect(heal),
            }),
        }
    };
    evidence.survey.faults.iter().map(line).collect()
}

/// Where a run took place.
#[derive(Debug, Serialize)]
pub struct Setting {
    problem: Option<String>,
    perjury: String,
    controller: String,
    nodes: Vec<NodeLine>,
    run_toml: Option<String>,
}

#[derive(Debug, Serialize)]
struct NodeLine {
    name: String,
    address: String,
    kernel: String,
    memory: String,
    missing: Vec<String>,
}

/// What the section says.
pub fn setting(evidence: &Evidence) -> Setting {
    let environment = evidence.environment.as_ref();
    let node = |node: &crate::store::NodeInfo| NodeLine {
        name: node.name.to_string(),
        address: node.address.to_string(),
        kernel: escape::clip(&node.kernel, 200),
        memory: format!("{} MiB", format::count(node.memory_mib)),
        missing: node.missing.iter().take(40).map(|what| escape::clip(what, 300)).collect(),
    };
    let known = environment.ok();
    Setting {
        problem: environment.err().cloned(),
        perjury: known.map(|all| all.perjury.clone()).unwrap_or_default(),
        controller: known.map(|all| all.controller.clone()).unwrap_or_default(),
        nodes: known.map(|all| all.nodes.iter().take(500).map(node).collect()).unwrap_or_default(),
        run_toml: evidence.spec_text.as_ref().map(|text| escape::clip(text, 60_000)),
    }
}

/// How to repeat a run.
#[derive(Debug, Serialize)]
pub struct Repeat {
    test: String,
    check: String,
    history_file: String,
    sum: Option<String>,
}

/// What the section says.
pub fn repeat(evidence: &Evidence) -> Repeat {
    let folder = shell(&format!("results/{}", evidence.id));
    let run = shell(&format!("results/{}/run.toml", evidence.id));
    Repeat {
        test: format!("perjury test --run {run}"),
        check: format!("perjury check {folder}"),
        history_file: evidence.history_file.clone(),
        sum: evidence.history_sum.clone(),
    }
}

/// A word for a shell. Whoever copies the line gets the name and nothing else.
fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    match word.chars().all(plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_one_word() {
        assert_eq!(shell("results/a-b"), "results/a-b");
        assert_eq!(shell("results/a;rm -rf ~"), "'results/a;rm -rf ~'");
        assert_eq!(shell("it's"), "'it'\\''s'");
    }
}
