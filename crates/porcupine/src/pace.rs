//! Long preparations in short pieces: a budget is read between them.
//!
//! Not a scheduler: whoever works through many items says so. The invariant: at most
//! [`PIECE`] items lie between two readings, about a millisecond.

/// Items between two readings.
const PIECE: usize = 1 << 16;

/// What ends a preparation when the budget is exceeded.
pub(crate) struct OutOfBudget;

/// Calls `visit` for each item, and `exceeded` now and then.
pub(crate) fn each<T>(
    items: impl IntoIterator<Item = T>,
    exceeded: &impl Fn() -> bool,
    mut visit: impl FnMut(T),
) -> Result<(), OutOfBudget> {
    let mut left = PIECE;
    for item in items {
        visit(item);
        left -= 1;
        if left == 0 {
            look(exceeded)?;
            left = PIECE;
        }
    }
    Ok(())
}

pub(crate) fn look(exceeded: &impl Fn() -> bool) -> Result<(), OutOfBudget> {
    if exceeded() { Err(OutOfBudget) } else { Ok(()) }
}

/// Sorts: pieces first, then merges of them, both of which can be left in between.
pub(crate) fn sort<T: Ord + Copy>(
    items: &mut Vec<T>,
    exceeded: &impl Fn() -> bool,
) -> Result<(), OutOfBudget> {
    for piece in items.chunks_mut(PIECE) {
        piece.sort_unstable();
        look(exceeded)?;
    }
    let mut width = PIECE;
    while width < items.len() {
        let mut merged = Vec::with_capacity(items.len());
        for pair in items.chunks(2 * width) {
            let (left, right) = pair.split_at(width.min(pair.len()));
            merge(left, right, &mut merged, exceeded)?;
        }
        *items = merged;
        width *= 2;
    }
    Ok(())
}

fn merge<T: Ord + Copy>(
    mut left: &[T],
    mut right: &[T],
    merged: &mut Vec<T>,
    exceeded: &impl Fn() -> bool,
) -> Result<(), OutOfBudget> {
    // Histories are nearly in order: runs that do not interleave are copied.
    if let (Some(last), Some(first)) = (left.last(), right.first())
        && last <= first
    {
        merged.extend_from_slice(left);
        merged.extend_from_slice(right);
        return look(exceeded);
    }
    let mut steps = 0usize;
    while let (Some(a), Some(b)) = (left.first(), right.first()) {
        if a <= b {
            merged.push(*a);
            left = &left[1..];
        } else {
            merged.push(*b);
            right = &right[1..];
        }
        steps += 1;
        if steps.is_multiple_of(PIECE) {
            look(exceeded)?;
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::hash::mix;

    #[test]
    fn sorts_as_the_standard_library_does_and_stops_when_told() {
        for count in [0, 1, PIECE, 3 * PIECE + 5, 1_000_000] {
            for spread in [0, 1, u64::MAX] {
                let item = |i: usize| i as u64 ^ (mix(i as u64) & spread);
                let mut items: Vec<u64> = (0..count).map(item).collect();
                let mut expected = items.clone();
                expected.sort_unstable();
                assert!(sort(&mut items, &|| false).is_ok());
                assert_eq!(items, expected);
            }
        }
        let readings = Cell::new(0);
        let exceeded = || {
            readings.set(readings.get() + 1);
            readings.get() == 3
        };
        assert!(sort(&mut vec![0; 1_000_000], &exceeded).is_err());
        assert_eq!(readings.get(), 3);
    }
}
