//! Objects that answer as they should, at an instant within each call, with calls in doubt.

use std::collections::VecDeque;

use perjury_checkers::ModelName;
use perjury_history::{Call, Cause, History, Index, Key, Micro, Outcome, Reply, Value};

use crate::histories::{Made, cas, key, read, write};
use crate::prng::Prng;

/// One object of a model, and its state in the form that fits the model.
pub struct Simulated {
    model: ModelName,
    value: [Value; 2],
    text: String,
    sum: i64,
    elements: VecDeque<Value>,
    held: bool,
    issued: i64,
    /// Whether something is always open.
    busy: bool,
}

struct Open {
    process: u64,
    index: Index,
    call: Call,
    /// What it was answered, once it took effect.
    reply: Option<Reply>,
}

impl Simulated {
    pub fn new(model: ModelName) -> Simulated {
        Simulated {
            model,
            value: [Value::Nil, Value::Nil],
            text: String::new(),
            sum: 0,
            elements: VecDeque::new(),
            held: false,
            issued: 0,
            busy: false,
        }
    }

    /// Something is open on it until its last operation.
    pub fn busy(model: ModelName) -> Simulated {
        Simulated { busy: true, ..Simulated::new(model) }
    }

    /// So many calls of three processes; one of the answers in the middle is another one's if it is
    /// to be wrong.
    pub fn history(&mut self, prng: &mut Prng, size: u64, wrong: bool) -> History {
        let mut made = Made::default();
        let mut open: [Option<Open>; 3] = [None, None, None];
        let (mut issued, mut time, mut lie) = (0, 0, wrong);
        while issued < size || open.iter().any(Option::is_some) {
            time += prng.below(3);
            let last = open.iter().flatten().count() == 1 && issued < size && self.busy;
            let slot = &mut open[prng.below(3) as usize];
            if last && slot.is_some() {
                continue;
            }
            match slot {
                Some(at) if at.reply.is_none() && prng.below(25) == 0 => {
                    // In doubt: it took effect, or never will.
                    if prng.below(2) == 0 {
                        self.apply(&at.call);
                    }
                    let cause = Outcome::Info(Cause::new("timeout", ""));
                    made.complete(time, at.process, at.index, cause);
                    *slot = None;
                }
                Some(Open { call, reply: reply @ None, .. }) => match self.apply(call) {
                    Some(answer) => *reply = Some(answer),
                    None => {
                        let at = slot.take().unwrap();
                        let mut outcome = Outcome::Fail(Cause::new("refused", ""));
                        if lie && issued > size / 2 {
                            (lie, outcome) = (false, Outcome::Ok(self.granted(&at.call)));
                        }
                        made.complete(time, at.process, at.index, outcome);
                    }
                },
                Some(at) => {
                    let mut reply = at.reply.take().unwrap();
                    if lie && issued > size / 2 {
                        lie = !self.spoil(&mut reply);
                    }
                    made.complete(time, at.process, at.index, Outcome::Ok(reply));
                    *slot = None;
                }
                None if issued < size && prng.below(3) > 0 => {
                    let call = self.draw(prng);
                    let index = made.invoke(time, issued, call.clone());
                    *slot = Some(Open { process: issued, index, call, reply: None });
                    issued += 1;
                }
                None => {}
            }
        }
        made.history
    }

    fn draw(&mut self, prng: &mut Prng) -> Call {
        self.issued += 1;
        let x = || key("x");
        // Few values, so that they come again.
        let value = Value::Int(1 + prng.below(4) as i64);
        let fresh = Value::Int(self.issued);
        let [first, second] = &self.value;
        match (self.model, prng.below(3)) {
            (ModelName::MultiRegister, 0) => {
                let steps = vec![Micro::Write(key("x"), value), Micro::Write(key("y"), fresh)];
                Call::Txn { steps }
            }
            (ModelName::MultiRegister, 1) => {
                Call::Txn { steps: vec![Micro::Read(key("y"), None), Micro::Write(x(), value)] }
            }
            (ModelName::MultiRegister, _) => {
                Call::Txn { steps: vec![Micro::Read(x(), None), Micro::Read(key("y"), None)] }
            }
            (ModelName::KvAppend, 0) => Call::Append { key: x(), value: "a".into() },
            (ModelName::KvAppend, 1) => Call::Write { key: x(), value: "b".into() },
            (ModelName::Set, 0) => Call::ReadAll { key: x() },
            (ModelName::Set, _) => Call::Add { key: x(), element: fresh },
            (ModelName::Counter, 0 | 1) => Call::Increment { key: x(), by: 1 + (self.issued % 2) },
            (model, 0) if is_queue(model) => Call::Enqueue { key: x(), element: value },
            (model, _) if is_queue(model) => Call::Dequeue { key: x() },
            (ModelName::Mutex | ModelName::FencedLock, 0) => Call::Acquire { key: x() },
            (ModelName::Mutex | ModelName::FencedLock, _) => Call::Release { key: x() },
            (ModelName::Log, 0) if prng.below(2) == 0 => {
                let position = prng.below(self.elements.len() as u64 + 1);
                Call::ReadAt { key: x(), position }
            }
            (ModelName::Log, 0) => Call::ReadAll { key: x() },
            (ModelName::Log, _) => Call::Append { key: x(), value: fresh },
            (ModelName::Kv, 2) if prng.below(4) == 0 => Call::Delete { key: x() },
            (ModelName::CasRegister, 0) => cas("x", first.clone(), value),
            (ModelName::Kv, 0) => cas("x", second.clone(), value),
            (ModelName::CasRegister | ModelName::Kv | ModelName::Register, 1) => write("x", value),
            _ => read("x"),
        }
    }

    /// Takes effect now; `None` where it is refused.
    fn apply(&mut self, call: &Call) -> Option<Reply> {
        Some(match call {
            Call::Read { .. } => match self.model {
                ModelName::KvAppend => Reply::Value(self.text.as_str().into()),
                ModelName::Counter => Reply::Value(self.sum.into()),
                _ => Reply::Value(self.value[0].clone()),
            },
            Call::Write { value: Value::Text(text), .. } => {
                self.text = text.to_string();
                Reply::Done
            }
            Call::Write { value, .. } => {
                self.value = [value.clone(), self.value[0].clone()];
                Reply::Done
            }
            Call::Cas { from, to, .. } => {
                let found = self.value[0] == *from;
                if found {
                    self.value = [to.clone(), from.clone()];
                }
                Reply::Swapped(found)
            }
            Call::Append { value, .. } if self.model == ModelName::Log => {
                self.elements.push_back(value.clone());
                // Now and then the position is not told.
                match self.elements.len() as i64 - 1 {
                    position if position % 3 == 0 => Reply::Done,
                    position => Reply::Value(position.into()),
                }
            }
            Call::Append { value, .. } => {
                let Value::Text(text) = value else { panic!("only text is appended") };
                self.text.push_str(text);
                Reply::Done
            }
            Call::Add { element, .. } | Call::Enqueue { element, .. } => {
                self.elements.push_back(element.clone());
                Reply::Done
            }
            Call::ReadAll { .. } => Reply::Elements(self.elements.iter().cloned().collect()),
            Call::Increment { by, .. } => {
                self.sum += by;
                Reply::Done
            }
            Call::Dequeue { .. } => self.take().map_or(Reply::Empty, Reply::Value),
            Call::Acquire { .. } | Call::Release { .. } => {
                let wanted = matches!(call, Call::Acquire { .. });
                if self.held == wanted {
                    return None;
                }
                self.held = wanted;
                self.sum += i64::from(wanted);
                match self.model {
                    ModelName::FencedLock if wanted => Reply::Value(self.sum.into()),
                    _ => Reply::Done,
                }
            }
            Call::Txn { steps } => Reply::Txn(steps.iter().map(|step| self.step(step)).collect()),
            Call::Delete { .. } => {
                self.value = [Value::Nil, self.value[0].clone()];
                Reply::Done
            }
            Call::Transfer { .. } | Call::ReadAccounts => panic!("there is no bank"),
            Call::ReadAt { position, .. } => {
                let entry = self.elements.get(*position as usize);
                entry.map_or(Reply::Empty, |entry| Reply::Value(entry.clone()))
            }
            Call::Remove { .. } | Call::Contains { .. } => panic!("{call} is not drawn"),
        })
    }

    /// What a lock answers that gives what it does not have.
    fn granted(&self, call: &Call) -> Reply {
        match (self.model, call) {
            (ModelName::FencedLock, Call::Acquire { .. }) => Reply::Value((self.sum + 1).into()),
            _ => Reply::Done,
        }
    }

    /// Makes an answer one that nobody can give; says whether it could.
    fn spoil(&self, reply: &mut Reply) -> bool {
        let wrong = Value::Int(match self.model {
            // The others of these had been given before.
            ModelName::FencedLock => 0,
            ModelName::Log => 9_999,
            _ => -7,
        });
        match reply {
            Reply::Value(value) => *value = wrong,
            Reply::Empty => *reply = Reply::Value(wrong),
            Reply::Elements(elements) => elements.push(wrong),
            Reply::Txn(steps) => {
                let read = steps.iter_mut().find_map(|step| match step {
                    Micro::Read(_, seen) => Some(seen),
                    _ => None,
                });
                return read.map(|seen| *seen = Some(wrong)).is_some();
            }
            _ => return false,
        }
        true
    }

    /// Takes the element that is next.
    fn take(&mut self) -> Option<Value> {
        match self.model {
            ModelName::Stack => self.elements.pop_back(),
            ModelName::PriorityQueue => {
                let all = self.elements.iter().enumerate();
                let (least, _) = all.min_by_key(|(_, element)| *element)?;
                self.elements.remove(least)
            }
            _ => self.elements.pop_front(),
        }
    }

    fn step(&mut self, step: &Micro) -> Micro {
        let place = |key: &Key| usize::from(key.as_str() == "y");
        match step {
            Micro::Read(key, _) => Micro::Read(key.clone(), Some(self.value[place(key)].clone())),
            Micro::Write(key, value) => {
                self.value[place(key)] = value.clone();
                step.clone()
            }
            Micro::ReadList(..) | Micro::Append(..) => panic!("there are no lists"),
        }
    }
}

fn is_queue(model: ModelName) -> bool {
    use ModelName::{PriorityQueue, Queue, Stack, UnorderedQueue};
    matches!(model, Queue | UnorderedQueue | Stack | PriorityQueue)
}
