//! Answered operations that change nothing and fit every state.
//!
//! Not those that fit only some states. Why they always find a place: let each operation of the
//! order take effect at the latest start of it and those before it; as the order respects real
//! time, that is within its span. Let each glance take effect at its start, or at another instant
//! of its span. Sorted by those instants, everything is within its span, so real time is respected.

use super::{Judged, Span};
use crate::Operation;

/// Puts `glances` into an order that respects real time. All are indices into `history`.
pub(crate) fn merge<I, O>(
    history: &[Operation<I, O>],
    order: Vec<usize>,
    glances: Vec<usize>,
) -> Judged<Vec<usize>> {
    let mut starts = Vec::with_capacity(glances.len());
    for index in glances {
        starts.push((Span::of(&history[index])?.start, index));
    }
    merge_at(history, order, starts)
}

/// [`merge`], with an instant within its span for each glance: it comes after all that starts by
/// then and is not behind something that starts later.
pub(crate) fn merge_at<I, O>(
    history: &[Operation<I, O>],
    order: Vec<usize>,
    mut glances: Vec<(u64, usize)>,
) -> Judged<Vec<usize>> {
    if glances.is_empty() {
        return Ok(order);
    }
    glances.sort_unstable();
    let mut glances = glances.into_iter().peekable();
    let mut all = Vec::with_capacity(order.len() + glances.len());
    let mut latest = 0;
    for index in order {
        latest = latest.max(Span::of(&history[index])?.start);
        while let Some((_, glance)) = glances.next_if(|(instant, _)| *instant < latest) {
            all.push(glance);
        }
        all.push(index);
    }
    all.extend(glances.map(|(_, glance)| glance));
    Ok(all)
}
