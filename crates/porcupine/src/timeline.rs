//! A partition prepared for the search: its operations in order, its returns, and their slots.
//!
//! Operations are renumbered from 0: completed ones that only read, then the other completed ones,
//! then the indeterminate ones. *The frontier* counts returns in time order: the
//! search stands at frontier `f` when the first `f` returns have been passed, that is, when their
//! operations are linearized and that of return `f` is not.
//!
//! The invariant that makes configurations small: at frontier `f` every operation that returned
//! earlier is linearized and none that was called later can be. What is left to remember is which
//! of the operations open across return `f` are linearized. They overlap in that instant, so each
//! gets a slot that no operation overlapping it shares, and one bit per slot is enough; there are
//! as many slots as operations were ever open at once. The history's length does not enter. (The
//! windows of Lowe's just-in-time linearization; Porcupine keeps one bit per operation of the
//! history.)

use crate::Operation;

pub(crate) struct Timeline {
    /// For each operation its index in the history. Completed operations are in the order of their
    /// returns within each class, indeterminate ones in the order of their calls.
    pub(crate) origin: Vec<usize>,
    /// For each operation the number of returns before its call: it can be linearized from this
    /// frontier on.
    pub(crate) opens_at: Vec<u32>,
    /// The least `opens_at` of an operation and those behind it in its class.
    pub(crate) opens_behind: Vec<u32>,
    /// For each return, in time order, the operation.
    pub(crate) returns: Vec<u32>,
    /// How many completed operations only read.
    pub(crate) reads: usize,
    /// For each completed operation its slot.
    pub(crate) slots: Vec<u32>,
    /// Number of slots.
    pub(crate) width: usize,
}

impl Timeline {
    /// Prepares the operations of `history` with the indices `part`; `reads` tells which of them
    /// leave every state as it is.
    pub(crate) fn new<I, O>(
        history: &[Operation<I, O>],
        part: &[usize],
        reads: impl Fn(&Operation<I, O>) -> bool,
    ) -> Self {
        let class = |index: usize| match &history[index] {
            operation if operation.is_indeterminate() => Class::Optional,
            operation if reads(operation) => Class::Read,
            _ => Class::Change,
        };
        let mut order: Vec<(Class, u64, usize)> = part
            .iter()
            // What may be left out and changes nothing constrains nothing.
            .filter(|&&index| !history[index].is_indeterminate() || !reads(&history[index]))
            .map(|&index| {
                let (call, end) = history[index].interval();
                (class(index), end.unwrap_or(call), index)
            })
            .collect();
        // Ties by index: the answer must not depend on the order within a partition.
        order.sort_unstable();
        let reads = order.partition_point(|(class, ..)| *class == Class::Read);
        let completed = order.partition_point(|(class, ..)| *class != Class::Optional);
        let mut ends: Vec<(u64, u32)> =
            (0..).zip(&order[..completed]).map(|(op, (_, end, _))| (*end, op)).collect();
        ends.sort_unstable();
        // Strictly before the call: at equal times the call comes first (see Operation::interval).
        let passed = |call: u64| number(ends.partition_point(|(end, _)| *end < call));
        let origin: Vec<usize> = order.into_iter().map(|(.., index)| index).collect();
        let call = |index: &usize| history[*index].interval().0;
        let opens_at: Vec<u32> = origin.iter().map(|index| passed(call(index))).collect();
        let mut opens_behind = opens_at.clone();
        for op in (1..opens_at.len()).rev().filter(|op| *op != reads && *op != completed) {
            opens_behind[op - 1] = opens_behind[op - 1].min(opens_behind[op]);
        }
        let returns: Vec<u32> = ends.into_iter().map(|(_, op)| op).collect();
        let (slots, width) = slots(&opens_at[..completed], &returns);
        Self { origin, opens_at, opens_behind, returns, reads, slots, width }
    }

    pub(crate) fn completed(&self) -> usize {
        self.returns.len()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Read,
    Change,
    Optional,
}

/// Gives each completed operation a slot that is free at its call.
fn slots(opens_at: &[u32], returns: &[u32]) -> (Vec<u32>, usize) {
    let mut by_call: Vec<u32> = (0..number(opens_at.len())).collect();
    by_call.sort_unstable_by_key(|&op| opens_at[op as usize]);
    let mut slots = vec![0; opens_at.len()];
    let mut free = Vec::new();
    let mut width = 0;
    let mut passed = 0;
    for op in by_call {
        while passed < opens_at[op as usize] {
            free.push(slots[returns[passed as usize] as usize]);
            passed += 1;
        }
        slots[op as usize] = free.pop().unwrap_or_else(|| {
            width += 1;
            width - 1
        });
    }
    (slots, width as usize)
}

/// A position as the search stores it.
///
/// # Panics
/// If it is 2^32 or more: a history of so many operations fills hundreds of gigabytes by itself.
pub(crate) fn number(position: usize) -> u32 {
    u32::try_from(position).expect("fewer than 2^32 operations and configurations")
}
