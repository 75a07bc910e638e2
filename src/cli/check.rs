//! `perjury check`: judges run folders and files of other tools.

use std::path::Path;
use std::time::Instant;

use perjury_checkers::{Options, judge, sentence, worst};
use perjury_history::import::{self, Dialect, NilRead as ImportNil};
use perjury_history::{Finding, Value, Verdict};
use serde_json::json;

use super::arguments::{Check, NilRead};
use super::judge::{JudgeError, judge_run};
use super::{Exit, complain};
use crate::store::{RunFolder, StoreError};

pub(super) fn run(options: &Check) -> Exit {
    let format = match import::Format::parse(&options.format) {
        Ok(format) => format,
        Err(what) => return usage(&what),
    };
    let initial = match options.initial.as_str() {
        "nil" => Value::Nil,
        text => Value::parse_int(text.as_bytes()),
    };
    if matches!(initial, Value::Raw(_)) {
        return usage(&format!("--initial {}: expected a number or nil", options.initial));
    }
    let mut exit = Exit::Valid;
    for path in &options.paths {
        exit = exit.worst(if path.is_dir() {
            folder(path, options)
        } else {
            file(path, format, &initial, options)
        });
    }
    exit
}

fn usage(what: &str) -> Exit {
    eprintln!("perjury: {what}");
    Exit::Usage
}

fn folder(path: &Path, options: &Check) -> Exit {
    let result = RunFolder::open(path)
        .map_err(JudgeError::from)
        .and_then(|folder| judge_run(&folder, options.model, options.budget.build()));
    match result {
        Ok(judged) => {
            let judgement = &judged.judgement;
            let exit = Exit::of(judgement);
            eprintln!("{}: {}: {}", path.display(), judgement.verdict, judgement.sentence);
            if let Some(why) = &judgement.compromised {
                eprintln!("{}: compromised: {why}", path.display());
            }
            eprintln!("{}: report {}", path.display(), judged.report.display());
            if options.json {
                let object = json!({
                    "schema": 1, "path": path, "judgement": judgement, "exit": exit.code(),
                });
                println!("{object}");
            }
            exit
        }
        Err(error) => {
            complain(&error);
            match error {
                JudgeError::Model(_) | JudgeError::Store(StoreError::NoRun(_)) => Exit::Usage,
                _ => Exit::Infrastructure,
            }
        }
    }
}

fn file(path: &Path, format: Option<import::Format>, initial: &Value, options: &Check) -> Exit {
    let nil_read = match options.nil_read {
        NilRead::Value => ImportNil::Value,
        NilRead::Unknown => ImportNil::Unknown,
    };
    let imported = match import::read(path, format, &Dialect { nil_read }) {
        Ok(imported) => imported,
        Err(error) => return Exit::Infrastructure.because(&error),
    };
    let suggested = imported.model.as_deref().and_then(|name| name.parse().ok());
    let Some(model) = options.model.or(suggested) else {
        return usage(&format!(
            "{}: the history does not tell its model; name it with --model",
            path.display()
        ));
    };
    let begin = Instant::now();
    let findings = judge(
        &imported.history,
        &Options {
            initial: initial.clone(),
            budget: options.budget.build(),
            ..Options::new(model)
        },
    );
    let seconds = begin.elapsed().as_secs_f64();
    let verdict = worst(&findings);
    let exit = match verdict {
        Verdict::Valid => Exit::Valid,
        Verdict::Unknown => Exit::Unknown,
        Verdict::Invalid => Exit::Anomaly,
    };
    let shown = path.display();
    eprintln!(
        "{shown}: {verdict} ({model}, {seconds:.3} s): {}",
        sentence(&findings, "the database", true)
    );
    if let Some(anomaly) = findings.iter().flat_map(|finding: &Finding| &finding.anomalies).next() {
        eprintln!("{shown}: {}: {}", anomaly.kind, anomaly.detail);
    }
    if options.json {
        let object = json!({
            "schema": 1,
            "path": path,
            "model": model.name(),
            "verdict": verdict,
            "seconds": seconds,
            "findings": findings,
            "exit": exit.code(),
        });
        println!("{object}");
    }
    exit
}
