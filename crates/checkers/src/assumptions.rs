//! Is the history one that the other checkers may reason about?
//!
//! They assume that a process does one thing at a time and is silent after an `info`, that time
//! does not run backwards, and that each call and each reply is one of the model. Where that fails,
//! nothing else is checked: a checker that left out what it does not understand might leave out the
//! very write that explains a read. A reply outside the database's contract is less: its operation
//! is in doubt, what the others prove stays proved, but the verdict cannot be *valid*.

use std::collections::BTreeMap;

use perjury_history::{
    Call, Cause, Finding, History, Micro, Operation, Order, Outcome, PairingError, Reply, Verdict,
};

use crate::{Checker, ModelName};

/// How well the history is formed.
enum Form {
    Good,
    /// Replies outside the contract: so many, and the first one.
    Doubtful(usize, String),
    /// Nothing can be concluded from it.
    Ill(String),
    /// Every checker needs real time, and the history has none.
    Unordered,
}

/// The finding, and whether the other checkers may go on.
pub(crate) fn check(
    history: &History,
    operations: &Result<Vec<Operation>, PairingError>,
    model: ModelName,
) -> (Finding, bool) {
    let form = match operations {
        _ if !history.order.is_real_time() => Form::Unordered,
        Err(error) => Form::Ill(error.to_string()),
        Ok(operations) => form(operations, model),
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
    let (verdict, summary) = match &form {
        Form::Good => (Verdict::Valid, format!("The history is well formed.{truncated}")),
        Form::Doubtful(1, first) => (
            Verdict::Unknown,
            format!("One reply is outside the database's contract: {first}.{truncated}"),
        ),
        Form::Doubtful(count, first) => (
            Verdict::Unknown,
            format!(
                "{count} replies are outside the database's contract. The first: {first}.\
                 {truncated}"
            ),
        ),
        Form::Unordered => {
            (Verdict::Unknown, format!("The history is not judged: {}.", Order::NO_REAL_TIME))
        }
        Form::Ill(problem) => (
            Verdict::Unknown,
            format!("The history cannot be judged, it is ill formed: {problem}.{truncated}"),
        ),
    };
    let finding = Finding {
        checker: Checker::Assumptions.name().into(),
        verdict,
        summary,
        anomalies: Vec::new(),
        anomaly_count: 0,
        stats,
    };
    (finding, matches!(form, Form::Good | Form::Doubtful(..)))
}

/// Makes a call whose reply was outside the contract doubtful, also where the client took it for a
/// failure: what broke the contract once is not believed to have had no effect.
pub(crate) fn doubt(operations: &mut [Operation]) {
    for operation in operations {
        if let Some((_, _, outcome)) = &mut operation.completion
            && let Outcome::Fail(cause) = outcome
            && cause.code == Cause::UNMODELLED
        {
            *outcome = Outcome::Info(cause.clone());
        }
    }
}

fn form(operations: &[Operation], model: ModelName) -> Form {
    if let Some(problem) = operations.iter().find_map(|operation| misfit(operation, model)) {
        return Form::Ill(problem);
    }
    let doubtful: Vec<String> = operations.iter().filter_map(unmodelled).collect();
    match doubtful.first() {
        None => Form::Good,
        Some(first) => Form::Doubtful(doubtful.len(), first.clone()),
    }
}

fn unmodelled(operation: &Operation) -> Option<String> {
    match operation.outcome()? {
        Outcome::Info(cause) | Outcome::Fail(cause) if cause.code == Cause::UNMODELLED => {
            let (name, at) = (operation.call.name(), operation.invoked);
            Some(format!("the {name} of {at} was answered {:?}", cause.detail))
        }
        _ => None,
    }
}

/// What the model does not know.
pub(crate) fn misfit(operation: &Operation, model: ModelName) -> Option<String> {
    let at = operation.invoked;
    let name = operation.call.name();
    if !model.calls().contains(&name) {
        let known = model.calls().join(", ");
        return Some(format!("the model {model} knows {known}, but {at} is a {name}"));
    }
    if let Call::Txn { steps } = &operation.call
        && steps.iter().any(|step| matches!(step, Micro::Append(..)))
    {
        return Some(format!("the model {model} knows no appends, but {at} has one"));
    }
    match operation.outcome()? {
        Outcome::Ok(Reply::Txn(steps))
            if steps.iter().any(|step| matches!(step, Micro::ReadList(..))) =>
        {
            Some(format!("the model {model} knows no lists, but {at} has read one"))
        }
        Outcome::Ok(reply) if !answers(model, &operation.call, reply) => {
            Some(format!("the {name} of {at} was answered with what is no answer to it: {reply}"))
        }
        _ => None,
    }
}

/// Is it what this model can answer to the call? Positions and tokens are numbers.
pub(crate) fn answers(model: ModelName, call: &Call, reply: &Reply) -> bool {
    let is_number = || crate::translate::number(reply).is_some();
    match (model, call) {
        (ModelName::Log, Call::Append { .. }) => fits(call, reply) || is_number(),
        (ModelName::FencedLock | ModelName::OwnedFencedLock(_), Call::Acquire { .. }) => {
            is_number()
        }
        // What a token is worth is for other models to say.
        (_, Call::Acquire { .. }) => fits(call, reply) || is_number(),
        _ => fits(call, reply),
    }
}

/// Is it an answer to this call?
fn fits(call: &Call, reply: &Reply) -> bool {
    match call {
        Call::Read { .. } => matches!(reply, Reply::Value(_) | Reply::Unknown),
        Call::Dequeue { .. } => {
            matches!(reply, Reply::Value(_) | Reply::Empty | Reply::Unknown)
        }
        Call::ReadAll { .. } => matches!(reply, Reply::Elements(_) | Reply::Unknown),
        Call::ReadAt { .. } => matches!(reply, Reply::Value(_) | Reply::Empty | Reply::Unknown),
        Call::Contains { .. } => matches!(reply, Reply::Contains(_) | Reply::Unknown),
        Call::Add { .. } | Call::Remove { .. } => {
            matches!(reply, Reply::Done | Reply::Changed(_))
        }
        Call::Cas { .. } => matches!(reply, Reply::Swapped(_)),
        Call::Txn { steps: asked } => match reply {
            Reply::Txn(answered) => {
                asked.len() == answered.len()
                    && asked.iter().zip(answered).all(|(asked, step)| step.answers(asked))
            }
            _ => false,
        },
        Call::Write { .. }
        | Call::Delete { .. }
        | Call::Append { .. }
        | Call::Increment { .. }
        | Call::Enqueue { .. }
        | Call::Acquire { .. }
        | Call::Release { .. }
        | Call::Transfer { .. } => matches!(reply, Reply::Done),
        Call::ReadAccounts => matches!(reply, Reply::Accounts(_) | Reply::Unknown),
    }
}
