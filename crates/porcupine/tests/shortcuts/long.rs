//! Histories for which the search has no hope: a hundred thousand operations, many open at once.

use std::time::Duration;

use perjury_porcupine::models::{
    CasInput, CasOutput, CasRegister, Counter, CounterInput, CounterOutput, Kv, KvInput, KvOutput,
    Mutex, MutexInput, MutexOutput, Seen,
};
use perjury_porcupine::{Budget, Model, Operation, Path, Reason, Search, decide, verify};

use crate::prng::Prng;
use crate::simulate::simulate;

const COUNT: u64 = 100_000;

fn assert_legal<M>(model: &M, history: &[Operation<M::Input, M::Output>])
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync,
    M::Output: Sync,
{
    let budget = Budget { bytes: Some(1 << 26), ..Budget::time(Duration::from_secs(20)) };
    let decision = decide(model, history, &budget);
    assert!(matches!(decision.paths[..], [Path::Shortcut(_)]));
    let Search::Linearizable(proof) = decision.answer else { panic!("{:?}", decision.answer) };
    assert_eq!(verify(model, history, &proof), Ok(()));
}

#[test]
fn registers_with_swaps() {
    for seed in 0..3 {
        let mut next = 0u64;
        let question = |prng: &mut Prng| {
            next += 1;
            match prng.below(4) {
                0 => CasInput::Write(next),
                // Mostly refused, and what it expects is long gone.
                1 => CasInput::Cas { from: next.saturating_sub(1 + prng.below(200)), to: next },
                _ => CasInput::Read,
            }
        };
        let answer = |state: &u64, input: &CasInput<u64>| match input {
            CasInput::Read => CasOutput::Read(Seen::Value(*state)),
            CasInput::Write(_) => CasOutput::Written,
            CasInput::Cas { from, .. } => CasOutput::Cas(from == state),
        };
        let history = simulate(&CasRegister(0), &mut Prng(seed), COUNT, question, answer);
        assert_legal(&CasRegister(0), &history);
    }
}

#[test]
fn maps_with_deletes() {
    let mut next = 0u64;
    let question = |prng: &mut Prng| match prng.below(4) {
        0 => KvInput::Delete(0u8),
        1 => {
            next += 1;
            KvInput::Put(0, next)
        }
        _ => KvInput::Get(0),
    };
    let answer = |state: &Option<u64>, input: &KvInput<u8, u64>| match input {
        KvInput::Get(_) => KvOutput::Got(Seen::Value(*state)),
        KvInput::Put(..) => KvOutput::Put,
        KvInput::Delete(_) => KvOutput::Deleted,
    };
    assert_legal(&Kv::default(), &simulate(&Kv::default(), &mut Prng(5), COUNT, question, answer));
}

#[test]
fn locks_and_counters() {
    let question = |prng: &mut Prng| match prng.below(2) {
        0 => MutexInput::Acquire,
        _ => MutexInput::Release,
    };
    let answer = |held: &bool, input: &MutexInput| match *held == (*input == MutexInput::Acquire) {
        true => MutexOutput::Refused,
        false => MutexOutput::Done,
    };
    assert_legal(&Mutex, &simulate(&Mutex, &mut Prng(6), COUNT, question, answer));
    let question = |prng: &mut Prng| match prng.below(2) {
        0 => CounterInput::Add(3),
        _ => CounterInput::Read,
    };
    let answer = |sum: &i64, input: &CounterInput| match input {
        CounterInput::Add(_) => CounterOutput::Added,
        CounterInput::Read => CounterOutput::Read(Seen::Value(*sum)),
    };
    assert_legal(&Counter, &simulate(&Counter, &mut Prng(7), COUNT, question, answer));
}

#[test]
fn a_shortcut_obeys_the_budget() {
    let question = |prng: &mut Prng| CasInput::Write(prng.below(1 << 60));
    let answer = |_: &u64, _: &CasInput<u64>| CasOutput::Written;
    let history = simulate(&CasRegister(0), &mut Prng(8), COUNT, question, answer);
    let stopped = |budget: &Budget| match decide(&CasRegister(0), &history, budget).answer {
        Search::Exhausted { reason, .. } => reason,
        answer => panic!("{}", answer.is_linearizable()),
    };
    assert_eq!(stopped(&Budget { bytes: Some(1 << 20), ..Budget::default() }), Reason::Bytes);
    assert_eq!(stopped(&Budget::time(Duration::ZERO)), Reason::Time);
    let cancelled = Budget::default();
    cancelled.cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(stopped(&cancelled), Reason::Cancelled);
}
