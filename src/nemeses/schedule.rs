//! When faults begin and end: a pure function of the declaration, the time and the seed.

use std::time::Duration;

use perjury_history::{FaultId, Nanos};

use super::{Order, Spec};
use crate::seed::Stream;

/// Begin or end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Undo the fault of that number.
    Heal,
    /// Inject the declared fault with that place in the declaration.
    Inject(usize),
}

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When, counted from the beginning of the load.
    pub at: Nanos,
    /// The number of the fault.
    pub id: FaultId,
    /// What.
    pub act: Act,
}

/// Everything to do in a load of that length, in order of time. Pauses vary between half and one
/// and a half of what is declared: a fixed beat would always meet the same phase of a periodic
/// timer. A fault that would begin after the end is left out; one that is still on at the end is
/// healed then, by the runner.
pub fn schedule(spec: &Spec, length: Duration, stream: &mut Stream) -> Vec<Step> {
    let end = nanos(length);
    let mut steps = Vec::new();
    let mut next = 0;
    match spec.order {
        Order::InTurn => {
            let mut at = 0;
            for turn in (0..spec.fault.len()).cycle() {
                at = one(spec, turn, at, &mut next, stream, &mut steps);
                if at >= end {
                    break;
                }
            }
        }
        Order::Together => {
            for track in 0..spec.fault.len() {
                let mut at = 0;
                while at < end {
                    at = one(spec, track, at, &mut next, stream, &mut steps);
                }
            }
        }
    }
    steps.retain(|step| step.at < end);
    // A heal before an injection at the same time; stable otherwise.
    steps.sort_by_key(|step| (step.at, step.act));
    steps
}

/// One fault, from a pause after `at` on; answers when it ends.
fn one(
    spec: &Spec,
    track: usize,
    at: Nanos,
    next: &mut u32,
    stream: &mut Stream,
    steps: &mut Vec<Step>,
) -> Nanos {
    let declared = &spec.fault[track];
    let pause = nanos(declared.every).max(1);
    let begin = at + pause / 2 + stream.below(pause);
    let end = begin + nanos(declared.hold);
    let id = FaultId(*next);
    *next += 1;
    steps.push(Step { at: begin, id, act: Act::Inject(track) });
    steps.push(Step { at: end, id, act: Act::Heal });
    end
}

fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}
