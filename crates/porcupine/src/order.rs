//! From the steps of the search to a linearization: where unseen overwrites go.
//!
//! The search passes the return of an overwriting operation without a step of its own where a later
//! overwriting step could have hidden it. Here it gets its place: directly before that step.
//!
//! Why that is a linearization: it was callable at that step, and its return had not been passed.
//! It is allowed in every state, and so is the step, which leaves the same state as without it.

use crate::timeline::Timeline;

/// The linearization that `steps` stand for.
pub(crate) fn order(timeline: &Timeline, steps: &[u32]) -> Vec<u32> {
    // What is stepped at all is not hidden; what is stepped later is waited for.
    let mut steps_left = vec![false; timeline.origin.len()];
    let mut stepped = vec![false; timeline.origin.len()];
    steps.iter().for_each(|op| steps_left[*op as usize] = true);
    // The last overwriting step and the frontier from which it was made.
    let mut cover: Option<(usize, u32)> = None;
    let mut hidden: Vec<(usize, u32)> = Vec::new();
    let mut frontier = 0;
    for (at, &op) in steps.iter().enumerate() {
        stepped[op as usize] = true;
        if timeline.overwrites[op as usize] {
            cover = Some((at, frontier));
        }
        while let Some(&returning) = timeline.returns.get(frontier as usize) {
            if !stepped[returning as usize] {
                let hides = |(_, seen): &(usize, u32)| {
                    !steps_left[returning as usize]
                        && timeline.overwrites[returning as usize]
                        && timeline.opens_at[returning as usize] <= *seen
                };
                let Some((at, _)) = cover.filter(hides) else { break };
                hidden.push((at, returning));
            }
            frontier += 1;
        }
    }
    let mut hidden = hidden.into_iter().peekable();
    let mut order = Vec::with_capacity(steps.len() + hidden.len());
    for (at, op) in steps.iter().enumerate() {
        while let Some((_, before)) = hidden.next_if(|(place, _)| *place == at) {
            order.push(before);
        }
        order.push(*op);
    }
    order
}

/// The furthest places that a worker saw, while its stack moves on.
///
/// A place is a part of the stack and, once that was left, the steps that led on from it: so
/// remembering one costs nothing until the search goes back.
pub(crate) struct Furthest {
    frontier: u32,
    most: usize,
    places: Vec<Place>,
}

struct Place {
    state: u32,
    depth: usize,
    /// How much of it is still on the stack.
    shared: usize,
    /// The rest, last step first.
    tail: Vec<u32>,
}

impl Furthest {
    /// Remembers up to `most` places.
    pub(crate) fn new(most: usize) -> Self {
        Self { frontier: 0, most, places: Vec::new() }
    }

    pub(crate) fn frontier(&self) -> u32 {
        self.frontier
    }

    /// The top of a stack with `depth` steps has this frontier and state.
    #[inline]
    pub(crate) fn note(&mut self, frontier: u32, state: u32, depth: usize) {
        if frontier < self.frontier {
            return;
        }
        if frontier > self.frontier {
            self.places.clear();
            self.frontier = frontier;
        }
        let place = Place { state, depth, shared: depth, tail: Vec::new() };
        if let Some(known) = self.places.iter_mut().find(|known| known.state == state) {
            if known.depth < depth {
                *known = place;
            }
        } else if self.places.len() < self.most {
            self.places.push(place);
        }
    }

    /// `op` is taken from the top of a stack with `depth` steps.
    #[inline]
    pub(crate) fn pop(&mut self, op: u32, depth: usize) {
        for place in self.places.iter_mut().filter(|place| place.shared == depth) {
            place.shared -= 1;
            place.tail.push(op);
        }
    }

    /// For each place its state and the steps that led there, given those on the stack.
    pub(crate) fn steps(&self, stack: &[u32]) -> Vec<(u32, Vec<u32>)> {
        let whole = |place: &Place| {
            stack[..place.shared].iter().chain(place.tail.iter().rev()).copied().collect()
        };
        self.places.iter().map(|place| (place.state, whole(place))).collect()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.places.iter().map(|place| place.tail.capacity() * size_of::<u32>()).sum()
    }
}
