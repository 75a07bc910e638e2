//! Linearizability of registers while the history is still being made.
//!
//! Entries are fed one by one. Whenever nothing is open on a register and the next call begins
//! later than everything ended, the past of that register is settled: what is kept of it is the set
//! of values that it can hold now. So memory is bounded by what happens between two such moments,
//! and an anomaly is proved at the first of them that follows it.
//!
//! Why the verdict is that of the whole history. At such a moment real time orders everything
//! before against everything after, so every linearization is one of the past followed by one of
//! the future. The past matters to the future only by the value that it leaves, and that it can
//! leave v is asked by adding a read of v at its end. Values are collected for every value that the
//! past before it could leave; if none is left, no linearization exists.
//!
//! A change in doubt may take effect at any later time, so it ends the settling of its register:
//! from there on all is kept and judged at the end. So it is where a search gives up. Only for
//! `register`, `cas-register` and `kv`, and for entries in the order of real time: who feeds those
//! of a file has to look at its order.

use std::collections::{BTreeMap, HashMap};

use perjury_history::{
    Anomaly, Call, Cause, Entry, Event, Index, Key, NodeName, Operation, Outcome, Process, Reply,
    Value, Verdict,
};

use crate::linearizable::{Decision, decide};
use crate::{Options, assumptions, explain};

/// A judgement in the making.
pub struct Online {
    options: Options,
    processes: HashMap<Process, Slot>,
    registers: BTreeMap<Key, Window>,
    last: u64,
    doubtful: bool,
    held: usize,
    most_held: usize,
}

enum Slot {
    Open(Key, Index),
    Dead,
}

/// What is not settled yet of one register.
struct Window {
    /// What it can have held at the beginning.
    values: Vec<Value>,
    operations: Vec<Operation>,
    open: usize,
    /// Is there anything that keeps it from being settled for good?
    stuck: bool,
    end: u64,
}

/// What came of a whole history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// As a judgement of the whole file would have it.
    pub verdict: Verdict,
    /// What was proved.
    pub anomaly: Option<Anomaly>,
    /// How many operations were kept at once at the most.
    pub most_held: usize,
}

impl Online {
    /// Begins. `None` if the model is none of a register.
    pub fn new(options: Options) -> Option<Online> {
        options.model.is_register().then(|| Online {
            options,
            processes: HashMap::new(),
            registers: BTreeMap::new(),
            last: 0,
            doubtful: false,
            held: 0,
            most_held: 0,
        })
    }

    /// Takes the next entry. An anomaly is final: nothing that follows can mend it.
    ///
    /// # Errors
    /// The history is ill formed, or has a call that the model does not know; nothing is decided.
    pub fn push(&mut self, entry: &Entry) -> Result<Option<Anomaly>, String> {
        if entry.time < self.last {
            return Err(format!("the time of {} is before that of its predecessor", entry.index));
        }
        self.last = entry.time;
        match &entry.event {
            Event::Invoke { process, node, call } => self.invoke(entry, *process, node, call),
            Event::Complete { process, call, outcome, .. } => {
                self.complete(entry, *process, *call, outcome).map(|()| None)
            }
            _ => Ok(None),
        }
    }

    fn invoke(
        &mut self,
        entry: &Entry,
        process: Process,
        node: &NodeName,
        call: &Call,
    ) -> Result<Option<Anomaly>, String> {
        let at = entry.index;
        let key = call.key().filter(|_| self.options.model.calls().contains(&call.name()));
        let Some(key) = key else {
            return Err(format!("{at} is a {}, which the model does not know", call.name()));
        };
        if self.processes.insert(process, Slot::Open(key.clone(), at)).is_some() {
            return Err(format!("process {process} may not speak at {at}"));
        }
        let initial = &self.options.initial;
        let window = self.registers.entry(key.clone()).or_insert_with(|| Window {
            values: vec![initial.clone()],
            operations: Vec::new(),
            open: 0,
            stuck: false,
            end: 0,
        });
        let before = window.operations.len();
        let anomaly = match window.is_quiet(entry.time) {
            true => window.settle(key, &self.options),
            false => None,
        };
        self.held -= before - window.operations.len();
        window.open += 1;
        window.operations.push(Operation {
            process,
            node: node.clone(),
            call: call.clone(),
            invoked: at,
            start: entry.time,
            completion: None,
            said: None,
        });
        self.held += 1;
        self.most_held = self.most_held.max(self.held);
        Ok(anomaly)
    }

    fn complete(
        &mut self,
        entry: &Entry,
        process: Process,
        call: Index,
        outcome: &Outcome,
    ) -> Result<(), String> {
        let orphan = || format!("{} ends {call}, which is not open", entry.index);
        let Some(Slot::Open(key, invoked)) = self.processes.remove(&process) else {
            return Err(orphan());
        };
        let window = self.registers.get_mut(&key).ok_or_else(orphan)?;
        let place = window.operations.iter().rposition(|one| one.invoked == call);
        let (Some(place), true) = (place, invoked == call) else { return Err(orphan()) };
        let unmodelled = matches!(outcome, Outcome::Fail(cause) | Outcome::Info(cause)
            if cause.code == Cause::UNMODELLED);
        self.doubtful |= unmodelled;
        window.open -= 1;
        let operation = &mut window.operations[place];
        match outcome {
            Outcome::Ok(reply) if !assumptions::fits(&operation.call, reply) => {
                return Err(format!("{} is no answer to {call}", entry.index));
            }
            Outcome::Ok(_) => {
                operation.completion = Some((entry.index, entry.time, outcome.clone()));
                window.end = entry.time;
            }
            Outcome::Fail(_) if !unmodelled => {
                window.operations.remove(place);
                self.held -= 1;
            }
            // What changes nothing and is in doubt says nothing.
            _ if operation.call.is_read_only() => {
                window.operations.remove(place);
                self.held -= 1;
            }
            _ => window.stuck = true,
        }
        if matches!(outcome, Outcome::Info(_)) {
            self.processes.insert(process, Slot::Dead);
        }
        Ok(())
    }

    /// Nothing follows: judges what is left. What is open is in doubt.
    pub fn finish(self) -> Ended {
        let mut verdict = if self.doubtful { Verdict::Unknown } else { Verdict::Valid };
        let most_held = self.most_held;
        for (key, window) in &self.registers {
            let ended = window.judge(key, None, &self.options);
            match ended {
                Ok(true) => {}
                Ok(false) => {
                    let anomaly = Some(window.anomaly(key));
                    return Ended { verdict: Verdict::Invalid, anomaly, most_held };
                }
                Err(()) => verdict = Verdict::Unknown,
            }
        }
        Ended { verdict, anomaly: None, most_held }
    }
}

impl Window {
    fn is_quiet(&self, now: u64) -> bool {
        self.open == 0 && !self.stuck && now > self.end && !self.operations.is_empty()
    }

    /// Forgets the operations and keeps the values that they can have left.
    fn settle(&mut self, key: &Key, options: &Options) -> Option<Anomaly> {
        let mut candidates = self.values.clone();
        for operation in &self.operations {
            if let Call::Write { value: to, .. } | Call::Cas { to, .. } = &operation.call
                && !candidates.contains(to)
            {
                candidates.push(to.clone());
            }
        }
        let mut left = Vec::new();
        for value in candidates {
            match self.judge(key, Some(&value), options) {
                Ok(true) => left.push(value),
                Ok(false) => {}
                Err(()) => {
                    self.stuck = true;
                    return None;
                }
            }
        }
        if left.is_empty() {
            self.stuck = true;
            return Some(self.anomaly(key));
        }
        self.values = left;
        self.operations.clear();
        None
    }

    /// Are the operations legal from one of the values, leaving this one if it is given?
    fn judge(&self, key: &Key, leaves: Option<&Value>, options: &Options) -> Result<bool, ()> {
        let last = leaves.map(|value| {
            let at = self.end.saturating_add(1);
            let answer = Outcome::Ok(Reply::Value(value.clone()));
            Operation {
                process: Process::MAX,
                node: NodeName::from(perjury_history::import::NOWHERE),
                call: Call::Read { key: key.clone() },
                invoked: Index(u64::MAX),
                start: at,
                completion: Some((Index(u64::MAX), at, answer)),
                said: None,
            }
        });
        let group: Vec<(usize, &Operation)> =
            self.operations.iter().chain(&last).enumerate().collect();
        let mut gave_up = false;
        for value in &self.values {
            let options = Options { initial: value.clone(), ..options.clone() };
            match decide(&group, &options, &options.budget.start()) {
                Decision::Legal(_) => return Ok(true),
                Decision::GaveUp(_) => gave_up = true,
                Decision::Illegal { .. } => {}
            }
        }
        if gave_up { Err(()) } else { Ok(false) }
    }

    fn anomaly(&self, key: &Key) -> Anomaly {
        let core: Vec<usize> = (0..self.operations.len()).collect();
        let mut anomaly = explain::general(Some(key.clone()), &core, None, &self.operations);
        let values: Vec<String> = self.values.iter().map(Value::to_string).collect();
        anomaly
            .detail
            .push_str(&format!(" Before them {key} can only have held {}.", values.join(" or ")));
        anomaly
    }
}
