//! What one answer states about one key at one version.

use std::borrow::Cow;
use std::collections::HashSet;

use perjury_history::{Call, Key, Micro, Operation, Outcome, Reply, Token, Value};

use super::Record;
use crate::wording::count;

/// Within what two versions can be compared: what is counted, and its scope.
pub(super) type Scope<'a> = (perjury_history::Counter, &'a str);

pub(super) fn scope(token: &Token) -> Scope<'_> {
    (token.counter, &token.scope)
}

/// The content of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Content<'a> {
    One(Cow<'a, Value>),
    /// Sorted: the order of an answer says nothing.
    Many(Vec<&'a Value>),
}

/// What the key holds by this answer, right after it took effect. `None` if it does not say.
pub(super) fn content(operation: &Operation) -> Option<Content<'_>> {
    let one = |value| Some(Content::One(Cow::Borrowed(value)));
    match (&operation.call, operation.outcome()) {
        (Call::Read { .. }, Some(Outcome::Ok(Reply::Value(value)))) => one(value),
        (Call::Write { value, .. }, Some(Outcome::Ok(Reply::Done))) => one(value),
        (Call::Delete { .. }, Some(Outcome::Ok(Reply::Done))) => one(&Value::Nil),
        (Call::Cas { to, .. }, Some(Outcome::Ok(Reply::Swapped(true)))) => one(to),
        (Call::ReadAll { .. }, Some(Outcome::Ok(Reply::Elements(elements)))) => {
            let mut elements: Vec<&Value> = elements.iter().collect();
            elements.sort();
            Some(Content::Many(elements))
        }
        _ => None,
    }
}

/// Did the answer say that this operation wrote?
pub(super) fn wrote(operation: &Operation) -> bool {
    match (&operation.call, operation.outcome()) {
        (
            Call::Write { .. } | Call::Delete { .. } | Call::Add { .. },
            Some(Outcome::Ok(Reply::Done)),
        ) => true,
        (Call::Cas { .. }, Some(Outcome::Ok(Reply::Swapped(swapped)))) => *swapped,
        _ => false,
    }
}

/// The value that a call would write, of registers and sets; nil by a delete.
pub(super) fn meant(call: &Call) -> Option<&Value> {
    match call {
        Call::Write { value, .. } => Some(value),
        Call::Cas { to, .. } => Some(to),
        Call::Delete { .. } => Some(&Value::Nil),
        Call::Add { element, .. } => Some(element),
        _ => None,
    }
}

/// What a call asks to be written, where; of registers, sets, queues and transactions.
pub(super) fn written(call: &Call) -> Box<dyn Iterator<Item = (&Key, &Value)> + '_> {
    match call {
        Call::Txn { steps } => Box::new(steps.iter().filter_map(|step| match step {
            Micro::Write(key, value) | Micro::Append(key, value) => Some((key, value)),
            Micro::Read(..) | Micro::ReadList(..) => None,
        })),
        Call::Enqueue { key, element } => Box::new(std::iter::once((key, element))),
        call => Box::new(call.key().zip(meant(call)).into_iter()),
    }
}

/// The keys that hold sums or strings made of several writes: what is read there is no value that
/// one operation wrote.
pub(super) fn sums(operations: &[Operation]) -> HashSet<&Key> {
    let mut keys = HashSet::new();
    for operation in operations {
        match &operation.call {
            Call::Transfer { from, to, .. } => keys.extend([from, to]),
            Call::Increment { key, .. } | Call::Append { key, .. } => {
                keys.insert(key);
            }
            _ => {}
        }
    }
    keys
}

/// The keys that somebody may have deleted: there nothing is no sign that nobody wrote.
pub(super) fn deleted<'a>(record: &Record<'a>) -> HashSet<&'a Key> {
    let deletes = record.operations.iter().filter(|one| matches!(one.call, Call::Delete { .. }));
    deletes.filter_map(|one| one.call.key()).collect()
}

/// The version that an answered operation on one key states, where a number names one write.
pub(super) fn version(operation: &Operation) -> Option<(Scope<'_>, &Key, Option<u64>, &Token)> {
    let token = operation.token().filter(|token| token.counter.names_a_write())?;
    let Some(Outcome::Ok(_)) = operation.outcome() else { return None };
    Some((scope(token), operation.call.key()?, token.version, token))
}

/// Does the answer say that the key is absent in the state that it is taken from?
pub(super) fn absent(operation: &Operation) -> bool {
    matches!(
        (&operation.call, operation.outcome()),
        (Call::Read { .. }, Some(Outcome::Ok(Reply::Value(Value::Nil))))
    )
}

/// A content in a sentence; one that nobody wrote as it came.
pub(super) fn shown(content: &Content<'_>, genuine: bool) -> String {
    match content {
        Content::One(value) if genuine => value.to_string(),
        Content::One(value) => raw(value),
        Content::Many(elements) => count(elements.len() as u64, "element"),
    }
}

/// A value as it came: a false one must not look like the one that it imitates.
pub(super) fn raw(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("{text:?}"),
        Value::Raw(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        other => other.to_string(),
    }
}
