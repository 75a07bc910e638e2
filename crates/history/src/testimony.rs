//! What an answer says of itself beside its content: who gave it, and of which version it speaks.
//!
//! All of it is hearsay of the database, but for [`Testimony::node`]. It is what makes two answers
//! comparable without any search: a database's documentation says which numbers are given once.

use serde::{Deserialize, Serialize};

use crate::NodeName;

/// What is known of an answer beside its content. All of it may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Testimony {
    /// Who answered, as the connection proves it; absent where that is the node of the invocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// Who says that it answered: the name of a node, or an identity of the database's own such as
    /// etcd's `member_id`. Where one node asks another for its client, this is the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Was the answer asked for from the node's own copy, which may lag behind?
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
    /// Of which version it speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
}

impl Testimony {
    /// Is nothing known?
    pub fn is_empty(&self) -> bool {
        *self == Testimony::default()
    }
}

/// What a version number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counter {
    /// etcd's revision: one for each transaction that writes.
    Revision,
    /// The toy's count of changes, made by its primary.
    Change,
    /// Redis' replication offset.
    Offset,
    /// PostgreSQL's position in the write-ahead log.
    Lsn,
    /// The place of a transaction in the one order of a replicated machine, counted from 1.
    Sequence,
}

impl Counter {
    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Counter::Revision => "revision",
            Counter::Change => "change",
            Counter::Offset => "offset",
            Counter::Lsn => "LSN",
            Counter::Sequence => "sequence number",
        }
    }

    /// Is a number given to one write only, so that it names one state of one key? An offset or an
    /// LSN only says where a copy stands.
    pub fn names_a_write(self) -> bool {
        matches!(self, Counter::Revision | Counter::Change | Counter::Sequence)
    }
}

/// A version, as an answer states it. Two are compared only if counter and scope agree.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Token {
    /// What is counted.
    pub counter: Counter,
    /// Within what it counts: etcd's cluster id, Redis' replication id, PostgreSQL's timeline.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// The state of the whole database that the answer is taken from. For a write: the number that
    /// it got itself.
    pub at: u64,
    /// The number of the last write of the key in that state; absent if the key is, or if it is not
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}
