//! Session guarantees: what each client can rely on in its own session, whatever the others do.
//!
//! *Claims*, about one session (a process) and one key, with versions: an operation is answered
//! with an older last write of the key than
//! - *read your writes*: a read, than an earlier write of the session;
//! - *monotonic reads*: a read, than an earlier read of the session;
//! - *monotonic writes*: a write, than an earlier write of the session;
//! - *writes follow reads*: a write, than what the session had read before.
//!
//! *Why they are proofs*: the number of a key's last write only grows, and a session does one thing
//! at a time. Reads of a node's own copy promise nothing, so they are not judged and nothing is
//! compared with them. A session that ended in doubt is over: nothing follows in it.
//!
//! Without versions the order of the writes is not known. Then a guarantee is broken if no order of
//! the writes gives it to all sessions ([`broken_sessions`], exact for reads and writes of distinct
//! values); of histories with compare-and-sets or deletes nothing is said then.
//!
//! A linearizable store gives all four; one that breaks them breaks them for a client that never
//! talks to another one, which is what makes this worth a name beside *stale read*.
//!
//! *Blame*: one of the two answerers lied; without versions nobody can be told.
//!
//! Source: Terry and others, "Session guarantees for weakly consistent replicated data" (PDIS
//! 1994); rule A17.

use std::collections::HashMap;

use perjury_history::{AnomalyKind, Call, Key, Operation, Process};

use super::Record;
use super::blame::nodes;
use super::finding::{Found, Suspicion, anomaly, path};
use super::stated::{Scope, absent, deleted, version, wrote};
use crate::Checker;
use crate::relaxed::{Specification, broken_sessions};
use crate::wording::{at, count, time};

/// The newest that a session knows of a key, by its own writes and by its reads.
#[derive(Default)]
struct Seen<'a> {
    wrote: Option<(u64, &'a Operation)>,
    read: Option<(u64, &'a Operation)>,
}

/// With the numbers that answers state.
pub(super) fn by_versions(record: &Record<'_>) -> Found {
    let mut found = Found::nothing(Checker::Sessions, "answers that a session may not get");
    let mut sessions: HashMap<(Process, Scope<'_>, &Key), Seen<'_>> = HashMap::new();
    let deleted = deleted(record);
    let mut judged = 0;
    // The operations of one process are in order: they do not overlap.
    for operation in record.operations.iter().filter(|one| !one.is_local()) {
        let Some((scope, key, number, _)) = version(operation) else { continue };
        let writes = wrote(operation);
        if !writes && !matches!(operation.call, Call::Read { .. }) {
            continue;
        }
        let nothing = absent(operation) && !deleted.contains(key);
        let Some(number) = number.or_else(|| nothing.then_some(0)) else { continue };
        judged += 1;
        let seen = sessions.entry((operation.process, scope, key)).or_default();
        let (by_write, by_read) = match writes {
            true => (AnomalyKind::MonotonicWrites, AnomalyKind::WritesFollowReads),
            false => (AnomalyKind::ReadYourWrites, AnomalyKind::MonotonicReads),
        };
        for (kind, before) in [(by_write, seen.wrote), (by_read, seen.read)] {
            if let Some(before) = before.filter(|before| before.0 > number) {
                let name = scope.0.name();
                found.push(suspicion(record, kind, key, before, (number, operation), name));
                break;
            }
        }
        let known = if writes { &mut seen.wrote } else { &mut seen.read };
        if known.is_none_or(|known| known.0 <= number) {
            *known = Some((number, operation));
        }
    }
    good(&mut found, judged);
    found
}

fn good(found: &mut Found, judged: u64) {
    found.good =
        format!("Every session found what it could rely on ({}).", count(judged, "answer"));
    found.stat("answers", judged);
}

/// By the values alone; nothing where they do not tell.
pub(super) fn by_values(record: &Record<'_>) -> Option<Found> {
    let strict: Vec<Operation> =
        record.operations.iter().filter(|one| !one.is_local()).cloned().collect();
    let broken = broken_sessions(&strict, record.initial)?;
    let mut found = Found::nothing(Checker::Sessions, "guarantees that no session may miss");
    let places: HashMap<_, &Operation> = strict.iter().map(|one| (one.invoked, one)).collect();
    for (specification, proof) in broken {
        let kind = match specification {
            Specification::ReadYourWrites => AnomalyKind::ReadYourWrites,
            Specification::MonotonicWrites => AnomalyKind::MonotonicWrites,
            Specification::WritesFollowReads => AnomalyKind::WritesFollowReads,
            _ => AnomalyKind::MonotonicReads,
        };
        let cited: Vec<&Operation> =
            proof.witnesses.iter().filter_map(|at| places.get(at).copied()).collect();
        let Some(key) = cited.first().and_then(|one| one.call.key()) else { continue };
        let detail = format!("Without {}: {}.", kind.name(), proof.why);
        let anomaly = anomaly(kind, key, cited.iter().copied(), [], detail);
        found.push(Suspicion { anomaly, suspects: Vec::new(), proved: Default::default() });
    }
    good(&mut found, strict.len() as u64);
    Some(found)
}

fn suspicion(
    record: &Record<'_>,
    kind: AnomalyKind,
    key: &Key,
    (before, earlier): (u64, &Operation),
    (after, later): (u64, &Operation),
    counter: &str,
) -> Suspicion {
    let nodes = nodes(record);
    let mut suspects = path(earlier, &nodes);
    suspects.extend(path(later, &nodes));
    let detail = format!(
        "In the session of process {} the answer to the {} said by {}{} that {key} had been \
         written at {counter} {before}, and the answer to the {}, called at {}{}, says {counter} \
         {after}.",
        later.process,
        earlier.call,
        earlier.end().map(time).unwrap_or_default(),
        at(earlier.answerer()),
        later.call,
        time(later.start),
        at(later.answerer())
    );
    Suspicion::one_of(anomaly(kind, key, [earlier, later], [later], detail), suspects)
}
