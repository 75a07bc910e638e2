//! Going through a part in time order: what may take effect by now, what must.
//!
//! Not an order of effects: the paths that use it decide that. The invariant, and why their orders
//! respect real time: at a return everything that started before its end has arrived, and
//! everything that ended before has taken effect. Let x end before y starts. When y arrives, at a
//! return whose end is after y's start and so after x's end, that of x has been passed: x is in the
//! order already.

use super::{Judged, Span};
use crate::Operation;

pub(crate) struct Sweep {
    /// By start: the position in the part.
    arrivals: Vec<(u64, u32)>,
    arrived: usize,
    /// The completed ones by end.
    returns: Vec<(u64, u32)>,
}

impl Sweep {
    /// Of the operations of `history` with the indices `part`, those that `counts` holds for, by
    /// their positions in `part`.
    pub(crate) fn new<I, O>(
        history: &[Operation<I, O>],
        part: &[usize],
        counts: impl Fn(&Operation<I, O>) -> bool,
    ) -> Judged<Self> {
        let mut sweep = Self { arrivals: Vec::new(), arrived: 0, returns: Vec::new() };
        for (at, operation) in (0..).zip(part.iter().map(|&index| &history[index])) {
            if counts(operation) {
                let span = Span::of(operation)?;
                sweep.arrivals.push((span.start, at));
                if !operation.is_indeterminate() {
                    sweep.returns.push((span.end, at));
                }
            }
        }
        sweep.arrivals.sort_unstable();
        sweep.returns.sort_unstable();
        Ok(sweep)
    }

    /// How many returns there are.
    pub(crate) fn returns(&self) -> usize {
        self.returns.len()
    }

    /// Passes a return: calls `arrive` with all that started before its end and did not arrive yet,
    /// and gives the operation that has to have taken effect by now.
    pub(crate) fn pass(&mut self, number: usize, mut arrive: impl FnMut(u32)) -> u32 {
        let (end, at) = self.returns[number];
        while let Some(&(start, arriving)) = self.arrivals.get(self.arrived)
            && start < end
        {
            arrive(arriving);
            self.arrived += 1;
        }
        at
    }
}
