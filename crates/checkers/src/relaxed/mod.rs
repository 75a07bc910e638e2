//! Weaker specifications of registers, and the strongest of them that a history satisfies.
//!
//! Each is defined in a file of its own with its source. They are ordered by what they imply:
//!
//! ```text
//! linearizable ──▶ regular ──▶ safe
//!              ──▶ 2-atomic
//!              ──▶ sequential ──▶ all-sessions ──▶ monotonic-writes ─────▶ monotonic-reads
//!                                              ──▶ writes-follow-reads ──▶ monotonic-reads
//!                                              ──▶ read-your-writes
//! ```
//!
//! The walk goes from strong to weak and has three answers: what holds makes all that it implies
//! hold, what is broken makes all that imply it broken, and what is *unknown* stays so. The
//! invariant: no answer of one specification contradicts that of another along an arrow.
//!
//! Only for registers with reads and writes, whose written values are distinct on each register.

mod k_atomic;
mod registers;
mod regular;
mod sequential;
mod sessions;
mod zones;

use perjury_history::{History, Index, Operation, Order, Value, pair};
use perjury_porcupine::Meter;

use crate::{Options, assumptions};
use registers::Register;
use sessions::Asked;

/// What is known of one specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The history satisfies it.
    Holds,
    /// The history does not.
    Broken(Proof),
    /// It was not decided, and why.
    Unknown(String),
}

/// Why a specification is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Invocations that show it, if it can be shown by a few.
    pub witnesses: Vec<Index>,
    /// In words.
    pub why: String,
}

/// A specification of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named as its file explains it")]
pub enum Specification {
    Linearizable,
    TwoAtomic,
    Regular,
    Safe,
    Sequential,
    AllSessions,
    MonotonicWrites,
    WritesFollowReads,
    ReadYourWrites,
    MonotonicReads,
}

impl Specification {
    /// All of them: each after those that imply it.
    pub const ALL: [Specification; 10] = [
        Specification::Linearizable,
        Specification::TwoAtomic,
        Specification::Regular,
        Specification::Safe,
        Specification::Sequential,
        Specification::AllSessions,
        Specification::MonotonicWrites,
        Specification::WritesFollowReads,
        Specification::ReadYourWrites,
        Specification::MonotonicReads,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Specification::Linearizable => "linearizable",
            Specification::TwoAtomic => "2-atomic",
            Specification::Regular => "regular",
            Specification::Safe => "safe",
            Specification::Sequential => "sequential",
            Specification::AllSessions => "all-sessions",
            Specification::MonotonicWrites => "monotonic-writes",
            Specification::WritesFollowReads => "writes-follow-reads",
            Specification::ReadYourWrites => "read-your-writes",
            Specification::MonotonicReads => "monotonic-reads",
        }
    }

    /// What follows from it directly.
    fn implied(self) -> &'static [Specification] {
        match self {
            Specification::Linearizable => {
                &[Specification::TwoAtomic, Specification::Regular, Specification::Sequential]
            }
            Specification::Regular => &[Specification::Safe],
            Specification::Sequential => &[Specification::AllSessions],
            Specification::AllSessions => &[
                Specification::MonotonicWrites,
                Specification::WritesFollowReads,
                Specification::ReadYourWrites,
            ],
            Specification::MonotonicWrites | Specification::WritesFollowReads => {
                &[Specification::MonotonicReads]
            }
            _ => &[],
        }
    }

    /// Does the other follow from this?
    pub fn implies(self, other: Specification) -> bool {
        self == other || self.implied().iter().any(|next| next.implies(other))
    }

    fn check(self, registers: &[Register], meter: &Meter) -> Answer {
        let sessions = |asked| sessions::hold(registers, asked);
        let reads = Asked { monotonic_reads: true, ..Asked::default() };
        match self {
            Specification::Linearizable => zones::atomic(registers, 0),
            Specification::TwoAtomic => k_atomic::holds(registers, 2, meter),
            Specification::Regular => regular::regular(registers),
            Specification::Safe => regular::safe(registers),
            Specification::Sequential => sequential::holds(registers, meter),
            Specification::AllSessions => sessions(Asked {
                read_your_writes: true,
                monotonic_reads: true,
                monotonic_writes: true,
                writes_follow_reads: true,
            }),
            Specification::MonotonicWrites => sessions(Asked { monotonic_writes: true, ..reads }),
            Specification::WritesFollowReads => {
                sessions(Asked { writes_follow_reads: true, ..reads })
            }
            Specification::ReadYourWrites => {
                sessions(Asked { read_your_writes: true, ..Asked::default() })
            }
            Specification::MonotonicReads => sessions(reads),
        }
    }
}

/// What a history still satisfies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strength {
    /// Every specification with its answer, in the order of [`Specification::ALL`].
    pub answers: Vec<(Specification, Answer)>,
    /// By how many nanoseconds a read was late at most: the least Δ for which the history is
    /// Δ-atomic. `None` if a read returned what had not been written.
    pub delay: Option<u64>,
    /// Bounds of the least k for which the history is k-atomic.
    pub versions: Option<(usize, usize)>,
}

impl Strength {
    /// What is known of a specification.
    pub fn answer(&self, of: Specification) -> Option<&Answer> {
        self.answers.iter().find(|(specification, _)| *specification == of).map(|(_, it)| it)
    }

    /// The specifications that hold and follow from no other that holds.
    pub fn strongest(&self) -> Vec<Specification> {
        let holding = || {
            let holds = self.answers.iter().filter(|(_, answer)| *answer == Answer::Holds);
            holds.map(|(specification, _)| *specification)
        };
        let follows =
            |one: Specification| holding().any(|other| other != one && other.implies(one));
        holding().filter(|one| !follows(*one)).collect()
    }
}

/// The session guarantees that no order of the writes gives to all sessions: the weakest of each
/// chain, so that what follows from another one is not said again. `None` where these are no reads
/// and writes of registers with distinct values.
pub(crate) fn broken_sessions(
    operations: &[Operation],
    initial: &Value,
) -> Option<Vec<(Specification, Proof)>> {
    let registers = registers::of(operations, initial).ok()?;
    let meter = perjury_porcupine::Budget::default().start();
    let broken = |one: Specification| match one.check(&registers, &meter) {
        Answer::Broken(proof) => Some((one, proof)),
        Answer::Holds | Answer::Unknown(_) => None,
    };
    let mut all: Vec<(Specification, Proof)> =
        [Specification::ReadYourWrites, Specification::MonotonicReads]
            .into_iter()
            .filter_map(broken)
            .collect();
    if !all.iter().any(|(one, _)| *one == Specification::MonotonicReads) {
        let stronger = [Specification::MonotonicWrites, Specification::WritesFollowReads];
        all.extend(stronger.into_iter().filter_map(broken));
    }
    Some(all)
}

/// Finds what holds of the registers of a history.
///
/// # Errors
/// The history is ill formed, or is none of registers with distinct values; the message says why.
pub fn strength(history: &History, options: &Options) -> Result<Strength, String> {
    if !history.order.is_real_time() {
        return Err(Order::NO_REAL_TIME.into());
    }
    let mut operations = pair(&history.entries).map_err(|error| error.to_string())?;
    assumptions::doubt(&mut operations);
    let registers = registers::of(&operations, &options.initial)?;
    let meter = options.budget.start();
    let mut answers: Vec<(Specification, Answer)> = Vec::new();
    // The cheap ones first: what they decide the searches need not.
    let costly =
        |one: &Specification| matches!(one, Specification::TwoAtomic | Specification::Sequential);
    let (last, first): (Vec<_>, Vec<_>) = Specification::ALL.into_iter().partition(costly);
    for one in first.into_iter().chain(last) {
        let known = answers.iter().find_map(|(other, answer)| match answer {
            Answer::Holds if other.implies(one) => Some(Answer::Holds),
            Answer::Broken(_) if one.implies(*other) => Some(answer.clone()),
            _ => None,
        });
        answers.push((one, known.unwrap_or_else(|| one.check(&registers, &meter))));
    }
    answers.sort_by_key(|(one, _)| Specification::ALL.iter().position(|other| other == one));
    let delay = zones::least_delay(&registers);
    let mut versions = k_atomic::bounds(&registers);
    if let Some((least, most)) = &mut versions {
        let answer = |of| answers.iter().find(|(one, _)| *one == of).map(|(_, answer)| answer);
        let holds = |of| matches!(answer(of), Some(Answer::Holds));
        let broken = |of| matches!(answer(of), Some(Answer::Broken(_)));
        let atomic = Specification::Linearizable;
        *most = if holds(atomic) { 1 } else { *most };
        *most = if holds(Specification::TwoAtomic) { (*most).min(2) } else { *most };
        *least = if broken(atomic) { (*least).max(2) } else { *least };
        *least = if broken(Specification::TwoAtomic) { (*least).max(3) } else { *least };
    }
    Ok(Strength { answers, delay, versions })
}
