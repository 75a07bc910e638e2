//! What a check answers: a proof of legality, a proof of illegality, or how far it came.
//!
//! Not a report: everything is an index into the checked history, for others to render. The
//! invariant: evidence never claims more than the search established; see [`Progress`].

use crate::{Reason, Witness};

/// The answer of [`check`](crate::check).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Search {
    /// The history is linearizable, and this is one way to order it.
    Linearizable(Linearization),
    /// No order exists for at least one partition.
    Illegal(Evidence),
    /// The search was stopped before it knew.
    Exhausted {
        /// What stopped it.
        reason: Reason,
        /// How far it came. No partition in it is [`Progress::Illegal`].
        evidence: Evidence,
    },
}

/// A certificate of legality, checked by [`verify`](crate::verify).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Linearization {
    /// For each partition (in the order of [`Model::partition`](crate::Model::partition)) its
    /// operations in the order in which they take effect. An indeterminate operation that is not
    /// listed never took effect, as far as this order is concerned.
    pub partitions: Vec<Vec<usize>>,
}

/// What the search found, partition by partition, where it has no complete linearization.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// One entry for each partition, in the order of [`Model::partition`](crate::Model::partition).
    pub partitions: Vec<PartitionEvidence>,
}

/// What the search found in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionEvidence {
    /// All operations of the partition, as the model gave them.
    pub operations: Vec<usize>,
    /// How much is known.
    pub progress: Progress,
    /// The furthest partial linearizations, longest first, each ending in a different state; one
    /// complete linearization where the partition is legal, none where it was not started. At most
    /// [`PartitionEvidence::MOST_PARTIALS`].
    pub partials: Vec<Vec<usize>>,
    /// The operation whose return no partial linearization got past; `None` where legal or not
    /// started. In an illegal partition: all operations that returned earlier can be ordered, and
    /// this one cannot take effect before its return as well, whichever of the operations that were
    /// open then take effect with the answers that they got in the end. `None` also where there is
    /// a witness of another kind than [`Kind::Blocked`](crate::Kind::Blocked).
    pub blocked: Option<usize>,
    /// Where a shortcut proved the partition illegal: the operations that contradict each other.
    pub witness: Option<Witness>,
}

/// How much is known about a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Progress {
    /// A complete linearization was found.
    Linearizable,
    /// There is none: the search was exhaustive.
    Illegal,
    /// The search was stopped, by the budget or because another partition is illegal.
    Unfinished,
    /// The search did not start.
    NotStarted,
}

impl PartitionEvidence {
    /// How many partial linearizations are kept for a partition.
    pub const MOST_PARTIALS: usize = 8;
}

impl Evidence {
    /// The blocked operations of the illegal partitions: the accused.
    pub fn blocked(&self) -> impl Iterator<Item = usize> {
        let illegal = |part: &&PartitionEvidence| part.progress == Progress::Illegal;
        self.partitions.iter().filter(illegal).filter_map(|part| part.blocked)
    }

    /// What shortcuts found in the illegal partitions.
    pub fn witnesses(&self) -> impl Iterator<Item = &Witness> {
        self.partitions.iter().filter_map(|part| part.witness.as_ref())
    }
}

impl Search {
    /// Whether the history was proven linearizable.
    pub fn is_linearizable(&self) -> bool {
        matches!(self, Self::Linearizable(_))
    }

    /// Whether the history was proven not linearizable.
    pub fn is_illegal(&self) -> bool {
        matches!(self, Self::Illegal(_))
    }
}
