//! `--online`: judges a file entry by entry, as if it were still being made, and stops at the first
//! anomaly that is proved.

use std::path::Path;
use std::time::Instant;

use perjury_checkers::{ModelName, Online, Options};
use perjury_history::{Event, Order, Phase, Verdict};
use serde_json::json;

use super::{Said, Settings, file, shown};
use crate::cli::Exit;

pub(super) fn judge(path: &Path, settings: &Settings<'_>) -> Said {
    let (imported, model) = match file::read(path, settings) {
        Ok(read) => read,
        Err(said) => return said,
    };
    let name = shown(path);
    if !imported.history.order.is_real_time() {
        return undecided(path, model, Order::NO_REAL_TIME);
    }
    let options = Options {
        initial: settings.initial.clone(),
        budget: settings.budget.clone(),
        ..Options::new(model)
    };
    let Some(mut online) = Online::new(options) else {
        return Said::failed(Exit::Usage, format!("{name}: --online does not know {model}"));
    };
    let begin = Instant::now();
    let (mut read, mut early) = (0, None);
    for entry in &imported.history.entries {
        if matches!(entry.event, Event::Phase(Phase::Scrub)) {
            // What follows are the nodes' own copies, which may lag behind.
            break;
        }
        read += 1;
        match online.push(entry) {
            Ok(None) => {}
            Ok(found) => {
                early = found;
                break;
            }
            Err(why) => return undecided(path, model, &why),
        }
    }
    let (verdict, anomaly, held) = match early {
        Some(anomaly) => (Verdict::Invalid, Some(anomaly), None),
        None => {
            let ended = online.finish();
            (ended.verdict, ended.anomaly, Some(ended.most_held))
        }
    };
    let seconds = begin.elapsed().as_secs_f64();
    let mut said = Said::new(file::exit(verdict));
    let all = imported.history.entries.len();
    said.line(
        &name,
        format_args!("{verdict} ({model}, {seconds:.3} s, online): read {read} of {all} entries"),
    );
    if let Some(anomaly) = &anomaly {
        said.line(&name, format_args!("{}: {}", anomaly.kind, anomaly.detail));
    }
    said.object(json!({
        "schema": 1,
        "path": path,
        "model": model.name(),
        "verdict": verdict,
        "seconds": seconds,
        "taken": "online",
        "entries-read": read,
        "most-held": held,
        "anomaly": anomaly,
        "exit": said.exit.code(),
    }));
    said
}

fn undecided(path: &Path, model: ModelName, why: &str) -> Said {
    let mut said = Said::new(Exit::Unknown);
    said.line(&shown(path), format_args!("unknown: the history cannot be judged: {why}"));
    said.object(json!({
        "schema": 1, "path": path, "model": model.name(), "verdict": Verdict::Unknown,
        "why": why, "exit": Exit::Unknown.code(),
    }));
    said
}
