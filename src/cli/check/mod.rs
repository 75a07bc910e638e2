//! `perjury check`: judges run folders and files of other tools.
//!
//! Inputs are judged in parallel and reported in their order, so that the output of two runs is the
//! same but for the times. The worst input decides the exit code, and a proved anomaly is never
//! masked by an input that could not be read.

mod certificate;
mod crew;
mod file;
mod folder;
mod glob;
mod inputs;
mod online;
mod said;
mod strongest;

use std::path::Path;

use perjury_checkers::{Budget, ModelName};
use perjury_history::Value;
use perjury_history::import::{self, Dialect, NilRead as ImportNil};

use super::Exit;
use super::arguments::{Check, NilRead};
use certificate::Target;
use inputs::Input;
use said::Said;

/// What the options come to, the same for every input.
struct Settings<'a> {
    format: Option<import::Format>,
    dialect: Dialect,
    model: Option<ModelName>,
    initial: Value,
    budget: Budget,
    certificate: Option<Target<'a>>,
    strongest: bool,
    online: bool,
}

pub(super) fn run(options: &Check) -> Exit {
    let settings = match settings(options) {
        Ok(settings) => settings,
        Err(what) => return usage(&what),
    };
    if let Some(certificate) = &options.verify {
        return match options.paths.as_slice() {
            [path] if !path.is_dir() => certificate::verify(certificate, path, &settings, options),
            _ => usage("--verify takes one history file"),
        };
    }
    let inputs = inputs::expand(&options.paths);
    let mut settings = settings;
    let threads = crew::size(inputs.len());
    if let Some(bytes) = &mut settings.budget.bytes {
        // So many searches at once have to share the memory of one.
        *bytes /= threads as u64;
    }
    if let Some(out) = &options.certificate {
        settings.certificate = match Target::open(out, &inputs) {
            Ok(target) => Some(target),
            Err(error) => return Exit::Infrastructure.because(&error),
        };
    }
    let mut exit = Exit::Valid;
    let judge = |at: usize| one(at, &inputs[at], &settings);
    crew::in_order(inputs.len(), threads, judge, |said: Said| {
        said.print(options.json);
        exit = exit.worst(said.exit);
    });
    exit
}

fn settings(options: &Check) -> Result<Settings<'_>, String> {
    let text = options.initial.as_deref().unwrap_or("nil");
    let initial = match text {
        "nil" => Value::Nil,
        text => Value::parse_int(text.as_bytes()),
    };
    if matches!(initial, Value::Raw(_)) {
        return Err(format!("--initial {text}: expected a number or nil"));
    }
    let nil_read = match options.nil_read {
        NilRead::Value => ImportNil::Value,
        NilRead::Unknown => ImportNil::Unknown,
    };
    Ok(Settings {
        format: import::Format::parse(&options.format)?,
        dialect: Dialect { nil_read },
        model: options.model,
        initial,
        budget: options.budget.build(),
        certificate: None,
        strongest: options.strongest,
        online: options.online,
    })
}

fn usage(what: &str) -> Exit {
    eprintln!("perjury: {what}");
    Exit::Usage
}

fn one(at: usize, input: &Input, settings: &Settings<'_>) -> Said {
    match input {
        Input::Run(path) if settings.online => folder::judge_online(path, settings),
        Input::Run(path) => folder::judge(at, path, settings),
        Input::File(path) if settings.online => online::judge(path, settings),
        Input::File(path) => file::judge(at, path, settings),
        Input::Nothing(what) => Said::failed(Exit::Usage, what.clone()),
    }
}

/// A path as the beginning of a line.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
