//! The search gives the verdict of Porcupine's own on random histories of every model: legal ones,
//! the same with another answer, and both with answers missing. Each is searched alone and by
//! `decide`, and each certificate verifies.

#![allow(clippy::unwrap_used, reason = "a test may stop at anything unexpected")]

mod porcupine;
#[path = "../load/prng.rs"]
mod prng;

use std::collections::{BTreeMap, BTreeSet};

use perjury_porcupine::models::{
    Access, CasInput, CasOutput, CasRegister, Counter, CounterInput, CounterOutput, FifoQueue, Kv,
    KvAppend, KvAppendInput, KvAppendOutput, KvInput, KvOutput, MultiRegister, Mutex, MutexInput,
    MutexOutput, QueueInput, QueueOutput, Register, RegisterInput, RegisterOutput, Seen, Set,
    SetInput, SetOutput, UnorderedQueue,
};
use perjury_porcupine::{Budget, Model, Operation, PowerSet, Search, check, decide, verify};
use prng::Prng;

const HISTORIES: u64 = 10_000;

/// What some clients see of a correct object that is asked these questions.
fn simulated<M: Model>(
    prng: &mut Prng,
    model: &M,
    asked: &[(M::Input, M::Output)],
) -> Vec<Operation<M::Input, M::Output>>
where
    M::Input: Clone,
    M::Output: Clone,
{
    let clients = 2 + prng.below(5);
    let spread = 1 + prng.below(12);
    let lost = [0, 0, 1, 3][prng.below(4) as usize];
    let mut clocks = vec![0; clients as usize];
    let mut plans = Vec::new();
    for number in 0..4 + prng.below(14) {
        let client = number % clients;
        let call = clocks[client as usize] + prng.below(3);
        let point = call + prng.below(spread);
        clocks[client as usize] = point + prng.below(spread);
        plans.push((point, client, call, clocks[client as usize]));
    }
    plans.sort_unstable();
    let mut state = model.init();
    let mut history = Vec::new();
    for (_, client, call, ret) in plans {
        let (input, output) = &asked[prng.below(asked.len() as u64) as usize];
        let is_lost = prng.below(10) < lost;
        let after = model.step(&state, input, Some(output));
        if is_lost {
            history.push(Operation::indeterminate(client, input.clone(), call));
        } else if after.is_some() {
            history.push(Operation::completed(client, input.clone(), output.clone(), call, ret));
        }
        if !is_lost || prng.below(2) == 0 {
            state = after.unwrap_or(state);
        }
    }
    history
}

fn agree<M>(model: &M, asked: &[(M::Input, M::Output)])
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync + Clone,
    M::Output: Sync + Clone,
{
    let budget = Budget { threads: std::num::NonZeroUsize::new(1), ..Budget::default() };
    let mut prng = Prng(17);
    let mut legal = 0;
    for round in 0..HISTORIES {
        let mut history = simulated(&mut prng, model, asked);
        let mutations = round % 3;
        for _ in 0..mutations {
            let Some(at) = (history.len() as u64).checked_sub(1) else { break };
            let operation = &mut history[prng.below(at + 1) as usize];
            if operation.output.is_some() {
                let (input, output) = asked[prng.below(asked.len() as u64) as usize].clone();
                (operation.input, operation.output) = (input, Some(output));
            }
        }
        let expected = porcupine::linearizable(model, &history);
        assert!(expected || mutations > 0, "round {round}: it was simulated");
        for answer in [check(model, &history, &budget), decide(model, &history, &budget).answer] {
            assert_eq!(answer.is_linearizable(), expected, "round {round}");
            assert_eq!(answer.is_illegal(), !expected, "round {round}");
            if let Search::Linearizable(proof) = answer {
                assert_eq!(verify(model, &history, &proof), Ok(()), "round {round}");
            }
        }
        legal += u64::from(expected);
    }
    let illegal = HISTORIES - legal;
    assert!(legal > HISTORIES / 10 && illegal > HISTORIES / 50, "{legal} legal, {illegal} illegal");
}

#[test]
fn registers() {
    let read = |value| (RegisterInput::Read, RegisterOutput::Read(Seen::Value(value)));
    let write = |value| (RegisterInput::Write(value), RegisterOutput::Written);
    let glance = (RegisterInput::Read, RegisterOutput::Read(Seen::Unknown));
    let few = [read(0), read(1), read(2), write(1), write(2), glance];
    agree(&Register(0), &few);
    let many: Vec<_> = (0..8).map(read).chain((1..8).map(write)).collect();
    agree(&Register(0), &many);
}

#[test]
fn compare_and_set_registers() {
    let mut asked = vec![(CasInput::Read, CasOutput::Read(Seen::Unknown))];
    for from in 0..3 {
        asked.push((CasInput::Read, CasOutput::Read(Seen::Value(from))));
        asked.push((CasInput::Write(from), CasOutput::Written));
        for to in 0..3 {
            asked.extend(
                [true, false].map(|done| (CasInput::Cas { from, to }, CasOutput::Cas(done))),
            );
        }
    }
    agree(&CasRegister(0), &asked);
}

#[test]
fn maps() {
    let mut asked = Vec::new();
    for value in [None, Some(1), Some(2), Some(3)] {
        asked.push((KvInput::Get(0), KvOutput::Got(Seen::Value(value))));
        asked.extend(value.map(|value| (KvInput::Put(0, value), KvOutput::Put)));
    }
    asked.push((KvInput::Delete(0), KvOutput::Deleted));
    agree(&Kv::default(), &asked);
}

#[test]
fn appends() {
    let got = |s: &str| (KvAppendInput::Get(0), KvAppendOutput::Got(Seen::Value(s.to_string())));
    let mut asked: Vec<_> = ["", "a", "ab", "ba", "b"].into_iter().map(got).collect();
    for text in ["a", "b"] {
        asked.push((KvAppendInput::Append(0, text.to_string()), KvAppendOutput::Done));
        asked.push((KvAppendInput::Put(0, text.to_string()), KvAppendOutput::Done));
    }
    asked.push((KvAppendInput::Put(0, String::new()), KvAppendOutput::Done));
    agree(&KvAppend::default(), &asked);
}

#[test]
fn sets() {
    let read = |elements: &[u8]| {
        let elements: BTreeSet<u8> = elements.iter().copied().collect();
        (SetInput::Read, SetOutput::Read(Seen::Value(elements)))
    };
    let add = |element| (SetInput::Add(element), SetOutput::Added);
    let reads = [&[] as &[u8], &[1], &[2], &[1, 2], &[1, 3], &[1, 2, 3]].map(read);
    let asked: Vec<_> = reads.into_iter().chain([1, 2, 3].map(add)).collect();
    agree(&Set::default(), &asked);
}

#[test]
fn mutexes() {
    let mut asked = Vec::new();
    for input in [MutexInput::Acquire, MutexInput::Release] {
        asked.extend([MutexOutput::Done, MutexOutput::Refused].map(|output| (input, output)));
    }
    agree(&Mutex, &asked);
}

#[test]
fn transactions() {
    use Access::{Read, Write};
    let mut asked = Vec::new();
    for x in [0, 1] {
        for y in [0, 1] {
            let seen = vec![Seen::Value(Some(x)), Seen::Value(Some(y))];
            asked.push((vec![Read("x"), Read("y")], seen));
        }
        asked.push((vec![Write("x", x)], vec![]));
        asked.push((vec![Read("y"), Write("y", 1 - x)], vec![Seen::Value(Some(x))]));
    }
    agree(&MultiRegister(BTreeMap::from([("x", 0), ("y", 0)])), &asked);
}

fn queue_questions() -> Vec<(QueueInput<u8>, QueueOutput<u8>)> {
    let dequeue = |seen| (QueueInput::Dequeue, QueueOutput::Dequeued(seen));
    let mut asked = vec![dequeue(Seen::Value(None)), dequeue(Seen::Unknown)];
    for element in 1..4 {
        asked.push((QueueInput::Enqueue(element), QueueOutput::Enqueued));
        asked.push(dequeue(Seen::Value(Some(element))));
    }
    asked
}

#[test]
fn queues() {
    agree(&FifoQueue::default(), &queue_questions());
    agree(&PowerSet(UnorderedQueue::default()), &queue_questions());
}

#[test]
fn counters() {
    let read = |sum| (CounterInput::Read, CounterOutput::Read(Seen::Value(sum)));
    let add = |number| (CounterInput::Add(number), CounterOutput::Added);
    let asked: Vec<_> = (-2..4).map(read).chain([1, -1, 2].map(add)).collect();
    agree(&Counter, &asked);
}
