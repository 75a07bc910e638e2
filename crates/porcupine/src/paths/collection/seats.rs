//! A place in a stack for what nobody got, where pops that were not answered may have removed it.
//!
//! Not exact: the order of the other elements is given, and the places are chosen one by one. What
//! is found is an order; where nothing is found there may be one.
//!
//! Where the stack is lowest while an element may be pushed, it can stay the longest: until the
//! element below it is popped, or something finds the stack empty. It is popped right before that,
//! so the brackets nest. Each of these instants needs a pop that starts by then: the k-th of them
//! gets the k-th pop, which is enough if any choice is.

use super::Contents;

/// One operation in an order of pushes, pops and what found nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    /// When it happens; a push that happens just before that is marked by `false`.
    pub(super) when: (u64, bool),
    pub(super) at: u32,
    /// What it adds to the height of the stack.
    pub(super) change: i32,
}

/// An element that has to be seated: when its push starts; the event before which it is pushed,
/// and that before which it is popped.
struct Seat {
    start: u64,
    push_at: u32,
    push: usize,
    pop: Option<usize>,
    pop_at: u32,
}

/// The order with what nobody got in it.
pub(super) fn seat(contents: &Contents, events: &[Event]) -> Option<Vec<u32>> {
    // The height before each event, and after all.
    let mut heights = vec![0];
    for event in events {
        heights.push(heights[heights.len() - 1] + event.change);
    }
    let ends = ends(events, &heights);
    let mut seats = Vec::new();
    for element in contents.elements.iter().filter(|element| !element.was_got()) {
        let first = events.partition_point(|event| event.when < (element.put.start, true));
        let last = events.partition_point(|event| event.when <= (element.put.end, false));
        // The lowest, and of those the last.
        let push = (first..=last).rev().min_by_key(|place| heights[*place])?;
        seats.push(Seat {
            start: element.put.start,
            push_at: element.put_at,
            push,
            pop: ends[push],
            pop_at: super::NONE,
        });
    }
    seats.sort_by_key(|seat| seat.pop.unwrap_or(usize::MAX));
    let mut removals = contents.removals.iter();
    for seat in &mut seats {
        let Some(pop) = seat.pop else { break };
        let (start, at) = removals.next()?;
        if (*start, true) > events[pop].when {
            return None;
        }
        seat.pop_at = *at;
    }
    Some(lay_out(events, seats))
}

/// For each place the event before which an element that is pushed there has to be popped.
fn ends(events: &[Event], heights: &[i32]) -> Vec<Option<usize>> {
    let mut ends = vec![None; heights.len()];
    let mut empty = None;
    // The places behind, each lower than the one before it.
    let mut lower: Vec<usize> = Vec::new();
    for place in (0..heights.len()).rev() {
        if events.get(place).is_some_and(|event| event.change == 0) {
            empty = Some(place);
        }
        while lower.last().is_some_and(|other| heights[*other] >= heights[place]) {
            lower.pop();
        }
        ends[place] = lower.last().map(|other| other - 1).or(empty);
        lower.push(place);
    }
    ends
}

fn lay_out(events: &[Event], mut seats: Vec<Seat>) -> Vec<u32> {
    seats.sort_by_key(|seat| (seat.push, seat.start));
    let mut pops: Vec<(usize, u32)> = Vec::with_capacity(seats.len());
    // What was pushed last is popped first.
    pops.extend(seats.iter().rev().filter_map(|seat| Some((seat.pop?, seat.pop_at))));
    pops.sort_by_key(|(pop, _)| *pop);
    let (mut seats, mut pops) = (seats.iter().peekable(), pops.iter().peekable());
    let mut all = Vec::with_capacity(events.len() + seats.len() + pops.len());
    for place in 0..=events.len() {
        while let Some(seat) = seats.next_if(|seat| seat.push == place) {
            all.push(seat.push_at);
        }
        while let Some((_, at)) = pops.next_if(|(pop, _)| *pop == place) {
            all.push(*at);
        }
        all.extend(events.get(place).map(|event| event.at));
    }
    all
}
