//! A register whose written values are distinct, operation by operation, without a search.
//!
//! The operations on one value are its *cluster*. Let f be the first end and s the last start in
//! it. One cluster has to come before another as a whole if an operation on the one ended before
//! one on the other began: if f of the one is less than s of the other. Gibbons and Korach
//! ("Testing shared memories", 1997) prove that a history is linearizable if and only if no two
//! clusters have to come before each other and no value is read before its write was called. A
//! write without an answer counts only once its value was read, and it has no end.
//!
//! *When it is found.* Completions come in the order of their times, so f is known with the first
//! and only s grows afterwards: an anomaly is found with the very completion that proves it.
//!
//! *What is forgotten.* Let c be the earliest start of what is open. A cluster that ended first
//! before c asks two things only: that no other cluster with an f below its own s begin after its
//! f, of which the two greatest s stand for all (two, as a cluster does not contradict itself); and
//! to be there if it is read again. A read from now on begins at c or later, so it contradicts
//! whatever is known to come after the cluster and ended first before c: a cluster for which there
//! is such another one may be forgotten, and a read of it is an anomaly all the same. The others
//! contain one common instant, so they are as few as the operations that were open then. A value
//! that is written again after it was forgotten is a new one: no read that is open can have seen
//! the old one.
//!
//! *What is kept for ever.* Writes in doubt that nobody read: a value each, with who wrote it.
//!
//! *How it ends.* A compare-and-set, or a value that is known and written again, is beyond this.
//! Then the operations that are kept stand for all: who wrote a value, who ended first, who began
//! last. Why that is enough: all that was answered ended before what follows is called. So of any
//! linearization take the part up to the last of these. In it are what is kept of the past, some of
//! what is open and some of what is in doubt, and all values are still distinct. Add what was
//! forgotten, and a read of the value that the part leaves: the contradictions between clusters are
//! the same as without (a forgotten one has one only where one of the two that stand for it does),
//! so there are none, and there is an order of everything that leaves the same value and the same
//! operations for later.

use std::collections::HashMap;
use std::sync::Arc;

use perjury_history::{
    Anomaly, AnomalyKind, Call, Index, Key, NodeName, Operation, Outcome, Process, Reply, Value,
};

use super::evidence;
use super::peaks::Peaks;
use super::window::Window;
use crate::Options;

/// How many more clusters there may be than the last time, before some are forgotten.
const SLACK: usize = 64;

pub(super) struct Zones {
    initial: Value,
    clusters: HashMap<Value, Cluster>,
    /// Writes in doubt of values that nobody has read.
    pending: HashMap<Value, Pending>,
    open: HashMap<Index, Arc<Operation>>,
    /// The last start of each cluster of which something ended, in the order of the first ends.
    starts: Peaks,
    /// The first ends, and the values.
    ends: Vec<(u64, Value)>,
    /// When to forget.
    full: usize,
    /// Were there operations that are not held any more?
    pub(super) forgot: bool,
}

struct Cluster {
    /// `None` for the initial value.
    writer: Option<Arc<Operation>>,
    /// What ended first and what began last, and which place it has among those that ended.
    ended: Option<Ended>,
}

struct Ended {
    place: usize,
    first: Option<Arc<Operation>>,
    latest: Option<Arc<Operation>>,
}

struct Pending {
    process: Process,
    node: NodeName,
    invoked: Index,
    start: u64,
}

/// Instants count from 1: the initial value was written at 0.
fn instant(time: u64) -> u64 {
    time.saturating_add(1)
}

impl Zones {
    /// A register that nothing was done to. What it holds is `initial`, and `pending` are writes in
    /// doubt. `None` if their values are not distinct, or one of them is no write.
    pub(super) fn new(initial: &Value, pending: &[Operation]) -> Option<Zones> {
        let mut zones = Zones {
            initial: initial.clone(),
            clusters: HashMap::new(),
            pending: HashMap::new(),
            open: HashMap::new(),
            starts: Peaks::default(),
            ends: Vec::new(),
            full: SLACK,
            forgot: false,
        };
        let ended = Some(zones.place(0, 0, initial, None, None));
        zones.clusters.insert(initial.clone(), Cluster { writer: None, ended });
        for operation in pending {
            let Call::Write { value, .. } = &operation.call else { return None };
            if zones.knows(value) {
                return None;
            }
            zones.pending.insert(value.clone(), Pending::of(operation));
        }
        Some(zones)
    }

    pub(super) fn held(&self) -> usize {
        self.clusters.len() + self.pending.len() + self.open.len()
    }

    /// Can this path go on with this call?
    pub(super) fn takes(&self, call: &Call) -> bool {
        match call {
            Call::Read { .. } => true,
            Call::Write { value, .. } => !self.knows(value),
            _ => false,
        }
    }

    /// Takes a call that it [`takes`](Zones::takes).
    pub(super) fn invoke(&mut self, operation: Operation) {
        let operation = Arc::new(operation);
        if let Call::Write { value, .. } = &operation.call {
            let writer = Some(Arc::clone(&operation));
            self.clusters.insert(value.clone(), Cluster { writer, ended: None });
        }
        self.open.insert(operation.invoked, operation);
    }

    /// Takes the completion of an open call. What it proves, if it proves anything.
    pub(super) fn complete(
        &mut self,
        call: Index,
        completion: (Index, u64, Outcome),
        options: &Options,
    ) -> Option<Anomaly> {
        let mut operation = Arc::unwrap_or_clone(self.open.remove(&call)?);
        operation.completion = Some(completion);
        let operation = Arc::new(operation);
        match (&operation.call, operation.outcome()) {
            (Call::Write { value, .. }, Some(outcome)) => {
                let value = value.clone();
                self.written(&value, &operation, outcome, options)
            }
            (_, Some(Outcome::Ok(Reply::Value(value)))) => {
                let value = value.clone();
                if !self.knows(&value) {
                    return Some(self.unknown(&operation, operation.call.key()?));
                }
                self.touch(&value, &operation, options)
            }
            _ => None,
        }
    }

    fn knows(&self, value: &Value) -> bool {
        self.clusters.contains_key(value) || self.pending.contains_key(value)
    }

    fn written(
        &mut self,
        value: &Value,
        operation: &Arc<Operation>,
        outcome: &Outcome,
        options: &Options,
    ) -> Option<Anomaly> {
        let cluster = self.clusters.get_mut(value)?;
        cluster.writer = Some(Arc::clone(operation));
        let is_read = cluster.ended.is_some();
        match outcome {
            Outcome::Ok(_) => self.touch(value, operation, options),
            Outcome::Fail(_) if is_read => {
                let operations: Vec<Operation> = cluster_operations(cluster).cloned().collect();
                Some(self.proved(operations, options))
            }
            Outcome::Info(_) if is_read => None,
            Outcome::Fail(_) => {
                self.clusters.remove(value);
                None
            }
            Outcome::Info(_) => {
                self.clusters.remove(value);
                self.pending.insert(value.clone(), Pending::of(operation));
                None
            }
        }
    }

    /// An answered operation shows that the value was there.
    fn touch(
        &mut self,
        value: &Value,
        operation: &Arc<Operation>,
        options: &Options,
    ) -> Option<Anomaly> {
        let start = instant(operation.start);
        if let Some((value, pending)) = self.pending.remove_entry(value) {
            let writer = Some(Arc::new(pending.write(operation.call.key()?, &value)));
            self.clusters.insert(value, Cluster { writer, ended: None });
        }
        let cluster = self.clusters.get_mut(value)?;
        if let Some(ended) = &mut cluster.ended {
            let place = ended.place;
            if start <= self.starts.get(place) {
                return None;
            }
            ended.latest = Some(Arc::clone(operation));
            self.starts.raise(place, start);
            let other = self.contradiction(place, start)?;
            let value = &self.ends[other].1;
            let operations = cluster_operations(&self.clusters[value])
                .chain(cluster_operations(&self.clusters[&self.ends[place].1]));
            return Some(self.proved(operations.cloned().collect(), options));
        }
        let writer = cluster.writer.clone();
        let called = writer.as_ref().map_or(0, |writer| instant(writer.start));
        let latest = if called > start { writer } else { Some(Arc::clone(operation)) };
        let first = Some(Arc::clone(operation));
        let end = instant(operation.end()?);
        let ended = self.place(end, start.max(called), value, first, latest);
        self.clusters.get_mut(value)?.ended = Some(ended);
        if self.ends.len() >= self.full {
            self.forget(end);
        }
        None
    }

    fn place(
        &mut self,
        end: u64,
        start: u64,
        value: &Value,
        first: Option<Arc<Operation>>,
        latest: Option<Arc<Operation>>,
    ) -> Ended {
        self.starts.push(start);
        self.ends.push((end, value.clone()));
        Ended { place: self.ends.len() - 1, first, latest }
    }

    /// A cluster that has to come both before and after the one at this place, which an operation
    /// that began at `start` has just joined.
    fn contradiction(&self, place: usize, start: u64) -> Option<usize> {
        let (first_end, _) = self.ends[place];
        let before = self.ends.partition_point(|(end, _)| *end < start);
        self.starts.above(0..place.min(before), first_end).or_else(|| {
            let after = place + 1..before.max(place + 1);
            self.starts.above(after, first_end)
        })
    }

    /// Forgets what cannot matter any more. `now` is the instant of the latest completion; what is
    /// called later begins after it.
    fn forget(&mut self, now: u64) {
        let open = self.open.values().map(|operation| instant(operation.start)).min();
        let earliest = open.unwrap_or(now.saturating_add(1));
        let settled = self.ends.partition_point(|(end, _)| *end < earliest);
        // The two settled clusters that began last.
        let mut top = [None, None];
        for place in 0..settled {
            let start = self.starts.get(place);
            if top[0].is_none_or(|(most, _)| start > most) {
                top = [Some((start, place)), top[0]];
            } else if top[1].is_none_or(|(most, _)| start > most) {
                top[1] = Some((start, place));
            }
        }
        let is_top = |place| top.iter().flatten().any(|(_, at)| *at == place);
        let is_followed = |place: usize, end: u64| {
            top.iter().flatten().any(|(start, at)| *at != place && *start > end)
        };
        let mut starts = Peaks::default();
        let mut ends = Vec::new();
        for (place, (end, value)) in std::mem::take(&mut self.ends).into_iter().enumerate() {
            let Some(cluster) = self.clusters.get_mut(&value) else { continue };
            let writer = cluster.writer.as_ref();
            let is_open = writer.is_some_and(|writer| self.open.contains_key(&writer.invoked));
            if place >= settled || is_open || is_top(place) || !is_followed(place, end) {
                if let Some(ended) = &mut cluster.ended {
                    ended.place = ends.len();
                }
                starts.push(self.starts.get(place));
                ends.push((end, value));
            } else {
                self.clusters.remove(&value);
                self.forgot = true;
            }
        }
        (self.starts, self.ends) = (starts, ends);
        self.full = 2 * self.ends.len() + SLACK;
    }

    fn proved(&self, operations: Vec<Operation>, options: &Options) -> Anomaly {
        let own = Options { initial: self.initial.clone(), ..options.clone() };
        let mut anomaly = evidence::of(operations, &own, !self.forgot);
        if let (true, Some(key)) = (self.initial != options.initial, &anomaly.key) {
            let before = format!(" Before them {key} can only have held {}.", self.initial);
            anomaly.detail.push_str(&before);
        }
        anomaly
    }

    /// A read of what nobody can have written.
    fn unknown(&self, read: &Operation, key: &Key) -> Anomaly {
        match self.forgot {
            false => {
                evidence::of_read(read, key, AnomalyKind::PhantomValue, "nobody had written it")
            }
            true => evidence::of_unknown(read, key),
        }
    }

    /// Goes on with the operations that stand for all that there were.
    pub(super) fn to_window(&self, key: &Key) -> Window {
        let open = self.open.keys().copied().collect();
        let mut operations: Vec<Operation> =
            self.pending.iter().map(|(value, pending)| pending.write(key, value)).collect();
        operations.extend(self.clusters.values().flat_map(cluster_operations).cloned());
        operations.extend(self.open.values().map(|operation| (**operation).clone()));
        operations.sort_by_key(|operation| operation.invoked);
        operations.dedup_by_key(|operation| operation.invoked);
        let mut window = Window::new(Some(key.clone()), &self.initial, operations, open);
        window.forgot = self.forgot;
        window
    }
}

fn cluster_operations(cluster: &Cluster) -> impl Iterator<Item = &Operation> {
    let ended = cluster.ended.iter().flat_map(|ended| ended.first.iter().chain(&ended.latest));
    cluster.writer.iter().chain(ended).map(|operation| &**operation)
}

impl Pending {
    fn of(operation: &Operation) -> Pending {
        Pending {
            process: operation.process,
            node: operation.node.clone(),
            invoked: operation.invoked,
            start: operation.start,
        }
    }

    fn write(&self, key: &Key, value: &Value) -> Operation {
        Operation {
            process: self.process,
            node: self.node.clone(),
            call: Call::Write { key: key.clone(), value: value.clone() },
            invoked: self.invoked,
            start: self.start,
            completion: None,
            said: None,
        }
    }
}
