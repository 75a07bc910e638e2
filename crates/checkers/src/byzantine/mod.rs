//! Lies: answers that contradict the record or each other by themselves, and whose they are.
//!
//! Each checker proves one property from recorded facts alone, in (nearly) linear time and without
//! any search, so its anomalies are contradictions that a person can follow. They need what only
//! our own histories have: values that certify themselves ([`perjury_history::seal`]) or versions
//! that answers state ([`perjury_history::Token`]). Of a history without these nothing is said.
//!
//! The order is that of how much an answer is worth: a value that nobody wrote makes everything
//! else about that answer meaningless, so it is named once and left out of what follows
//! ([`values`]); then [`contract`], [`equivocation`], [`forks`], [`regression`], [`versions`],
//! [`duplicates`], [`snapshots`], [`sessions`], [`deletes`], [`pairs`], [`bank`], and over the
//! nodes' own copies [`divergence`] and [`lost`]. The workload's own checker comes after them; if
//! it is not content, [`causality`] asks whether even clients that only talk through the database
//! can tell. [`health`] comes last, since it judges by what was proved. Who is blamed is decided
//! over all of them ([`blame`]).
//!
//! Operations in doubt count as *maybe applied* for ever, and nothing here reads an outcome in
//! doubt as an answer.

mod bank;
mod blame;
mod bound;
pub(crate) mod causality;
mod contract;
mod cover;
mod deletes;
mod divergence;
mod duplicates;
mod equivocation;
mod exclude;
mod fate;
mod finding;
mod forks;
pub(crate) mod health;
mod lost;
mod pairs;
mod reached;
mod regression;
mod sessions;
mod snapshots;
mod stated;
mod values;
mod versions;

pub use bound::{charged, liars, of_own_copies};
pub use fate::{Claimed, Truth, account};

use perjury_history::seal::Seals;
use perjury_history::{Finding, History, Operation, Value};

pub(crate) use blame::Blame;
use finding::Found;

/// What the checkers look at.
pub(crate) struct Record<'a> {
    pub(crate) history: &'a History,
    /// The load.
    pub(crate) operations: &'a [Operation],
    /// The reads of the nodes' own copies, if there was a scrub.
    pub(crate) scrubbed: &'a [Operation],
    pub(crate) initial: &'a Value,
}

/// What came of it.
pub(crate) struct Heard {
    pub(crate) findings: Vec<Finding>,
    /// The load without the answers that were proved to be worthless; `None` if there are none.
    pub(crate) believable: Option<Vec<Operation>>,
    pub(crate) blame: Blame,
}

impl Record<'_> {
    fn seals(&self) -> Option<&Seals> {
        self.history.header.as_ref().and_then(|header| header.seals.as_ref())
    }

    fn all(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().chain(self.scrubbed)
    }
}

pub(crate) fn check(record: &Record<'_>) -> Heard {
    let sealed = record.seals().is_some();
    let stated = record.all().any(|operation| operation.token().is_some());
    let counts = |one: &Operation| one.token().is_some_and(|it| it.counter.names_a_write());
    let numbered = record.all().any(counts);
    let mut found: Vec<Found> = Vec::new();
    let mut believable = None;
    if let Some(seals) = record.seals() {
        let (values, false_reads) = values::check(record, seals);
        found.push(values);
        if !false_reads.is_empty() {
            believable = Some(exclude::without(record.operations, &false_reads));
        }
    }
    if sealed || stated {
        let operations = believable.as_deref().unwrap_or(record.operations);
        let (contract, false_reads) = contract::check(&Record { operations, ..*record });
        found.push(contract);
        if !false_reads.is_empty() {
            believable = Some(exclude::without(operations, &false_reads));
        }
    }
    let operations = believable.as_deref().unwrap_or(record.operations);
    let rest = Record { operations, ..*record };
    if stated {
        found.push(equivocation::check(record));
        found.push(forks::check(record));
        found.push(regression::check(record));
        found.push(versions::check(record));
        found.push(duplicates::check(record));
        found.push(snapshots::check(record));
    }
    if numbered {
        found.push(sessions::by_versions(record));
    } else if sealed {
        found.extend(sessions::by_values(&rest));
    }
    found.extend(deletes::check(&rest));
    found.extend(pairs::check(&rest));
    found.extend(bank::check(record));
    found.extend(divergence::check(record));
    found.extend(lost::check(record));
    let (blame, findings) = blame::blame(found, record);
    Heard { findings, believable, blame }
}
