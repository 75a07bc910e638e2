//! Judges one history file, of our own format or another tool's.

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use perjury_checkers::{ModelName, Options, judge_with_certificate, sentence, worst};
use perjury_history::import::{self, Imported};
use perjury_history::{Call, Event, Finding, Order, Verdict};
use serde_json::{Value as Json, json};

use super::{Said, Settings, shown, strongest};
use crate::cli::Exit;

/// The history and its model, or what is to be said instead.
pub(super) fn read(path: &Path, settings: &Settings<'_>) -> Result<(Imported, ModelName), Said> {
    let imported = import::read(path, settings.format, &settings.dialect)
        .map_err(|error| Said::error(Exit::Infrastructure, &error))?;
    let word = imported.model.as_deref();
    if let (None, Some(word)) = (settings.model, word)
        && word.parse::<ModelName>().is_err()
    {
        let why = format!("there is no checker for {word:?}");
        return Err(unchecked(path, word, &why, &imported));
    }
    let model = model(path, word, settings)?;
    if let (true, Some(owner)) = (model.has_owners(), &imported.other_owners) {
        let why = format!("{model} takes the process for the owner, but {owner}");
        return Err(unchecked(path, &model.to_string(), &why, &imported));
    }
    Ok((imported, model))
}

/// What is said of a history that was read, but cannot be judged by its model.
fn unchecked(path: &Path, model: &str, why: &str, imported: &Imported) -> Said {
    let mut said = Said::new(Exit::Unknown);
    let name = shown(path);
    said.line(&name, format_args!("{}: {why}; {}", Verdict::Unknown, contents(imported)));
    said.object(json!({
        "schema": 1,
        "path": path,
        "format": imported.format.name(),
        "model": model,
        "verdict": Verdict::Unknown,
        "why": why,
        "operations": operations(imported),
        "processes": processes(imported),
        "order": imported.history.order,
        "exit": Exit::Unknown.code(),
    }));
    said
}

/// What was read, in words.
fn contents(imported: &Imported) -> String {
    let count = |number: usize, noun: &str| {
        format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
    };
    let transactions = |call: &Call| matches!(call, Call::Txn { .. });
    let all = calls(imported).all(transactions);
    let what = count(operations(imported), if all { "transaction" } else { "operation" });
    let who = match imported.history.order {
        Order::RealTime => "client",
        Order::Sessions => "session",
    };
    format!("read as {}: {what} of {}", imported.format, count(processes(imported), who))
}

fn processes(imported: &Imported) -> usize {
    let invoked = imported.history.entries.iter().filter_map(|entry| match &entry.event {
        Event::Invoke { process, .. } => Some(process),
        _ => None,
    });
    invoked.collect::<HashSet<_>>().len()
}

fn calls(imported: &Imported) -> impl Iterator<Item = &Call> {
    imported.history.entries.iter().filter_map(|entry| match &entry.event {
        Event::Invoke { call, .. } => Some(call),
        _ => None,
    })
}

/// The model that the command line names, else the history.
pub(super) fn model(
    path: &Path,
    named: Option<&str>,
    settings: &Settings<'_>,
) -> Result<ModelName, Said> {
    let suggested = named.and_then(|name| name.parse().ok());
    settings.model.or(suggested).ok_or_else(|| {
        let what = "the history does not tell its model; name it with --model";
        Said::failed(Exit::Usage, format!("{}: {what}", path.display()))
    })
}

/// A figure of the finding that decided.
pub(super) fn stat<'a>(findings: &'a [Finding], name: &str) -> Option<&'a Json> {
    findings.iter().rev().find_map(|finding| finding.stats.get(name))
}

/// ", by search of 7 states": which path was taken.
pub(super) fn how(findings: &[Finding]) -> String {
    let states = stat(findings, "states").and_then(Json::as_u64).unwrap_or_default();
    match stat(findings, "path").and_then(Json::as_str) {
        // Nothing was begun.
        Some("") | None => String::new(),
        Some("elements") => ", element by element".to_owned(),
        Some(path) if states > 0 => format!(", by {path} of {states} states"),
        Some(path) => format!(", by {path}"),
    }
}

/// The exit code of a verdict.
pub(super) fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Valid => Exit::Valid,
        Verdict::Unknown => Exit::Unknown,
        Verdict::Invalid => Exit::Anomaly,
    }
}

pub(super) fn judge(at: usize, path: &Path, settings: &Settings<'_>) -> Said {
    let (imported, model) = match read(path, settings) {
        Ok(read) => read,
        Err(said) => return said,
    };
    let begin = Instant::now();
    let options = Options {
        initial: settings.initial.clone(),
        budget: settings.budget.clone(),
        ..Options::new(model)
    };
    let (findings, certificate) = judge_with_certificate(&imported.history, &options);
    let seconds = begin.elapsed().as_secs_f64();
    let verdict = worst(&findings);
    let mut said = Said::new(exit(verdict));
    let name = shown(path);
    let how = how(&findings);
    let told = sentence(&findings, "the database", true);
    said.line(&name, format_args!("{verdict} ({model}, {seconds:.3} s{how}): {told}"));
    if !imported.history.order.is_real_time() {
        said.line(&name, contents(&imported));
    }
    if let Some(anomaly) = findings.iter().flat_map(|finding: &Finding| &finding.anomalies).next() {
        said.line(&name, format_args!("{}: {}", anomaly.kind, anomaly.detail));
    }
    let prefix = |finding: &&Finding| finding.stats.contains_key("explained-before");
    if let Some(finding) = findings.iter().find(prefix) {
        said.line(&name, &finding.summary);
    }
    let strongest = settings
        .strongest
        .then(|| strongest::tell(&name, &imported.history, &options, &findings, &mut said));
    said.object(json!({
        "schema": 1,
        "path": path,
        "format": imported.format.name(),
        "model": model.to_string(),
        "verdict": verdict,
        "seconds": seconds,
        "operations": operations(&imported),
        "processes": processes(&imported),
        "order": imported.history.order,
        "states": stat(&findings, "states"),
        "taken": stat(&findings, "path"),
        "findings": findings,
        "strongest": strongest,
        "exit": said.exit.code(),
    }));
    if let Some(target) = &settings.certificate {
        target.write(at, &name, certificate.as_ref(), &mut said);
    }
    said
}

fn operations(imported: &Imported) -> usize {
    calls(imported).count()
}
