//! What a report keeps of single things in a history: an outcome, an interval of time, a cause, a
//! fault, an operation.

use perjury_history::{Call, FaultId, Index, Injection, Nanos, NodeName, Outcome, Process};

use super::histogram::Histogram;

/// The three things that can come of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It succeeded.
    Ok,
    /// It failed for sure.
    Fail,
    /// Nobody knows.
    Info,
}

impl Kind {
    /// All of them, in the order of tables.
    pub const ALL: [Kind; 3] = [Kind::Ok, Kind::Fail, Kind::Info];

    /// The word, which is also the class in style sheets.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ok => "ok",
            Kind::Fail => "fail",
            Kind::Info => "info",
        }
    }

    /// What that outcome is.
    pub fn of(outcome: &Outcome) -> Kind {
        match outcome {
            Outcome::Ok(_) => Kind::Ok,
            Outcome::Fail(_) => Kind::Fail,
            Outcome::Info(_) => Kind::Info,
        }
    }
}

/// How many ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By [`Kind`].
    pub ended: [u64; 3],
    /// Still open at the end of the history.
    pub open: u64,
}

impl Counts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.ended.iter().sum::<u64>() + self.open
    }

    /// Those that ended so.
    pub fn of(&self, kind: Kind) -> u64 {
        self.ended[kind as usize]
    }
}

/// One interval of time.
#[derive(Clone, Debug, Default)]
pub struct Interval {
    /// How many operations ended in it, by [`Kind`].
    pub ended: [u64; 3],
    /// The slowest that began in it, by [`Kind`].
    pub slowest: [Option<Nanos>; 3],
    /// The latencies of those that began in it and succeeded.
    pub latencies: Histogram,
}

/// Why operations did not succeed.
#[derive(Clone, Debug)]
pub struct Reason {
    /// How many.
    pub count: u64,
    /// What was said the first time.
    pub example: String,
}

/// The life of one fault.
#[derive(Clone, Debug)]
pub struct FaultLife {
    /// Its number.
    pub id: FaultId,
    /// The word for its kind.
    pub name: &'static str,
    /// What and where, in words.
    pub what: String,
    /// The nodes on which something is done.
    pub nodes: Vec<NodeName>,
    /// When it was about to be injected.
    pub from: Nanos,
    /// What came of that.
    pub injection: Option<Injection>,
    /// When its heal was over.
    pub until: Option<Nanos>,
    /// What came of the heal.
    pub heal: Option<Injection>,
}

impl FaultLife {
    /// Is it one that makes nodes lie, or corrupts them?
    pub fn is_byzantine(&self) -> bool {
        matches!(self.name, "lie" | "corrupt")
    }

    /// Did anything break, as far as is known?
    pub fn may_have_effect(&self) -> bool {
        !matches!(self.injection, Some(Injection::Skipped(_)))
    }
}

/// An operation that a finding cites.
#[derive(Clone, Debug)]
pub struct Witness {
    /// Its invocation.
    pub index: Index,
    /// Who.
    pub process: Process,
    /// Of whom.
    pub node: NodeName,
    /// Who answered, if the connection proves that it was another one.
    pub by: Option<NodeName>,
    /// What.
    pub call: Call,
    /// When.
    pub start: Nanos,
    /// What came of it and when.
    pub end: Option<(Nanos, Outcome)>,
}

impl Witness {
    /// Who answered, as far as is known.
    pub fn answerer(&self) -> &NodeName {
        self.by.as_ref().unwrap_or(&self.node)
    }
}
