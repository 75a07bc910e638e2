//! From a run's folder to its verdict and its report.

use std::path::PathBuf;

use perjury_checkers::{Expected, ModelName, Options, judge, sentence, worst};
use perjury_history::{Event, Finding, History, Judgement, Phase, Value, Verdict};

use super::account::Ledgers;
use crate::config::RunSpec;
use crate::databases::Claims;
use crate::report;
use crate::store::{Environment, RunFolder, StoreError};

/// The version of `verdict.json`.
const SCHEMA: u32 = 1;

/// Why a run could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// Something in its folder could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The history does not say which model it is of.
    #[error("{0}; name it with --model")]
    Model(String),
    /// The report could not be made.
    #[error(transparent)]
    Report(#[from] report::ReportError),
}

/// What a judged run comes to.
pub struct Judged {
    /// The judgement, also in `verdict.json`.
    pub judgement: Judgement,
    /// The report.
    pub report: PathBuf,
}

/// Judges a run, writes its verdict and its report.
///
/// # Errors
/// The history is damaged, or the folder cannot be written.
pub fn judge_run(
    folder: &RunFolder,
    model: Option<ModelName>,
    budget: perjury_checkers::Budget,
) -> Result<Judged, JudgeError> {
    let judgement = judge_alone(folder, model, budget)?;
    let html = report::render(folder)?;
    let report = folder.write_report(&html)?;
    Ok(Judged { judgement, report })
}

/// Judges a run and writes its verdict.
///
/// # Errors
/// As [`judge_run`].
pub fn judge_alone(
    folder: &RunFolder,
    model: Option<ModelName>,
    budget: perjury_checkers::Budget,
) -> Result<Judgement, JudgeError> {
    let history = folder.history()?;
    let spec = folder.spec().ok();
    let environment = folder.environment().ok();
    let model = model_of(&history, model)?;
    let options = Options {
        model,
        initial: initial(model),
        expected: spec.as_ref().map(|spec| expected(spec, model)),
        budget,
    };
    let findings = judge(&history, &options);
    let ledgers = Ledgers::read(folder)?;
    let claims = environment.as_ref().map(|environment| &environment.claims);
    let uncovered = claims.and_then(|claims| ledgers.uncovered(claims, &history, &findings));
    let exempt = uncovered.is_some() || claims.is_some_and(|claims| claims.exempt.is_some());
    let accounting = ledgers.account(folder, &history, &findings, spec.as_ref(), claims, exempt);
    let outside = claims.and_then(|claims| outside(claims, &history, &ledgers, uncovered));
    let mut judgement = judgement(findings, outside, environment.as_ref(), spec.as_ref());
    judgement.accounting = accounting;
    if judgement.compromised.is_some() && failed_before_its_load(&history) {
        judgement.sentence = format!(
            "Nothing was asked of {}: the run failed before its load.",
            subject(spec.as_ref())
        );
    }
    folder.write_judgement(&judgement)?;
    Ok(judgement)
}

/// What an object holds at first in our own loads: every account of a bank holds nothing.
fn initial(model: ModelName) -> Value {
    if model == ModelName::Bank { Value::Int(0) } else { Value::Nil }
}

fn model_of(history: &History, model: Option<ModelName>) -> Result<ModelName, JudgeError> {
    if let Some(model) = model {
        return Ok(model);
    }
    let named = history.header.as_ref().map(|header| header.model.as_str()).unwrap_or_default();
    named.parse().map_err(JudgeError::Model)
}

/// What a run with this declaration has to show to count as a test.
fn expected(spec: &RunSpec, model: ModelName) -> Expected {
    use crate::workloads::Spec;
    let mut calls: Vec<&str> = match &spec.workload.load {
        Spec::Register(_) => vec!["read", "write"],
        Spec::Set(_) => vec!["add", "read-all"],
        Spec::Bank(_) => vec!["transfer", "read-accounts", "read"],
        Spec::Pairs(_) => vec!["txn"],
    };
    if model == ModelName::CasRegister {
        calls.push("cas");
    }
    if model == ModelName::Kv {
        calls.push("delete");
    }
    Expected {
        calls: calls.into_iter().map(str::to_owned).collect(),
        faults: !spec.nemesis.fault.is_empty(),
    }
}

/// A run says that it is over, and never said that its load began.
fn failed_before_its_load(history: &History) -> bool {
    let entered = |wanted: Phase| {
        let mut events = history.entries.iter().map(|entry| &entry.event);
        events.any(|event| matches!(event, Event::Phase(phase) if *phase == wanted))
    };
    entered(Phase::End) && !entered(Phase::Load)
}

/// What was tested, in words.
fn subject(spec: Option<&RunSpec>) -> String {
    spec.map_or_else(
        || "the database".to_owned(),
        |spec| format!("{} ({})", spec.names.database, spec.names.nemesis),
    )
}

/// Why an anomaly is outside the claim, if it is; `uncovered` is what [`Ledgers::uncovered`] says.
fn outside(
    claims: &Claims,
    history: &History,
    ledgers: &Ledgers,
    uncovered: Option<String>,
) -> Option<String> {
    let beyond = ledgers.beyond(claims, history);
    let reasons = beyond.into_iter().chain(uncovered).chain(claims.exempt.clone());
    let reasons: Vec<String> = reasons.collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

fn judgement(
    findings: Vec<Finding>,
    exempt: Option<String>,
    environment: Option<&Environment>,
    spec: Option<&RunSpec>,
) -> Judgement {
    let verdict = worst(&findings);
    let ended = environment.and_then(|environment| environment.ended.as_ref());
    let compromised = match (environment, ended) {
        (Some(_), None) => Some("the controller did not live to the end of the run".to_owned()),
        (_, Some(ended)) => ended.compromised.clone(),
        (None, None) => None,
    };
    Judgement {
        schema: SCHEMA,
        verdict,
        sentence: sentence(&findings, &subject(spec), exempt.is_none()),
        compromised,
        outside_claim: exempt.filter(|_| verdict == Verdict::Invalid),
        accounting: None,
        findings,
        judged_by: format!("perjury {}", env!("CARGO_PKG_VERSION")),
    }
}
