//! What each client can rely on in its own session.
//!
//! Source: Terry and others, "Session guarantees for weakly consistent replicated data" (PDIS
//! 1994). A session is a process. The guarantees speak of the order of the versions of an object,
//! which no client sees; so a guarantee *holds* here if there is one order of the writes of each
//! register, the same for everybody, in which it does:
//!
//! - *read your writes*: after its own write W a session reads W or what is ordered after it;
//! - *monotonic reads*: after reading W it reads W or what is ordered after it;
//! - *monotonic writes*: its own writes are ordered as it made them;
//! - *writes follow reads*: what it writes is ordered after what it had read.
//!
//! The last two say nothing of what is read, so alone no record refutes them. They are judged
//! together with monotonic reads, through which they show. Real time between sessions plays no
//! part.
//!
//! Why the test is exact: each guarantee asks that certain writes of a register are ordered before
//! certain others, and an order with all of that exists if and only if the graph of what is asked
//! has no cycle. The initial value is before every write. Where a session's own writes, or what it
//! read, are themselves ordered by what is asked, the last of them stands for all before it, by
//! transitivity; only *read your writes* alone has to name each.

use std::collections::{BTreeMap, HashMap};

use perjury_history::{Index, Process};

use super::registers::{Register, Source};
use super::{Answer, Proof};

/// Which guarantees are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub(super) read_your_writes: bool,
    pub(super) monotonic_reads: bool,
    pub(super) monotonic_writes: bool,
    pub(super) writes_follow_reads: bool,
}

/// Do all that are asked for hold together?
pub(super) fn hold(registers: &[Register], asked: Asked) -> Answer {
    for register in registers {
        if let Some(proof) = wrong(register, asked) {
            return Answer::Broken(proof);
        }
    }
    Answer::Holds
}

/// One operation in a session.
struct Step {
    start: u64,
    at: Index,
    of: Source,
    writes: bool,
}

fn sessions(register: &Register) -> BTreeMap<Process, Vec<Step>> {
    let mut sessions: BTreeMap<Process, Vec<Step>> = BTreeMap::new();
    for (place, write) in register.writes.iter().enumerate() {
        // A session ends with what is in doubt, and nothing after it can rely on it. That it was
        // made after others is known all the same.
        let (start, at) = (write.start, write.invoked);
        let step = Step { start, at, of: Source::Write(place), writes: true };
        sessions.entry(write.process).or_default().push(step);
    }
    for read in &register.reads {
        let (start, at) = (read.start, read.invoked);
        let step = Step { start, at, of: read.source, writes: false };
        sessions.entry(read.process).or_default().push(step);
    }
    for steps in sessions.values_mut() {
        steps.sort_by_key(|step| (step.start, step.at));
    }
    sessions
}

fn wrong(register: &Register, asked: Asked) -> Option<Proof> {
    let key = &register.key;
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); register.writes.len()];
    let alone = asked.read_your_writes && !asked.monotonic_writes;
    for steps in sessions(register).values() {
        let (mut wrote, mut read): (Option<usize>, Option<usize>) = (None, None);
        let mut own = Own::default();
        for step in steps {
            let (by_write, by_read) = match step.writes {
                true => (asked.monotonic_writes, asked.writes_follow_reads),
                false => (asked.read_your_writes, asked.monotonic_reads),
            };
            let befores = [wrote.filter(|_| by_write), read.filter(|_| by_read)];
            for before in befores.into_iter().flatten() {
                match step.of {
                    Source::Write(now) if now != before => after[before].push(now),
                    Source::Write(_) => {}
                    Source::Initial | Source::Nobody => {
                        let why = format!("a session found {key} older than it had left it");
                        let witnesses = vec![register.writes[before].invoked, step.at];
                        return Some(Proof { witnesses, why });
                    }
                }
            }
            if let (Source::Write(now), true) = (step.of, alone && !step.writes) {
                own.before(now, &mut after);
            }
            match step.of {
                Source::Write(now) if step.writes => {
                    wrote = Some(now);
                    own.writes.push(now);
                }
                Source::Write(now) => read = Some(now),
                Source::Initial => {}
                Source::Nobody => {
                    let why = format!("a read of {key} returned what nobody wrote");
                    return Some(Proof { witnesses: vec![step.at], why });
                }
            }
        }
    }
    let stuck = cyclic(&after)?;
    let why = format!("sessions disagree about the order of the writes of {key}");
    Some(Proof { witnesses: vec![register.writes[stuck].invoked], why })
}

/// The writes of one session, and how many of them are known to be before each write.
#[derive(Default)]
struct Own {
    writes: Vec<usize>,
    linked: HashMap<usize, usize>,
}

impl Own {
    /// All of them come before this one, unless they are it.
    fn before(&mut self, now: usize, after: &mut [Vec<usize>]) {
        let linked = self.linked.entry(now).or_insert(0);
        for before in self.writes[*linked..].iter().filter(|before| **before != now) {
            after[*before].push(now);
        }
        *linked = self.writes.len();
    }
}

/// A node on a cycle or behind one; `None` if there is no cycle (Kahn 1962).
fn cyclic(after: &[Vec<usize>]) -> Option<usize> {
    let mut waits = vec![0_usize; after.len()];
    for next in after.iter().flatten() {
        waits[*next] += 1;
    }
    let mut ready: Vec<usize> = (0..after.len()).filter(|at| waits[*at] == 0).collect();
    let mut done = HashMap::new();
    while let Some(at) = ready.pop() {
        done.insert(at, ());
        for next in &after[at] {
            waits[*next] -= 1;
            if waits[*next] == 0 {
                ready.push(*next);
            }
        }
    }
    (0..after.len()).find(|at| !done.contains_key(at))
}
