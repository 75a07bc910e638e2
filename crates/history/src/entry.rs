//! One line of a history: when, and what.

use std::fmt;

use crate::{Call, Fault, FaultId, Injection, NodeName, Outcome, Testimony};

/// The position of an entry in its history, from 0, without gaps.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Index(pub u64);

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Nanoseconds of the controller's monotonic clock since the run began.
pub type Nanos = u64;

/// A logical client: it has at most one open operation, and after an `info` it never speaks again.
pub type Process = u64;

/// The parts of a run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// The main load, under faults.
    Load,
    /// Everything is being healed.
    Heal,
    /// The cluster gets time to recover.
    Settle,
    /// The last reads, after healing.
    Final,
    /// Every node is asked for its own copy of everything; what it answers may lag behind.
    Scrub,
    /// The load is over.
    End,
}

impl Phase {
    /// Every phase in order.
    pub const ALL: [Phase; 6] =
        [Phase::Load, Phase::Heal, Phase::Settle, Phase::Final, Phase::Scrub, Phase::End];

    /// The word for this phase.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Load => "load",
            Phase::Heal => "heal",
            Phase::Settle => "settle",
            Phase::Final => "final",
            Phase::Scrub => "scrub",
            Phase::End => "end",
        }
    }
}

/// What happened.
#[expect(missing_docs, reason = "the fields are named for what they are")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A process asks something of a node.
    Invoke { process: Process, node: NodeName, call: Call },
    /// The process's open call ended. `call` is the index of its invocation; `said` is what the
    /// answer said of itself, if anything.
    Complete { process: Process, call: Index, outcome: Outcome, said: Option<Box<Testimony>> },
    /// A fault is about to be injected.
    Inject { id: FaultId, fault: Fault },
    /// What came of it.
    Injected { id: FaultId, injection: Injection },
    /// A fault is about to be undone.
    Heal { id: FaultId },
    /// What came of that.
    Healed { id: FaultId, injection: Injection },
    /// A node was asked for its health, as a load balancer would.
    Probe { node: NodeName, healthy: bool, detail: String },
    /// The run enters a new phase.
    Phase(Phase),
    /// Something that a reader of the report should know, such as a new primary.
    Note(String),
}

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its position.
    pub index: Index,
    /// When, on the controller's clock.
    pub time: Nanos,
    /// What.
    pub event: Event,
}
