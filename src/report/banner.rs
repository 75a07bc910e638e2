//! The top of a report: the verdict in one sentence, whatever has to be said before it is
//! believed, and what was run.

use perjury_history::{Injection, Phase, Verdict};
use serde::Serialize;

use super::escape;
use super::evidence::Evidence;
use super::format;
use super::record::{FaultLife, Kind};

/// The banner.
#[derive(Debug, Serialize)]
pub struct Banner {
    /// The class of the verdict's colour.
    pub class: &'static str,
    /// A sign for the verdict.
    pub symbol: &'static str,
    /// The word for it.
    pub word: &'static str,
    /// What the word means.
    pub gloss: String,
    /// The judgement in one sentence.
    pub sentence: String,
    /// What else has to be known.
    pub notices: Vec<Notice>,
    /// What was run.
    pub facts: Vec<Fact>,
    /// All parts in one line.
    pub subject: String,
}

/// Something that has to be known before the verdict is believed.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// In two or three words.
    pub title: &'static str,
    /// In sentences.
    pub text: String,
    /// What that means.
    pub gloss: Option<&'static str>,
    /// Does it weaken the verdict?
    pub grave: bool,
}

impl Notice {
    fn grave(title: &'static str, text: impl AsRef<str>) -> Notice {
        Notice { title, text: escape::clip(text.as_ref(), 2000), gloss: None, grave: true }
    }

    fn with(self, gloss: &'static str) -> Notice {
        Notice { gloss: Some(gloss), ..self }
    }
}

/// A name and a value.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// The name.
    pub name: &'static str,
    /// The value.
    pub value: String,
    /// Is it to be set in a font of one width?
    pub code: bool,
}

/// The class, the sign and the word of a verdict; of a missing one too.
pub fn signs(verdict: Option<Verdict>) -> (&'static str, &'static str, &'static str) {
    match verdict {
        Some(Verdict::Valid) => ("valid", "✓", "valid"),
        Some(Verdict::Unknown) => ("unknown", "?", "unknown"),
        Some(Verdict::Invalid) => ("invalid", "✗", "invalid"),
        None => ("none", "–", "not judged"),
    }
}

/// The signs of a run: a compromised run without a proved anomaly is no pass and no failure.
pub fn run_signs(
    verdict: Option<Verdict>,
    compromised: bool,
) -> (&'static str, &'static str, &'static str) {
    if compromised && verdict != Some(Verdict::Invalid) {
        return ("compromised", "⚠", "compromised");
    }
    signs(verdict)
}

/// What failed in the harness, by the judgement or else by the environment.
fn compromised(evidence: &Evidence) -> Option<&str> {
    let judged = evidence.judgement.as_ref().ok().and_then(|all| all.compromised.as_deref());
    let ended = evidence.environment.as_ref().ok().and_then(|all| all.ended.as_ref());
    judged.or_else(|| ended.and_then(|ended| ended.compromised.as_deref()))
}

/// The banner of a run.
pub fn banner(evidence: &Evidence) -> Banner {
    let verdict = evidence.judgement.as_ref().ok().map(|judgement| judgement.verdict);
    let broken = compromised(evidence).is_some();
    let (class, symbol, word) = run_signs(verdict, broken);
    let gloss = match (class, verdict) {
        ("compromised", verdict) => {
            format!("the harness failed: this is no pass; the checkers say {}", signs(verdict).2)
        }
        (_, Some(Verdict::Valid)) => "no anomaly was found".into(),
        (_, Some(Verdict::Unknown)) => "neither proved nor refuted".into(),
        (_, Some(Verdict::Invalid)) => "an anomaly is proved".into(),
        (_, None) => "there is no verdict yet".into(),
    };
    let sentence = match &evidence.judgement {
        Ok(judgement) => escape::clip(&judgement.sentence, 1000),
        Err(why) => format!("This run was not judged: {why}."),
    };
    let subject = match &evidence.declared {
        Ok(all) => format!("{} · {} · {}", all.database, all.workload, all.nemesis),
        Err(_) => evidence.id.clone(),
    };
    let (notices, facts) = (notices(evidence), facts(evidence));
    Banner { class, symbol, word, gloss, sentence, notices, facts, subject }
}

fn notices(evidence: &Evidence) -> Vec<Notice> {
    let mut all = Vec::new();
    let entered = |wanted| evidence.survey.phases.iter().any(|(_, phase)| *phase == wanted);
    let came_to_nothing = entered(Phase::End) && !entered(Phase::Load);
    if let Some(what) = compromised(evidence).filter(|_| came_to_nothing) {
        let gloss = "No operation was made, so nothing is proved and nothing refuted. What the \
                     nodes had logged until then is below.";
        all.push(Notice::grave("Failed before the load", what).with(gloss));
    } else if let Some(what) = compromised(evidence) {
        let gloss = "Something failed in the harness itself. The absence of an anomaly then proves \
                     nothing; a proved anomaly stays proved.";
        all.push(Notice::grave("Compromised", what).with(gloss));
    }
    if let Some(what) = evidence.judgement.as_ref().ok().and_then(|all| all.outside_claim.as_ref())
    {
        let gloss = "The anomaly is proved. The promise does not cover what led to it.";
        all.push(Notice::grave("Outside the claim", what).with(gloss));
    }
    all.extend(ending(evidence));
    if let Some(why) = &evidence.unreadable {
        let gloss = "Nothing of what happened can be shown.";
        all.push(Notice::grave("History unreadable", why).with(gloss));
    }
    if let Some(cut) = &evidence.truncation {
        let text = format!("It breaks off at line {}: {}.", cut.line, cut.what);
        let gloss = "Operations that are open there count as in doubt.";
        all.push(Notice::grave("Truncated history", text).with(gloss));
    }
    if evidence.survey.misfits > 0 {
        let many = format::counted(evidence.survey.misfits, "entry does", "entries do");
        let text = format!("{many} not fit the ones before.");
        all.push(Notice::grave("Ill-formed history", text));
    }
    all.extend(expectation(evidence));
    all
}

/// How the run ended, if not as usual.
fn ending(evidence: &Evidence) -> Option<Notice> {
    let environment = match &evidence.environment {
        Err(why) => return Some(Notice::grave("Environment unknown", why)),
        Ok(environment) => environment,
    };
    match &environment.ended {
        None => {
            let text = "The controller did not finish: it still runs, or it was killed. What \
                        follows is what the record holds.";
            Some(Notice::grave("Not finished", text))
        }
        Some(ended) if ended.interrupted => {
            Some(Notice::grave("Interrupted", "The run was ended early by its user."))
        }
        Some(_) => None,
    }
}

/// What was expected, if not the absence of anomalies.
fn expectation(evidence: &Evidence) -> Option<Notice> {
    let declared = match &evidence.declared {
        Err(why) => return Some(Notice::grave("Declaration unknown", why)),
        Ok(declared) => declared,
    };
    let (title, text) = match declared.expect.as_str() {
        "valid" => return None,
        "invalid" => (
            "Anomaly expected",
            "This run was declared to find an anomaly (expect = \"invalid\"): its absence would be \
             news.",
        ),
        _ => ("Nothing expected", "This run was declared to expect nothing in particular."),
    };
    Some(Notice { grave: false, ..Notice::grave(title, text) })
}

fn facts(evidence: &Evidence) -> Vec<Fact> {
    let mut all = Vec::new();
    let mut say = |name, value: &str, code| {
        all.push(Fact { name, value: escape::clip(value, 300), code });
    };
    let environment = evidence.environment.as_ref().ok();
    let declared = evidence.declared.as_ref().ok();
    if let Some(declared) = declared {
        say("Database", &declared.database, false);
    }
    let version = environment.map(|all| all.database_version.as_str());
    say("Version", version.filter(|text| !text.is_empty()).unwrap_or("unknown"), false);
    if let Some(declared) = declared {
        say("Workload", &declared.workload, false);
        say("Nemesis", &declared.nemesis, false);
        let nodes = environment.map_or(0, |all| all.nodes.len() as u64);
        let nodes = Some(format::counted(nodes, "node", "nodes")).filter(|_| nodes > 0);
        let nodes = nodes.map_or(String::new(), |nodes| format!(", {nodes}"));
        say("Cluster", &format!("{}{nodes}", declared.cluster), false);
        let full = declared.rate <= 0.0;
        let rate = if full { "full speed".into() } else { format!("{} ops/s", declared.rate) };
        let clients = format::counted(declared.clients as u64, "client", "clients");
        say("Load", &format!("{rate}, {clients}"), false);
        say("Seed", &declared.seed, true);
    }
    say("Started", environment.map_or("unknown", |all| &all.started), false);
    let took = environment.and_then(|all| all.ended.as_ref()).map(|ended| ended.took_ms);
    let took = took.map(|millis| millis.saturating_mul(1_000_000));
    let recorded = format!("{} recorded", format::length(evidence.survey.span));
    say("Duration", &took.map_or(recorded, format::length), false);
    say("Faults", &faults(evidence), false);
    all
}

fn faults(evidence: &Evidence) -> String {
    let survey = &evidence.survey;
    let seen = |life: &&FaultLife| matches!(life.injection, Some(Injection::Installed(_)));
    let installed = survey.faults.iter().filter(seen).count() as u64;
    match survey.fault_count {
        0 => "none".into(),
        // Only the listed ones are known in detail.
        all if all > survey.faults.len() as u64 => format::count(all),
        all => format!("{} of {} took effect", format::count(installed), format::count(all)),
    }
}

/// The operations of a run: what the banner draws as a bar.
#[derive(Debug, Serialize)]
pub struct Tally {
    /// The word and class of an outcome.
    pub name: &'static str,
    /// How many.
    pub count: String,
    /// The share of all.
    pub share: String,
}

/// How all operations ended.
pub fn tally(evidence: &Evidence) -> Vec<Tally> {
    let counts = &evidence.survey.counts;
    let line = |name, number| Tally {
        name,
        count: format::count(number),
        share: format::percent(number, counts.total()),
    };
    let mut all: Vec<Tally> =
        Kind::ALL.into_iter().map(|kind| line(kind.name(), counts.of(kind))).collect();
    if counts.open > 0 {
        all.push(line("open", counts.open));
    }
    all
}
