//! The simplest contract: absent means absent, and a failure means no effect.
//!
//! *Present though absent*: a read returns something although no write of its key was called before
//! the read ended. *Phantom effect*: a read returns a value of which every write had been answered
//! with a definite failure (or with "not swapped"). *Why both are proofs*: only the run's clients
//! write its keys, so what a key holds was written by one of the writes that were called before the
//! read ended and that may have taken effect. A failure counts as one only where the driver's table
//! of definite errors says so; every other error is in doubt, and what is in doubt explains any
//! read. Replies outside the contract were put in doubt before (`assumptions::doubt`).
//!
//! Registers, sets, and registers in transactions: elsewhere a reply does not name the write that
//! it came from. Of an account of a bank only that it is there is judged, not what it holds.
//!
//! Source: rules A11 and A20; "absent means absent" is the contract test of HTTP's 404.

use std::collections::{BTreeSet, HashMap};

use perjury_history::{AnomalyKind, Call, Key, Micro, Operation, Outcome, Reply, Value};

use super::Record;
use super::blame::nodes;
use super::exclude::Excluded;
use super::finding::{Found, Suspicion, anomaly, path};
use super::stated::written;
use crate::Checker;
use crate::wording::{at, time};

/// The finding, and which answers are not to be believed.
pub(super) fn check(record: &Record<'_>) -> (Found, Excluded) {
    let mut first: HashMap<&Key, u64> = HashMap::new();
    let mut writes: HashMap<(&Key, &Value), Vec<&Operation>> = HashMap::new();
    for operation in record.operations {
        let mut called = |key| {
            let start = first.entry(key).or_insert(operation.start);
            *start = (*start).min(operation.start);
        };
        if let Call::Transfer { from, to, .. } = &operation.call {
            [from, to].into_iter().for_each(&mut called);
        }
        for (key, value) in written(&operation.call).filter(|(_, value)| !value.is_nil()) {
            called(key);
            writes.entry((key, value)).or_default().push(operation);
        }
    }
    let mut found = Found::nothing(Checker::Contract, "answers against the contract");
    let mut excluded = Excluded::default();
    let nodes = nodes(record);
    let mut reads = 0;
    for read in record.operations {
        let something = |(_, value): &(&Key, &Value)| !value.is_nil() && *value != record.initial;
        for (key, value) in shown(read).filter(something) {
            reads += 1;
            let end = read.end().unwrap_or(u64::MAX);
            let of = writes.get(&(key, value)).map(Vec::as_slice).unwrap_or_default();
            let early = first.get(key).is_none_or(|first| *first > end);
            let failed = !of.is_empty() && of.iter().all(|write| refused(write));
            if !early && !failed {
                continue;
            }
            let kind =
                if early { AnomalyKind::PresentThoughAbsent } else { AnomalyKind::PhantomEffect };
            let refusals = of.iter().copied().filter(|_| !early);
            let detail = detail(key, value, read, refusals.clone().next());
            let mut suspects = path(read, &nodes);
            refusals.clone().for_each(|write| suspects.extend(path(write, &nodes)));
            let anomaly = anomaly(kind, key, refusals.chain([read]), [read], detail);
            let proved = BTreeSet::new();
            found.push(Suspicion { anomaly, suspects: vec![suspects], proved });
            excluded.value(read, value);
        }
    }
    found.good = format!(
        "Nothing was found where nobody had written, and no failure took effect ({reads} values)."
    );
    (found, excluded)
}

fn shown(read: &Operation) -> Box<dyn Iterator<Item = (&Key, &Value)> + '_> {
    match (&read.call, read.outcome()) {
        (Call::Read { key }, Some(Outcome::Ok(Reply::Value(value)))) => {
            Box::new(std::iter::once((key, value)))
        }
        (Call::ReadAll { key }, Some(Outcome::Ok(Reply::Elements(all)))) => {
            Box::new(all.iter().map(move |value| (key, value)))
        }
        (Call::ReadAccounts, Some(Outcome::Ok(Reply::Accounts(all)))) => {
            Box::new(all.iter().map(|(key, value)| (key, value)))
        }
        (Call::Txn { .. }, Some(Outcome::Ok(Reply::Txn(steps)))) => {
            Box::new(steps.iter().filter_map(|step| match step {
                Micro::Read(key, Some(value)) => Some((key, value)),
                _ => None,
            }))
        }
        _ => Box::new(std::iter::empty()),
    }
}

fn refused(write: &Operation) -> bool {
    matches!(write.outcome(), Some(Outcome::Fail(_) | Outcome::Ok(Reply::Swapped(false))))
}

fn detail(key: &Key, value: &Value, read: &Operation, refusal: Option<&Operation>) -> String {
    let who = format!("Process {}{} read {value} from {key}", read.process, at(read.answerer()));
    let when = read.end().map(time).unwrap_or_default();
    match refusal {
        None => format!("{who} by {when}, but nobody had asked to write {key} by then."),
        Some(write) => format!(
            "{who} at {when}, but the only operation that would have written it, the {} by process \
             {}{}, was answered with {}.",
            write.call,
            write.process,
            at(write.answerer()),
            write.outcome().map_or("nothing", |outcome| match outcome {
                Outcome::Ok(_) => "\"not swapped\"",
                _ => "a failure",
            })
        ),
    }
}
