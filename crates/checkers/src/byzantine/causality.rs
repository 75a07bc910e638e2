//! Causality: what clients can tell who talk only through the database, by logical clocks.
//!
//! An operation *happens before* another if one process called it before the other (its session),
//! or if the other read what it wrote, or by a chain of these (Lamport 1978). *Claim*: a read
//! returns a value that had been replaced causally: the write that it returns happens before
//! another write of that key, which happens before the read; or it returns the initial value
//! although a write of the key happens before it; or an operation happens before itself. *Why it is
//! a proof*: each value is written by one operation, so who read from whom is known, and in a
//! causally consistent store neither can be (the bad patterns `WriteCORead`, `WriteCOInitRead` and
//! `CyclicCO` of Bouajjani, Enea, Guerraoui and Hamza, "On verifying causal consistency", POPL
//! 2017). No physical clock plays a part, so no clock can make it false.
//!
//! What is linearizable is causally consistent, so this is asked only where a history was not found
//! linearizable: it then says how deep the fault goes. Happens-before is a vector for each
//! operation with one place for each process (Fidge 1988, Mattern 1989); if these would be more
//! than [`MOST_PLACES`] numbers, or if values are not unique, nothing is said.
//!
//! *Blame*: nobody in particular; the answerers are named.

use std::collections::{BTreeMap, HashMap};

use perjury_history::{AnomalyKind, Call, Finding, Key, Operation, Outcome, Process, Reply, Value};

use super::finding::{Found, Suspicion, anomaly};
use crate::Checker;
use crate::wording::at;

const MOST_PLACES: usize = 50_000_000;

/// One operation that counts, in its session.
struct Step<'a> {
    operation: &'a Operation,
    /// Which process, as a place in the vectors, and the how manieth of it, from 1.
    process: usize,
    turn: u32,
    /// The step that wrote what this one read.
    source: Option<usize>,
    reads: Option<&'a Value>,
    writes: Option<&'a Value>,
}

/// Nothing if it cannot be told.
pub(crate) fn check(operations: &[Operation], initial: &Value) -> Option<Finding> {
    let steps = steps(operations)?;
    let processes = steps.iter().map(|step| step.process + 1).max().unwrap_or(0);
    if steps.len().checked_mul(processes)? > MOST_PLACES {
        return None;
    }
    let mut found = Found::nothing(Checker::Causality, "answers against their own causes");
    found.good = format!(
        "No answer is older than its own causes ({} operations of {processes} processes).",
        steps.len()
    );
    match clocks(&steps, processes) {
        Err(stuck) => {
            let step = &steps[stuck];
            let key = step.operation.call.key()?;
            let detail = format!(
                "The {} by process {}{} happens before itself: what it read was written by \
                 somebody who had already seen what came after it.",
                step.operation.call,
                step.operation.process,
                at(step.operation.answerer())
            );
            let source = step.source.map(|source| steps[source].operation);
            let cited = source.into_iter().chain([step.operation]);
            let kind = AnomalyKind::CausalityViolation;
            found.push(nobody(anomaly(kind, key, cited, [step.operation], detail)));
        }
        Ok(clocks) => replaced(&steps, &clocks, processes, initial, &mut found),
    }
    Some(found.finding())
}

fn nobody(anomaly: perjury_history::Anomaly) -> Suspicion {
    Suspicion { anomaly, suspects: Vec::new(), proved: Default::default() }
}

/// The answered reads and all writes that may have taken effect. `None` if one value was written
/// twice.
fn steps(operations: &[Operation]) -> Option<Vec<Step<'_>>> {
    let mut places: HashMap<Process, usize> = HashMap::new();
    let mut turns: HashMap<usize, u32> = HashMap::new();
    let mut writers: HashMap<(&Key, &Value), usize> = HashMap::new();
    let mut steps: Vec<Step<'_>> = Vec::new();
    for operation in operations {
        let (reads, writes) = touched(operation)?;
        if reads.is_none() && writes.is_none() {
            continue;
        }
        let next = places.len();
        let process = *places.entry(operation.process).or_insert(next);
        let turn = turns.entry(process).or_insert(0);
        *turn += 1;
        let (turn, source) = (*turn, None);
        if let (Some(value), Some(key)) = (writes, operation.call.key())
            && writers.insert((key, value), steps.len()).is_some()
        {
            return None;
        }
        steps.push(Step { operation, process, turn, source, reads, writes });
    }
    for step in &mut steps {
        if let (Some(value), Some(key)) = (step.reads, step.operation.call.key()) {
            step.source = writers.get(&(key, value)).copied();
        }
    }
    Some(steps)
}

/// What an operation on a register read and may have written. `None` for other objects.
fn touched(operation: &Operation) -> Option<(Option<&Value>, Option<&Value>)> {
    Some(match (&operation.call, operation.outcome()) {
        (Call::Read { .. }, Some(Outcome::Ok(Reply::Value(value)))) => (Some(value), None),
        (Call::Read { .. }, _) => (None, None),
        (Call::Write { .. } | Call::Cas { .. }, Some(Outcome::Fail(_))) => (None, None),
        (Call::Write { value, .. }, _) => (None, Some(value)),
        (Call::Cas { .. }, Some(Outcome::Ok(Reply::Swapped(false)))) => (None, None),
        (Call::Cas { from, to, .. }, Some(Outcome::Ok(_))) => (Some(from), Some(to)),
        // In doubt: if it took effect, it had read `from`; that it did is not known.
        (Call::Cas { to, .. }, _) => (None, Some(to)),
        _ => return None,
    })
}

/// The vector of each step: how many steps of each process happen before it or are it. The error
/// is a step on a cycle or behind one.
fn clocks(steps: &[Step<'_>], processes: usize) -> Result<Vec<u32>, usize> {
    let mut last: Vec<Option<usize>> = vec![None; processes];
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    for (at, step) in steps.iter().enumerate() {
        let session = last[step.process].replace(at);
        for earlier in session.into_iter().chain(step.source.filter(|source| *source != at)) {
            before[at].push(earlier);
            after[earlier].push(at);
        }
    }
    let mut waits: Vec<usize> = before.iter().map(Vec::len).collect();
    let mut ready: Vec<usize> = (0..steps.len()).filter(|at| waits[*at] == 0).collect();
    let mut clocks = vec![0_u32; steps.len() * processes];
    let mut done = 0;
    while let Some(at) = ready.pop() {
        done += 1;
        for earlier in &before[at] {
            for place in 0..processes {
                let seen = clocks[earlier * processes + place];
                let own = &mut clocks[at * processes + place];
                *own = (*own).max(seen);
            }
        }
        clocks[at * processes + steps[at].process] = steps[at].turn;
        for later in &after[at] {
            waits[*later] -= 1;
            if waits[*later] == 0 {
                ready.push(*later);
            }
        }
    }
    match waits.iter().position(|waits| *waits > 0).filter(|_| done < steps.len()) {
        Some(stuck) => Err(stuck),
        None => Ok(clocks),
    }
}

fn replaced(
    steps: &[Step<'_>],
    clocks: &[u32],
    processes: usize,
    initial: &Value,
    found: &mut Found,
) {
    let happens = |first: usize, second: usize| {
        let step = &steps[first];
        first != second && clocks[second * processes + step.process] >= step.turn
    };
    let mut writes: BTreeMap<&Key, Vec<usize>> = BTreeMap::new();
    for (at, step) in steps.iter().enumerate() {
        if let (Some(key), Some(_)) = (step.operation.call.key(), step.writes) {
            writes.entry(key).or_default().push(at);
        }
    }
    for (at, step) in steps.iter().enumerate() {
        let (Some(value), Some(key)) = (step.reads, step.operation.call.key()) else { continue };
        let source = match step.source {
            Some(source) => Some(source),
            None if value == initial => None,
            None => continue,
        };
        let of_key = writes.get(key).map(Vec::as_slice).unwrap_or_default();
        let newer = of_key.iter().copied().find(|newer| {
            Some(*newer) != source
                && happens(*newer, at)
                && source.is_none_or(|source| happens(source, *newer))
        });
        let Some(newer) = newer.map(|newer| steps[newer].operation) else { continue };
        let read = step.operation;
        let detail = format!(
            "Process {}{} found {value} in {key}, but the {} by process {}{} had replaced it, and \
             process {} had seen what follows from that: no clock is needed to tell.",
            read.process,
            at_node(read),
            newer.call,
            newer.process,
            at_node(newer),
            read.process
        );
        let origin = source.map(|source| steps[source].operation);
        let cited = origin.into_iter().chain([newer, read]);
        let kind = AnomalyKind::CausalityViolation;
        found.push(nobody(anomaly(kind, key, cited, [read], detail)));
    }
}

fn at_node(operation: &Operation) -> String {
    at(operation.answerer())
}
