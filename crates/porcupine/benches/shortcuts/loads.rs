//! What clients of correct objects see: a load for each polynomial path.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};

use perjury_porcupine::Operation;
use perjury_porcupine::models::{
    CasInput, CasOutput, CounterInput, CounterOutput, FencedLockInput, FencedLockOutput,
    KvAppendInput, KvAppendOutput, KvInput, KvOutput, LogInput, LogOutput, MutableSetInput,
    MutableSetOutput, MutexInput, MutexOutput, OwnedInput, QueueInput, QueueOutput, Seen, SetInput,
    SetOutput,
};

use crate::load::prng::Prng;

const CLIENTS: u64 = 20;

/// Where sums have to be taken apart.
const FEW_CLIENTS: u64 = 5;

/// Elements that a collection holds at most.
const DEPTH: usize = 200;

/// `count` operations of [`CLIENTS`] clients; see [`stream_of`].
fn stream<I, O>(
    seed: u64,
    count: u64,
    lost: impl Fn(&I) -> u64,
    ask: impl FnMut(&mut Prng, u64) -> I,
    act: impl FnMut(&I) -> O,
) -> Vec<Operation<I, O>> {
    stream_of(CLIENTS, seed, count, lost, ask, act)
}

/// Operations in the order in which they take effect. `lost` tells how many of a thousand get no
/// answer, `ask` what a client asks, and `act` asks the object.
fn stream_of<I, O>(
    clients: u64,
    seed: u64,
    count: u64,
    lost: impl Fn(&I) -> u64,
    mut ask: impl FnMut(&mut Prng, u64) -> I,
    mut act: impl FnMut(&I) -> O,
) -> Vec<Operation<I, O>> {
    let mut prng = Prng(seed);
    let mut history = Vec::with_capacity(count as usize);
    // For each client when its next operation takes effect, and when that is called.
    let mut plans: BinaryHeap<Reverse<(u64, u64, u64)>> = BinaryHeap::new();
    for client in 0..clients {
        let call = prng.below(1000);
        plans.push(Reverse((call + prng.below(1000), call, client)));
    }
    for _ in 0..count {
        let Some(Reverse((point, call, client))) = plans.pop() else { break };
        let ret = point + prng.below(1000);
        let input = ask(&mut prng, client);
        let is_lost = prng.below(1000) < lost(&input);
        history.push(match is_lost {
            true if prng.below(2) == 0 => Operation::indeterminate(client, input, call),
            true => {
                act(&input);
                Operation::indeterminate(client, input, call)
            }
            false => {
                let output = act(&input);
                Operation::completed(client, input, output, call, ret)
            }
        });
        let call = ret + 1 + prng.below(100);
        plans.push(Reverse((call + prng.below(1000), call, client)));
    }
    history
}

pub fn swaps(seed: u64, count: u64) -> Vec<Operation<CasInput<u64>, CasOutput<u64>>> {
    let (mut next, mut value) = (0u64, 0);
    let ask = |prng: &mut Prng, _| {
        next += 1;
        match prng.below(4) {
            0 => CasInput::Write(next),
            1 => CasInput::Cas { from: next.saturating_sub(1 + prng.below(9)), to: next },
            _ => CasInput::Read,
        }
    };
    let act = |input: &CasInput<u64>| match *input {
        CasInput::Read => CasOutput::Read(Seen::Value(value)),
        CasInput::Write(new) => {
            value = new;
            CasOutput::Written
        }
        CasInput::Cas { from, to } => {
            let swaps = from == value;
            value = if swaps { to } else { value };
            CasOutput::Cas(swaps)
        }
    };
    stream(seed, count, |_| 50, ask, act)
}

pub fn deletes(seed: u64, count: u64) -> Vec<Operation<KvInput<u8, u64>, KvOutput<u64>>> {
    let (mut next, mut value) = (0, None);
    let ask = |prng: &mut Prng, _| match prng.below(4) {
        0 => KvInput::Delete(0),
        1 => {
            next += 1;
            KvInput::Put(0, next)
        }
        _ => KvInput::Get(0),
    };
    let act = |input: &KvInput<u8, u64>| match *input {
        KvInput::Get(_) => KvOutput::Got(Seen::Value(value)),
        KvInput::Put(_, new) => {
            value = Some(new);
            KvOutput::Put
        }
        KvInput::Delete(_) => {
            value = None;
            KvOutput::Deleted
        }
    };
    stream(seed, count, |_| 50, ask, act)
}

/// Gets, puts and appends in the proportions 5, 1 and 4, of words that are written once.
pub fn texts(seed: u64, count: u64) -> Vec<Operation<KvAppendInput<u8>, KvAppendOutput>> {
    let mut words = 0u64;
    let mut text = String::new();
    let lost = |input: &KvAppendInput<u8>| u64::from(!matches!(input, KvAppendInput::Get(_))) * 50;
    let ask = move |prng: &mut Prng, _| {
        words += 1;
        match prng.below(10) {
            0..5 => KvAppendInput::Get(0),
            5 => KvAppendInput::Put(0, format!("{words};")),
            _ => KvAppendInput::Append(0, format!("{words};")),
        }
    };
    stream(seed, count, lost, ask, move |input| match input {
        KvAppendInput::Get(_) => KvAppendOutput::Got(Seen::Value(text.clone())),
        KvAppendInput::Put(_, word) => {
            text.clone_from(word);
            KvAppendOutput::Done
        }
        KvAppendInput::Append(_, word) => {
            text.push_str(word);
            KvAppendOutput::Done
        }
    })
}

pub fn turns(seed: u64, count: u64) -> Vec<Operation<MutexInput, MutexOutput>> {
    let mut held = false;
    let ask = |prng: &mut Prng, _| match prng.below(2) {
        0 => MutexInput::Acquire,
        _ => MutexInput::Release,
    };
    let act = |input: &MutexInput| {
        let wanted = *input == MutexInput::Acquire;
        match std::mem::replace(&mut held, wanted) == wanted {
            true => MutexOutput::Refused,
            false => MutexOutput::Done,
        }
    };
    stream(seed, count, |_| 50, ask, act)
}

pub fn tokens(seed: u64, count: u64) -> Vec<Operation<FencedLockInput, FencedLockOutput>> {
    let (mut held, mut token) = (false, 0);
    let ask = |prng: &mut Prng, _| match prng.below(2) {
        0 => FencedLockInput::Acquire,
        _ => FencedLockInput::Release,
    };
    let act = |input: &FencedLockInput| match (held, input) {
        (false, FencedLockInput::Acquire) => {
            (held, token) = (true, token + 100);
            FencedLockOutput::Granted(token)
        }
        (true, FencedLockInput::Release) => {
            held = false;
            FencedLockOutput::Released
        }
        _ => FencedLockOutput::Refused,
    };
    stream(seed, count, |_| 50, ask, act)
}

/// Clients that wait for the lock, one of them at a time in its section. Of a hundred operations
/// five are lost; acquires among them had no effect, and the client goes on by another name.
pub fn sections<O>(
    seed: u64,
    count: u64,
    mut done: impl FnMut(&OwnedInput<u64>) -> O,
) -> Vec<Operation<OwnedInput<u64>, O>> {
    let mut prng = Prng(seed);
    let mut history = Vec::with_capacity(count as usize);
    // For each client its name, and when it is free to call.
    let mut clients: Vec<(u64, u64)> = (0..CLIENTS).map(|name| (name, 0)).collect();
    let (mut now, mut names, mut holder) = (0u64, CLIENTS, None);
    while (history.len() as u64) < count {
        let slot = holder.unwrap_or_else(|| prng.below(CLIENTS) as usize);
        let (name, free_at) = clients[slot];
        let input = match holder {
            None => OwnedInput::Acquire(name),
            Some(_) => OwnedInput::Release(name),
        };
        let call = free_at.max(now.saturating_sub(prng.below(2000)));
        now = now.max(call) + prng.below(100);
        let is_lost = prng.below(100) < 5;
        if is_lost {
            history.push(Operation::indeterminate(name, input, call));
            clients[slot] = (names, now);
            names += 1;
            holder = None;
        } else {
            let ret = now + prng.below(1000);
            history.push(Operation::completed(name, input, done(&input), call, ret));
            clients[slot].1 = ret + 1;
            holder = if holder.is_none() { Some(slot) } else { None };
        }
    }
    history
}

/// The same number each time, or another for each client.
pub fn adds(seed: u64, count: u64, equal: bool) -> Vec<Operation<CounterInput, CounterOutput>> {
    let mut sum = 0;
    let ask = |prng: &mut Prng, client: u64| match prng.below(2) {
        0 if equal => CounterInput::Add(3),
        0 => CounterInput::Add(10i64.pow(client as u32)),
        _ => CounterInput::Read,
    };
    let act = |input: &CounterInput| match *input {
        CounterInput::Add(number) => {
            sum += number;
            CounterOutput::Added
        }
        CounterInput::Read => CounterOutput::Read(Seen::Value(sum)),
    };
    let clients = if equal { CLIENTS } else { FEW_CLIENTS };
    stream_of(clients, seed, count, |_| if equal { 50 } else { 0 }, ask, act)
}

/// Twenty reads in all: each answer is as long as the set.
pub fn inclusion(seed: u64, count: u64) -> Vec<Operation<SetInput<u64>, SetOutput<u64>>> {
    let (mut next, mut set) = (0, BTreeSet::new());
    let ask = |_: &mut Prng, _| {
        next += 1;
        match next % (count / 20) {
            0 => SetInput::Read,
            _ => SetInput::Add(next),
        }
    };
    let act = |input: &SetInput<u64>| match *input {
        SetInput::Add(element) => {
            set.insert(element);
            SetOutput::Added
        }
        SetInput::Read => SetOutput::Read(Seen::Value(set.clone())),
    };
    stream(seed, count, |_| 50, ask, act)
}

/// A thousand elements.
pub fn members(seed: u64, count: u64) -> Vec<Operation<MutableSetInput<u64>, MutableSetOutput>> {
    let mut set = vec![false; 1000];
    let ask = |prng: &mut Prng, _| {
        let element = prng.below(1000);
        match prng.below(3) {
            0 => MutableSetInput::Add(element),
            1 => MutableSetInput::Remove(element),
            _ => MutableSetInput::Contains(element),
        }
    };
    let act = |input: &MutableSetInput<u64>| match *input {
        MutableSetInput::Add(element) => {
            MutableSetOutput::Changed(!std::mem::replace(&mut set[element as usize], true))
        }
        MutableSetInput::Remove(element) => {
            MutableSetOutput::Changed(std::mem::replace(&mut set[element as usize], false))
        }
        MutableSetInput::Contains(element) => MutableSetOutput::Contains(set[element as usize]),
    };
    stream(seed, count, |_| 50, ask, act)
}

/// Positions that are told, and reads of one of the last thousand.
pub fn entries(seed: u64, count: u64) -> Vec<Operation<LogInput<u64>, LogOutput<u64>>> {
    let mut log = Vec::new();
    let mut next = 0u64;
    let ask = |prng: &mut Prng, _| match prng.below(2) {
        0 => {
            next += 1;
            LogInput::Append(next)
        }
        _ => LogInput::ReadAt((next * 95 / 100).saturating_sub(prng.below(1000))),
    };
    let act = |input: &LogInput<u64>| match *input {
        LogInput::Append(element) => {
            log.push(element);
            LogOutput::Position(log.len() as u64 - 1)
        }
        LogInput::ReadAt(at) => LogOutput::Entry(Seen::Value(log.get(at as usize).copied())),
        LogInput::ReadAll => LogOutput::All(Seen::Unknown),
    };
    stream(seed, count, |_| 50, ask, act)
}

/// What goes first from a collection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum First {
    Oldest,
    Latest,
    Least,
}

/// Of a thousand enqueues `put`, of a thousand dequeues `got` get no answer.
pub fn collection(
    seed: u64,
    count: u64,
    first: First,
    (put, got): (u64, u64),
) -> Vec<Operation<QueueInput<u64>, QueueOutput<u64>>> {
    let mut next = 0;
    let size = std::cell::Cell::new(0);
    let (mut queue, mut heap) = (VecDeque::new(), BinaryHeap::new());
    let ask = |prng: &mut Prng, _| {
        if size.get() > DEPTH || prng.below(2) == 0 {
            return QueueInput::Dequeue;
        }
        next += 1;
        // Distinct, and in no order where the least goes first.
        let rank = if first == First::Least { prng.below(1 << 32) << 31 } else { 0 };
        QueueInput::Enqueue(rank + next)
    };
    let act = |input: &QueueInput<u64>| {
        let output = match (*input, first) {
            (QueueInput::Enqueue(element), First::Least) => {
                heap.push(Reverse(element));
                QueueOutput::Enqueued
            }
            (QueueInput::Enqueue(element), _) => {
                queue.push_back(element);
                QueueOutput::Enqueued
            }
            (QueueInput::Dequeue, first) => {
                let element = match first {
                    First::Oldest => queue.pop_front(),
                    First::Latest => queue.pop_back(),
                    First::Least => heap.pop().map(|Reverse(element)| element),
                };
                QueueOutput::Dequeued(Seen::Value(element))
            }
        };
        size.set(queue.len() + heap.len());
        output
    };
    let lost = |input: &QueueInput<u64>| match input {
        QueueInput::Enqueue(_) => put,
        QueueInput::Dequeue => got,
    };
    stream(seed, count, lost, ask, act)
}
