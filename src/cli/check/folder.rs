//! Judges the folder of a run again, and writes its verdict and report.

use std::path::Path;
use std::time::Instant;

use perjury_checkers::{Options, judge_with_certificate};
use serde_json::{Value as Json, json};

use super::{Said, Settings, file, online, shown, strongest};
use crate::cli::judge::{JudgeError, judge_run};
use crate::cli::{Exit, account};
use crate::store::{RunFolder, StoreError};

pub(super) fn judge(at: usize, path: &Path, settings: &Settings<'_>) -> Said {
    match judged(at, path, settings) {
        Ok(said) => said,
        Err(error) => {
            let exit = match error {
                JudgeError::Model(_) | JudgeError::Store(StoreError::NoRun(_)) => Exit::Usage,
                _ => Exit::Infrastructure,
            };
            Said::error(exit, &error)
        }
    }
}

/// Judges the history alone, entry by entry. Nothing is written.
pub(super) fn judge_online(path: &Path, settings: &Settings<'_>) -> Said {
    match RunFolder::open(path) {
        Ok(folder) => online::judge(&folder.history_path(), settings),
        Err(error) => Said::error(Exit::Usage, &error),
    }
}

fn judged(at: usize, path: &Path, settings: &Settings<'_>) -> Result<Said, JudgeError> {
    let folder = RunFolder::open(path)?;
    let begin = Instant::now();
    let judged = judge_run(&folder, settings.model, settings.budget.clone())?;
    let seconds = begin.elapsed().as_secs_f64();
    let judgement = &judged.judgement;
    let mut said = Said::new(Exit::of(judgement));
    let name = shown(path);
    let how = file::how(&judgement.findings);
    let model = file::stat(&judgement.findings, "model").and_then(Json::as_str);
    let model = model.map(|model| format!("{model}, ")).unwrap_or_default();
    let head = format!("{} ({model}{seconds:.3} s{how})", judgement.verdict);
    said.line(&name, format_args!("{head}: {}", judgement.sentence));
    if let Some(why) = &judgement.compromised {
        said.line(&name, format_args!("compromised: {why}"));
    }
    for line in judgement.accounting.iter().flat_map(account::lines) {
        said.line(&name, format_args!("{line}"));
    }
    said.line(&name, format_args!("report {}", judged.report.display()));
    let mut object = json!({
        "schema": 1, "path": path, "judgement": judgement, "seconds": seconds,
        "states": file::stat(&judgement.findings, "states"),
        "taken": file::stat(&judgement.findings, "path"), "exit": said.exit.code(),
    });
    if settings.certificate.is_some() || settings.strongest {
        let history = folder.history()?;
        let header = history.header.as_ref().map(|header| header.model.as_str());
        let named = header.unwrap_or_default().parse().map_err(JudgeError::Model);
        let model = settings.model.map_or(named, Ok)?;
        let options = Options { budget: settings.budget.clone(), ..Options::new(model) };
        if settings.strongest {
            let findings = &judgement.findings;
            object["strongest"] = strongest::tell(&name, &history, &options, findings, &mut said);
        }
        if let Some(target) = &settings.certificate {
            let (_, certificate) = judge_with_certificate(&history, &options);
            target.write(at, &name, certificate.as_ref(), &mut said);
        }
    }
    said.object(object);
    Ok(said)
}
