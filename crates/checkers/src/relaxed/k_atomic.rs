//! k-atomicity: bounded staleness in versions.
//!
//! Definition: Golab, Li and Shah (PODC 2011), after Aiyer, Alvisi and Bazzi (DISC 2005): there is
//! an order that respects real time in which every read returns one of the last k values written
//! before it. The initial value is the first. k = 1 is atomicity. For k = 2 a polynomial algorithm
//! is known (Golab, Hurwitz and Li, "On the k-atomicity-verification problem", ICDCS 2013); here a
//! lower and an upper bound come first, both in near-linear time but for the counting, and a search
//! decides where k lies in between. What that does not decide is *unknown*.
//!
//! - *Lower bound.* If W1, ..., Wn began after the write W ended and ended before the read R of W
//!   began, all of them stand between W and R in every order: k is at least n + 1.
//! - *Upper bound.* Let every write take effect when it begins, and a read when it begins or when
//!   its write does, whichever is later. Each moment lies within its operation, so that is an order
//!   that respects real time, and the largest number of writes from a read's own on is enough.
//! - *Search.* An object whose state is the last k values, through the search for linearizations.

use perjury_porcupine::{Meter, Model, Operation, Search, check_within};

use super::registers::{Register, Source};
use super::{Answer, Proof};

/// Is every register k-atomic?
pub(super) fn holds(registers: &[Register], k: usize, meter: &Meter) -> Answer {
    let mut answer = Answer::Holds;
    for register in registers {
        match one(register, k, meter) {
            Answer::Holds => {}
            Answer::Unknown(why) => answer = Answer::Unknown(why),
            broken @ Answer::Broken(_) => return broken,
        }
    }
    answer
}

/// The least and the largest that k can be, for all registers together; `None` if a read returned
/// what had not been written.
pub(super) fn bounds(registers: &[Register]) -> Option<(usize, usize)> {
    let mut bounds = (1, 1);
    for register in registers {
        bounds.0 = bounds.0.max(lower(register).0);
        bounds.1 = bounds.1.max(upper(register)?);
    }
    Some(bounds)
}

fn one(register: &Register, k: usize, meter: &Meter) -> Answer {
    let Some(enough) = upper(register) else {
        let why = format!("a read of {} returned what nobody had written until then", register.key);
        return Answer::Broken(Proof { witnesses: Vec::new(), why });
    };
    if enough <= k {
        return Answer::Holds;
    }
    let (least, read) = lower(register);
    if least > k {
        let witnesses = read.map(|at| register.reads[at].invoked).into_iter().collect();
        let between = least - 1;
        let why = format!("{between} writes of {} lie between a value and its read", register.key);
        return Answer::Broken(Proof { witnesses, why });
    }
    search(register, k, meter)
}

/// How many writes have to lie from a read's own on, and the read for which that is most.
fn lower(register: &Register) -> (usize, Option<usize>) {
    let mut starts: Vec<(u64, u64)> =
        register.writes.iter().filter_map(|write| Some((write.start, write.end?))).collect();
    starts.sort_unstable();
    let mut most = (1, None);
    for (at, read) in register.reads.iter().enumerate() {
        let first = match read.source {
            Source::Initial => 0,
            Source::Write(write) => match register.writes[write].end {
                Some(end) => starts.partition_point(|(start, _)| *start <= end),
                None => continue,
            },
            Source::Nobody => continue,
        };
        let between = starts[first..]
            .iter()
            .take_while(|(start, _)| *start < read.start)
            .filter(|(_, end)| *end < read.start)
            .count();
        if between + 1 > most.0 {
            most = (between + 1, Some(at));
        }
    }
    most
}

/// The staleness of one particular order.
fn upper(register: &Register) -> Option<usize> {
    let mut starts: Vec<(u64, usize)> =
        register.writes.iter().enumerate().map(|(at, write)| (write.start, at)).collect();
    // What is in doubt and unread never took effect.
    let mut read = vec![false; register.writes.len()];
    for source in register.reads.iter().map(|read| read.source) {
        if let Source::Write(at) = source {
            read[at] = true;
        }
    }
    starts.retain(|(_, at)| read[*at] || register.writes[*at].end.is_some());
    starts.sort_unstable();
    let mut most = 1;
    for read in &register.reads {
        let (own, moment) = match read.source {
            Source::Nobody => return None,
            Source::Initial => (0, (read.start, 0)),
            Source::Write(at) => {
                let start = register.writes[at].start;
                if start > read.end {
                    return None;
                }
                let own = starts.partition_point(|write| *write < (start, at)) + 1;
                (own, (read.start.max(start), at))
            }
        };
        // Writes at the very moment of the read stand behind it, except its own and those before.
        let before = starts.partition_point(|write| *write < moment).max(own);
        most = most.max(before - own + 1);
    }
    Some(most)
}

/// A register of which a read may return any of the last `k` values.
struct Stale {
    k: usize,
}

enum Input {
    Write(usize),
    Read,
}

impl Model for Stale {
    /// The last values, the newest in front. 0 is the initial one.
    type State = Vec<usize>;
    type Input = Input;
    type Output = usize;

    fn init(&self) -> Vec<usize> {
        vec![0]
    }

    fn step(&self, state: &Vec<usize>, input: &Input, seen: Option<&usize>) -> Option<Vec<usize>> {
        match input {
            Input::Read => state.contains(seen?).then(|| state.clone()),
            Input::Write(value) => {
                let mut next = Vec::with_capacity(self.k);
                next.push(*value);
                next.extend(state.iter().copied().take(self.k - 1));
                Some(next)
            }
        }
    }

    fn is_read_only(&self, input: &Input, _: Option<&usize>) -> bool {
        matches!(input, Input::Read)
    }

    fn heap_bytes(&self, state: &Vec<usize>) -> usize {
        state.capacity() * size_of::<usize>()
    }
}

fn search(register: &Register, k: usize, meter: &Meter) -> Answer {
    let writes = register.writes.iter().enumerate().map(|(at, write)| match write.end {
        Some(end) => {
            Operation::completed(write.process, Input::Write(at + 1), at + 1, write.start, end)
        }
        None => Operation::indeterminate(write.process, Input::Write(at + 1), write.start),
    });
    let reads = register.reads.iter().map(|read| {
        let seen = match read.source {
            Source::Write(at) => at + 1,
            _ => 0,
        };
        Operation::completed(read.process, Input::Read, seen, read.start, read.end)
    });
    let history: Vec<Operation<Input, usize>> = writes.chain(reads).collect();
    match check_within(&Stale { k }, &history, meter) {
        Search::Linearizable(_) => Answer::Holds,
        Search::Illegal(_) => Answer::Broken(Proof {
            witnesses: Vec::new(),
            why: format!("no order of {} keeps every read within {k} versions", register.key),
        }),
        Search::Exhausted { reason, .. } => {
            Answer::Unknown(crate::explain::reason(reason).to_owned())
        }
    }
}
