//! Duplicate application: one write that took effect at two versions.
//!
//! *Claim*: two answers show the same value of a key as its content at two different versions.
//! *Why it is a proof*: the value was asked to be written by one operation only (checked here: a
//! value that several asked for is left out), each client sends a call at most once (held by
//! `tests/no_hidden_retry.rs`), and a version is the number of one write. So that one call was
//! carried out twice, whether it was acknowledged or is in doubt. It is a violation where the
//! database claims that an operation takes effect once; nothing is said of counters without
//! versions.
//!
//! *Blame*: one of the two answerers lied about the version, or who took the call repeated it.
//!
//! Source: rule A10; Jepsen's analyses of repeated requests.

use std::borrow::Cow;
use std::collections::HashMap;

use perjury_history::{AnomalyKind, Key, Operation, Value};

use super::Record;
use super::blame::nodes;
use super::finding::{Found, Suspicion, anomaly, path};
use super::stated::{Content, content, meant, version};
use crate::Checker;
use crate::wording::at;

pub(super) fn check(record: &Record<'_>) -> Found {
    let mut asked: HashMap<(&Key, &Value), Vec<&Operation>> = HashMap::new();
    for operation in record.operations {
        // Nothing is left by every delete.
        if let (Some(key), Some(value)) = (operation.call.key(), meant(&operation.call))
            && !value.is_nil()
        {
            asked.entry((key, value)).or_default().push(operation);
        }
    }
    let mut found = Found::nothing(Checker::Duplicates, "writes that took effect twice");
    let mut first: HashMap<_, (u64, &Operation, bool)> = HashMap::new();
    let nodes = nodes(record);
    for operation in record.all() {
        let Some((scope, key, Some(number), _)) = version(operation) else { continue };
        let Some(Content::One(Cow::Borrowed(value))) = content(operation) else { continue };
        let Some([write]) = asked.get(&(key, value)).map(Vec::as_slice) else { continue };
        let known = first.entry((scope, key, value)).or_insert((number, operation, false));
        if known.0 == number || known.2 {
            continue;
        }
        // Once for each write.
        known.2 = true;
        let before = known.1;
        let detail = format!(
            "{value}, which one operation wrote to {key}, is there at {counter} {} by the answer \
             to process {}{}, and at {counter} {number} by the answer to process {}{}.",
            known.0,
            before.process,
            at(before.answerer()),
            operation.process,
            at(operation.answerer()),
            counter = scope.0.name()
        );
        let mut suspects = path(before, &nodes);
        suspects.extend(path(operation, &nodes));
        suspects.extend(path(write, &nodes));
        let both = [before, operation];
        let anomaly = anomaly(AnomalyKind::DuplicateApplication, key, both, both, detail);
        found.push(Suspicion::one_of(anomaly, suspects));
    }
    found.good = format!("Each of {} writes took effect at one version.", first.len());
    found
}
