//! A partition prepared for the search: its operations in order, its returns, and their slots.
//!
//! Operations are renumbered from 0: the completed ones in the order of their calls, then the
//! indeterminate ones in the order of their calls. *The frontier* counts returns in time order: the
//! search stands at frontier `f` when the first `f` returns have been passed, that is, when their
//! operations are linearized and that of return `f` is not.
//!
//! The invariant that makes configurations small: at frontier `f` every operation that returned
//! earlier is linearized and none that was called later can be. What is left to remember is which of
//! the operations open across return `f` are linearized. They overlap in that instant, so each gets
//! a slot that no operation overlapping it shares, and one bit per slot is enough; there are as many
//! slots as operations were ever open at once. The history's length does not enter. (The windows of
//! Lowe's just-in-time linearization; Porcupine keeps one bit per operation of the history.)

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::Operation;

pub(crate) struct Timeline {
    /// For each operation its index in the history.
    pub(crate) origin: Vec<usize>,
    /// For each operation the number of returns before its call: it can be linearized from this
    /// frontier on. Ascending within the completed and within the indeterminate operations.
    pub(crate) opens_at: Vec<u32>,
    /// For each return, in time order, the operation.
    pub(crate) returns: Vec<u32>,
    /// For each completed operation its slot.
    pub(crate) slots: Vec<u32>,
    /// Number of slots.
    pub(crate) width: usize,
}

impl Timeline {
    /// Prepares the operations of `history` with the indices `part`.
    pub(crate) fn new<I, O>(history: &[Operation<I, O>], part: &[usize]) -> Self {
        let mut origin = part.to_vec();
        // Ties by index: the answer must not depend on the order within a partition.
        origin.sort_by_key(|&index| {
            let operation = &history[index];
            (operation.is_indeterminate(), operation.interval().0, index)
        });
        let completed = origin.partition_point(|&index| !history[index].is_indeterminate());
        let end = |op: u32| history[origin[op as usize]].interval().1;
        let mut returns: Vec<u32> = (0..number(completed)).collect();
        returns.sort_by_key(|&op| (end(op), op));
        let opens_at = Self::opens_at(history, &origin, &returns, completed);
        let (slots, width) = Self::slots(&opens_at[..completed], &returns);
        Self { origin, opens_at, returns, slots, width }
    }

    pub(crate) fn completed(&self) -> usize {
        self.returns.len()
    }

    fn opens_at<I, O>(
        history: &[Operation<I, O>],
        origin: &[usize],
        returns: &[u32],
        completed: usize,
    ) -> Vec<u32> {
        let mut opens_at = Vec::with_capacity(origin.len());
        let mut passed = 0;
        for (op, &index) in origin.iter().enumerate() {
            if op == completed {
                passed = 0; // the indeterminate operations start over in time
            }
            let call = history[index].interval().0;
            // Strictly before: at equal times the call comes first (see Operation::interval).
            while passed < returns.len()
                && history[origin[returns[passed] as usize]].interval().1 < Some(call)
            {
                passed += 1;
            }
            opens_at.push(number(passed));
        }
        opens_at
    }

    /// Gives each operation the lowest slot that is free at its call.
    fn slots(opens_at: &[u32], returns: &[u32]) -> (Vec<u32>, usize) {
        let mut slots = vec![0; opens_at.len()];
        let mut free = BinaryHeap::new();
        let mut width = 0;
        let mut passed = 0;
        for (op, &frontier) in opens_at.iter().enumerate() {
            while passed < frontier {
                free.push(Reverse(slots[returns[passed as usize] as usize]));
                passed += 1;
            }
            slots[op] = free.pop().map_or(width, |Reverse(slot)| slot);
            width = width.max(slots[op] + 1);
        }
        (slots, width as usize)
    }
}

/// A position as the search stores it.
///
/// # Panics
/// If it is 2^32 or more: a history of so many operations fills hundreds of gigabytes by itself.
pub(crate) fn number(position: usize) -> u32 {
    u32::try_from(position).expect("fewer than 2^32 operations and configurations")
}
