//! What a polynomial path says about one part of a history, and why.
//!
//! Not a search: a path knows the object (a register, a lock) and decides from the times and values
//! of the operations alone. The invariant: a shortcut is a proof either way. What a path cannot
//! prove it leaves to the search, by saying nothing.

/// The answer of [`Model::shortcut`](crate::Model::shortcut).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortcut {
    /// The name of the path, for reports.
    pub path: &'static str,
    /// A linearization of the part as in
    /// [`Linearization::partitions`](crate::Linearization::partitions), or why there is none.
    pub order: Result<Vec<usize>, Witness>,
}

/// A few operations that no order explains.
///
/// But for those kinds in which all operations have a part, they contradict each other as soon as
/// one knows who wrote the values that they name: together with the writers of those values they
/// are a history that is not linearizable by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// How they contradict each other.
    pub kind: Kind,
    /// Indices into the history, in the order in which the kind names them, none twice.
    pub operations: Vec<usize>,
}

/// How operations contradict each other. "Before" is real time: one returned before the other was
/// called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The answer does not belong to the question.
    Misanswered,
    /// The value was seen, but nobody wrote it. After the reader come the operations that show that
    /// it took effect, where it was not answered itself.
    NobodyWrote,
    /// The value was seen before its write was called: the write, then the reader.
    ReadBeforeWrite,
    /// Two values, or chains of compare-and-sets, each have an operation that ended before one of
    /// the other began, so each must be replaced before the other: the first and last of the one,
    /// then of the other. The initial value begins before everything, with no operation.
    Overlap,
    /// As [`Kind::Overlap`], but the operations of the second share an instant: all of its
    /// operations lie between two of the first.
    Inside,
    /// Two compare-and-sets replaced the same value, which was written once: both, then what shows
    /// that they took effect.
    TwoSwaps,
    /// Each compare-and-set expects the value that another of them wrote.
    SwapRing,
    /// An operation on a value ended before one on an earlier value of the same chain of
    /// compare-and-sets began: the one on the earlier value, the compare-and-sets that tie the
    /// values together, the one on the later value.
    SwapOrder,
    /// A compare-and-set was refused where the value that it expected was there all the time: an
    /// operation on that value before, the refused one, an operation on the value after.
    RefusedInside,
    /// Nothing was found, but a value was there, and the deletes that might have removed it are too
    /// few: others before need them. All operations on the key have a part in it.
    NeverDeleted,
    /// An element was enqueued once and dequeued twice: the enqueue, both dequeues.
    TakenTwice,
    /// The first element was enqueued before the second, and dequeued after it: the enqueues in
    /// their order, the dequeues in theirs.
    OutOfOrder,
    /// An element that nobody got was enqueued before one that was dequeued: both enqueues, and the
    /// dequeue. Where other dequeues may have removed it, they follow, with the enqueues of what
    /// they had to remove as well: they are too few.
    Overtaken,
    /// Nothing was found, but something was there all the time: the operation, then those on
    /// elements of which one was always there. Where dequeues may have removed them, as above.
    NeverEmpty,
    /// While an element was dequeued, a smaller one was always there: the enqueue, the dequeue,
    /// then those on smaller elements of which one was always there. Dequeues as above.
    Outranked,
    /// Elements of a stack of which one was always there, from an instant to another, but none from
    /// before the first until after the second: their operations. Dequeues as above.
    NotNested,
    /// Two operations were given the same number, which only one can have: a position in a log, a
    /// token of a lock.
    GivenTwice,
    /// Two reads of a set that only grows, and neither saw all that the other saw.
    Incomparable,
    /// By what was seen, the first took effect before the last, but the last had returned before
    /// the first was called. Those between them show their order.
    AgainstTime,
    /// A position of a log holds one element, and each append makes one entry: two operations that
    /// say otherwise. All appends have a part in it. Or two reads of a string that only grows
    /// between its puts, or one that has an append twice.
    Mismatch,
    /// These operations have no order among themselves, and no other bears upon it.
    Together,
    /// No place is left for the operation. All operations have a part in it.
    NoPlace,
    /// Not a contradiction of a few operations but of the numbers of many: the operation is what
    /// [`PartitionEvidence::blocked`](crate::PartitionEvidence::blocked) says.
    Blocked,
}
