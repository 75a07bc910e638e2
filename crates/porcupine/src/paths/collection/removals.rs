//! Who removed what nobody got: dequeues that were not answered.
//!
//! Not a decision whether they did. Such a dequeue has no end, so one that removes an element can
//! always wait, and what it removes is bounded by its start alone. The invariant of
//! [`assign_in_order`]: the element whose enqueue ends k-th gets the dequeue that starts k-th.

use super::{Contents, Element};
use crate::paths::Span;

/// The elements, each that nobody got with a dequeue that may have removed it, as far as there are
/// any. In the order of the enqueues' ends, and of the dequeues' starts.
///
/// *Why this is the best choice for bags and queues.* There, all that is asked of the dequeue of an
/// element u that nobody got is that it starts before some instants: before the end of a dequeue
/// of what was enqueued after u had been, and by each instant at which the collection is empty and
/// u's enqueue had ended. So what is asked of u is asked of all whose enqueue ended earlier too:
/// the bounds rise with the ends. If any choice keeps the bounds of the first k elements, then k
/// dequeues start before the k-th bound, so the k-th dequeue does.
pub(super) fn assign_in_order(contents: &Contents) -> Vec<Element> {
    assign(contents, |number| contents.elements[number].put.end)
}

/// As [`assign_in_order`], in another order of the elements, by their numbers.
pub(super) fn assign<K: Ord>(contents: &Contents, order: impl Fn(usize) -> K) -> Vec<Element> {
    let mut elements = contents.elements.clone();
    let mut left: Vec<usize> =
        (0..elements.len()).filter(|number| !elements[*number].was_got()).collect();
    left.sort_by_key(|number| order(*number));
    for (number, &(start, at)) in left.into_iter().zip(&contents.removals) {
        remove(&mut elements[number], start, at);
    }
    elements
}

/// Each of them with the same dequeue, the first of all: more than there can be.
pub(super) fn assign_to_all(contents: &Contents) -> Vec<Element> {
    let mut elements = contents.elements.clone();
    if let Some(&(start, at)) = contents.removals.first() {
        let left = elements.iter_mut().filter(|element| !element.was_got());
        left.for_each(|element| remove(element, start, at));
    }
    elements
}

fn remove(element: &mut Element, start: u64, at: u32) {
    element.got = Span { start: start.max(element.put.start), end: u64::MAX };
    element.got_at = at;
}
