//! What became of the lies of a run, and what they count for beside the database's claim.
//!
//! Plain data, a part of `verdict.json`. It is made from the ground truth (`lies.jsonl`,
//! `corruptions.jsonl`), the history and the collected logs; it never feeds a checker.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{FaultId, Nanos, NodeName};

/// What became of a lie. Ordered: of several, the largest speaks for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Told, but nothing shows that anybody asked for what it was about.
    NotReached,
    /// Told, and whoever asked got the truth: outvoted, overwritten or healed.
    Masked,
    /// The database noticed: it refused, complained in its log, or ended.
    Rejected,
    /// A client was given it.
    Accepted,
}

/// What an anomaly, or a lie, counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// No more nodes lied than the database claims to withstand.
    ViolationInsideTheClaim,
    /// More nodes lied than it claims to withstand.
    BeyondTheBound,
    /// The database detected the lie and refused it.
    Refused,
    /// The claim exempts it (allowed staleness): measured, not held against the database.
    Metric,
    /// No lie was told: the pattern was absent, the wire encrypted, the page cached. No pass.
    NotTested,
}

/// Who noticed that something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticedBy {
    /// The database, to a client: an error that names the damage.
    Client,
    /// The database, in its own log.
    Log,
    /// The database ended by itself.
    Exit,
}

/// A sign that the database noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Notice {
    /// The node that noticed.
    pub node: NodeName,
    /// How it said so.
    pub by: NoticedBy,
    /// When, where the history knows it; a line of a log has no time of the controller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Nanos>,
    /// What it said: the beginning. Hostile text.
    pub text: String,
}

/// What became of the lies of one kind that one node told, or of the damage that was done to it,
/// in one fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LieFate {
    /// The fault.
    pub fault: FaultId,
    /// The liar, or the confused node.
    pub node: NodeName,
    /// The word of the lie (`forge`, `replay`), or `memory`, `files`, `roll-back`.
    pub lie: String,
    /// How many were told, or places corrupted: `accepted`, `masked` and `not_reached` together.
    pub told: u64,
    /// How many of them a client is known to have been given.
    pub accepted: u64,
    /// Of how many somebody asked and got no lie.
    pub masked: u64,
    /// Of how many nothing shows that anybody asked.
    pub not_reached: u64,
    /// What speaks for all of them.
    pub fate: Fate,
    /// What that counts for; absent if the database withstood it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// When the first was told, at the earliest.
    pub first_told: Nanos,
    /// When a client was first given one; or, where no single one is known, when an anomaly first
    /// showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Nanos>,
    /// How the database noticed; a few of the signs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noticed: Vec<Notice>,
}

/// A fault that was to lie or to corrupt, and did not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Untold {
    /// The fault.
    pub fault: FaultId,
    /// Who should have lied.
    pub nodes: Vec<NodeName>,
    /// Why nothing came of it.
    pub reason: String,
}

/// Lies and liars of a run beside what the database claims.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Accounting {
    /// How many nodes there are.
    pub nodes: usize,
    /// How many of them may lie by the database's claim.
    pub claimed: usize,
    /// The nodes that are charged: the smallest set that covers every link on which a lie was told,
    /// and every node that lied to clients or was corrupted.
    pub charged: Vec<NodeName>,
    /// When the first lie was told, at the earliest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_told: Option<Nanos>,
    /// When a client was first given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Nanos>,
    /// When the database first said to a client that something is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_noticed: Option<Nanos>,
    /// When the record first proved an anomaly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_proved: Option<Nanos>,
    /// What became of the lies, by fault, node and word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lies: Vec<LieFate>,
    /// The faults that told none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<Untold>,
    /// What the anomalies of each checker that found some count for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub findings: BTreeMap<String, Class>,
}

impl Fate {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Fate::NotReached => "not reached",
            Fate::Masked => "masked",
            Fate::Rejected => "rejected",
            Fate::Accepted => "accepted",
        }
    }
}

impl Class {
    /// The words.
    pub fn name(self) -> &'static str {
        match self {
            Class::ViolationInsideTheClaim => "violation inside the claim",
            Class::BeyondTheBound => "beyond the bound",
            Class::Refused => "refused",
            Class::Metric => "metric",
            Class::NotTested => "not tested",
        }
    }
}
