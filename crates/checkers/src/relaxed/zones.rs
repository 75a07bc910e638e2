//! Atomic registers, and atomic up to a delay: bounded staleness in time.
//!
//! Definition: Golab, Li and Shah, "Analyzing consistency properties for fun and profit" (PODC
//! 2011): a history is *Δ-atomic* if it becomes linearizable when every read is taken to have begun
//! Δ earlier: what was read was right at some moment that is no longer ago. Δ = 0 is atomicity.
//!
//! The test, and why it is exact: Gibbons and Korach, "Testing shared memories" (SIAM J. Comput.
//! 1997), theorem 4.1. A write and its reads form a cluster, whose operations stand together in any
//! order that explains them. Let e be the earliest end and s the latest start in a cluster. Cluster
//! A has to come before B if and only if e(A) < s(B), so two clusters that each have to come before
//! the other refute, and so does a read that ended before its write began. If there are none of
//! either, an order exists: clusters with e < s (*forward*) are then disjoint in time and ordered
//! by it, and each other cluster fits beside them. A write in doubt has no end, and unread it
//! asks for nothing. The initial value is a write that ended before everything began.
//!
//! A larger Δ moves starts of reads only earlier, which removes constraints and adds none, so the
//! least Δ is found by halving.

use super::registers::{Register, Source};
use super::{Answer, Proof};
use perjury_history::Index;

/// A cluster: the earliest end and the latest start of its operations. Times count from 1, so that
/// the write of the initial value can end at 0.
#[derive(Clone, Copy)]
struct Zone {
    end: u64,
    start: u64,
    of: Option<Index>,
}

/// Is every register linearizable if reads may be this much late?
pub(super) fn atomic(registers: &[Register], late: u64) -> Answer {
    match registers.iter().find_map(|register| wrong(register, late)) {
        Some(proof) => Answer::Broken(proof),
        None => Answer::Holds,
    }
}

/// The least Δ in nanoseconds for which the registers are Δ-atomic; `None` if there is none.
pub(super) fn least_delay(registers: &[Register]) -> Option<u64> {
    let last = |register: &Register| register.reads.iter().map(|read| read.start).max();
    let (mut low, mut high) = (0, registers.iter().filter_map(last).max().unwrap_or(0) + 1);
    if atomic(registers, high) != Answer::Holds {
        return None;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if atomic(registers, middle) == Answer::Holds {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}

fn wrong(register: &Register, late: u64) -> Option<Proof> {
    let key = &register.key;
    let open = |at: usize| Zone {
        end: register.writes[at].end.map_or(u64::MAX, |end| end.saturating_add(1)),
        start: register.writes[at].start + 1,
        of: Some(register.writes[at].invoked),
    };
    let mut zones: Vec<Zone> = (0..register.writes.len()).map(open).collect();
    let mut initial = Zone { end: 0, start: 0, of: None };
    for read in &register.reads {
        let zone = match read.source {
            Source::Initial => &mut initial,
            Source::Write(write) if register.writes[write].start <= read.end => &mut zones[write],
            Source::Write(_) | Source::Nobody => {
                let why = format!("a read of {key} returned what nobody had written until then");
                return Some(Proof { witnesses: vec![read.invoked], why });
            }
        };
        zone.end = zone.end.min(read.end.saturating_add(1));
        zone.start = zone.start.max((read.start + 1).saturating_sub(late));
    }
    zones.push(initial);
    let refuted = |one: &Zone, other: &Zone| Proof {
        witnesses: one.of.into_iter().chain(other.of).collect(),
        why: format!(
            "of two values of {key} each was there before and after the other, although each was \
             written once"
        ),
    };
    let (mut forward, others): (Vec<Zone>, Vec<Zone>) =
        zones.into_iter().partition(|zone| zone.end < zone.start);
    forward.sort_by_key(|zone| zone.end);
    if let Some(pair) = forward.windows(2).find(|pair| pair[1].end < pair[0].start) {
        return Some(refuted(&pair[0], &pair[1]));
    }
    others.iter().find_map(|zone| {
        // Forward zones are disjoint: the last that begins before this one reaches furthest.
        let before = forward.partition_point(|other| other.end < zone.start);
        let around = &forward[before.checked_sub(1)?];
        (zone.end < around.start).then(|| refuted(around, zone))
    })
}
