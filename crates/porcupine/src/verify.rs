//! An independent check of a linearization, in time linear in the history (times a model step).
//!
//! It shares no code with the search: not the timeline, not the cache, not the threads. What both
//! share is the model, so a wrong model stays wrong.

use std::error::Error;
use std::fmt;

use crate::{Linearization, Model, Operation};

/// Why a linearization proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// It has this many partitions, the model makes that many.
    Partitions {
        /// In the linearization.
        given: usize,
        /// By the model.
        expected: usize,
    },
    /// This index is not in this partition.
    Foreign {
        /// Position of the partition.
        partition: usize,
        /// Index that does not belong.
        operation: usize,
    },
    /// This operation is listed twice.
    Repeated(usize),
    /// This operation was answered, and is not listed.
    Missing(usize),
    /// `second` had returned before `first` was called, and is listed after it.
    RealTime {
        /// Listed first.
        first: usize,
        /// Listed later, and returned earlier.
        second: usize,
    },
    /// The model does not allow this operation where it is listed.
    Refused(usize),
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partitions { given, expected } => {
                write!(f, "{given} partitions where the model makes {expected}")
            }
            Self::Foreign { partition, operation } => {
                write!(f, "operation {operation} is not in partition {partition}")
            }
            Self::Repeated(operation) => write!(f, "operation {operation} is listed twice"),
            Self::Missing(operation) => write!(f, "completed operation {operation} is missing"),
            Self::RealTime { first, second } => {
                write!(f, "operation {second} returned before {first} was called, yet follows it")
            }
            Self::Refused(operation) => {
                write!(f, "the model does not allow operation {operation} where it is listed")
            }
        }
    }
}

impl Error for Flaw {}

/// Checks that `linearization` proves `history` linearizable with respect to `model`.
///
/// # Errors
/// The first flaw that was met.
pub fn verify<M: Model>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    linearization: &Linearization,
) -> Result<(), Flaw> {
    let parts = model.partition(history);
    let orders = &linearization.partitions;
    if parts.len() != orders.len() {
        return Err(Flaw::Partitions { given: orders.len(), expected: parts.len() });
    }
    let mut home = vec![usize::MAX; history.len()];
    for (partition, part) in parts.iter().enumerate() {
        for &operation in part {
            *home.get_mut(operation).ok_or(Flaw::Foreign { partition, operation })? = partition;
        }
    }
    let mut listed = vec![false; history.len()];
    for (partition, order) in orders.iter().enumerate() {
        for &operation in order {
            if home.get(operation) != Some(&partition) {
                return Err(Flaw::Foreign { partition, operation });
            }
            if std::mem::replace(&mut listed[operation], true) {
                return Err(Flaw::Repeated(operation));
            }
        }
        verify_order(model, history, order)?;
    }
    match (0..history.len()).find(|&index| history[index].output.is_some() && !listed[index]) {
        Some(operation) => Err(Flaw::Missing(operation)),
        None => Ok(()),
    }
}

fn verify_order<M: Model>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    order: &[usize],
) -> Result<(), Flaw> {
    let mut state = model.init();
    // Every pair in the wrong order shows against the latest call so far: if a later operation
    // returned before some earlier-listed call, it also returned before the latest of those.
    let mut latest: Option<(u64, usize)> = None;
    for &index in order {
        let operation = &history[index];
        let (start, end) = operation.interval();
        if let (Some((call, first)), Some(end)) = (latest, end)
            && end < call
        {
            return Err(Flaw::RealTime { first, second: index });
        }
        if latest.is_none_or(|(call, _)| start > call) {
            latest = Some((start, index));
        }
        state = model
            .step(&state, &operation.input, operation.output.as_ref())
            .ok_or(Flaw::Refused(index))?;
    }
    Ok(())
}
