//! An object of any model, from one moment at which little is open on it to the next.
//!
//! Take any moment such that all that was open then has been answered or given up since. Every
//! linearization can be cut behind the last operation that ended before it: what stands behind sees
//! of what stands before only the state, and which of the operations that were open at the moment,
//! or are in doubt, have not taken effect yet. So the operations are replaced by the list of these
//! possibilities, see `starts`. A change in doubt does not end the cutting; it is carried on until
//! a linearization needs it. Where nothing is open at all, the moment is now; else it is the one in
//! the past at which the fewest were open, and what was called since says which of the
//! possibilities are none.
//!
//! In between the operations are judged whenever their number has grown by an eighth, what is open
//! counting as in doubt: a history that begins with what is illegal is illegal. So what is spent is
//! a constant times what one judgement of the whole costs, and an anomaly is found at the latest
//! when the operations since the last such moment have become an eighth more.
//!
//! What the list would take too long to make for stays as it is until there are half as many again,
//! or twice as many if nothing is open, and is judged at the end if nothing changes. Then the
//! memory is that of all operations since.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use perjury_history::{Anomaly, Index, Key, Operation, Outcome, Reply, Value};

use super::evidence;
use super::settled::Settled;
use super::starts::{Start, least};
use super::zones::Zones;
use crate::linearizable::{Decision, decide};
use crate::{Budget, ModelName, Options, explain, minimize};

/// How many possibilities are kept at most.
const MOST_STARTS: usize = 64;
/// How many there may be before what was called since is asked.
const MOST_CANDIDATES: usize = 8 * MOST_STARTS;
/// With fewer operations than this no moment in the past is looked for.
const LEAST_BUSY: usize = 32;
/// How many configurations it may take to list them.
const MOST_CONFIGURATIONS: usize = 50_000;
/// How many states a judgement that can be repeated later may visit.
const PROBE_STATES: u64 = 50_000;
/// Judgements are at least so many completions apart.
const LEAST_STEP: usize = 8;

pub(super) struct Window {
    key: Option<Key>,
    starts: Vec<Start>,
    operations: Vec<Operation>,
    open: BTreeSet<Index>,
    /// What a log begins with.
    settled: Settled,
    /// Were there operations that are not held any more?
    pub(super) forgot: bool,
    /// Completions since the last judgement.
    fresh: usize,
    /// With fewer operations than this there is no use in trying to cut, or to judge.
    cut_from: usize,
    busy_from: usize,
    judge_from: usize,
}

/// What was proved, and the last entry that the proof needs.
pub(super) struct Proved {
    pub(super) at: Index,
    pub(super) anomaly: Anomaly,
}

impl Window {
    /// An object to which these operations happened, of which these are open.
    pub(super) fn new(
        key: Option<Key>,
        initial: &Value,
        operations: Vec<Operation>,
        open: BTreeSet<Index>,
    ) -> Window {
        let start = Start { initial: initial.clone(), calls: Vec::new(), pending: Vec::new() };
        Window {
            key,
            starts: vec![start],
            operations,
            open,
            settled: Settled::default(),
            forgot: false,
            fresh: 0,
            cut_from: 0,
            busy_from: LEAST_BUSY,
            judge_from: 0,
        }
    }

    /// Operations, and entries of a log.
    pub(super) fn held(&self) -> usize {
        let pending = self.starts.iter().map(|start| start.pending.len()).max();
        self.operations.len() + pending.unwrap_or_default() + self.settled.len()
    }

    pub(super) fn invoke(&mut self, operation: Operation) {
        self.open.insert(operation.invoked);
        self.operations.push(operation);
    }

    /// Takes the completion of an open call. What it proves, if it proves anything.
    pub(super) fn complete(
        &mut self,
        call: Index,
        completion: (Index, u64, Outcome),
        options: &Options,
    ) -> Option<Proved> {
        let place = self.operations.iter().rposition(|one| one.invoked == call)?;
        self.open.remove(&call);
        let operation = &mut self.operations[place];
        match completion.2 {
            // What changes nothing and was not answered says nothing.
            Outcome::Fail(_) | Outcome::Info(_) if operation.call.is_read_only() => {
                self.operations.remove(place);
            }
            Outcome::Info(_) => {}
            Outcome::Ok(_) | Outcome::Fail(_) => {
                operation.completion = Some(grounded(completion, options));
                self.fresh += 1;
                if !self.settled.shift(operation) {
                    return Some(self.contradicted(place, options));
                }
            }
        }
        if self.open.is_empty() && self.operations.len() >= self.cut_from {
            return self.cut(options);
        }
        let step = LEAST_STEP.max(self.operations.len() / 8);
        if self.fresh < step || self.operations.len() < self.judge_from {
            return None;
        }
        self.fresh = 0;
        match self.judge(u64::MAX, &probe(options)) {
            Ok(true) => self.cut_in_the_past(options),
            Ok(false) => return Some(self.proof(options)),
            Err(()) => self.judge_from = 2 * self.operations.len(),
        }
        None
    }

    /// The answer at this place is wrong whatever else is true, unless something was wrong before.
    fn contradicted(&mut self, place: usize, options: &Options) -> Proved {
        let operation = self.operations[place].clone();
        self.operations[place].completion = None;
        if self.judge(u64::MAX, &probe(options)) == Ok(false) {
            return self.proof(options);
        }
        let at = operation.completion.as_ref().map_or(operation.invoked, |(at, ..)| *at);
        let mut anomaly = explain::general(self.key.clone(), &[0], None, &[operation]);
        let settled = self.settled.told(self.key.as_ref()).unwrap_or_default();
        anomaly.detail.push_str(&format!(" {settled} It does not agree with them."));
        Proved { at, anomaly }
    }

    /// What goes on from here without a search, if that is possible.
    pub(super) fn zones(&self, model: ModelName) -> Option<Zones> {
        let [start] = self.starts.as_slice() else { return None };
        let is_settled = model.is_register()
            && self.operations.is_empty()
            && start.pending.iter().all(|operation| operation.completion.is_none());
        let mut zones = is_settled.then(|| Zones::new(&start.initial, &start.pending)).flatten()?;
        zones.forgot = self.forgot;
        Some(zones)
    }

    /// Nothing follows. Is what is left legal, and if not, what proves that? An error: the budget
    /// did not allow to tell.
    pub(super) fn finish(&self, options: &Options) -> Result<Option<Proved>, ()> {
        Ok(if self.judge(u64::MAX, options)? { None } else { Some(self.proof(options)) })
    }

    /// Replaces the operations by what they can have left: nothing is open.
    fn cut(&mut self, options: &Options) -> Option<Proved> {
        match self.after(self.operations.len(), u64::MAX, options) {
            Some(starts) if starts.is_empty() => Some(self.proof(options)),
            Some(starts) if starts.len() <= MOST_STARTS => {
                self.operations.clear();
                self.begin(starts);
                None
            }
            _ => {
                self.cut_from = 2 * self.operations.len();
                None
            }
        }
    }

    /// Replaces those operations that began before some moment in the past. What is held is legal.
    fn cut_in_the_past(&mut self, options: &Options) {
        if self.operations.len() < self.busy_from {
            return;
        }
        self.busy_from = 3 * self.operations.len() / 2;
        let Some(before) = self.calmest() else { return };
        let moment = self.operations[before].start;
        let Some(mut starts) = self.after(before, moment, options) else { return };
        if starts.len() > MOST_CANDIDATES {
            return;
        }
        let later: Vec<Operation> = self.operations[before..].to_vec();
        starts.retain(|start| judged(start, &later, &probe(options)) != Ok(false));
        if starts.is_empty() || starts.len() > MOST_STARTS {
            return;
        }
        self.operations = later;
        self.begin(starts);
    }

    fn begin(&mut self, starts: Vec<Start>) {
        (self.starts, self.forgot) = (starts, true);
        self.settled.absorb(&mut self.starts, &mut self.operations);
        (self.fresh, self.cut_from, self.judge_from) = (0, 0, 0);
        self.busy_from = LEAST_BUSY.max(2 * self.operations.len());
    }

    /// What the first so many operations can have left at this moment.
    fn after(&self, before: usize, moment: u64, options: &Options) -> Option<Vec<Start>> {
        let mut starts = Vec::new();
        let left = Cell::new(MOST_CONFIGURATIONS);
        for start in &self.starts {
            let (key, past) = (self.key.as_ref(), &self.operations[..before]);
            starts.extend(start.after(key, past, moment, options.model, &left)?);
        }
        Some(least(starts))
    }

    /// Of the moments at which an operation began, with nothing open that still is, the one with
    /// the fewest answered operations open; as the number of operations that began before it.
    /// Between a quarter and three quarters of them have to have.
    fn calmest(&self) -> Option<usize> {
        let count = self.operations.len();
        let mut ends: BinaryHeap<Reverse<u64>> = BinaryHeap::new();
        let mut best: Option<(usize, usize)> = None;
        for (place, operation) in self.operations.iter().enumerate() {
            while ends.peek().is_some_and(|Reverse(end)| *end < operation.start) {
                ends.pop();
            }
            let is_new = place > 0 && self.operations[place - 1].start < operation.start;
            if is_new
                && (count / 4..=3 * count / 4).contains(&place)
                && best.is_none_or(|(fewest, _)| ends.len() <= fewest)
            {
                best = Some((ends.len(), place));
            }
            if self.open.contains(&operation.invoked) {
                break;
            }
            if matches!(operation.outcome(), Some(Outcome::Ok(_))) {
                ends.extend(operation.end().map(Reverse));
            }
        }
        best.map(|(_, place)| place)
    }

    /// The operations as they were known at that time.
    fn until(&self, time: u64) -> Vec<Operation> {
        known(&self.operations, time)
    }

    /// Is what had happened by that time legal?
    fn judge(&self, time: u64, options: &Options) -> Result<bool, ()> {
        let held = self.until(time);
        let mut gave_up = false;
        for start in &self.starts {
            let start = Start { pending: known(&start.pending, time), ..start.clone() };
            match judged(&start, &held, options) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(()) => gave_up = true,
            }
        }
        if gave_up { Err(()) } else { Ok(false) }
    }

    /// The operations are illegal: since when, and why. A longer history is not more legal, so the
    /// first completion that makes it illegal is found by bisection.
    fn proof(&self, options: &Options) -> Proved {
        let ends = self.operations.iter().filter_map(|operation| operation.completion.as_ref());
        let mut ends: Vec<(u64, Index)> = ends.map(|(index, time, _)| (*time, *index)).collect();
        ends.sort_unstable();
        let illegal = |time: u64| self.judge(time, &probe(options)) == Ok(false);
        let first = ends.partition_point(|(time, _)| !illegal(*time));
        let (time, _) = ends.get(first).or(ends.last()).copied().unwrap_or_default();
        let at = ends.iter().rfind(|(end, _)| *end == time).map_or(Index(0), |(_, at)| *at);
        Proved { at, anomaly: self.anomaly(time, options) }
    }

    fn anomaly(&self, time: u64, options: &Options) -> Anomaly {
        let held = self.until(time);
        if let [start] = self.starts.as_slice()
            && start.calls.is_empty()
        {
            let own = Options { initial: start.initial.clone(), ..options.clone() };
            let mut anomaly = evidence::of(start.history(&held), &own, !self.forgot);
            if start.initial != options.initial {
                anomaly.detail.push_str(&format!(" {}", self.before()));
            }
            let settled = self.settled.told(self.key.as_ref());
            anomaly.detail.extend(settled.into_iter().flat_map(|told| [" ".into(), told]));
            return anomaly;
        }
        let cited = match self.starts.as_slice() {
            [start] => core(start, &held, options),
            _ => held,
        };
        let all: Vec<usize> = (0..cited.len()).collect();
        let mut anomaly = explain::general(self.key.clone(), &all, None, &cited);
        anomaly.detail.push_str(&format!(" {}", self.before()));
        anomaly
    }

    /// "Before them x can only have held 1 or 2."
    fn before(&self) -> String {
        let state = |start: &Start| match start.calls.as_slice() {
            [] => format!("have held {}", start.initial),
            calls => {
                let calls: Vec<String> = calls.iter().map(|(call, _)| call.to_string()).collect();
                format!("have been as after: {}", calls.join(", "))
            }
        };
        let mut states: Vec<String> = self.starts.iter().map(state).collect();
        states.dedup();
        let what = self.key.as_ref().map_or("the registers", |key| key.as_str());
        let settled = self.settled.told(self.key.as_ref()).map(|told| format!("{told} "));
        let settled = settled.unwrap_or_default();
        format!("{settled}Before them {what} can only {}.", states.join(" or "))
    }
}

/// Are these operations legal from there? An error: the budget did not allow to tell.
fn judged(start: &Start, held: &[Operation], options: &Options) -> Result<bool, ()> {
    let all = start.history(held);
    let group: Vec<(usize, &Operation)> = all.iter().enumerate().collect();
    let options = Options { initial: start.initial.clone(), ..options.clone() };
    match decide(&group, &options, &options.budget.start()) {
        Decision::Legal(_) => Ok(true),
        Decision::Illegal { .. } => Ok(false),
        Decision::GaveUp(_) => Err(()),
    }
}

/// Those of the operations that are illegal by themselves, after what the start begins with.
fn core(start: &Start, held: &[Operation], options: &Options) -> Vec<Operation> {
    let own = Options { initial: start.initial.clone(), ..options.clone() };
    let all = start.history(held);
    let core = minimize::core((0..all.len()).collect(), None, &all, &own);
    let cited: BTreeSet<Index> = core.iter().map(|at| all[*at].invoked).collect();
    let operations = start.pending.iter().chain(held);
    operations.filter(|operation| cited.contains(&operation.invoked)).cloned().collect()
}

/// What was known of these at that time.
fn known(operations: &[Operation], time: u64) -> Vec<Operation> {
    let begun = operations.iter().filter(|operation| operation.start <= time);
    let known = |operation: &Operation| {
        let mut operation = operation.clone();
        operation.completion = operation.completion.filter(|(_, end, _)| *end <= time);
        operation
    };
    begun.map(known).collect()
}

/// A budget for a judgement that is not the last.
fn probe(options: &Options) -> Options {
    let states = options.budget.states.map_or(PROBE_STATES, |most| most.min(PROBE_STATES));
    let budget = Budget { states: Some(states), ..options.budget.clone() };
    Options { budget, ..options.clone() }
}

/// A counter that is absent reads as its initial value, which after a cut is another one.
fn grounded(completion: (Index, u64, Outcome), options: &Options) -> (Index, u64, Outcome) {
    match completion {
        (index, time, Outcome::Ok(Reply::Value(Value::Nil)))
            if options.model == ModelName::Counter =>
        {
            let base = if let Value::Int(base) = options.initial { base } else { 0 };
            (index, time, Outcome::Ok(Reply::Value(Value::Int(base))))
        }
        other => other,
    }
}
