//! An order of operations by the instants at which they take effect.
//!
//! Nothing is decided here. At one instant t, in this order: enqueues that happen just before t (as
//! late as those that end at t can); dequeues, in the order that is given, each with its enqueue
//! right before it where that happens at the same instant; what finds nothing.

use super::Element;

/// The positions in order. `order` has the numbers of all elements; `instants` tells, for each of
/// these, when it is dequeued, no earlier than its spans allow and before the dequeue ends, if it
/// is. It is enqueued just before the end of its enqueue, or right before it is dequeued where that
/// comes first.
pub(super) fn lay_out(
    elements: &[Element],
    order: &[u32],
    instants: &[u64],
    empties: &[(u64, u32)],
) -> Vec<u32> {
    const DEQUEUE: u64 = 1 << 62;
    const EMPTY: u64 = 2 << 62;
    let mut events: Vec<(u64, u64)> = Vec::with_capacity(2 * elements.len() + empties.len());
    let numbered = (0u64..).zip(order.iter().map(|it| &elements[*it as usize]).zip(instants));
    for (number, (element, &instant)) in numbered {
        let together = element.was_got() && instant < element.put.end;
        events.push(match together {
            true => (instant, DEQUEUE | (2 * number)),
            false => (element.put.end, 2 * number),
        });
        if element.was_got() {
            events.push((instant, DEQUEUE | (2 * number + 1)));
        }
    }
    events.extend((0..).zip(empties).map(|(number, (instant, _))| (*instant, EMPTY | number)));
    events.sort_unstable();
    let position = |(_, what): (u64, u64)| {
        let number = what & (DEQUEUE - 1);
        let element = || &elements[order[number as usize / 2] as usize];
        match (what & EMPTY != 0, number % 2) {
            (true, _) => empties[number as usize].1,
            (false, 0) => element().put_at,
            (false, _) => element().got_at,
        }
    };
    events.into_iter().map(position).collect()
}
