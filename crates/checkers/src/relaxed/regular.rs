//! Safe and regular registers.
//!
//! Definition: Lamport, "On interprocess communication", part II (1986), section 2, for one writer:
//! a read that overlaps no write returns the latest value (*safe*); one that does returns that or
//! the value of an overlapping write (*regular*). For several writers regular is meant here as MWR1
//! of Shao, Welch, Pierce and Lee, "Multiwriter consistency conditions for shared memory registers"
//! (SIAM J. Comput. 2011), the weakest of theirs: for *each read alone* there is an order of all
//! writes that respects real time and in which the read returns the last write before it. Different
//! reads may assume different orders. *Safe* asks the same of reads that overlap no write, and
//! nothing, not even a written value, of the others. A write in doubt overlaps everything later.
//!
//! Why the test is exact. Let the read R return W. All writes that ended before R began have to
//! stand before R, so W, the last before R, must not have ended before one of them began: else that
//! one stands between. If it did not, W is maximal among those writes (whatever precedes one of
//! them is one of them, or precedes W), so an order that puts W last of them and then R exists. The
//! initial value is a write before everything.

use super::registers::{Read, Register, Source};
use super::{Answer, Proof};

/// Is every read regular?
pub(super) fn regular(registers: &[Register]) -> Answer {
    all(registers, |_, _| true)
}

/// Is every read that overlaps no write right?
pub(super) fn safe(registers: &[Register]) -> Answer {
    all(registers, |register, read| {
        let overlaps = |start: u64, end: Option<u64>| {
            start <= read.end && end.is_none_or(|end| end >= read.start)
        };
        !register.writes.iter().any(|write| overlaps(write.start, write.end))
    })
}

fn all(registers: &[Register], counts: impl Fn(&Register, &Read) -> bool) -> Answer {
    for register in registers {
        let past = Past::of(register);
        for read in &register.reads {
            if let Some(proof) = wrong(register, &past, read).filter(|_| counts(register, read)) {
                return Answer::Broken(proof);
            }
        }
    }
    Answer::Holds
}

/// For each end of a write, the write that began last among those that ended no later.
struct Past(Vec<(u64, usize)>);

impl Past {
    fn of(register: &Register) -> Past {
        let mut ended: Vec<(u64, usize)> = register
            .writes
            .iter()
            .enumerate()
            .filter_map(|(at, write)| Some((write.end?, at)))
            .collect();
        ended.sort_unstable();
        for at in 1..ended.len() {
            let (before, now) = (ended[at - 1].1, ended[at].1);
            if register.writes[before].start > register.writes[now].start {
                ended[at].1 = before;
            }
        }
        Past(ended)
    }

    /// The latest beginning among the writes that ended before this time.
    fn latest(&self, time: u64) -> Option<usize> {
        let count = self.0.partition_point(|(end, _)| *end < time);
        count.checked_sub(1).map(|at| self.0[at].1)
    }
}

fn wrong(register: &Register, past: &Past, read: &Read) -> Option<Proof> {
    let latest = past.latest(read.start);
    let key = &register.key;
    let proof = |other: Option<usize>, why: String| {
        let mut witnesses = vec![read.invoked];
        witnesses.extend(other.map(|write| register.writes[write].invoked));
        Some(Proof { witnesses, why })
    };
    match read.source {
        Source::Nobody => proof(None, format!("a read of {key} returned what nobody wrote")),
        Source::Initial => {
            let newer = latest?;
            proof(
                Some(newer),
                format!("a read of {key} returned the initial value after a write had ended"),
            )
        }
        Source::Write(write) if register.writes[write].start > read.end => {
            proof(Some(write), format!("a read of {key} returned what was written only afterwards"))
        }
        Source::Write(write) => {
            let newer = latest.filter(|newer| register.precedes(write, *newer))?;
            let why = format!(
                "a read of {key} returned what a write had replaced that began and ended in between"
            );
            proof(Some(newer), why)
        }
    }
}
