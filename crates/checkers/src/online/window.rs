//! An object of any model, from one moment at which nothing is open on it to the next.
//!
//! At such a moment, if everything ended before whatever is called later, every linearization is
//! one of the past followed by one of the future. Of the past the future sees the state that it
//! left, and which changes in doubt have not taken effect: those may still do so at any time. So
//! the operations are replaced by the list of these possibilities, see `starts`. A change in doubt
//! does not end the cutting; it is carried on until a linearization needs it.
//!
//! In between the operations are judged whenever their number has grown by an eighth, what is open
//! counting as in doubt: a history that begins with what is illegal is illegal. So what is spent is
//! a constant times what one judgement of the whole costs, and an anomaly is found at the latest
//! when the operations since the last quiet moment have become an eighth more.
//!
//! What the list would take too long to make for stays as it is, and is judged at the next quiet
//! moment or at the end. Then the memory is that of all operations since.

use perjury_history::{Anomaly, Index, Key, Operation, Outcome, Reply, Value};

use super::evidence;
use super::starts::{Start, least};
use super::zones::Zones;
use crate::linearizable::{Decision, decide};
use crate::{Budget, ModelName, Options, explain};

/// How many possibilities are kept at most.
const MOST_STARTS: usize = 32;
/// How many configurations it may take to list them.
const MOST_CONFIGURATIONS: usize = 20_000;
/// How many states a judgement that can be repeated later may visit.
const PROBE_STATES: u64 = 50_000;
/// Judgements are at least so many completions apart.
const LEAST_STEP: usize = 8;

pub(super) struct Window {
    key: Option<Key>,
    starts: Vec<Start>,
    operations: Vec<Operation>,
    open: usize,
    /// Completions since the last judgement.
    fresh: usize,
    /// With fewer operations than this there is no use in trying to cut, or to judge.
    cut_from: usize,
    judge_from: usize,
}

/// What was proved, and the last entry that the proof needs.
pub(super) struct Proved {
    pub(super) at: Index,
    pub(super) anomaly: Anomaly,
}

impl Window {
    /// An object to which these operations happened, of which so many are open.
    pub(super) fn new(
        key: Option<Key>,
        initial: &Value,
        operations: Vec<Operation>,
        open: usize,
    ) -> Window {
        let start = Start { initial: initial.clone(), calls: Vec::new(), pending: Vec::new() };
        let starts = vec![start];
        Window { key, starts, operations, open, fresh: 0, cut_from: 0, judge_from: 0 }
    }

    pub(super) fn held(&self) -> usize {
        let pending = self.starts.iter().map(|start| start.pending.len()).max();
        self.operations.len() + pending.unwrap_or_default()
    }

    pub(super) fn invoke(&mut self, operation: Operation) {
        self.open += 1;
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
        self.open -= 1;
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
            }
        }
        if self.open == 0 && self.operations.len() >= self.cut_from {
            return self.cut(options);
        }
        let step = LEAST_STEP.max(self.operations.len() / 8);
        if self.fresh < step || self.operations.len() < self.judge_from {
            return None;
        }
        self.fresh = 0;
        match self.judge(u64::MAX, &probe(options)) {
            Ok(true) => None,
            Ok(false) => Some(self.proof(options)),
            Err(()) => {
                self.judge_from = 2 * self.operations.len();
                None
            }
        }
    }

    /// What goes on from here without a search, if that is possible.
    pub(super) fn zones(&self, model: ModelName) -> Option<Zones> {
        let [start] = self.starts.as_slice() else { return None };
        let settled = model.is_register() && self.operations.is_empty();
        settled.then(|| Zones::new(&start.initial, &start.pending)).flatten()
    }

    /// Nothing follows. Is what is left legal, and if not, what proves that? An error: the budget
    /// did not allow to tell.
    pub(super) fn finish(&self, options: &Options) -> Result<Option<Proved>, ()> {
        Ok(if self.judge(u64::MAX, options)? { None } else { Some(self.proof(options)) })
    }

    /// Replaces the operations by what they can have left.
    fn cut(&mut self, options: &Options) -> Option<Proved> {
        let mut starts = Vec::new();
        for start in &self.starts {
            // Long windows cost more for each configuration.
            let most = MOST_CONFIGURATIONS.min(4_000_000 / (1 + self.held()));
            let after = start.after(self.key.as_ref(), &self.operations, options.model, most);
            match after {
                Some(after) => starts.extend(after),
                None => {
                    self.cut_from = 2 * self.operations.len();
                    return None;
                }
            }
        }
        let starts = least(starts);
        if starts.is_empty() {
            return Some(self.proof(options));
        }
        if starts.len() > MOST_STARTS {
            self.cut_from = 2 * self.operations.len();
            return None;
        }
        self.starts = starts;
        self.operations.clear();
        (self.fresh, self.cut_from, self.judge_from) = (0, 0, 0);
        None
    }

    /// The operations as they were known at that time.
    fn until(&self, time: u64) -> Vec<Operation> {
        let begun = self.operations.iter().filter(|operation| operation.start <= time);
        let known = |operation: &Operation| {
            let mut operation = operation.clone();
            operation.completion = operation.completion.filter(|(_, end, _)| *end <= time);
            operation
        };
        begun.map(known).collect()
    }

    /// Is what had happened by that time legal?
    fn judge(&self, time: u64, options: &Options) -> Result<bool, ()> {
        let held = self.until(time);
        let mut gave_up = false;
        for start in &self.starts {
            let all = start.history(&held);
            let group: Vec<(usize, &Operation)> = all.iter().enumerate().collect();
            let options = Options { initial: start.initial.clone(), ..options.clone() };
            match decide(&group, &options, &options.budget.start()) {
                Decision::Legal(_) => return Ok(true),
                Decision::GaveUp(_) => gave_up = true,
                Decision::Illegal { .. } => {}
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
            let mut anomaly = evidence::of(start.history(&held), &own);
            if start.initial != options.initial {
                anomaly.detail.push_str(&format!(" {}", self.before()));
            }
            return anomaly;
        }
        let all: Vec<usize> = (0..held.len()).collect();
        let mut anomaly = explain::general(self.key.clone(), &all, None, &held);
        anomaly.detail.push_str(&format!(" {}", self.before()));
        anomaly
    }

    /// "Before them x can only have held 1 or 2."
    fn before(&self) -> String {
        let state = |start: &Start| match start.calls.as_slice() {
            [] => format!("have held {}", start.initial),
            calls => {
                let calls: Vec<String> = calls.iter().map(ToString::to_string).collect();
                format!("have been as after: {}", calls.join(", "))
            }
        };
        let mut states: Vec<String> = self.starts.iter().map(state).collect();
        states.dedup();
        let what = self.key.as_ref().map_or("the registers", |key| key.as_str());
        format!("Before them {what} can only {}.", states.join(" or "))
    }
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
