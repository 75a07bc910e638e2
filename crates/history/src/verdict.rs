//! What was decided about a history, as plain data: the content of `verdict.json`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Accounting, Index, Key, NodeName};

/// The answer of a checker. Ordered: the verdict of several checkers is the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing wrong was found, and enough happened for that to mean something.
    Valid,
    /// Neither proved nor refuted: the search gave up, or too little happened.
    Unknown,
    /// At least one anomaly is proved.
    Invalid,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Valid => "valid",
            Verdict::Unknown => "unknown",
            Verdict::Invalid => "invalid",
        })
    }
}

/// The kinds of anomaly, by their name in the literature where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnomalyKind {
    /// No order of the operations that respects real time explains the answers.
    NonLinearizable,
    /// A read returned a value although a newer one had been acknowledged or seen before it began.
    StaleRead,
    /// A value was read that no operation wrote.
    PhantomValue,
    /// An acknowledged write is missing from every later read.
    LostWrite,
    /// An element occurs more often than it was added.
    DuplicateElement,
    /// A value was read that nobody wrote, and that is no damaged form of one that was written.
    FabricatedValue,
    /// A value was read that is one that was written, with damage.
    CorruptedValue,
    /// A value was read that was written to another key, or by another run.
    MisdirectedValue,
    /// A key that nobody had written was answered as present.
    PresentThoughAbsent,
    /// A write that had failed for sure took effect.
    PhantomEffect,
    /// One version of a key has two contents.
    Equivocation,
    /// Two answers that no single order of the writes explains.
    ForkedOrder,
    /// Two acknowledgements name the same version.
    ForgedAcknowledgement,
    /// An answer is of an older version than one that had been given before it was asked for.
    VersionRegression,
    /// One write took effect at two versions.
    DuplicateApplication,
    /// After healing and settling, two nodes' own copies differ.
    Divergence,
    /// An answer is older than what had caused its question.
    CausalityViolation,
    /// Something shows part of a transaction, or of a transfer, and not all of it.
    PartialWrite,
    /// What holds in every state is broken: an account is overdrawn that must not be.
    BrokenInvariant,
    /// A read of one key and a read of many disagree about a state.
    DisagreeingReads,
    /// A value came back after it was deleted, and nobody had written it again.
    ResurrectedDelete,
    /// A session read what is older than its own write.
    ReadYourWrites,
    /// A session read what is older than what it had read.
    MonotonicReads,
    /// A session's writes took effect in another order than it made them.
    MonotonicWrites,
    /// A session's write took effect before what it had read.
    WritesFollowReads,
    /// A node was healthy by its own word while it gave false answers.
    DishonestHealth,
}

impl AnomalyKind {
    /// The name as it stands in files and reports.
    pub fn name(self) -> &'static str {
        match self {
            AnomalyKind::NonLinearizable => "non-linearizable",
            AnomalyKind::StaleRead => "stale-read",
            AnomalyKind::PhantomValue => "phantom-value",
            AnomalyKind::LostWrite => "lost-write",
            AnomalyKind::DuplicateElement => "duplicate-element",
            AnomalyKind::FabricatedValue => "fabricated-value",
            AnomalyKind::CorruptedValue => "corrupted-value",
            AnomalyKind::MisdirectedValue => "misdirected-value",
            AnomalyKind::PresentThoughAbsent => "present-though-absent",
            AnomalyKind::PhantomEffect => "phantom-effect",
            AnomalyKind::Equivocation => "equivocation",
            AnomalyKind::ForkedOrder => "forked-order",
            AnomalyKind::ForgedAcknowledgement => "forged-acknowledgement",
            AnomalyKind::VersionRegression => "version-regression",
            AnomalyKind::DuplicateApplication => "duplicate-application",
            AnomalyKind::Divergence => "divergence",
            AnomalyKind::CausalityViolation => "causality-violation",
            AnomalyKind::PartialWrite => "partial-write",
            AnomalyKind::BrokenInvariant => "broken-invariant",
            AnomalyKind::DisagreeingReads => "disagreeing-reads",
            AnomalyKind::ResurrectedDelete => "resurrected-delete",
            AnomalyKind::ReadYourWrites => "read-your-writes",
            AnomalyKind::MonotonicReads => "monotonic-reads",
            AnomalyKind::MonotonicWrites => "monotonic-writes",
            AnomalyKind::WritesFollowReads => "writes-follow-reads",
            AnomalyKind::DishonestHealth => "dishonest-health",
        }
    }
}

impl fmt::Display for AnomalyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How sure it is that a node lied, by itself or by a link that speaks in its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// It gave an answer in question; that it lied does not follow.
    Unknown,
    /// Every smallest set of nodes whose lying explains all anomalies has it.
    Implicated,
    /// Its own answers contradict the record, whatever the other nodes did.
    Proved,
}

impl Confidence {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Confidence::Unknown => "unknown",
            Confidence::Implicated => "implicated",
            Confidence::Proved => "proved",
        }
    }
}

/// A node and how sure its guilt is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Accusation {
    /// The node.
    pub node: NodeName,
    /// How sure.
    pub confidence: Confidence,
}

/// One proved violation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Anomaly {
    /// What kind.
    pub kind: AnomalyKind,
    /// The object it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// The entries that prove it: invocations, in the order of the history. Never empty.
    pub witnesses: Vec<Index>,
    /// The nodes that gave the answers in question.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeName>,
    /// Who is held to have lied; the surest first. Empty where nobody can be told from anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accused: Vec<Accusation>,
    /// What is wrong, in words that a person follows.
    pub detail: String,
}

/// What one checker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Finding {
    /// The checker's name.
    pub checker: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// One sentence: what was checked and what came out.
    pub summary: String,
    /// What was proved; not empty exactly if the verdict is invalid. At most
    /// [`Finding::MOST_ANOMALIES`], the clearest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anomalies: Vec<Anomaly>,
    /// How many were proved in all.
    #[serde(default)]
    pub anomaly_count: u64,
    /// Figures, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stats: BTreeMap<String, serde_json::Value>,
}

impl Finding {
    /// How many anomalies a finding lists at the most.
    pub const MOST_ANOMALIES: usize = 32;
}

/// The judgement on a run: every finding and what they come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Judgement {
    /// The version of this file's form.
    pub schema: u32,
    /// The worst of the findings' verdicts.
    pub verdict: Verdict,
    /// One sentence for the top of the report.
    pub sentence: String,
    /// What failed in the harness itself, if anything did: the run is then not acceptable as a
    /// pass, while a proved anomaly stays proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compromised: Option<String>,
    /// Why the run went beyond what the database claims to survive, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside_claim: Option<String>,
    /// What became of the lies of the run; absent where none were planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounting: Option<Accounting>,
    /// What the checkers said, in the order in which they ran.
    pub findings: Vec<Finding>,
    /// The version of Perjury that judged.
    pub judged_by: String,
}
