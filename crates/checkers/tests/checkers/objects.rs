//! Every model by its definition: try every order of every choice of what is in doubt.
//!
//! Shares nothing with the checkers but the plain data.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use perjury_checkers::ModelName;
use perjury_history::{Call, Micro, Operation, Outcome, Reply, Value};

/// What one object holds. Sets are exact here: doubles are another checker's.
#[derive(Clone, PartialEq)]
enum State {
    Value(Value),
    Text(String),
    Set(BTreeSet<Value>),
    Sum(i64),
    Queue(VecDeque<Value>),
    Bag(Vec<Value>),
    Stack(Vec<Value>),
    /// Sorted.
    Ranks(Vec<Value>),
    Log(Vec<Value>),
    Held(bool),
    /// And the last token.
    Fenced(bool, i64),
    /// Who has a mutable set's element is not asked for: all elements.
    Members(BTreeSet<Value>),
    /// So many can be held: by whom, once for each time, and the last token. `shared`: by several.
    Owned {
        most: usize,
        shared: bool,
        by: Vec<u64>,
        last: i64,
        fenced: bool,
    },
    Values(BTreeMap<String, Value>),
}

fn initial(model: ModelName) -> State {
    match model {
        ModelName::Register | ModelName::CasRegister | ModelName::Kv => State::Value(Value::Nil),
        ModelName::KvAppend => State::Text(String::new()),
        ModelName::Set => State::Set(BTreeSet::new()),
        ModelName::MutableSet => State::Members(BTreeSet::new()),
        ModelName::OwnedMutex(most) => owned(most.get(), false, false),
        ModelName::OwnedFencedLock(most) => owned(most.get(), false, true),
        ModelName::Semaphore(most) => owned(most.get(), true, false),
        ModelName::Counter => State::Sum(0),
        ModelName::Queue => State::Queue(VecDeque::new()),
        ModelName::UnorderedQueue => State::Bag(Vec::new()),
        ModelName::Stack => State::Stack(Vec::new()),
        ModelName::PriorityQueue => State::Ranks(Vec::new()),
        ModelName::Log => State::Log(Vec::new()),
        ModelName::Mutex => State::Held(false),
        ModelName::FencedLock => State::Fenced(false, -1),
        ModelName::MultiRegister => State::Values(BTreeMap::new()),
        ModelName::Bank => panic!("a bank's verdict is not by this definition"),
    }
}

fn owned(most: u32, shared: bool, fenced: bool) -> State {
    State::Owned { most: most as usize, shared, by: Vec::new(), last: -1, fenced }
}

/// Is there a legal order of these operations on one object?
pub fn linearizable(model: ModelName, operations: &[&Operation]) -> bool {
    let certain = |operation: &&&Operation| matches!(operation.outcome(), Some(Outcome::Ok(_)));
    let must = operations.iter().filter(certain).count();
    let possible: Vec<&Operation> = operations
        .iter()
        .copied()
        .filter(|operation| !matches!(operation.outcome(), Some(Outcome::Fail(_))))
        .collect();
    arrange(&mut vec![false; possible.len()], must, &possible, initial(model))
}

fn arrange(placed: &mut [bool], must: usize, possible: &[&Operation], state: State) -> bool {
    if must == 0 {
        return true;
    }
    for next in 0..possible.len() {
        let waits = |other: usize| {
            !placed[other] && possible[other].end().is_some_and(|end| end < possible[next].start)
        };
        if placed[next] || (0..possible.len()).any(waits) {
            continue;
        }
        let answered = usize::from(possible[next].end().is_some());
        placed[next] = true;
        let after = apply(possible[next], &state);
        let found =
            after.into_iter().any(|after| arrange(placed, must - answered, possible, after));
        placed[next] = false;
        if found {
            return true;
        }
    }
    false
}

fn text(value: &Value) -> String {
    match value {
        Value::Nil => String::new(),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => text.to_string(),
        Value::Raw(_) => "\u{0}".into(),
    }
}

/// The states that may follow.
fn apply(operation: &Operation, state: &State) -> Vec<State> {
    let reply = match operation.outcome() {
        Some(Outcome::Ok(Reply::Unknown)) | Some(Outcome::Info(_)) | None => None,
        Some(Outcome::Ok(reply)) => Some(reply),
        Some(Outcome::Fail(_)) => return vec![],
    };
    let fits = |fits: bool| if fits { vec![state.clone()] } else { vec![] };
    let seen = match reply {
        Some(Reply::Value(value)) => Some(value),
        _ => None,
    };
    match (&operation.call, state) {
        (Call::Read { .. }, State::Value(value)) => fits(seen.is_none_or(|seen| seen == value)),
        (Call::Write { value, .. }, State::Value(_)) => vec![State::Value(value.clone())],
        (Call::Delete { .. }, State::Value(_)) => vec![State::Value(Value::Nil)],
        (Call::Cas { from, to, .. }, State::Value(value)) => {
            let next = if from == value { to } else { value };
            let fits = match reply {
                Some(Reply::Swapped(swapped)) => *swapped == (from == value),
                _ => true,
            };
            if fits { vec![State::Value(next.clone())] } else { vec![] }
        }
        (Call::Read { .. }, State::Text(now)) => fits(seen.is_none_or(|seen| text(seen) == *now)),
        (Call::Write { value, .. }, State::Text(_)) => vec![State::Text(text(value))],
        (Call::Append { value, .. }, State::Text(now)) => {
            vec![State::Text(now.clone() + &text(value))]
        }
        (Call::Add { element, .. }, State::Set(set)) => {
            let mut set = set.clone();
            set.insert(element.clone());
            vec![State::Set(set)]
        }
        (Call::ReadAll { .. }, State::Set(set)) => fits(match reply {
            Some(Reply::Elements(seen)) => seen.iter().cloned().collect::<BTreeSet<_>>() == *set,
            _ => true,
        }),
        (Call::Increment { by, .. }, State::Sum(sum)) => vec![State::Sum(sum + by)],
        (Call::Read { .. }, State::Sum(sum)) => fits(match seen {
            Some(Value::Nil) => *sum == 0,
            Some(seen) => *seen == Value::Int(*sum),
            None => true,
        }),
        (call, State::Queue(_) | State::Bag(_)) => queue(call, reply, state),
        (call, State::Stack(all) | State::Ranks(all)) => ordered(call, reply, state, all.clone()),
        (call, State::Members(members)) => member(call, reply, members.clone()),
        (call, State::Owned { .. }) => turn(operation.process, call, reply, state),
        (call, State::Log(_) | State::Fenced(..)) => numbered(call, reply, state),
        (Call::Acquire { .. }, State::Held(false)) => vec![State::Held(true)],
        (Call::Release { .. }, State::Held(true)) => vec![State::Held(false)],
        (_, State::Held(_)) => vec![],
        (Call::Txn { steps }, State::Values(values)) => transaction(steps, reply, values.clone()),
        (call, _) => panic!("{call}"),
    }
}

fn transaction(
    steps: &[Micro],
    reply: Option<&Reply>,
    mut values: BTreeMap<String, Value>,
) -> Vec<State> {
    let answered = match reply {
        Some(Reply::Txn(answered)) => answered,
        _ => steps,
    };
    for step in answered {
        match step {
            Micro::Read(key, Some(seen))
                if values.get(key.as_str()).unwrap_or(&Value::Nil) != seen =>
            {
                return vec![];
            }
            Micro::Write(key, value) => {
                values.insert(key.to_string(), value.clone());
            }
            _ => {}
        }
    }
    vec![State::Values(values)]
}

fn member(call: &Call, reply: Option<&Reply>, mut members: BTreeSet<Value>) -> Vec<State> {
    let told = match call {
        Call::Add { element, .. } => Reply::Changed(members.insert(element.clone())),
        Call::Remove { element, .. } => Reply::Changed(members.remove(element)),
        Call::Contains { element, .. } => Reply::Contains(members.contains(element)),
        call => panic!("{call}"),
    };
    let fits = reply.is_none_or(|reply| *reply == Reply::Done || *reply == told);
    if fits { vec![State::Members(members)] } else { vec![] }
}

/// A lock with an owner, or a semaphore.
fn turn(who: u64, call: &Call, reply: Option<&Reply>, state: &State) -> Vec<State> {
    let State::Owned { most, shared, by, last, fenced } = state else { panic!("no lock") };
    let made = |by: Vec<u64>, last: i64| State::Owned {
        most: *most,
        shared: *shared,
        by,
        last,
        fenced: *fenced,
    };
    if let Call::Release { .. } = call {
        let own = by.iter().position(|holder| *holder == who);
        return own
            .map(|at| made([&by[..at], &by[at + 1..]].concat(), *last))
            .into_iter()
            .collect();
    }
    if by.len() >= *most || (!shared && by.iter().any(|holder| *holder != who)) {
        return vec![];
    }
    let mut holders = [by.as_slice(), &[who]].concat();
    holders.sort_unstable();
    // Any token that is greater, where it is not known; a holder keeps its own.
    let tokens = if by.is_empty() { last + 1..12 } else { *last..*last + 1 };
    let fits = |token: &i64| match reply {
        Some(Reply::Value(told)) if *fenced => *told == Value::Int(*token),
        _ => true,
    };
    match fenced {
        true => tokens.filter(fits).map(|token| made(holders.clone(), token)).collect(),
        false => vec![made(holders, -1)],
    }
}

/// A log, or a lock with tokens.
fn numbered(call: &Call, reply: Option<&Reply>, state: &State) -> Vec<State> {
    let told = |number: i64| match reply {
        Some(Reply::Value(told)) => *told == Value::Int(number),
        _ => true,
    };
    match (call, state) {
        (Call::Append { value, .. }, State::Log(log)) => {
            let fits = told(log.len() as i64);
            let log = [&log[..], std::slice::from_ref(value)].concat();
            if fits { vec![State::Log(log)] } else { vec![] }
        }
        (Call::ReadAll { .. }, State::Log(log)) => match reply {
            Some(Reply::Elements(seen)) if seen != log => vec![],
            _ => vec![state.clone()],
        },
        (Call::ReadAt { position, .. }, State::Log(log)) => {
            let entry = log.get(*position as usize);
            let fits = match reply {
                Some(Reply::Value(seen)) => entry == Some(seen),
                Some(Reply::Empty) => entry.is_none(),
                _ => true,
            };
            if fits { vec![state.clone()] } else { vec![] }
        }
        // Any token that is greater, where it is not known.
        (Call::Acquire { .. }, State::Fenced(false, last)) => {
            let tokens = (last + 1..12).filter(|token| told(*token));
            tokens.map(|token| State::Fenced(true, token)).collect()
        }
        (Call::Release { .. }, State::Fenced(true, last)) => vec![State::Fenced(false, *last)],
        _ => vec![],
    }
}

/// A stack, or a priority queue: the last one goes first.
fn ordered(call: &Call, reply: Option<&Reply>, state: &State, mut all: Vec<Value>) -> Vec<State> {
    let made = |all| match state {
        State::Ranks(_) => State::Ranks(all),
        _ => State::Stack(all),
    };
    match call {
        Call::Enqueue { element, .. } => {
            all.push(element.clone());
            if let State::Ranks(_) = state {
                all.sort();
                all.reverse();
            }
            vec![made(all)]
        }
        _ => {
            let last = all.pop();
            let fits = match reply {
                Some(Reply::Value(taken)) => last.as_ref() == Some(taken),
                Some(Reply::Empty) => last.is_none(),
                _ => true,
            };
            if fits { vec![made(all)] } else { vec![] }
        }
    }
}

fn queue(call: &Call, reply: Option<&Reply>, state: &State) -> Vec<State> {
    match (call, state) {
        (Call::Enqueue { element, .. }, State::Queue(queue)) => {
            let mut queue = queue.clone();
            queue.push_back(element.clone());
            vec![State::Queue(queue)]
        }
        (Call::Enqueue { element, .. }, State::Bag(bag)) => {
            let mut bag = bag.clone();
            bag.push(element.clone());
            bag.sort();
            vec![State::Bag(bag)]
        }
        (Call::Dequeue { .. }, State::Queue(queue)) => {
            let mut queue = queue.clone();
            let first = queue.pop_front();
            let fits = match reply {
                Some(Reply::Value(taken)) => first.as_ref() == Some(taken),
                Some(Reply::Empty) => first.is_none(),
                _ => true,
            };
            if fits { vec![State::Queue(queue)] } else { vec![] }
        }
        (Call::Dequeue { .. }, State::Bag(bag)) => {
            let without = |at: usize| {
                let mut bag = bag.clone();
                bag.remove(at);
                State::Bag(bag)
            };
            match reply {
                Some(Reply::Value(taken)) => {
                    bag.iter().position(|one| one == taken).map(without).into_iter().collect()
                }
                Some(Reply::Empty) if !bag.is_empty() => vec![],
                Some(Reply::Empty) => vec![state.clone()],
                _ if bag.is_empty() => vec![state.clone()],
                _ => (0..bag.len()).map(without).collect(),
            }
        }
        (call, _) => panic!("{call}"),
    }
}
