//! Answered operations that change nothing and fit every state.
//!
//! Not those that fit only some states. Why they always find a place: let each operation of the
//! order take effect at the latest start of it and those before it; as the order respects real
//! time, that is within its span. Let each glance take effect at its start. Sorted by those
//! instants, everything is within its span, so real time is respected.

use super::{Judged, Span};
use crate::Operation;

/// Puts `glances` into an order that respects real time. All are indices into `history`.
pub(crate) fn merge<I, O>(
    history: &[Operation<I, O>],
    order: Vec<usize>,
    glances: Vec<usize>,
) -> Judged<Vec<usize>> {
    if glances.is_empty() {
        return Ok(order);
    }
    let mut starts = Vec::with_capacity(glances.len());
    for index in glances {
        starts.push((Span::of(&history[index])?.start, index));
    }
    starts.sort_unstable();
    let mut starts = starts.into_iter().peekable();
    let mut all = Vec::with_capacity(order.len() + starts.len());
    let mut instant = 0;
    for index in order {
        instant = instant.max(Span::of(&history[index])?.start);
        while let Some((_, glance)) = starts.next_if(|(start, _)| *start < instant) {
            all.push(glance);
        }
        all.push(index);
    }
    all.extend(starts.map(|(_, glance)| glance));
    Ok(all)
}
