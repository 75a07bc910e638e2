//! Registers with distinct values, as the relaxed specifications see them: who wrote what was read.
//!
//! The invariant: every read names exactly one source. Where two writes have one value, or where a
//! compare-and-set both reads and writes, nothing is said: the callers answer *unknown*.

use std::collections::HashMap;

use perjury_history::{Call, Index, Key, Operation, Outcome, Process, Reply, Value};

/// Where a value that was read comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// The register held it at first.
    Initial,
    /// This write, by its place in [`Register::writes`].
    Write(usize),
    /// Nobody.
    Nobody,
}

/// A write that may have taken effect.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) process: Process,
    pub(super) invoked: Index,
    pub(super) start: u64,
    /// `None` if it is in doubt.
    pub(super) end: Option<u64>,
}

/// An answered read of a known value.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) process: Process,
    pub(super) invoked: Index,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) source: Source,
}

/// One register.
#[derive(Debug)]
pub(super) struct Register {
    pub(super) key: Key,
    pub(super) writes: Vec<Write>,
    pub(super) reads: Vec<Read>,
}

impl Register {
    /// Did the first end before the second began?
    pub(super) fn precedes(&self, first: usize, second: usize) -> bool {
        self.writes[first].end.is_some_and(|end| end < self.writes[second].start)
    }
}

/// All registers, sorted by key; or why these are no operations on registers with distinct values.
pub(super) fn of(operations: &[Operation], initial: &Value) -> Result<Vec<Register>, String> {
    let mut keys: Vec<&Key> = operations.iter().filter_map(|one| one.call.key()).collect();
    keys.sort();
    keys.dedup();
    let mut places: HashMap<&Key, usize> = HashMap::new();
    let mut registers: Vec<Register> = Vec::with_capacity(keys.len());
    for key in keys {
        places.insert(key, registers.len());
        registers.push(Register { key: key.clone(), writes: Vec::new(), reads: Vec::new() });
    }
    let mut sources: HashMap<(usize, &Value), usize> = HashMap::new();
    for operation in operations {
        let Some(place) = operation.call.key().map(|key| places[key]) else {
            return Err("there are transactions".into());
        };
        let failed = matches!(operation.outcome(), Some(Outcome::Fail(_)));
        match &operation.call {
            Call::Read { .. } => {}
            _ if failed => {}
            Call::Write { value, .. } => {
                let writes = &mut registers[place].writes;
                if value == initial || sources.insert((place, value), writes.len()).is_some() {
                    return Err(format!("{value} was written twice, or is the initial value"));
                }
                writes.push(Write {
                    process: operation.process,
                    invoked: operation.invoked,
                    start: operation.start,
                    end: operation.end(),
                });
            }
            other => {
                return Err(format!("only reads and writes are compared, not {:?}", other.name()));
            }
        }
    }
    for operation in operations {
        let (Some((_, end, Outcome::Ok(Reply::Value(value)))), Some(key)) =
            (&operation.completion, operation.call.key())
        else {
            continue;
        };
        let place = places[key];
        let source = match sources.get(&(place, value)) {
            _ if value == initial => Source::Initial,
            Some(write) => Source::Write(*write),
            None => Source::Nobody,
        };
        registers[place].reads.push(Read {
            process: operation.process,
            invoked: operation.invoked,
            start: operation.start,
            end: *end,
            source,
        });
    }
    Ok(registers)
}
