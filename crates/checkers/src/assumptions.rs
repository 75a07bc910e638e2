//! Is the history one that the other checkers may reason about?
//!
//! They assume that a process does one thing at a time and is silent after an `info`, that time
//! does not run backwards, that each reply fits its call, and that no reply was outside the
//! database's contract. Where that fails, the verdict is *unknown* and says why.

use std::collections::BTreeMap;

use perjury_history::{
    Call, Cause, Finding, History, Operation, Outcome, PairingError, Reply, Verdict,
};

use crate::{Checker, ModelName};

pub(crate) fn check(
    history: &History,
    operations: &Result<Vec<Operation>, PairingError>,
    model: ModelName,
) -> Finding {
    let problem = match operations {
        Err(error) => Some(error.to_string()),
        Ok(operations) => operations.iter().find_map(|operation| misfit(operation, model)),
    };
    let mut stats = BTreeMap::new();
    stats.insert("entries".to_owned(), history.entries.len().into());
    if let Some(cut) = &history.truncation {
        stats.insert("truncated-at-line".to_owned(), cut.line.into());
    }
    let truncated = if history.truncation.is_some() {
        " The end of the file is missing; operations that are open there count as in doubt."
    } else {
        ""
    };
    let (verdict, summary) = match problem {
        None => (Verdict::Valid, format!("The history is well formed.{truncated}")),
        Some(problem) => {
            (Verdict::Unknown, format!("The history is not well formed: {problem}.{truncated}"))
        }
    };
    Finding {
        checker: Checker::Assumptions.name().into(),
        verdict,
        summary,
        anomalies: Vec::new(),
        anomaly_count: 0,
        stats,
    }
}

fn misfit(operation: &Operation, model: ModelName) -> Option<String> {
    let at = operation.invoked;
    let name = operation.call.name();
    if !model.calls().contains(&name) {
        let known = model.calls().join(", ");
        return Some(format!("the model {model} knows {known}, but {at} is a {name}"));
    }
    match operation.outcome()? {
        Outcome::Ok(reply) if !fits(&operation.call, reply) => {
            Some(format!("the {name} of {at} was answered with what is no answer to it: {reply}"))
        }
        Outcome::Info(cause) | Outcome::Fail(cause) if cause.code == Cause::UNMODELLED => {
            Some(format!("the {name} of {at} got a reply outside the contract: {}", cause.detail))
        }
        _ => None,
    }
}

fn fits(call: &Call, reply: &Reply) -> bool {
    match call {
        Call::Read { .. } => matches!(reply, Reply::Value(_) | Reply::Unknown),
        Call::ReadAll { .. } => matches!(reply, Reply::Elements(_) | Reply::Unknown),
        Call::Cas { .. } => matches!(reply, Reply::Swapped(_)),
        Call::Txn { .. } => matches!(reply, Reply::Txn(_)),
        Call::Write { .. }
        | Call::Append { .. }
        | Call::Add { .. }
        | Call::Acquire { .. }
        | Call::Release { .. } => matches!(reply, Reply::Done),
    }
}
