//! What happened is legal, and with a few more operations it is not: the verdicts are known and no
//! search is asked for them. Both ways to judge have to find them.
//!
//! The lies are told one after the other, of values that nothing else names, so whatever else
//! overlaps them or is not answered explains nothing. Where the object has no values they come
//! after everything, and more of them than there are operations that could still come between.
//! Queues and their kind have the same in `collections`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use perjury_porcupine::models::{
    Access, CasInput, CasOutput, CasRegister, Counter, CounterInput, CounterOutput, FencedLock,
    FencedLockInput, FencedLockOutput, Kv, KvAppend, KvAppendInput, KvAppendOutput, KvInput,
    KvOutput, Log, LogInput, LogOutput, MultiRegister, MutableSet, MutableSetInput,
    MutableSetOutput, Mutex, MutexInput, MutexOutput, OwnedFencedLock, OwnedInput, OwnedMutex,
    Register, RegisterInput, RegisterOutput, Seen, Semaphore, Set, SetInput, SetOutput,
};
use perjury_porcupine::{Model, Operation, Search, check, verify};

use crate::agree::{Tally, judge, one_thread};
use crate::prng::Prng;
use crate::simulate::simulate;

const ROUNDS: u64 = 1_000;

/// When lies are told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Anytime,
    AtTheEnd,
}

fn known<M>(
    model: &M,
    lies: &[(M::Input, M::Output)],
    when: When,
    mut question: impl FnMut(&mut Prng) -> M::Input,
    answer: impl Fn(&M::State, &M::Input) -> M::Output,
) where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync + Clone + Debug,
    M::Output: Sync + Clone + Debug,
{
    let mut prng = Prng(41);
    for _ in 0..ROUNDS {
        let count = 1 + prng.below(12);
        let mut history = simulate(model, &mut prng, count, &mut question, &answer);
        let ends = history.iter().filter_map(|op| op.interval().1);
        let last = history.iter().map(|op| op.call).chain(ends).max().unwrap_or(0);
        // Between one instant and the next there is room for lies.
        for op in &mut history {
            op.call *= 100;
            op.ret = op.ret.saturating_mul(100);
        }
        both(model, &history, true);
        let begin = match when {
            When::Anytime => prng.below(last + 2),
            When::AtTheEnd => last + 1,
        };
        for (number, (input, output)) in (0..).zip(lies.iter().cloned()) {
            let call = 100 * begin + 1 + 2 * number;
            history.push(Operation::completed(99, input, output, call, call + 1));
        }
        both(model, &history, false);
    }
}

/// By the path, and by the search.
fn both<M>(model: &M, history: &[Operation<M::Input, M::Output>], legal: bool)
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync + Clone + Debug,
    M::Output: Sync + Clone + Debug,
{
    // That a witness suffices is asserted elsewhere.
    let all = |history: &[_], core: &mut Vec<usize>| core.extend(0..history.len());
    judge(model, history, legal, &mut Tally::default(), all);
    match check(model, history, &one_thread()) {
        Search::Linearizable(proof) => {
            assert!(legal, "the search: {history:#?}");
            assert_eq!(verify(model, history, &proof), Ok(()));
        }
        answer => assert!(answer.is_illegal() && !legal, "the search: {history:#?}"),
    }
}

#[test]
fn registers() {
    let read = |value| (RegisterInput::Read, RegisterOutput::Read(Seen::Value(value)));
    let write = |value| (RegisterInput::Write(value), RegisterOutput::Written);
    let question = |prng: &mut Prng| match prng.below(2) {
        0 => RegisterInput::Read,
        _ => RegisterInput::Write(prng.below(9) as u8),
    };
    let answer = |state: &u8, input: &RegisterInput<u8>| match input {
        RegisterInput::Read => RegisterOutput::Read(Seen::Value(*state)),
        RegisterInput::Write(_) => RegisterOutput::Written,
    };
    for lies in [&[read(101)][..], &[write(101), write(102), read(101)]] {
        known(&Register(0), lies, When::Anytime, question, answer);
    }
}

#[test]
fn registers_with_swaps() {
    let read = |value| (CasInput::Read, CasOutput::Read(Seen::Value(value)));
    let write = |value| (CasInput::Write(value), CasOutput::Written);
    let swap = |from, to| (CasInput::Cas { from, to }, CasOutput::Cas(true));
    let question = |prng: &mut Prng| match prng.below(3) {
        0 => CasInput::Read,
        1 => CasInput::Write(prng.below(5) as u8),
        _ => CasInput::Cas { from: prng.below(5) as u8, to: prng.below(5) as u8 },
    };
    let answer = |state: &u8, input: &CasInput<u8>| match input {
        CasInput::Read => CasOutput::Read(Seen::Value(*state)),
        CasInput::Write(_) => CasOutput::Written,
        CasInput::Cas { from, .. } => CasOutput::Cas(from == state),
    };
    for lies in [
        &[swap(101, 102)][..],
        &[write(101), swap(101, 102), swap(101, 103)],
        &[write(101), write(102), read(101)],
    ] {
        known(&CasRegister(0), lies, When::Anytime, question, answer);
    }
}

#[test]
fn maps() {
    let got = |value| (KvInput::Get(0), KvOutput::Got(Seen::Value(value)));
    let put = |value| (KvInput::Put(0, value), KvOutput::Put);
    let question = |prng: &mut Prng| match prng.below(4) {
        0 => KvInput::Delete(0),
        1 => KvInput::Put(0, prng.below(9) as u8),
        _ => KvInput::Get(0u8),
    };
    let answer = |state: &Option<u8>, input: &KvInput<u8, u8>| match input {
        KvInput::Get(_) => KvOutput::Got(Seen::Value(*state)),
        KvInput::Put(..) => KvOutput::Put,
        KvInput::Delete(_) => KvOutput::Deleted,
    };
    let delete = (KvInput::Delete(0), KvOutput::Deleted);
    for lies in [&[got(Some(101))][..], &[put(101), delete, got(Some(101))]] {
        known(&Kv::default(), lies, When::Anytime, question, answer);
    }
}

#[test]
fn strings() {
    let text = |text: &str| text.to_string();
    let append = |more: &str| (KvAppendInput::Append(0u8, text(more)), KvAppendOutput::Done);
    let got = |seen: &str| (KvAppendInput::Get(0), KvAppendOutput::Got(Seen::Value(text(seen))));
    let question = |prng: &mut Prng| {
        let letter = text(["a", "b", "c"][prng.below(3) as usize]);
        match prng.below(5) {
            0 => KvAppendInput::Put(0, letter),
            1 | 2 => KvAppendInput::Append(0, letter),
            _ => KvAppendInput::Get(0),
        }
    };
    let answer = |state: &String, input: &KvAppendInput<u8>| match input {
        KvAppendInput::Get(_) => KvAppendOutput::Got(Seen::Value(state.clone())),
        _ => KvAppendOutput::Done,
    };
    let put = (KvAppendInput::Put(0, text("x")), KvAppendOutput::Done);
    for lies in [&[got("z")][..], &[put, append("y"), got("yx")]] {
        known(&KvAppend::default(), lies, When::Anytime, question, answer);
    }
}

#[test]
fn transactions() {
    use Access::{Read, Write};
    let write = |value| (vec![Write(0u8, value), Write(1, value)], vec![]);
    let read = |x, y| (vec![Read(0), Read(1)], vec![Seen::Value(Some(x)), Seen::Value(Some(y))]);
    let question = |prng: &mut Prng| {
        let access = |prng: &mut Prng| match (prng.below(2), prng.below(2) as u8) {
            (0, key) => Read(key),
            (_, key) => Write(key, prng.below(9) as u8),
        };
        (0..1 + prng.below(3)).map(|_| access(prng)).collect::<Vec<_>>()
    };
    let answer = |state: &BTreeMap<u8, u8>, input: &Vec<Access<u8, u8>>| {
        let (mut state, mut seen) = (state.clone(), Vec::new());
        for access in input {
            match access {
                Read(key) => seen.push(Seen::Value(state.get(key).copied())),
                Write(key, value) => drop(state.insert(*key, *value)),
            }
        }
        seen
    };
    // A read that is torn.
    let lies = [write(101), write(102), read(101, 102)];
    known(&MultiRegister::default(), &lies, When::Anytime, question, answer);
}

#[test]
fn sets() {
    let read = |elements: &[u8]| {
        (SetInput::Read, SetOutput::Read(Seen::Value(elements.iter().copied().collect())))
    };
    let add = |element| (SetInput::Add(element), SetOutput::Added);
    let question = |prng: &mut Prng| match prng.below(2) {
        0 => SetInput::Read,
        _ => SetInput::Add(prng.below(9) as u8),
    };
    let answer = |state: &BTreeSet<u8>, input: &SetInput<u8>| match input {
        SetInput::Read => SetOutput::Read(Seen::Value(state.clone())),
        SetInput::Add(_) => SetOutput::Added,
    };
    for lies in [&[read(&[101])][..], &[add(101), read(&[])]] {
        known(&Set::default(), lies, When::Anytime, question, answer);
    }
}

#[test]
fn mutable_sets() {
    let add =
        |element, changed| (MutableSetInput::Add(element), MutableSetOutput::Changed(changed));
    let question = |prng: &mut Prng| match prng.below(3) {
        0 => MutableSetInput::Add(7),
        1 => MutableSetInput::Remove(7),
        _ => MutableSetInput::Contains(7u8),
    };
    let answer = |there: &bool, input: &MutableSetInput<u8>| match input {
        MutableSetInput::Contains(_) => MutableSetOutput::Contains(*there),
        MutableSetInput::Add(_) => MutableSetOutput::Changed(!there),
        MutableSetInput::Remove(_) => MutableSetOutput::Changed(*there),
    };
    let gone = (MutableSetInput::Contains(101), MutableSetOutput::Contains(false));
    for lies in [&[add(101, false)][..], &[add(101, true), gone]] {
        known(&MutableSet::default(), lies, When::Anytime, question, answer);
    }
}

#[test]
fn counters() {
    let question = |prng: &mut Prng| match prng.below(2) {
        0 => CounterInput::Read,
        _ => CounterInput::Add(3),
    };
    let answer = |sum: &i64, input: &CounterInput| match input {
        CounterInput::Read => CounterOutput::Read(Seen::Value(*sum)),
        CounterInput::Add(_) => CounterOutput::Added,
    };
    let read = |sum| (CounterInput::Read, CounterOutput::Read(Seen::Value(sum)));
    // More than there can be, a number between, and what was there before an add.
    let add = (CounterInput::Add(3_000), CounterOutput::Added);
    for lies in [&[read(300)][..], &[read(1)], &[add, read(36)]] {
        known(&Counter, lies, When::Anytime, question, answer);
    }
}

#[test]
fn logs() {
    let append = |element| (LogInput::Append(element), LogOutput::Appended);
    let all = |elements: &[u8]| (LogInput::ReadAll, LogOutput::All(Seen::Value(elements.to_vec())));
    let mut next = 0;
    let question = move |prng: &mut Prng| match prng.below(3) {
        0 => LogInput::ReadAll,
        1 => LogInput::ReadAt(prng.below(5)),
        _ => {
            next = (next + 1) % 100;
            LogInput::Append(next)
        }
    };
    let answer = |state: &Vec<u8>, input: &LogInput<u8>| match input {
        LogInput::Append(_) => LogOutput::Position(state.len() as u64),
        LogInput::ReadAt(at) => LogOutput::Entry(Seen::Value(state.get(*at as usize).copied())),
        LogInput::ReadAll => LogOutput::All(Seen::Value(state.clone())),
    };
    let lost = [append(101), all(&[])];
    let turned = [append(101), append(102), all(&[102, 101])];
    known(&Log::default(), &lost, When::Anytime, question, answer);
    known(&Log::default(), &turned, When::Anytime, question, answer);
}

#[test]
fn locks() {
    let question = |prng: &mut Prng| match prng.below(2) {
        0 => MutexInput::Acquire,
        _ => MutexInput::Release,
    };
    let answer = |held: &bool, input: &MutexInput| match Mutex.step(held, input, None) {
        Some(_) => MutexOutput::Done,
        None => MutexOutput::Refused,
    };
    // At most twelve releases are in doubt.
    for input in [MutexInput::Acquire, MutexInput::Release] {
        let lies = vec![(input, MutexOutput::Done); 14];
        known(&Mutex, &lies, When::AtTheEnd, question, answer);
    }
}

#[test]
fn fenced_locks() {
    let question = |prng: &mut Prng| match prng.below(2) {
        0 => FencedLockInput::Acquire,
        _ => FencedLockInput::Release,
    };
    let answer = |state: &(bool, u128), input: &FencedLockInput| match (state.0, input) {
        (false, FencedLockInput::Acquire) => FencedLockOutput::Granted(state.1 as u64 + 2),
        (true, FencedLockInput::Release) => FencedLockOutput::Released,
        _ => FencedLockOutput::Refused,
    };
    let acquire = |token| (FencedLockInput::Acquire, FencedLockOutput::Granted(token));
    let release = (FencedLockInput::Release, FencedLockOutput::Released);
    let many: Vec<_> = (0..14).map(|more| acquire(1_000 * (more + 1))).collect();
    for lies in [&[acquire(2_000), release, acquire(1_000)][..], &many] {
        known(&FencedLock, lies, When::AtTheEnd, question, answer);
    }
}

fn own_question(prng: &mut Prng) -> OwnedInput<u8> {
    match prng.below(2) {
        0 => OwnedInput::Acquire(prng.below(3) as u8),
        _ => OwnedInput::Release(prng.below(3) as u8),
    }
}

fn own_answer<M>(model: &M, state: &M::State, input: &OwnedInput<u8>) -> MutexOutput
where
    M: Model<Input = OwnedInput<u8>, Output = MutexOutput>,
{
    match model.step(state, input, None) {
        Some(_) => MutexOutput::Done,
        None => MutexOutput::Refused,
    }
}

#[test]
fn locks_with_owners() {
    let done = |input| (input, MutexOutput::Done);
    let (acquire, release) = (|c| done(OwnedInput::Acquire(c)), |c| done(OwnedInput::Release(c)));
    for most in [1, 2] {
        let model = OwnedMutex::reentrant(most);
        let answer = |state: &_, input: &_| own_answer(&model, state, input);
        let too_often = vec![acquire(101); most as usize + 1];
        for lies in [&[acquire(101), acquire(102)][..], &[release(101)], &too_often] {
            known(&model, lies, When::Anytime, own_question, answer);
        }
        let model = Semaphore::new(most);
        let answer = |state: &_, input: &_| own_answer(&model, state, input);
        let too_many: Vec<_> = (101..102 + most as u8).map(acquire).collect();
        for lies in [&too_many[..], &[release(101)]] {
            known(&model, lies, When::Anytime, own_question, answer);
        }
    }
}

#[test]
fn fenced_locks_with_owners() {
    let acquire = |client, token| (OwnedInput::Acquire(client), FencedLockOutput::Granted(token));
    let release = |client| (OwnedInput::Release(client), FencedLockOutput::Released);
    for most in [1, 2] {
        let model = OwnedFencedLock::reentrant(most);
        let answer = |state: &_, input: &OwnedInput<u8>| {
            let fits = |it: &FencedLockOutput| model.step(state, input, Some(it)).is_some();
            let granted = (0..100).map(FencedLockOutput::Granted);
            let all = granted.chain([FencedLockOutput::Released]);
            all.into_iter().find(fits).unwrap_or(FencedLockOutput::Refused)
        };
        for lies in [
            &[acquire(101, 2_000), release(101), acquire(102, 1_000)][..],
            &[acquire(101, 2_000), acquire(102, 3_000)],
            &[acquire(101, 2_000), acquire(101, 3_000)],
            &[release(101)],
        ] {
            known(&model, lies, When::Anytime, own_question, answer);
        }
    }
}
