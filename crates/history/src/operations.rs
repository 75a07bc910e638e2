//! Pairs invocations with their completions.

use std::collections::HashMap;

use crate::{
    Call, Entry, Event, Index, Nanos, NodeName, Outcome, Phase, Process, Testimony, Token,
};

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
    /// What the answer said of itself, if anything.
    pub said: Option<Box<Testimony>>,
}

impl Operation {
    /// The outcome, if there is one.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.completion.as_ref().map(|(_, _, outcome)| outcome)
    }

    /// Who answered: as the connection proves it, else the node that was asked.
    pub fn answerer(&self) -> &NodeName {
        self.said.as_ref().and_then(|said| said.node.as_ref()).unwrap_or(&self.node)
    }

    /// Of which version the answer speaks, if it says so.
    pub fn token(&self) -> Option<&Token> {
        self.said.as_ref().and_then(|said| said.token.as_ref())
    }

    /// Was it asked for from a node's own copy, which may lag behind?
    pub fn is_local(&self) -> bool {
        self.said.as_ref().is_some_and(|said| said.local)
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

/// Where the scrub begins: every node's own copy is read then, which may lag behind, so that
/// nothing from there on belongs to the load. The load has ended before.
fn scrub(entries: &[Entry]) -> usize {
    let begins = |entry: &Entry| matches!(entry.event, Event::Phase(Phase::Scrub));
    entries.iter().position(begins).unwrap_or(entries.len())
}

/// All operations of the load in the order of their invocations.
///
/// # Errors
/// The first thing that makes the history ill formed.
pub fn pair(entries: &[Entry]) -> Result<Vec<Operation>, PairingError> {
    paired(&entries[..scrub(entries)])
}

/// All reads of the nodes' own copies, in the order of their invocations.
///
/// # Errors
/// As for [`pair`].
pub fn scrubbed(entries: &[Entry]) -> Result<Vec<Operation>, PairingError> {
    paired(&entries[scrub(entries)..])
}

fn paired(entries: &[Entry]) -> Result<Vec<Operation>, PairingError> {
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
                    said: None,
                });
            }
            Event::Complete { process, call, outcome, said } => {
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
                operation.said.clone_from(said);
                operation.completion = Some((entry.index, entry.time, outcome.clone()));
            }
            _ => {}
        }
    }
    Ok(operations)
}
