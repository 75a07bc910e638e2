//! What may be true of an object at a moment: its state, which of the operations that were open
//! have not taken effect yet, and which changes in doubt may still do so.
//!
//! A state is written down as operations that lead to it, so that everything that judges a history
//! judges what follows as well. The invariant: what follows is explained by the whole past if and
//! only if it is explained by one of the starts.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use perjury_history::{Call, Index, Key, Micro, NodeName, Operation, Outcome, Reply, Value};
use perjury_porcupine::models::{
    CasRegister, Counter, FencedLock, FifoQueue, KvAppend, Log, MultiRegister, Mutex,
    PriorityQueue, Set, Stack, UnorderedQueue,
};
use perjury_porcupine::{Model, PowerSet};

use super::ends::{self, Part, Role};
use crate::ModelName;
use crate::linearizable::initial_registers;
use crate::minimize::sees;
use crate::translate::{self, Searched};

/// A call and its answer.
pub(super) type Answered = (Call, Reply);

/// A state as [`Start`] writes it down.
type State = (Value, Vec<Answered>);

/// One possibility.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Start {
    /// What a register or a counter holds.
    pub(super) initial: Value,
    /// What leads to the state from there, one after the other, and what it is answered.
    pub(super) calls: Vec<Answered>,
    /// What was open or in doubt and has not taken effect.
    pub(super) pending: Vec<Operation>,
}

impl Start {
    /// The operations of this start and those that follow. Where it has calls, all times are later
    /// by as much as these need.
    pub(super) fn history(&self, held: &[Operation]) -> Vec<Operation> {
        let mut all = Vec::with_capacity(self.calls.len() + self.pending.len() + held.len());
        for (at, (call, reply)) in self.calls.iter().enumerate() {
            let time = 2 * at as u64;
            all.push(Operation {
                process: u64::MAX,
                node: NodeName::from(perjury_history::import::NOWHERE),
                call: call.clone(),
                invoked: Index(u64::MAX),
                start: time,
                completion: Some((Index(u64::MAX), time, Outcome::Ok(reply.clone()))),
                said: None,
            });
        }
        all.extend(self.pending.iter().chain(held).cloned());
        if !self.calls.is_empty() {
            let later = self.delay();
            for operation in &mut all[self.calls.len()..] {
                operation.start = operation.start.saturating_add(later);
                if let Some((_, time, _)) = &mut operation.completion {
                    *time = time.saturating_add(later);
                }
            }
        }
        all
    }

    /// By how much its calls make all times later.
    fn delay(&self) -> u64 {
        2 * self.calls.len() as u64
    }

    /// What the operations can leave behind at this moment, before which all of them began and none
    /// is open that was not answered later; `None` if that takes more configurations to say than
    /// are `left`.
    pub(super) fn after(
        &self,
        key: Option<&Key>,
        held: &[Operation],
        moment: u64,
        model: ModelName,
        left: &Cell<usize>,
    ) -> Option<Vec<Start>> {
        let all = self.history(held);
        let group: Vec<(usize, &Operation)> = all.iter().enumerate().collect();
        let delay = self.delay();
        let moment = moment.saturating_add(delay);
        let passage = Passage { all: &all, delay, moment, model, left };
        let key = || key.cloned().unwrap_or_else(|| Key::from(""));
        let initial = &self.initial;
        let from = |calls: Vec<Answered>| Some(vec![(initial.clone(), calls)]);
        match model {
            ModelName::Register | ModelName::CasRegister | ModelName::Kv => {
                let searched = translate::register(&group);
                passage.ends(&CasRegister(initial.clone()), searched, |value| {
                    Some(vec![(value, Vec::new())])
                })
            }
            ModelName::Counter => {
                let base = if let Value::Int(base) = initial { *base } else { 0 };
                passage.ends(&Counter, translate::counter(&group, base), |sum| {
                    Some(vec![(Value::Int(base.wrapping_add(sum)), Vec::new())])
                })
            }
            ModelName::KvAppend => {
                passage.ends(&KvAppend::default(), translate::strings(&group), |text| {
                    let value = Value::from(text.as_str());
                    let write = (Call::Write { key: key(), value }, Reply::Done);
                    from(if text.is_empty() { Vec::new() } else { vec![write] })
                })
            }
            ModelName::Mutex => passage.ends(&Mutex, translate::mutex(&group), |held| {
                let acquire = (Call::Acquire { key: key() }, Reply::Done);
                from(if held { vec![acquire] } else { Vec::new() })
            }),
            ModelName::FencedLock => {
                passage.ends(&FencedLock, translate::fenced_lock(&group), |(held, least)| {
                    from(turns(&key(), held, least)?)
                })
            }
            ModelName::Queue
            | ModelName::UnorderedQueue
            | ModelName::Stack
            | ModelName::PriorityQueue
            | ModelName::Log => passage.sequences(&group, &key(), initial),
            ModelName::Set => passage.ends(&Set::default(), translate::set(&group), |elements| {
                let add = |element| (Call::Add { key: key(), element }, Reply::Done);
                from(elements.into_iter().map(add).collect())
            }),
            // What is left of these is not said by calls, or not by what calls of anybody leave:
            // all is kept. A bank is refused, as it is judged as a whole.
            ModelName::OwnedMutex(_)
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

fn enqueues(key: &Key, elements: impl IntoIterator<Item = Value>) -> Vec<Answered> {
    let enqueue = |element| (Call::Enqueue { key: key.clone(), element }, Reply::Done);
    elements.into_iter().map(enqueue).collect()
}

/// What a lock was asked last, if it is held or not and this is the least token that may follow;
/// `None` if no history has such a token.
fn turns(key: &Key, held: bool, least: u128) -> Option<Vec<Answered>> {
    let Some(last) = least.checked_sub(1) else { return Some(Vec::new()) };
    let token = Reply::Value(Value::Int(i64::try_from(last).ok()?));
    let mut turns = vec![(Call::Acquire { key: key.clone() }, token)];
    if !held {
        turns.push((Call::Release { key: key.clone() }, Reply::Done));
    }
    Some(turns)
}

fn transaction(registers: BTreeMap<String, Value>) -> Vec<Answered> {
    let write = |(key, value): (String, Value)| Micro::Write(Key::from(key), value);
    let steps: Vec<Micro> = registers.into_iter().map(write).collect();
    if steps.is_empty() {
        return Vec::new();
    }
    vec![(Call::Txn { steps: steps.clone() }, Reply::Txn(steps))]
}

/// Operations from one such moment to the next.
struct Passage<'a> {
    all: &'a [Operation],
    /// By how much their times are later than they were.
    delay: u64,
    moment: u64,
    model: ModelName,
    /// How many configurations may still be visited.
    left: &'a Cell<usize>,
}

impl Passage<'_> {
    /// Of a queue of any order, or of a log.
    fn sequences(
        &self,
        group: &[(usize, &Operation)],
        key: &Key,
        initial: &Value,
    ) -> Option<Vec<Start>> {
        let from = |calls: Vec<Answered>| Some(vec![(initial.clone(), calls)]);
        let queue = || translate::queue(group);
        match self.model {
            ModelName::Queue => {
                self.ends(&FifoQueue::default(), queue(), |elements| from(enqueues(key, elements)))
            }
            ModelName::Stack => {
                self.ends(&Stack::default(), queue(), |elements| from(enqueues(key, elements)))
            }
            ModelName::PriorityQueue => self
                .ends(&PriorityQueue::default(), queue(), |elements| from(enqueues(key, elements))),
            ModelName::Log => self.ends(&Log::default(), translate::log(group), |elements| {
                let append = |value| (Call::Append { key: key.clone(), value }, Reply::Done);
                from(elements.into_iter().map(append).collect())
            }),
            _ => self.ends(&PowerSet(UnorderedQueue::default()), queue(), |states| {
                let calls = |elements: &Vec<Value>| enqueues(key, elements.iter().cloned());
                Some(states.iter().map(|one| (initial.clone(), calls(one))).collect())
            }),
        }
    }

    fn ends<M: Model>(
        &self,
        model: &M,
        searched: Vec<Searched<M::Input, M::Output>>,
        states: impl Fn(M::State) -> Option<Vec<State>>,
    ) -> Option<Vec<Start>> {
        let (places, history): (Vec<usize>, Vec<_>) = searched.into_iter().unzip();
        let certain: Vec<bool> = history.iter().map(|one| one.output.is_some()).collect();
        let parts = self.parts(&places, &certain);
        let mut left = self.left.get();
        let ends = ends::all(model, &history, &parts, &mut left);
        self.left.set(left);
        let ends = ends?;
        let mut starts = Vec::new();
        for end in ends {
            let left = (0..places.len()).filter(|at| !end.effective[*at]);
            let left = left.map(|at| self.original(places[at], certain[at]));
            let pending: Vec<Operation> = left.collect();
            for (initial, calls) in states(end.state)? {
                starts.push(Start { initial, calls, pending: pending.clone() });
            }
        }
        Some(least(starts))
    }

    /// The operation at its own times.
    fn original(&self, place: usize, certain: bool) -> Operation {
        let mut operation = self.all[place].clone();
        operation.start = operation.start.saturating_sub(self.delay);
        operation.completion = operation.completion.filter(|_| certain);
        if let Some((_, end, _)) = &mut operation.completion {
            *end = end.saturating_sub(self.delay);
        }
        operation
    }

    /// What `ends` has to know of each operation. Only registers and counters allow to leave out
    /// more than the general rule: a write in doubt that nobody sees, with no refused
    /// compare-and-set about, is overwritten before anybody looks or may as well come later; and
    /// there nothing but a look at the value needs a change in doubt before it. Tokens rise.
    fn parts(&self, places: &[usize], certain: &[bool]) -> Vec<Part> {
        let is_register = self.model.is_register();
        let lazy = is_register || self.model == ModelName::Counter;
        let refused = |operation: &Operation| {
            matches!(operation.outcome(), Some(Outcome::Ok(Reply::Swapped(false))))
        };
        let seen: Option<HashSet<&Value>> = (is_register && !self.all.iter().any(refused))
            .then(|| self.all.iter().filter_map(sees).collect());
        let is_unseen = |call: &Call| match (call, &seen) {
            (Call::Write { value, .. } | Call::Cas { to: value, .. }, Some(seen)) => {
                !seen.contains(value)
            }
            _ => false,
        };
        let mut classes: HashMap<(&Call, Option<&Reply>), usize> = HashMap::new();
        let part = |(place, certain): (&usize, &bool)| {
            let operation = &self.all[*place];
            let reply = match operation.outcome() {
                Some(Outcome::Ok(reply)) if *certain => Some(reply),
                _ => None,
            };
            let ended = operation.end().is_some_and(|end| end < self.moment);
            let role = match (certain, ended) {
                (true, true) => Role::Certain,
                (true, false) => Role::Spanning,
                (false, _) if is_unseen(&operation.call) => Role::Useless,
                (false, _) => Role::Doubtful,
            };
            let new = classes.len();
            let class = *classes.entry((&operation.call, reply)).or_insert(new);
            let looks = !lazy || sees(operation).is_some();
            let is_token = self.model == ModelName::FencedLock;
            let rank = reply.filter(|_| is_token).and_then(translate::number);
            Part { role, class, looks, rank }
        };
        places.iter().zip(certain).map(part).collect()
    }
}

/// Without those that leave less in doubt than another one with the same state and the same
/// answered operations left: what is in doubt need not take effect. All of it was called before
/// the moment, so of equal calls any may be which took effect.
pub(super) fn least(starts: Vec<Start>) -> Vec<Start> {
    let mut kept: Vec<(Start, BTreeSet<Index>, HashMap<Call, usize>)> = Vec::new();
    for start in starts {
        let answered = start.pending.iter().filter(|one| one.completion.is_some());
        let left: BTreeSet<Index> = answered.map(|one| one.invoked).collect();
        let mut open = HashMap::new();
        for one in start.pending.iter().filter(|one| one.completion.is_none()) {
            *open.entry(one.call.clone()).or_insert(0_usize) += 1;
        }
        let same = |other: &Start, others: &BTreeSet<Index>| {
            other.initial == start.initial && other.calls == start.calls && *others == left
        };
        let mut others = kept.iter();
        if others.any(|(other, others, more)| same(other, others) && has_all(more, &open)) {
            continue;
        }
        kept.retain(|(other, others, less)| !(same(other, others) && has_all(&open, less)));
        kept.push((start, left, open));
    }
    kept.into_iter().map(|(start, ..)| start).collect()
}

/// As many of each call.
fn has_all(more: &HashMap<Call, usize>, less: &HashMap<Call, usize>) -> bool {
    less.iter().all(|(call, count)| more.get(call).is_some_and(|more| more >= count))
}
