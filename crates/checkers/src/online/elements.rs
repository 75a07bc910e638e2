//! A set, element by element, as the operations come: the same questions as `set_full` asks of a
//! whole history, with the same answers.
//!
//! *What is kept.* Of each element since when it is known to be there, and the starts of its adds:
//! a read shows every element, so no less can be kept to judge the next one. A read is forgotten
//! when it was judged, but for how often it showed an element of which an add is still open: should
//! that add fail, the read showed it too often.
//!
//! *Why nothing else is needed.* Completions come in the order of their times. When a read is
//! judged, whatever ended before it began is known, and whatever was called before it ended is.

use std::collections::HashMap;

use perjury_history::{
    Anomaly, AnomalyKind, Call, Index, Key, NodeName, Operation, Outcome, Process, Reply, Value,
};

use super::evidence;
use crate::wording::{at, time};

#[derive(Default)]
pub(super) struct Elements {
    elements: HashMap<Value, Element>,
    /// Since when each element is known, in the order of these times.
    known: Vec<(u64, Value)>,
    open: HashMap<Index, Operation>,
    /// The latest start of an answered read.
    last_read: Option<u64>,
}

#[derive(Default)]
struct Element {
    /// The adds that did not fail, in the order of their calls.
    adds: Vec<Add>,
    acknowledged: bool,
    known: Option<Known>,
    /// Reads that are right only if some of the open adds do not fail: for each number the first.
    at_stake: Vec<Shown>,
}

struct Add {
    invoked: Index,
    start: u64,
    open: bool,
}

struct Shown {
    end: u64,
    times: u64,
    read: Operation,
}

/// By whom, and when, an element became known.
struct Known {
    process: Process,
    node: NodeName,
    invoked: Index,
    since: u64,
    added: bool,
}

/// How many elements were acknowledged, and of how many no read could tell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) added: u64,
    pub(super) unread: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Tally) {
        self.added += other.added;
        self.unread += other.unread;
    }
}

impl Elements {
    pub(super) fn held(&self) -> usize {
        self.elements.len() + self.open.len()
    }

    pub(super) fn invoke(&mut self, operation: Operation) {
        if let Call::Add { element, .. } = &operation.call {
            let add = Add { invoked: operation.invoked, start: operation.start, open: true };
            self.elements.entry(element.clone()).or_default().adds.push(add);
        }
        self.open.insert(operation.invoked, operation);
    }

    /// Takes the completion of an open call. What it proves, if it proves anything.
    pub(super) fn complete(
        &mut self,
        call: Index,
        completion: (Index, u64, Outcome),
    ) -> Option<Anomaly> {
        let operation = self.open.remove(&call)?;
        let (_, end, outcome) = completion;
        match (&operation.call, outcome) {
            (Call::Add { element, .. }, outcome) => self.added(element, &operation, end, &outcome),
            (Call::ReadAll { key }, Outcome::Ok(Reply::Elements(shown))) => {
                let mut read = operation.clone();
                // The times are what counts from here on.
                let brief = Outcome::Ok(Reply::Elements(Vec::new()));
                read.completion = Some((completion.0, end, brief));
                self.read(key, &read, end, &shown)
            }
            _ => None,
        }
    }

    fn added(
        &mut self,
        value: &Value,
        add: &Operation,
        end: u64,
        outcome: &Outcome,
    ) -> Option<Anomaly> {
        let element = self.elements.get_mut(value)?;
        let place = element.adds.iter().position(|one| one.invoked == add.invoked)?;
        match outcome {
            Outcome::Fail(_) => {
                element.adds.remove(place);
            }
            Outcome::Ok(_) | Outcome::Info(_) => element.adds[place].open = false,
        }
        if matches!(outcome, Outcome::Ok(_)) {
            element.acknowledged = true;
            if element.known.is_none() {
                element.known = Some(Known::by(add, end, true));
                self.known.push((end, value.clone()));
            }
        }
        let wrong = element.at_stake.iter().find(|shown| shown.times > element.until(shown.end));
        if let Some(wrong) = wrong {
            let key = add.call.key()?;
            return Some(too_often(key, &wrong.read, value, element.until(wrong.end)));
        }
        if element.adds.iter().all(|add| !add.open) {
            element.at_stake = Vec::new();
        }
        None
    }

    fn read(&mut self, key: &Key, read: &Operation, end: u64, shown: &[Value]) -> Option<Anomaly> {
        let mut counts: HashMap<&Value, u64> = HashMap::with_capacity(shown.len());
        for value in shown {
            *counts.entry(value).or_insert(0) += 1;
        }
        self.last_read = self.last_read.max(Some(read.start));
        let due = self.known.partition_point(|(since, _)| *since < read.start);
        let mut there = 0;
        for (value, times) in &counts {
            let Some(element) = self.elements.get_mut(*value) else {
                return Some(too_often(key, read, value, 0));
            };
            if *times > element.adds.len() as u64 {
                return Some(too_often(key, read, value, element.adds.len() as u64));
            }
            element.stake(read, end, *times);
            match &element.known {
                Some(known) => there += usize::from(known.since < read.start),
                None => {
                    element.known = Some(Known::by(read, end, false));
                    self.known.push((end, (*value).clone()));
                }
            }
        }
        if there == due {
            return None;
        }
        let (_, missing) = self.known[..due].iter().find(|(_, one)| !counts.contains_key(one))?;
        let known = self.elements.get(missing)?.known.as_ref()?;
        Some(known.absence(key, missing, read))
    }

    pub(super) fn finish(&self) -> Tally {
        let mut tally = Tally::default();
        for element in self.elements.values().filter(|element| element.acknowledged) {
            tally.added += 1;
            let since = element.known.as_ref().map(|known| known.since);
            tally.unread += u64::from(self.last_read <= since);
        }
        tally
    }
}

impl Element {
    /// How many adds were called until then.
    fn until(&self, end: u64) -> u64 {
        self.adds.iter().filter(|add| add.start <= end).count() as u64
    }

    /// Remembers a read that is right only if some add that is open does not fail.
    fn stake(&mut self, read: &Operation, end: u64, times: u64) {
        let closed = self.adds.iter().filter(|add| !add.open).count() as u64;
        if times > closed && self.at_stake.iter().all(|shown| shown.times < times) {
            self.at_stake.push(Shown { end, times, read: read.clone() });
        }
    }
}

impl Known {
    fn by(operation: &Operation, since: u64, added: bool) -> Known {
        let Operation { process, node, invoked, .. } = operation;
        Known { process: *process, node: node.clone(), invoked: *invoked, since, added }
    }

    fn absence(&self, key: &Key, value: &Value, read: &Operation) -> Anomaly {
        let who = format!("process {}{}", self.process, at(&self.node));
        let how = match self.added {
            true => "was added by",
            false => "had been read by",
        };
        let why = format!(
            "it does not show {value}, which {how} {who} at {} at the latest",
            time(self.since)
        );
        let mut anomaly = evidence::of_read(read, key, AnomalyKind::LostWrite, &why);
        anomaly.witnesses.insert(0, self.invoked);
        anomaly.witnesses.sort_unstable();
        anomaly
    }
}

fn too_often(key: &Key, read: &Operation, value: &Value, adds: u64) -> Anomaly {
    let (kind, why) = match adds {
        0 => {
            let why = format!("it shows {value}, which cannot have been added before it ended");
            (AnomalyKind::PhantomValue, why)
        }
        more => {
            let why = format!("it shows {value} more often than it was added ({more})");
            (AnomalyKind::DuplicateElement, why)
        }
    };
    evidence::of_read(read, key, kind, &why)
}
