//! What came of an operation.

use super::calls::{Context, element, micro};
use super::datum::Datum;
use super::said::{Kind, Said};
use super::{Format, NilRead};
use crate::{Call, Cause, Micro, Outcome, Reply, Value};

/// The error under which our own export writes a compare-and-set that was answered "no": it has to
/// take effect where the value differs, which says more than a plain `:fail`.
pub(crate) const NOT_SWAPPED: &str = "perjury/not-swapped";

/// The error under which our own export writes that a dequeue found the queue empty.
pub(crate) const EMPTY: &str = "perjury/empty";

/// The outcome of the `call` that this entry ends.
pub(super) fn outcome(said: &Said, call: &Call, context: &Context<'_>) -> Result<Outcome, String> {
    match said.kind {
        Kind::Invoke | Kind::Info => Ok(Outcome::Info(cause(said, "info"))),
        Kind::Ok => reply(said, call, context).map(Outcome::Ok),
        Kind::Fail => Ok(failure(said, call, context)),
    }
}

fn failure(said: &Said, call: &Call, context: &Context<'_>) -> Outcome {
    let error = said.error.as_ref().and_then(Datum::word);
    let timed_out = error == Some("timed-out");
    let log = context.format == Format::JepsenLog;
    match call {
        Call::Cas { .. } if error == Some(NOT_SWAPPED) => Outcome::Ok(Reply::Swapped(false)),
        // In the log a failed compare-and-set is the database's answer "the value was not that".
        Call::Cas { .. } if log && !timed_out => Outcome::Ok(Reply::Swapped(false)),
        // A time-out is no proof that nothing happened, except where nothing can.
        _ if log && timed_out && !call.is_read_only() => Outcome::Info(cause(said, "timed-out")),
        _ => Outcome::Fail(cause(said, "fail")),
    }
}

fn cause(said: &Said, otherwise: &str) -> Cause {
    match &said.error {
        None => Cause::new(otherwise, ""),
        Some(Datum::Word(code)) => Cause::new(code.as_str(), ""),
        Some(Datum::List(list)) => match list.as_slice() {
            [code, Datum::Text(detail)] if code.word().is_some() => {
                Cause::new(code.word().unwrap_or_default(), detail.as_str())
            }
            _ => Cause::new(otherwise, said.error.as_ref().map(Datum::text).unwrap_or_default()),
        },
        // In JSON a keyword is a string, so a single word is taken as the code.
        Some(Datum::Text(text)) if !text.is_empty() && !text.contains(char::is_whitespace) => {
            Cause::new(text.as_str(), "")
        }
        Some(Datum::Text(text)) => Cause::new(otherwise, text.as_str()),
        Some(other) => Cause::new(otherwise, other.text()),
    }
}

fn reply(said: &Said, call: &Call, context: &Context<'_>) -> Result<Reply, String> {
    let value = context.bare(&said.value);
    let nil_is_unknown = context.dialect.nil_read == NilRead::Unknown;
    let unknown = said.unknown || (nil_is_unknown && *value == Datum::Nil);
    match call {
        Call::Read { .. } | Call::ReadAll { .. } if unknown => Ok(Reply::Unknown),
        Call::Read { .. } => value
            .value()
            .map(Reply::Value)
            .ok_or_else(|| format!("a register was read as {value}, which is no value of one")),
        Call::ReadAccounts => accounts(value, said.unknown),
        Call::Contains { element: asked, .. } => match value {
            _ if said.unknown => Ok(Reply::Unknown),
            Datum::Bool(there) => Ok(Reply::Contains(*there)),
            Datum::List(pair) if pair.first().map(element).as_ref() == Some(asked) => {
                match pair.as_slice() {
                    [_, Datum::Bool(there)] => Ok(Reply::Contains(*there)),
                    _ => Err(contained(value)),
                }
            }
            _ => Err(contained(value)),
        },
        Call::Dequeue { .. } | Call::ReadAt { .. } => match value {
            Datum::Nil if said.error.as_ref().and_then(Datum::word) == Some(EMPTY) => {
                Ok(Reply::Empty)
            }
            _ if unknown => Ok(Reply::Unknown),
            Datum::Nil => Ok(Reply::Empty),
            taken => Ok(Reply::Value(element(taken))),
        },
        Call::ReadAll { .. } => match value {
            Datum::Nil => Ok(Reply::Elements(Vec::new())),
            Datum::List(list) => Ok(Reply::Elements(list.iter().map(element).collect())),
            other => Err(format!("a set was read as {other}; expected its elements")),
        },
        // Jepsen's clients answer with what was asked where there is nothing more to say.
        Call::Add { element: asked, .. } | Call::Remove { element: asked, .. } => match value {
            Datum::Bool(changed) if element(value) != *asked => Ok(Reply::Changed(*changed)),
            _ => Ok(Reply::Done),
        },
        Call::Append { .. } if said.position.is_some() => number(said.position.as_ref()),
        Call::Acquire { .. } => match value {
            Datum::Int(_) if context.tokens => number(Some(value)),
            Datum::Map(_) => value.field("fence").map_or(Ok(Reply::Done), |it| number(Some(it))),
            _ => Ok(Reply::Done),
        },
        Call::Cas { .. } => Ok(Reply::Swapped(true)),
        Call::Txn { steps } => transaction(value, steps, nil_is_unknown).map(Reply::Txn),
        Call::Write { .. }
        | Call::Delete { .. }
        | Call::Append { .. }
        | Call::Increment { .. }
        | Call::Enqueue { .. }
        | Call::Release { .. }
        | Call::Transfer { .. } => Ok(Reply::Done),
    }
}

fn contained(value: &Datum) -> String {
    format!("a :contains was answered with {value}; expected true or false")
}

/// A position or a token.
fn number(value: Option<&Datum>) -> Result<Reply, String> {
    match value {
        Some(Datum::Int(number)) if *number >= 0 => Ok(Reply::Value(Value::Int(*number))),
        other => {
            let shown = other.map(Datum::to_string).unwrap_or_default();
            Err(format!("a position or a token is a whole number from 0, not {shown}"))
        }
    }
}

/// A bank has accounts, so a nil is no answer of it: what was read is not recorded.
fn accounts(value: &Datum, unknown: bool) -> Result<Reply, String> {
    let shape = || format!("a bank was read as {value}; expected a map of accounts to balances");
    match value {
        Datum::Nil => Ok(Reply::Unknown),
        _ if unknown => Ok(Reply::Unknown),
        Datum::Map(pairs) => {
            let account = |(name, held): &(Datum, Datum)| Some((name.key()?, held.value()?));
            pairs.iter().map(account).collect::<Option<_>>().map(Reply::Accounts).ok_or_else(shape)
        }
        _ => Err(shape()),
    }
}

fn transaction(value: &Datum, asked: &[Micro], nil_is_unknown: bool) -> Result<Vec<Micro>, String> {
    let list = value
        .list()
        .ok_or_else(|| format!("a transaction is answered with its steps, not with {value}"))?;
    let answered = list.iter().map(micro).collect::<Result<Vec<_>, _>>()?;
    let same = |(asked, answered): (&Micro, &Micro)| answered.answers(asked);
    if asked.len() != answered.len() || !asked.iter().zip(&answered).all(same) {
        return Err(format!("{value} answers other steps than those that were asked"));
    }
    let known = |step: Micro| match step {
        Micro::Read(key, Some(Value::Nil)) if nil_is_unknown => Micro::Read(key, None),
        step => step,
    };
    Ok(answered.into_iter().map(known).collect())
}
