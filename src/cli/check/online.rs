//! `--online`: judges a history entry by entry, as if it were still being made, and stops at the
//! first anomaly that is proved. Files of our own format are read entry by entry too; those of
//! other tools are taken apart as a whole first, since what an entry of theirs means may depend on
//! later ones.

use std::path::Path;
use std::time::Instant;

use perjury_checkers::{ModelName, Online, Options, Proof};
use perjury_history::import::Format;
use perjury_history::{
    Entries, Entry, Event, FileError, Order, Phase, Truncation, Verdict, verify_sum,
};
use serde_json::json;

use super::{Said, Settings, file, shown};
use crate::cli::Exit;

/// What came of an input.
struct Told {
    model: ModelName,
    read: u64,
    /// The verdict with its proof, or why there is none.
    result: Result<(Verdict, Option<Proof>), String>,
    most_held: Option<usize>,
    cut: Option<Truncation>,
}

impl Told {
    /// Nothing, for a history that does not say what came before what.
    fn unordered(model: ModelName) -> Told {
        let result = Err(Order::NO_REAL_TIME.to_owned());
        Told { model, read: 0, result, most_held: None, cut: None }
    }
}

pub(super) fn judge(path: &Path, settings: &Settings<'_>) -> Said {
    let begin = Instant::now();
    match told(path, settings) {
        Ok(told) => say(path, &told, begin.elapsed().as_secs_f64()),
        Err(said) => said,
    }
}

fn told(path: &Path, settings: &Settings<'_>) -> Result<Told, Said> {
    let fail = |error: FileError| Said::error(Exit::Infrastructure, &error);
    if matches!(settings.format, None | Some(Format::Perjury)) {
        verify_sum(path).map_err(fail)?;
        match Entries::open(path) {
            Ok(mut entries) => {
                let named = entries.header().model.clone();
                let order = entries.header().order;
                // A model without a checker is refused there, which says what was read.
                let model = match (settings.model, named.parse::<ModelName>()) {
                    (None, Err(_)) => file::read(path, settings)?.1,
                    _ => file::model(path, Some(&named), settings)?,
                };
                if !order.is_real_time() {
                    return Ok(Told::unordered(model));
                }
                let mut told = feed(model, settings, || entries.read()).map_err(fail)?;
                told.cut = entries.truncation().filter(|_| told.most_held.is_some());
                return Ok(told);
            }
            // Not ours: it is for the importers to say what it is.
            Err(FileError::Line { line: 1, .. }) if settings.format.is_none() => {}
            Err(error) => return Err(fail(error)),
        }
    }
    let (imported, model) = file::read(path, settings)?;
    if !imported.history.order.is_real_time() {
        return Ok(Told::unordered(model));
    }
    let mut entries = imported.history.entries.into_iter();
    let mut told = feed(model, settings, || Ok(entries.next())).map_err(fail)?;
    told.cut = imported.history.truncation.filter(|_| told.most_held.is_some());
    Ok(told)
}

fn feed(
    model: ModelName,
    settings: &Settings<'_>,
    mut next: impl FnMut() -> Result<Option<Entry>, FileError>,
) -> Result<Told, FileError> {
    let mut online = Online::new(Options {
        initial: settings.initial.clone(),
        budget: settings.budget.clone(),
        ..Options::new(model)
    });
    let mut read = 0;
    let early = loop {
        let Some(entry) = next()? else { break None };
        if matches!(entry.event, Event::Phase(Phase::Scrub)) {
            // What follows are the nodes' own copies, which may lag behind.
            break None;
        }
        read += 1;
        match online.push(&entry) {
            Ok(None) => {}
            Ok(Some(proof)) => break Some(Ok((Verdict::Invalid, Some(proof.clone())))),
            Err(why) => break Some(Err(why)),
        }
    };
    let (result, most_held) = match early {
        Some(result) => (result, None),
        None => {
            let ended = online.finish();
            (Ok((ended.verdict, ended.proof)), Some(ended.most_held))
        }
    };
    Ok(Told { model, read, result, most_held, cut: None })
}

fn say(path: &Path, told: &Told, seconds: f64) -> Said {
    let name = shown(path);
    let Told { model, read, .. } = told;
    let verdict = told.result.as_ref().map_or(Verdict::Unknown, |(verdict, _)| *verdict);
    let mut said = Said::new(file::exit(verdict));
    let how = format!("{verdict} ({model}, {seconds:.3} s, online)");
    let proof = match &told.result {
        Ok((_, proof)) => proof.as_ref(),
        Err(why) => {
            said.line(&name, format_args!("{how}: the history cannot be judged: {why}"));
            None
        }
    };
    match (proof, told.most_held) {
        (Some(Proof { at, anomaly }), _) => {
            said.line(&name, format_args!("{how}: proved at {at}, {read} entries were read"));
            said.line(&name, format_args!("{}: {}", anomaly.kind, anomaly.detail));
        }
        (None, Some(held)) => {
            let kept = if held == 1 { "operation" } else { "operations" };
            let what = format!("{read} entries were read, at most {held} {kept} kept");
            said.line(&name, format_args!("{how}: {what}"));
        }
        (None, None) => {}
    }
    if let Some(cut) = &told.cut {
        let what = format!("the file is cut off at line {}: {}", cut.line, cut.what);
        said.line(&name, what);
    }
    said.object(json!({
        "schema": 1,
        "path": path,
        "model": model.to_string(),
        "verdict": verdict,
        "seconds": seconds,
        "taken": "online",
        "entries-read": read,
        "most-held": told.most_held,
        "proved-at": proof.map(|proof| proof.at),
        "anomaly": proof.map(|proof| &proof.anomaly),
        "why": told.result.as_ref().err(),
        "truncated-at-line": told.cut.as_ref().map(|cut| cut.line),
        "exit": said.exit.code(),
    }));
    said
}
