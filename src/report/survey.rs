//! What a report needs to know of a history, gathered in one pass and in bounded memory.
//!
//! The number of intervals, of drawn points, of causes, faults and notes is limited; counts are
//! always those of the whole history. A history that is not well formed is surveyed too: what does
//! not fit is counted as such, because the report of a broken run is the one that is needed most.

use std::collections::{BTreeMap, HashMap, HashSet};

use perjury_history::{Entry, Event, FaultId, Index, Nanos, Outcome, Phase, Process};

use super::escape;
use super::grid::Grid;
use super::histogram::Histogram;
use super::record::{Counts, FaultLife, Interval, Kind, Reason, Witness};

/// How many intervals a chart over time has at the most.
const MOST_INTERVALS: u64 = 120;
/// How many different causes are told apart.
const MOST_CAUSES: usize = 200;
/// How many faults are listed, and how many notes.
const MOST_FAULTS: usize = 300;
const MOST_NOTES: usize = 300;

/// Everything that was gathered.
#[derive(Debug, Default)]
pub struct Survey {
    /// How long the history is.
    pub span: Nanos,
    /// How long an interval is.
    pub step: Nanos,
    /// How all operations ended.
    pub counts: Counts,
    /// The same for each call.
    pub calls: BTreeMap<&'static str, Counts>,
    /// Why operations did not succeed.
    pub reasons: BTreeMap<(Kind, String), Reason>,
    /// How many had a cause beyond those.
    pub other_reasons: u64,
    /// The faults in the order of their injection.
    pub faults: Vec<FaultLife>,
    /// How many there were.
    pub fault_count: u64,
    /// When each phase began.
    pub phases: Vec<(Nanos, Phase)>,
    /// The first notes.
    pub notes: Vec<(Nanos, String)>,
    /// How many there were.
    pub note_count: u64,
    /// The intervals, from the beginning.
    pub intervals: Vec<Interval>,
    /// All latencies, by [`Kind`].
    pub latencies: [Histogram; 3],
    /// Where the operations lie in time and latency.
    pub grid: Grid,
    /// The operations that were asked for.
    pub witnesses: HashMap<Index, Witness>,
    /// Completions of nothing, and invocations over an open one.
    pub misfits: u64,
}

struct Open {
    index: Index,
    start: Nanos,
    call: &'static str,
}

/// Surveys a history. `cited` are the invocations of which everything is to be kept.
pub fn survey(entries: &[Entry], cited: &HashSet<Index>) -> Survey {
    let span = entries.iter().map(|entry| entry.time).max().unwrap_or(0);
    let step = step(span);
    // The last interval takes the remainder, if that is less than half of one.
    let many = usize::try_from(span.saturating_add(step / 2) / step).unwrap_or(1).max(1);
    let mut survey = Survey {
        span,
        step,
        intervals: vec![Interval::default(); many],
        grid: Grid::new(span),
        ..Survey::default()
    };
    let mut open = HashMap::new();
    for entry in entries {
        survey.take(entry, &mut open, cited);
    }
    for left in open.into_values() {
        survey.counts.open += 1;
        survey.calls.entry(left.call).or_default().open += 1;
    }
    survey
}

/// The shortest round length of which [`MOST_INTERVALS`] fill the span.
fn step(span: Nanos) -> Nanos {
    let mut unit: Nanos = 1_000_000;
    loop {
        for factor in [1, 2, 5] {
            let step = unit.saturating_mul(factor);
            if span / step < MOST_INTERVALS || step == Nanos::MAX {
                return step;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

impl Survey {
    /// From when to when an interval is.
    pub fn bounds(&self, at: usize) -> (Nanos, Nanos) {
        let from = self.step.saturating_mul(at as u64);
        let last = at + 1 == self.intervals.len();
        (from, if last { self.span.max(from) } else { from.saturating_add(self.step) })
    }

    /// The operations that were asked for and found.
    pub fn witnesses_of(&self, indices: &[Index]) -> Vec<&Witness> {
        indices.iter().filter_map(|index| self.witnesses.get(index)).collect()
    }

    fn take(&mut self, entry: &Entry, open: &mut HashMap<Process, Open>, cited: &HashSet<Index>) {
        match &entry.event {
            Event::Invoke { process, node, call } => {
                let (index, start) = (entry.index, entry.time);
                let new = Open { index, start, call: call.name() };
                if let Some(left) = open.insert(*process, new) {
                    self.misfits += 1;
                    self.counts.open += 1;
                    self.calls.entry(left.call).or_default().open += 1;
                }
                if cited.contains(&index) {
                    let (process, node, call) = (*process, node.clone(), call.clone());
                    let (by, end) = (None, None);
                    let witness = Witness { index, process, node, by, call, start, end };
                    self.witnesses.insert(index, witness);
                }
            }
            Event::Complete { process, call, outcome, said } => {
                if let Some(witness) = self.witnesses.get_mut(call) {
                    witness.by = said.as_ref().and_then(|said| said.node.clone());
                }
                match open.remove(process).filter(|open| open.index == *call) {
                    Some(open) => self.complete(&open, entry.time, outcome),
                    None => self.misfits += 1,
                }
            }
            Event::Phase(phase) => self.phases.push((entry.time, *phase)),
            Event::Note(text) => {
                self.note_count += 1;
                if self.notes.len() < MOST_NOTES {
                    self.notes.push((entry.time, escape::clip(text, 400)));
                }
            }
            _ => self.take_fault(entry),
        }
    }

    fn complete(&mut self, open: &Open, time: Nanos, outcome: &Outcome) {
        let kind = Kind::of(outcome);
        let latency = time.saturating_sub(open.start);
        let (began, ended) = (self.interval_at(open.start), self.interval_at(time));
        self.intervals[ended].ended[kind as usize] += 1;
        let interval = &mut self.intervals[began];
        interval.slowest[kind as usize] = interval.slowest[kind as usize].max(Some(latency));
        if kind == Kind::Ok {
            interval.latencies.add(latency);
        }
        self.latencies[kind as usize].add(latency);
        self.grid.add(kind, open.start, latency);
        self.counts.ended[kind as usize] += 1;
        self.calls.entry(open.call).or_default().ended[kind as usize] += 1;
        if let Some(witness) = self.witnesses.get_mut(&open.index) {
            witness.end = Some((time, outcome.clone()));
        }
        if let Outcome::Fail(cause) | Outcome::Info(cause) = outcome {
            let key = (kind, escape::clip(&cause.code, 80));
            if let Some(reason) = self.reasons.get_mut(&key) {
                reason.count += 1;
            } else if self.reasons.len() < MOST_CAUSES {
                let example = escape::clip(&cause.detail, 300);
                self.reasons.insert(key, Reason { count: 1, example });
            } else {
                self.other_reasons += 1;
            }
        }
    }

    /// In which interval that moment is.
    pub fn interval_at(&self, time: Nanos) -> usize {
        usize::try_from(time / self.step).unwrap_or(0).min(self.intervals.len() - 1)
    }

    fn take_fault(&mut self, entry: &Entry) {
        let time = entry.time;
        match &entry.event {
            Event::Inject { id, fault } => {
                self.fault_count += 1;
                if self.faults.len() < MOST_FAULTS {
                    self.faults.push(FaultLife {
                        id: *id,
                        name: fault.name(),
                        what: escape::clip(&fault.to_string(), 500),
                        nodes: fault.nodes(),
                        from: time,
                        injection: None,
                        until: None,
                        heal: None,
                    });
                }
            }
            Event::Injected { id, injection } => {
                if let Some(life) = self.fault(*id) {
                    life.injection = Some(injection.clone());
                }
            }
            Event::Healed { id, injection } => {
                if let Some(life) = self.fault(*id) {
                    life.until = Some(time);
                    life.heal = Some(injection.clone());
                }
            }
            _ => {}
        }
    }

    fn fault(&mut self, id: FaultId) -> Option<&mut FaultLife> {
        self.faults.iter_mut().rev().find(|life| life.id == id)
    }
}

#[cfg(test)]
mod tests {
    use perjury_history::{Call, Cause};

    use super::*;

    fn history(events: Vec<(Nanos, Event)>) -> Vec<Entry> {
        let number = |(at, (time, event))| Entry { index: Index(at as u64), time, event };
        events.into_iter().enumerate().map(number).collect()
    }

    fn invoke(process: Process) -> Event {
        Event::Invoke { process, node: "n1".into(), call: Call::Read { key: "x".into() } }
    }

    fn info(process: Process, call: u64) -> Event {
        let outcome = Outcome::Info(Cause::new("timeout", "5 s"));
        Event::Complete { process, call: Index(call), outcome, said: None }
    }

    #[test]
    fn a_history_that_is_not_well_formed_is_counted_as_far_as_it_goes() {
        let entries = history(vec![
            (0, invoke(1)),
            (5, invoke(1)),
            (9, info(2, 0)),
            (u64::MAX, info(1, 1)),
            (3, invoke(3)),
        ]);
        let survey = survey(&entries, &HashSet::from([Index(1)]));
        assert_eq!(survey.misfits, 2);
        assert_eq!(survey.counts, Counts { ended: [0, 0, 1], open: 2 });
        assert_eq!(survey.reasons[&(Kind::Info, "timeout".into())].count, 1);
        assert!(survey.intervals.len() <= 120);
        assert_eq!(survey.witnesses[&Index(1)].end.as_ref().map(|end| end.0), Some(u64::MAX));
    }

    #[test]
    fn intervals_are_round_and_few() {
        assert_eq!(step(0), 1_000_000);
        assert_eq!(step(30_000_000_000), 500_000_000);
        assert_eq!(step(3_600_000_000_000), 50_000_000_000);
        assert!(step(u64::MAX) > 0);
    }
}
