//! What may be true of an object at a moment at which nothing is open on it: its state, and which
//! changes in doubt may still take effect.
//!
//! A state is written down as operations that lead to it, so that everything that judges a history
//! judges what follows as well. The invariant: what follows is explained by the whole past if and
//! only if it is explained by one of the starts.

use std::collections::{BTreeMap, HashMap, HashSet};

use perjury_history::{Call, Index, Key, Micro, NodeName, Operation, Outcome, Reply, Value};
use perjury_porcupine::models::{
    CasRegister, Counter, FifoQueue, KvAppend, MultiRegister, Mutex, Set, UnorderedQueue,
};
use perjury_porcupine::{Model, PowerSet};

use super::ends::{self, Part};
use crate::ModelName;
use crate::linearizable::initial_registers;
use crate::minimize::sees;
use crate::translate::{self, Searched};

/// One possibility.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Start {
    /// What a register or a counter holds.
    pub(super) initial: Value,
    /// What leads to the state from there, one after the other.
    pub(super) calls: Vec<Call>,
    /// Changes in doubt that have not taken effect.
    pub(super) pending: Vec<Operation>,
}

impl Start {
    /// The operations of this start and those that follow. Where it has calls, all times are later
    /// by as much as these need.
    pub(super) fn history(&self, held: &[Operation]) -> Vec<Operation> {
        let mut all = Vec::with_capacity(self.calls.len() + self.pending.len() + held.len());
        for (at, call) in self.calls.iter().enumerate() {
            let time = 2 * at as u64;
            let reply = match call {
                Call::Txn { steps } => Reply::Txn(steps.clone()),
                _ => Reply::Done,
            };
            all.push(Operation {
                process: u64::MAX,
                node: NodeName::from(perjury_history::import::NOWHERE),
                call: call.clone(),
                invoked: Index(u64::MAX),
                start: time,
                completion: Some((Index(u64::MAX), time, Outcome::Ok(reply))),
                said: None,
            });
        }
        all.extend(self.pending.iter().chain(held).cloned());
        if !self.calls.is_empty() {
            let later = 2 * self.calls.len() as u64;
            for operation in &mut all[self.calls.len()..] {
                operation.start = operation.start.saturating_add(later);
                if let Some((_, time, _)) = &mut operation.completion {
                    *time = time.saturating_add(later);
                }
            }
        }
        all
    }

    /// What the operations can leave behind from here; `None` if that takes more than `most`
    /// configurations to say.
    pub(super) fn after(
        &self,
        key: Option<&Key>,
        held: &[Operation],
        model: ModelName,
        most: usize,
    ) -> Option<Vec<Start>> {
        let all = self.history(held);
        let group: Vec<(usize, &Operation)> = all.iter().enumerate().collect();
        let passage = Passage { all: &all, before: self.calls.len(), held, model, most };
        let key = || key.cloned().unwrap_or_else(|| Key::from(""));
        let initial = &self.initial;
        let from = |calls: Vec<Call>| vec![(initial.clone(), calls)];
        match model {
            ModelName::Register | ModelName::CasRegister | ModelName::Kv => {
                let searched = translate::register(&group);
                passage.ends(&CasRegister(initial.clone()), searched, |value| {
                    vec![(value, Vec::new())]
                })
            }
            ModelName::Counter => {
                let base = if let Value::Int(base) = initial { *base } else { 0 };
                passage.ends(&Counter, translate::counter(&group, base), |sum| {
                    vec![(Value::Int(base.wrapping_add(sum)), Vec::new())]
                })
            }
            ModelName::KvAppend => {
                passage.ends(&KvAppend::default(), translate::strings(&group), |text| {
                    let value = Value::from(text.as_str());
                    let write = Call::Write { key: key(), value };
                    from(if text.is_empty() { Vec::new() } else { vec![write] })
                })
            }
            ModelName::Mutex => passage.ends(&Mutex, translate::mutex(&group), |held| {
                from(if held { vec![Call::Acquire { key: key() }] } else { Vec::new() })
            }),
            ModelName::Queue => {
                passage.ends(&FifoQueue::default(), translate::queue(&group), |elements| {
                    from(enqueues(&key(), elements))
                })
            }
            ModelName::UnorderedQueue => {
                let model = PowerSet(UnorderedQueue::default());
                passage.ends(&model, translate::queue(&group), |states| {
                    let calls = |elements: &Vec<Value>| enqueues(&key(), elements.iter().cloned());
                    states.iter().map(|one| (initial.clone(), calls(one))).collect()
                })
            }
            ModelName::Set => passage.ends(&Set::default(), translate::set(&group), |elements| {
                let add = |element| Call::Add { key: key(), element };
                from(elements.into_iter().map(add).collect())
            }),
            // What is left of these is not said by calls: all is kept.
            ModelName::Stack
            | ModelName::PriorityQueue
            | ModelName::Log
            | ModelName::FencedLock
            | ModelName::OwnedMutex(_)
            | ModelName::OwnedFencedLock(_)
            | ModelName::Semaphore(_)
            | ModelName::MutableSet
            | ModelName::Bank => None,
            ModelName::MultiRegister => {
                let model = MultiRegister(initial_registers(&group, initial));
                passage.ends(&model, translate::transactions(&group), |registers| {
                    from(transaction(registers))
                })
            }
        }
    }
}

fn enqueues(key: &Key, elements: impl IntoIterator<Item = Value>) -> Vec<Call> {
    let enqueue = |element| Call::Enqueue { key: key.clone(), element };
    elements.into_iter().map(enqueue).collect()
}

fn transaction(registers: BTreeMap<String, Value>) -> Vec<Call> {
    let write = |(key, value): (String, Value)| Micro::Write(Key::from(key), value);
    let steps: Vec<Micro> = registers.into_iter().map(write).collect();
    if steps.is_empty() { Vec::new() } else { vec![Call::Txn { steps }] }
}

/// Operations from one quiet moment to the next.
struct Passage<'a> {
    all: &'a [Operation],
    /// How many of them are the calls of the start.
    before: usize,
    held: &'a [Operation],
    model: ModelName,
    most: usize,
}

impl Passage<'_> {
    fn ends<M: Model>(
        &self,
        model: &M,
        searched: Vec<Searched<M::Input, M::Output>>,
        states: impl Fn(M::State) -> Vec<(Value, Vec<Call>)>,
    ) -> Option<Vec<Start>> {
        let (places, history): (Vec<usize>, Vec<_>) = searched.into_iter().unzip();
        let certain: Vec<bool> = history.iter().map(|one| one.output.is_some()).collect();
        let (parts, blocking) = self.parts(&places, &certain);
        let ends = ends::all(model, &history, &parts, &blocking, self.most)?;
        let mut starts = Vec::new();
        for end in ends {
            let left = (0..places.len()).filter(|at| !certain[*at] && !end.effective[*at]);
            let pending: Vec<Operation> = left.map(|at| self.original(places[at])).collect();
            for (initial, calls) in states(end.state) {
                starts.push(Start { initial, calls, pending: pending.clone() });
            }
        }
        Some(least(starts))
    }

    /// The operation without what it was answered, at its own time.
    fn original(&self, place: usize) -> Operation {
        let mut operation = self.all[place].clone();
        operation.completion = None;
        if self.before > 0 {
            operation.start = operation.start.saturating_sub(2 * self.before as u64);
        }
        operation
    }

    /// What `ends` has to know of each operation. Only registers and counters allow to leave out
    /// more than the general rule: a write in doubt that nobody sees, with no refused
    /// compare-and-set about, is overwritten before anybody looks or may as well come later; and
    /// there nothing but a look at the value needs a change in doubt before it.
    fn parts(&self, places: &[usize], certain: &[bool]) -> (Vec<Part>, Vec<bool>) {
        let is_register = self.model.is_register();
        let lazy = is_register || self.model == ModelName::Counter;
        let refused = |operation: &Operation| {
            matches!(operation.outcome(), Some(Outcome::Ok(Reply::Swapped(false))))
        };
        let seen: Option<HashSet<&Value>> = (is_register && !self.held.iter().any(refused))
            .then(|| self.all.iter().filter_map(sees).collect());
        let mut latest: HashMap<&Call, usize> = HashMap::new();
        let mut parts = vec![Part::Certain; places.len()];
        let mut order: Vec<usize> = (0..places.len()).filter(|at| !certain[*at]).collect();
        order.sort_by_key(|at| (self.all[places[*at]].start, *at));
        for at in order {
            let call = &self.all[places[at]].call;
            let unseen = match (call, &seen) {
                (Call::Write { value, .. } | Call::Cas { to: value, .. }, Some(seen)) => {
                    !seen.contains(value)
                }
                _ => false,
            };
            parts[at] = match (unseen, latest.insert(call, at)) {
                (true, _) => Part::Useless,
                (false, None) => Part::Doubtful,
                (false, Some(other)) => Part::After(other),
            };
        }
        let looks = |place: &usize| {
            let operation = &self.all[*place];
            !lazy || sees(operation).is_some()
        };
        (parts, places.iter().map(looks).collect())
    }
}

/// Without those that leave less in doubt than another one with the same state: what is in doubt
/// need not take effect.
pub(super) fn least(starts: Vec<Start>) -> Vec<Start> {
    let pending = |start: &Start| -> HashSet<Index> {
        start.pending.iter().map(|operation| operation.invoked).collect()
    };
    let mut kept: Vec<(Start, HashSet<Index>)> = Vec::new();
    for start in starts {
        let open = pending(&start);
        let same = |other: &Start| other.initial == start.initial && other.calls == start.calls;
        if kept.iter().any(|(other, more)| same(other) && more.is_superset(&open)) {
            continue;
        }
        kept.retain(|(other, less)| !(same(other) && less.is_subset(&open)));
        kept.push((start, open));
    }
    kept.into_iter().map(|(start, _)| start).collect()
}
