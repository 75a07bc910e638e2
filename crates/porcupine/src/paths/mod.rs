//! Polynomial paths: models whose histories can be judged without a search.
//!
//! Not a part of the search, and nothing here calls a model: what the paths conclude, the tests
//! hold against the search, the brute force and the verifier. Times are handled as half-open spans,
//! see [`Span`]. The invariant of every path: `Ok` is a linearization, [`Halt::Illegal`] is a
//! proof, and everything else is [`Halt::Unfit`], which sends the part to the search.

mod collection;
mod counter;
mod fence;
mod glances;
mod lock;
mod log;
mod owners;
mod register;
mod sets;
mod source;
mod spelling;
mod sums;
mod sweep;
mod values;

pub(crate) use collection::{Pass, decide_bag, decide_priority_queue, decide_queue, decide_stack};
pub(crate) use counter::{Tick, decide_counter};
pub(crate) use fence::{Fenced, decide_fenced_lock};
pub(crate) use lock::{Turn, decide_lock};
pub(crate) use log::{Entry, decide_log};
pub(crate) use owners::{Hold, decide_owned_fenced_lock, decide_owned_mutex};
pub(crate) use register::{Act, decide_map, decide_register};
pub(crate) use sets::{Grow, decide_set};
pub(crate) use spelling::{Text, decide_string};

use crate::{Kind, Meter, Operation, Shortcut, Witness};

/// Why a path ends without a linearization.
pub(crate) enum Halt {
    /// The path does not know: the search has to.
    Unfit,
    /// No order exists.
    Illegal(Witness),
}

pub(crate) type Judged<T> = Result<T, Halt>;

/// Ends a path with a witness; repeated operations are listed once.
pub(crate) fn illegal<T>(kind: Kind, operations: impl IntoIterator<Item = usize>) -> Judged<T> {
    let mut unique = Vec::new();
    for operation in operations {
        if !unique.contains(&operation) {
            unique.push(operation);
        }
    }
    Err(Halt::Illegal(Witness { kind, operations: unique }))
}

/// The shortcut that a path's end amounts to.
pub(crate) fn concluded(path: &'static str, judged: Judged<Vec<usize>>) -> Option<Shortcut> {
    match judged {
        Ok(order) => Some(Shortcut { path, order: Ok(order) }),
        Err(Halt::Illegal(witness)) => Some(Shortcut { path, order: Err(witness) }),
        Err(Halt::Unfit) => None,
    }
}

/// When an operation may take effect: from `start` to before `end`.
///
/// [`Operation::interval`] is closed; times are whole numbers, so adding 1 to the last instant
/// makes the same interval half-open, and *a before b* is `a.end <= b.start`. What has no end has
/// the greatest number there, and precedes nothing, since no start is that number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Span {
    /// The span of an operation; unfit where its call is at the end of time.
    pub(crate) fn of<I, O>(operation: &Operation<I, O>) -> Judged<Self> {
        let (start, end) = operation.interval();
        if start == u64::MAX {
            return Err(Halt::Unfit);
        }
        Ok(Self { start, end: end.map_or(u64::MAX, |end| end.saturating_add(1)) })
    }
}

/// What one operation costs a path, roughly.
const BYTES_PER_OPERATION: u64 = 40;

/// Reads the meter now and then, and holds the bytes that the path was charged for.
pub(crate) struct Watch<'a> {
    meter: &'a Meter,
    bytes: u64,
}

impl<'a> Watch<'a> {
    /// Charges for `operations`; unfit where the budget has no room for them.
    pub(crate) fn new(meter: &'a Meter, operations: usize) -> Judged<Self> {
        let bytes = operations as u64 * BYTES_PER_OPERATION;
        meter.add_bytes(bytes);
        let watch = Self { meter, bytes };
        // Positions and numbers of values carry a flag in the highest of 32 bits.
        if operations >= (1 << 31) - 1 {
            return Err(Halt::Unfit);
        }
        watch.look()?;
        Ok(watch)
    }

    /// To be called at every step of a loop, with its number.
    #[inline]
    pub(crate) fn step(&self, at: usize) -> Judged<()> {
        if at & 0xffff == 0xffff { self.look() } else { Ok(()) }
    }

    pub(crate) fn look(&self) -> Judged<()> {
        if self.meter.exceeded() { Err(Halt::Unfit) } else { Ok(()) }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.meter.release_bytes(self.bytes);
    }
}
