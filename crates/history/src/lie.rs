//! Lies: what a node is made to say, and the ground truth of what it said.
//!
//! The plan stands in the history as a [`crate::Fault`]; each lie that was told stands as a
//! [`LieTold`] in `lies.jsonl` beside it. That file never feeds the checkers: it is for grading
//! them, and for the report.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::{FaultId, Nanos, NodeName, Value};

/// Nodes that lie.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lying {
    /// The liars.
    pub nodes: Vec<NodeName>,
    /// To whom.
    pub deceived: Deceived,
    /// The ports that are dialled on the connections in question.
    pub ports: Vec<u16>,
    /// How messages are told apart there.
    #[serde(default)]
    pub framing: Framing,
    /// The lies; of those that could be told at a place, the first one is.
    pub lies: Vec<Lie>,
    /// All choices follow from it.
    pub seed: u64,
    /// All liars tell the same story.
    #[serde(default)]
    pub collude: bool,
    /// The lies are in the packets, whose checksums are mended, instead of in a proxy.
    #[serde(default, skip_serializing_if = "is_false")]
    pub wire: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// Whom a lying node deceives.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Deceived {
    /// Clients: everybody who dials its client port and is no node.
    Clients,
    /// All other nodes, whoever dialled.
    Peers,
    /// These nodes, whoever dialled: ordered pairs.
    Nodes(Vec<NodeName>),
}

/// How messages are told apart on the connections in question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// Not at all: only lies about seals and about bytes.
    #[default]
    None,
    /// Redis' RESP.
    Resp,
    /// HTTP/1.1.
    Http,
    /// PostgreSQL's protocol 3.
    Postgres,
}

/// One kind of lie, when it is told and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lie {
    /// What.
    pub tell: Tell,
    /// On which bytes; absent: on what the node says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<On>,
    /// With the probability 1/n; about a seal, drawn from the seal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_in: Option<u64>,
    /// Every n-th time, instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Only to one in so many of those who listen, chosen by address and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_one_in: Option<u64>,
    /// A flip-flop: lies for a while, honest for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turns: Option<Turns>,
    /// Only in messages whose word begins so (`GET`, `POST /v3/kv/put`, `UPDATE`); needs a framing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// Never in messages whose word begins so, such as a health check; needs a framing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spare: Vec<String>,
}

/// Lies and honesty in turns, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Turns {
    /// How long it lies.
    pub lie_ms: u64,
    /// How long it is honest then.
    pub honest_ms: u64,
}

/// Which bytes a lie is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// From who dialled to who listened.
    Requests,
    /// From who listened to who dialled.
    Replies,
    /// What the node sends.
    Says,
    /// What the node receives.
    Hears,
    /// All.
    Both,
}

/// The lies. Numbers called `ms` are milliseconds.
#[expect(missing_docs, reason = "the fields are named for what they are")]
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Tell {
    /// A request or a reply is lost.
    Omit(Omit),
    /// Connections are accepted and swallow everything.
    BlackHole,
    /// Everything is late.
    Delay {
        ms: u64,
        #[serde(default)]
        jitter_ms: u64,
    },
    /// Everything is slow: so many bytes, then a pause.
    Drip { bytes: u32, every_ms: u64 },
    /// A request is done twice.
    Duplicate,
    /// A request overtakes the one before it.
    Reorder { hold_ms: u64 },
    /// A bit is flipped.
    Corrupt(Part),
    /// Another value stands for the true one.
    Substitute(Instead),
    /// Every listener hears a story of its own.
    Equivocate(Instead),
    /// A write is answered with success and never done.
    Acknowledge,
    /// A missing key has this value.
    Default { value: String },
    /// A request is answered with an error of this text; it is never done, or is with `done`.
    Refuse {
        text: String,
        #[serde(default)]
        done: bool,
    },
    /// The connection ends within a message.
    Truncate { within: u64 },
}

/// What is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Omit {
    /// Requests: never done.
    Requests,
    /// Replies: done and never answered.
    Replies,
    /// Only replies to writes.
    Acknowledgements,
}

/// Where a bit is flipped.
#[expect(missing_docs, reason = "the fields are named for what they are")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Part {
    /// In what a seal says.
    Body,
    /// In its code.
    Code,
    /// Anywhere: one bit in every block of so many bytes.
    Stream { block: u64 },
}

/// What stands for a true value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Instead {
    /// A seal with a made-up code.
    Forged,
    /// A valid seal that nobody wrote: the liar has the run's secret.
    Insider,
    /// The latest value of another key.
    Misdirected,
    /// An older value of the same key.
    Replayed,
}

impl Tell {
    /// The word for it, as in `lies.jsonl`.
    pub fn name(&self) -> &'static str {
        match self {
            Tell::Omit(Omit::Requests) => "omit-request",
            Tell::Omit(Omit::Replies) => "omit-reply",
            Tell::Omit(Omit::Acknowledgements) => "omit-acknowledgement",
            Tell::BlackHole => "black-hole",
            Tell::Delay { .. } => "delay",
            Tell::Drip { .. } => "drip",
            Tell::Duplicate => "duplicate",
            Tell::Reorder { .. } => "reorder",
            Tell::Corrupt(_) => "corrupt",
            Tell::Substitute(Instead::Forged) => "forge",
            Tell::Substitute(Instead::Insider) => "forge-insider",
            Tell::Substitute(Instead::Misdirected) => "misdirect",
            Tell::Substitute(Instead::Replayed) => "replay",
            Tell::Equivocate(_) => "equivocate",
            Tell::Acknowledge => "acknowledge",
            Tell::Default { .. } => "default",
            Tell::Refuse { .. } => "refuse",
            Tell::Truncate { .. } => "truncate",
        }
    }
}

/// A lie that was told: a line of `lies.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LieTold {
    /// The fault that it belongs to.
    pub fault: FaultId,
    /// The node that lied.
    pub node: NodeName,
    /// When at the earliest, on the controller's clock.
    pub time: Nanos,
    /// At most so much later: what it took to ask the node for its clock.
    pub within: Nanos,
    /// Counted from 0 for each node and fault; a gap is a record that was lost.
    pub number: u64,
    /// Counted from 0 for each node and fault.
    pub connection: u64,
    /// Who dialled.
    pub dialler: SocketAddr,
    /// Whom they dialled.
    pub listener: SocketAddr,
    /// Did the lying node dial?
    pub outgoing: bool,
    /// Was it said to the listener? Else to the dialler.
    pub request: bool,
    /// The word of the lie.
    pub lie: String,
    /// What was said: the beginning. Text, or the raw bytes where it is none.
    pub before: Value,
    /// What was made of it: the beginning.
    pub after: Value,
    /// The seal that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal_before: Option<String>,
    /// What stood in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal_after: Option<String>,
    /// The word of the message and what else there is to say.
    #[serde(default)]
    pub detail: String,
}
