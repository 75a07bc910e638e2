//! What one object does, one operation after the other: the verifier's own specifications.
//!
//! Written anew from the words of docs/history-format.md and not with the models of the search, so
//! that a mistake there does not certify itself. Each step takes constant time on average, except
//! that a read of a whole set takes the time of its answer.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use perjury_history::{Call, Key, Micro, Process, Reply, Value};

use super::ModelName;
use super::holders::{Holder, Permits};

/// The object and what it holds.
pub(super) enum Object {
    Register(Value),
    Text(Vec<u8>),
    Set(HashSet<Value>),
    /// From which elements are removed.
    Members(HashSet<Value>),
    Counter(i64),
    Queue(VecDeque<Value>),
    Bag(Bag),
    Stack(Vec<Value>),
    /// How many there are of each.
    Ranks(BTreeMap<Value, usize>),
    Log(Vec<Value>),
    Lock(bool),
    /// Whether it is held, and the least token that may come next.
    Fenced(bool, u64),
    /// A lock that knows its holder.
    Owned(Holder),
    Permits(Permits),
    Registers(HashMap<Key, Value>, Value),
    /// Of which no order is ever certified: nothing fits.
    Unordered,
}

impl Object {
    pub(super) fn new(model: ModelName, initial: &Value) -> Object {
        match model {
            ModelName::Register | ModelName::CasRegister | ModelName::Kv => {
                Object::Register(initial.clone())
            }
            ModelName::KvAppend => Object::Text(Vec::new()),
            ModelName::Set => Object::Set(HashSet::new()),
            ModelName::MutableSet => Object::Members(HashSet::new()),
            ModelName::Counter => Object::Counter(number(initial).unwrap_or(0)),
            ModelName::Queue => Object::Queue(VecDeque::new()),
            ModelName::UnorderedQueue => Object::Bag(Bag::default()),
            ModelName::Stack => Object::Stack(Vec::new()),
            ModelName::PriorityQueue => Object::Ranks(BTreeMap::new()),
            ModelName::Log => Object::Log(Vec::new()),
            ModelName::Mutex => Object::Lock(false),
            ModelName::FencedLock => Object::Fenced(false, 0),
            ModelName::OwnedMutex(most) => Object::Owned(Holder::of(most.get(), false)),
            ModelName::OwnedFencedLock(most) => Object::Owned(Holder::of(most.get(), true)),
            ModelName::Semaphore(permits) => Object::Permits(Permits::of(permits.get())),
            ModelName::MultiRegister => Object::Registers(HashMap::new(), initial.clone()),
            ModelName::Bank => Object::Unordered,
        }
    }

    /// Lets the operation of this process take effect, with this answer if it got one. Does the
    /// answer fit?
    pub(super) fn step(&mut self, who: Process, call: &Call, reply: Option<&Reply>) -> bool {
        let done = matches!(reply, None | Some(Reply::Done));
        match (self, call) {
            (Object::Members(members), call) => member(members, call, reply),
            (Object::Owned(holder), call) => holder.step(who, call, reply),
            (Object::Permits(permits), call) => permits.step(who, call, reply),
            (Object::Register(value), call) => register(value, call, reply),
            (Object::Text(text), call) => string(text, call, reply),
            (Object::Set(set), Call::Add { element, .. }) => {
                set.insert(element.clone());
                // Only reads are looked at: an add may be answered with more.
                done || matches!(reply, Some(Reply::Changed(_)))
            }
            (Object::Set(set), Call::ReadAll { .. }) => match reply {
                Some(Reply::Elements(seen)) => {
                    seen.iter().all(|element| set.contains(element))
                        && seen.iter().collect::<HashSet<_>>().len() == set.len()
                }
                reply => matches!(reply, None | Some(Reply::Unknown)),
            },
            (Object::Counter(sum), Call::Increment { by, .. }) => {
                *sum = sum.wrapping_add(*by);
                done
            }
            (Object::Counter(sum), Call::Read { .. }) => match reply {
                Some(Reply::Value(Value::Int(seen))) => seen == sum,
                reply => matches!(reply, None | Some(Reply::Unknown)),
            },
            (Object::Queue(queue), Call::Enqueue { element, .. }) => {
                queue.push_back(element.clone());
                done
            }
            (Object::Queue(queue), Call::Dequeue { .. }) => got(reply, queue.pop_front()),
            (Object::Stack(stack), Call::Enqueue { element, .. }) => {
                stack.push(element.clone());
                done
            }
            (Object::Stack(stack), Call::Dequeue { .. }) => got(reply, stack.pop()),
            (Object::Ranks(ranks), Call::Enqueue { element, .. }) => {
                *ranks.entry(element.clone()).or_insert(0) += 1;
                done
            }
            (Object::Ranks(ranks), Call::Dequeue { .. }) => got(reply, take_least(ranks)),
            (Object::Log(log), Call::Append { value, .. }) => {
                log.push(value.clone());
                done || told(reply) == u64::try_from(log.len() - 1).ok()
            }
            (Object::Log(log), Call::ReadAll { .. }) => match reply {
                Some(Reply::Elements(seen)) => seen == log,
                reply => matches!(reply, None | Some(Reply::Unknown)),
            },
            (Object::Log(log), Call::ReadAt { position, .. }) => {
                let entry = usize::try_from(*position).ok().and_then(|at| log.get(at));
                got(reply, entry.cloned())
            }
            (Object::Fenced(held, least), call) => fenced(held, least, call, reply),
            (Object::Bag(bag), call) => bag.step(call, reply),
            // A token says nothing here.
            (Object::Lock(held), Call::Acquire { .. }) => {
                (done || told(reply).is_some()) && !std::mem::replace(held, true)
            }
            (Object::Lock(held), Call::Release { .. }) => done && std::mem::replace(held, false),
            (Object::Registers(values, initial), Call::Txn { steps }) => {
                transaction(values, initial, steps, reply)
            }
            _ => false,
        }
    }

    /// Is everything explained, now that nothing follows?
    pub(super) fn is_explained(&self) -> bool {
        if let Object::Bag(bag) = self { bag.is_explained() } else { true }
    }
}

fn string(text: &mut Vec<u8>, call: &Call, reply: Option<&Reply>) -> bool {
    let done = matches!(reply, None | Some(Reply::Done));
    match call {
        Call::Read { .. } => match reply {
            Some(Reply::Value(seen)) => *text == bytes(seen),
            reply => matches!(reply, None | Some(Reply::Unknown)),
        },
        Call::Write { value, .. } => {
            *text = bytes(value);
            done
        }
        Call::Append { value, .. } => {
            text.extend(bytes(value));
            done
        }
        _ => false,
    }
}

/// Is what was taken the answer?
fn got(reply: Option<&Reply>, taken: Option<Value>) -> bool {
    match reply {
        Some(Reply::Value(named)) => Some(named) == taken.as_ref(),
        Some(Reply::Empty) => taken.is_none(),
        reply => matches!(reply, None | Some(Reply::Unknown)),
    }
}

fn take_least(ranks: &mut BTreeMap<Value, usize>) -> Option<Value> {
    let mut first = ranks.first_entry()?;
    if *first.get() > 1 {
        *first.get_mut() -= 1;
        return Some(first.key().clone());
    }
    Some(first.remove_entry().0)
}

/// The position or token of an answer.
pub(super) fn told(reply: Option<&Reply>) -> Option<u64> {
    match reply {
        Some(Reply::Value(Value::Int(number))) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn member(members: &mut HashSet<Value>, call: &Call, reply: Option<&Reply>) -> bool {
    let changed = match call {
        Call::Add { element, .. } => members.insert(element.clone()),
        Call::Remove { element, .. } => members.remove(element),
        Call::Contains { element, .. } => {
            let there = members.contains(element);
            return match reply {
                Some(Reply::Contains(seen)) => *seen == there,
                reply => matches!(reply, None | Some(Reply::Unknown)),
            };
        }
        _ => return false,
    };
    match reply {
        Some(Reply::Changed(told)) => *told == changed,
        reply => matches!(reply, None | Some(Reply::Done)),
    }
}

fn fenced(held: &mut bool, least: &mut u64, call: &Call, reply: Option<&Reply>) -> bool {
    match (call, reply) {
        (Call::Acquire { .. }, reply) => {
            // One that was not answered got the least that was left: nothing could be better.
            let token = if reply.is_none() { Some(*least) } else { told(reply) };
            let fits = !*held && token.is_some_and(|token| *least <= token);
            (*held, *least) = (true, token.map_or(*least, |token| token.saturating_add(1)));
            fits
        }
        (Call::Release { .. }, None | Some(Reply::Done)) => std::mem::replace(held, false),
        _ => false,
    }
}

fn number(value: &Value) -> Option<i64> {
    if let Value::Int(number) = value { Some(*number) } else { None }
}

/// What a string's value looks like inside it. Raw bytes stay apart from all text.
fn bytes(value: &Value) -> Vec<u8> {
    match value {
        Value::Nil => Vec::new(),
        Value::Int(number) => number.to_string().into_bytes(),
        Value::Text(text) => text.as_bytes().to_vec(),
        // 0xFF occurs in no UTF-8.
        Value::Raw(raw) => [&[0xff], &**raw].concat(),
    }
}

fn register(value: &mut Value, call: &Call, reply: Option<&Reply>) -> bool {
    match (call, reply) {
        (Call::Read { .. }, Some(Reply::Value(seen))) => seen == value,
        (Call::Read { .. }, None | Some(Reply::Unknown)) => true,
        (Call::Write { value: new, .. }, None | Some(Reply::Done)) => {
            *value = new.clone();
            true
        }
        (Call::Delete { .. }, None | Some(Reply::Done)) => {
            *value = Value::Nil;
            true
        }
        (Call::Cas { from, to, .. }, reply) => {
            let swaps = from == value;
            if swaps {
                *value = to.clone();
            }
            match reply {
                Some(Reply::Swapped(swapped)) => *swapped == swaps,
                reply => reply.is_none(),
            }
        }
        _ => false,
    }
}

fn transaction(
    values: &mut HashMap<Key, Value>,
    initial: &Value,
    asked: &[Micro],
    reply: Option<&Reply>,
) -> bool {
    let steps = match reply {
        None => asked,
        Some(Reply::Txn(answered)) if answered.len() == asked.len() => answered,
        Some(_) => return false,
    };
    asked.iter().zip(steps).all(|(asked, answered)| match (asked, answered) {
        (Micro::Read(key, _), Micro::Read(named, seen)) => {
            let value = values.get(key).unwrap_or(initial);
            key == named && seen.as_ref().is_none_or(|seen| seen == value)
        }
        (Micro::Write(key, value), answered) => {
            values.insert(key.clone(), value.clone());
            asked == answered
        }
        _ => false,
    })
}

/// A queue without order. Which element a dequeue of unknown answer took is decided at the end.
///
/// Elements of equal value are alike, so a dequeue that names its element may be taken to have got
/// the *latest* of them: that leaves the earlier ones, of which more can have been taken by any of
/// the unknown dequeues. Those need, up to each of them, as many elements that nobody names as
/// there were unknown dequeues of a bag that was not empty.
#[derive(Default)]
pub(super) struct Bag {
    /// For each value the enqueues of it that nobody has taken by name, latest last.
    left: HashMap<Value, Vec<usize>>,
    /// How many elements are in it.
    size: usize,
    /// For each enqueue `false`, for each unknown dequeue that took something `true`.
    events: Vec<bool>,
    named: HashSet<usize>,
}

impl Bag {
    fn step(&mut self, call: &Call, reply: Option<&Reply>) -> bool {
        match (call, reply) {
            (Call::Enqueue { element, .. }, None | Some(Reply::Done)) => {
                self.left.entry(element.clone()).or_default().push(self.events.len());
                self.events.push(false);
                self.size += 1;
                true
            }
            (Call::Dequeue { .. }, Some(Reply::Empty)) => self.size == 0,
            (Call::Dequeue { .. }, None | Some(Reply::Unknown)) => {
                if self.size > 0 {
                    self.size -= 1;
                    self.events.push(true);
                }
                true
            }
            (Call::Dequeue { .. }, Some(Reply::Value(value))) => {
                let Some(at) = self.left.get_mut(value).and_then(Vec::pop) else { return false };
                self.named.insert(at);
                self.size = self.size.saturating_sub(1);
                true
            }
            _ => false,
        }
    }

    fn is_explained(&self) -> bool {
        let mut spare = 0_usize;
        self.events.iter().enumerate().all(|(at, taken)| {
            if !taken {
                spare += usize::from(!self.named.contains(&at));
                return true;
            }
            let enough = spare > 0;
            spare = spare.saturating_sub(1);
            enough
        })
    }
}
