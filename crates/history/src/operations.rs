//! Pairs invocations with their completions.

use std::collections::HashMap;

use crate::{Call, Entry, Event, Index, Nanos, NodeName, Outcome, Process};

/// A call and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Who asked.
    pub process: Process,
    /// Which node was asked.
    pub node: NodeName,
    /// What was asked.
    pub call: Call,
    /// The entry of the invocation.
    pub invoked: Index,
    /// When it was invoked.
    pub start: Nanos,
    /// The completion: its entry, its time, its outcome. `None` if the history ends before it.
    pub completion: Option<(Index, Nanos, Outcome)>,
}

impl Operation {
    /// The outcome, if there is one.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.completion.as_ref().map(|(_, _, outcome)| outcome)
    }

    /// When an operation that is known to have ended ended.
    pub fn end(&self) -> Option<Nanos> {
        match &self.completion {
            Some((_, time, Outcome::Ok(_) | Outcome::Fail(_))) => Some(*time),
            _ => None,
        }
    }
}

/// Why a history is not well formed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairingError {
    /// A process invoked a call while another of its calls was open.
    #[error("process {process} invokes at {second} while its call of {first} is open")]
    Overlap {
        /// The process.
        process: Process,
        /// The open invocation.
        first: Index,
        /// The second one.
        second: Index,
    },
    /// A completion names an invocation that is not open.
    #[error(
        "the completion at {completion} names {call}, which is no open call of process {process}"
    )]
    Orphan {
        /// The process.
        process: Process,
        /// What it names.
        call: Index,
        /// The completion.
        completion: Index,
    },
    /// A process spoke after an `info`.
    #[error("process {process} speaks at {at} after its call of {info} ended in info")]
    Risen {
        /// The process.
        process: Process,
        /// The invocation that ended in `info`.
        info: Index,
        /// The later invocation.
        at: Index,
    },
    /// Time runs backwards.
    #[error("the time of {at} is before the time of the entry before it")]
    Time {
        /// The entry.
        at: Index,
    },
}

enum Slot {
    Open(usize),
    Dead(Index),
}

/// All operations in the order of their invocations.
///
/// # Errors
/// The first thing that makes the history ill formed.
pub fn pair(entries: &[Entry]) -> Result<Vec<Operation>, PairingError> {
    let mut operations: Vec<Operation> = Vec::with_capacity(entries.len() / 2);
    let mut slots: HashMap<Process, Slot> = HashMap::new();
    let mut last = 0;
    for entry in entries {
        if entry.time < last {
            return Err(PairingError::Time { at: entry.index });
        }
        last = entry.time;
        match &entry.event {
            Event::Invoke { process, node, call } => {
                match slots.insert(*process, Slot::Open(operations.len())) {
                    Some(Slot::Open(first)) => {
                        return Err(PairingError::Overlap {
                            process: *process,
                            first: operations[first].invoked,
                            second: entry.index,
                        });
                    }
                    Some(Slot::Dead(info)) => {
                        let (process, at) = (*process, entry.index);
                        return Err(PairingError::Risen { process, info, at });
                    }
                    None => {}
                }
                operations.push(Operation {
                    process: *process,
                    node: node.clone(),
                    call: call.clone(),
                    invoked: entry.index,
                    start: entry.time,
                    completion: None,
                });
            }
            Event::Complete { process, call, outcome } => {
                let orphan = || PairingError::Orphan {
                    process: *process,
                    call: *call,
                    completion: entry.index,
                };
                let Some(Slot::Open(at)) = slots.remove(process) else { return Err(orphan()) };
                let operation = &mut operations[at];
                if operation.invoked != *call {
                    return Err(orphan());
                }
                if matches!(outcome, Outcome::Info(_)) {
                    slots.insert(*process, Slot::Dead(*call));
                }
                operation.completion = Some((entry.index, entry.time, outcome.clone()));
            }
            _ => {}
        }
    }
    Ok(operations)
}
