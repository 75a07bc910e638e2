//! One state, two descriptions: a read of one key and a read of many disagree, or two of many do.
//!
//! *Claim*: an answer taken from state R of the database shows one content of a key; another one
//! says that the key was last written at number v and shows what it held from v up to the state A
//! that it is taken from; v ≤ R ≤ A, and the contents differ. Or two answers of many keys are taken
//! from one state and differ. *Why it is a proof*: a state has one content, and between v and A the
//! key was not written by the second answer's own word. No clock plays a part, nor whether an
//! answer was allowed to be old. Where the number of the last write is not stated (a set, a read of
//! many keys) a content is good for the one state only that its answer is taken from.
//!
//! Only counters of which an answer's state is exact are looked at: etcd's revision. The toy's
//! nodes number their own copies by what they have seen *whole*, and may hold more; so of the toy
//! only what its primary answered counts. Two contents of one *version* are [equivocation]
//! (super::equivocation) and not looked for here; without versions a read of one account is
//! compared with one of all by real time ([bank](super::bank)).
//!
//! *Blame*: one of the two answerers lied.
//!
//! Source: rule A21, "bulk equals single"; Chuat and others 2015 for the digest of a state.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use perjury_history::{AnomalyKind, Call, Counter, Key, Micro, Operation, Outcome, Reply, Value};

use super::Record;
use super::blame::nodes;
use super::finding::{Found, Suspicion, anomaly, path};
use super::stated::{Content, Scope, content, scope, shown, version};
use crate::Checker;
use crate::wording::at;

/// What an answer says of a key from one state of the database to another.
struct Stated<'a> {
    content: Content<'a>,
    to: u64,
    operation: &'a Operation,
}

/// What is known of one key.
#[derive(Default)]
struct Known<'a> {
    /// By the number of its last write.
    versions: BTreeMap<u64, Stated<'a>>,
    /// By the one state that it is good for.
    states: HashMap<u64, Stated<'a>>,
}

pub(super) fn check(record: &Record<'_>) -> Found {
    let mut found = Found::nothing(Checker::Snapshots, "answers that disagree about a state");
    let mut keys: BTreeMap<(Scope<'_>, &Key), Known<'_>> = BTreeMap::new();
    for operation in record.all().filter(|one| is_exact(one)) {
        if let (Some((scope, key, Some(number), token)), Some(content)) =
            (version(operation), content(operation))
        {
            let known = keys.entry((scope, key)).or_default();
            let stated = Stated { content, to: token.at, operation };
            match known.versions.get_mut(&number) {
                Some(last) if last.to >= token.at => {}
                Some(last) if last.content == stated.content => *last = stated,
                // Equivocation, which is another checker's.
                Some(_) => {}
                None => {
                    known.versions.insert(number, stated);
                }
            }
        }
    }
    let mut compared = 0_u64;
    for operation in record.all().filter(|one| is_exact(one)) {
        let Some(token) = operation.token() else { continue };
        for (key, content) in described(operation) {
            let known = keys.entry((scope(token), key)).or_default();
            let version = known.versions.range(..=token.at).next_back();
            let version = version.map(|(_, stated)| stated).filter(|one| one.to >= token.at);
            let state = known.states.get(&token.at);
            compared += u64::from(version.is_some() || state.is_some());
            let other = version.into_iter().chain(state).find(|other| other.content != content);
            if let Some(other) = other {
                found.push(suspicion(record, key, other, operation, &content, token.at));
            }
            let stated = Stated { content, to: token.at, operation };
            known.states.entry(token.at).or_insert(stated);
        }
    }
    found.good = format!("No two answers disagree about a state ({compared} compared).");
    found.stat("compared", compared);
    found
}

/// Is the state that the answer is taken from exactly the one that it says?
fn is_exact(operation: &Operation) -> bool {
    let answered = matches!(operation.outcome(), Some(Outcome::Ok(_)));
    answered
        && operation.token().is_some_and(|token| {
            let counts = token.counter.names_a_write();
            token.counter == Counter::Revision || (counts && !operation.is_local())
        })
}

/// What an answer shows without saying when it was written.
fn described(operation: &Operation) -> Vec<(&Key, Content<'_>)> {
    let one = |value| Content::One(Cow::Borrowed(value));
    match (&operation.call, operation.outcome()) {
        (Call::ReadAccounts, Some(Outcome::Ok(Reply::Accounts(all)))) => {
            all.iter().map(|(key, value)| (key, one(value))).collect()
        }
        // In a transaction that writes, what is read is of the state before.
        (Call::Txn { steps }, Some(Outcome::Ok(Reply::Txn(read))))
            if steps.iter().all(Micro::is_read) =>
        {
            let read = read.iter().filter_map(|step| match step {
                Micro::Read(key, Some(value)) => Some((key, one(value))),
                _ => None,
            });
            read.collect()
        }
        (Call::ReadAll { key }, Some(Outcome::Ok(Reply::Elements(elements))))
            if operation.token().is_some_and(|token| token.version.is_none()) =>
        {
            let mut all: Vec<&Value> = elements.iter().collect();
            all.sort();
            vec![(key, Content::Many(all))]
        }
        _ => Vec::new(),
    }
}

fn suspicion(
    record: &Record<'_>,
    key: &Key,
    other: &Stated<'_>,
    operation: &Operation,
    content: &Content<'_>,
    state: u64,
) -> Suspicion {
    let nodes = nodes(record);
    let mut suspects = path(other.operation, &nodes);
    suspects.extend(path(operation, &nodes));
    let counter = operation.token().map_or("state", |token| token.counter.name());
    let detail = format!(
        "At {counter} {state} {key} is {} by the {} of process {}{}, and {} by the {} of process \
         {}{}.",
        shown(&other.content, true),
        other.operation.call,
        other.operation.process,
        at(other.operation.answerer()),
        shown(content, true),
        operation.call,
        operation.process,
        at(operation.answerer())
    );
    let both = [other.operation, operation];
    Suspicion::one_of(anomaly(AnomalyKind::DisagreeingReads, key, both, both, detail), suspects)
}
