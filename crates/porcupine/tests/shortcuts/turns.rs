//! Locks and counters: the lazy paths.

use perjury_porcupine::models::{
    Counter, CounterInput, CounterOutput, Mutex, MutexInput, MutexOutput, Seen,
};
use perjury_porcupine::{Model, Operation, Search, check, decide};

use crate::agree::{one_thread, sample};
use crate::everything::everything;
use crate::prng::Prng;
use crate::simulate::{maybe_lie, simulate};
use crate::words::{Alphabet, Letter, Renaming, letter, often};

/// A blocked operation needs all that was called before it returned.
fn add_prefix<I, O>(history: &[Operation<I, O>], core: &mut Vec<usize>) {
    let end = core.iter().filter_map(|&index| history[index].interval().1).max();
    core.extend((0..history.len()).filter(|&at| end.is_none_or(|end| history[at].call <= end)));
}

/// The lazy paths accuse the operation that the search accuses, where returns do not tie.
fn blocks_the_same<M>(model: &M, history: &[Operation<M::Input, M::Output>])
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync,
    M::Output: Sync,
{
    let mut ends: Vec<_> = history.iter().filter_map(|op| op.interval().1).collect();
    let count = ends.len();
    ends.sort_unstable();
    ends.dedup();
    if let Search::Illegal(found) = decide(model, history, &one_thread()).answer
        && let Search::Illegal(searched) = check(model, history, &one_thread())
        && ends.len() == count
    {
        assert_eq!(found.blocked().next(), searched.blocked().next());
    }
}

const ACQUIRE: u8 = 0;
const RELEASE: u8 = 1;
const HELD: u8 = 2;
const FREE: u8 = 3;

fn write_lock(letter: Letter) -> (MutexInput, MutexOutput) {
    match letter.kind {
        ACQUIRE => (MutexInput::Acquire, MutexOutput::Done),
        RELEASE => (MutexInput::Release, MutexOutput::Done),
        HELD => (MutexInput::Acquire, MutexOutput::Refused),
        _ => (MutexInput::Release, MutexOutput::Refused),
    }
}

#[test]
fn all_locks_of_five_operations() {
    let letters = |kinds: &[u8]| kinds.iter().map(|kind| letter(*kind, 0)).collect::<Vec<_>>();
    let unanswered = letters(&[ACQUIRE, RELEASE]);
    let alphabet = Alphabet {
        renaming: Renaming::None,
        answered: letters(&[ACQUIRE, RELEASE, HELD, FREE]),
        unanswered: unanswered.clone(),
        once: often,
        write: write_lock,
    };
    let complete = |history: &[_], core: &mut Vec<usize>| {
        blocks_the_same(&Mutex, history);
        add_prefix(history, core);
    };
    let tally = everything(&Mutex, &alphabet, 5, &unanswered, |_| true, complete);
    tally.assert_telling();
    assert_eq!(tally.searched, 0);
}

fn draw_lock(prng: &mut Prng) -> Vec<Operation<MutexInput, MutexOutput>> {
    let count = 1 + prng.below(16);
    let question = |prng: &mut Prng| match prng.below(2) {
        0 => MutexInput::Acquire,
        _ => MutexInput::Release,
    };
    let answer = |held: &bool, input: &MutexInput| match *held == (*input == MutexInput::Acquire) {
        true => MutexOutput::Refused,
        false => MutexOutput::Done,
    };
    let mut history = simulate(&Mutex, prng, count, question, answer);
    maybe_lie(prng, &mut history, |a, b| a.output.is_some() == b.output.is_some());
    history
}

#[test]
fn random_locks_agree_with_the_search() {
    let tally = sample(&Mutex, 10_000, draw_lock, add_prefix);
    tally.assert_telling();
    assert_eq!(tally.searched, 0);
}

const ADD: u8 = 0;
const READ: u8 = 1;

fn write_counter(letter: Letter) -> (CounterInput, CounterOutput) {
    let sum = i64::from(letter.values[0]);
    match letter.kind {
        ADD => (CounterInput::Add(2), CounterOutput::Added),
        _ => (CounterInput::Read, CounterOutput::Read(Seen::Value(sum))),
    }
}

/// With reads of these sums, some of which are never reached.
fn all_counters(sums: &[u8]) {
    let mut answered: Vec<Letter> = sums.iter().map(|sum| letter(READ, *sum)).collect();
    answered.push(letter(ADD, 0));
    let unanswered = vec![letter(ADD, 0)];
    let alphabet = Alphabet {
        renaming: Renaming::None,
        answered,
        unanswered: unanswered.clone(),
        once: often,
        write: write_counter,
    };
    let complete = |history: &[_], core: &mut Vec<usize>| {
        blocks_the_same(&Counter, history);
        add_prefix(history, core);
    };
    let tally = everything(&Counter, &alphabet, 5, &unanswered, |_| true, complete);
    assert!(tally.legal > 0 && tally.illegal > 0);
    assert_eq!(tally.searched, 0);
}

#[test]
fn all_counters_of_five_operations() {
    all_counters(&[0, 2, 3, 4]);
}

#[test]
#[ignore = "make exhaustive"]
fn all_counters_of_five_operations_whatever_was_seen() {
    all_counters(&[0, 2, 3, 4, 6, 8, 10]);
}

fn draw_counter(prng: &mut Prng) -> Vec<Operation<CounterInput, CounterOutput>> {
    let count = 1 + prng.below(14);
    let number = [1, -1, 3, i64::MIN][prng.below(4) as usize];
    let question = |prng: &mut Prng| match prng.below(5) {
        0 | 1 => CounterInput::Add(number),
        2 if prng.below(9) == 0 => CounterInput::Add(0),
        _ => CounterInput::Read,
    };
    let answer = |sum: &i64, input: &CounterInput| match input {
        CounterInput::Add(_) => CounterOutput::Added,
        CounterInput::Read => CounterOutput::Read(Seen::Value(*sum)),
    };
    let mut history = simulate(&Counter, prng, count, question, answer);
    for operation in &mut history {
        if operation.input == CounterInput::Read && operation.output.is_some() {
            match prng.below(20) {
                0 => operation.output = Some(CounterOutput::Read(Seen::Unknown)),
                1 => operation.output = Some(CounterOutput::Read(Seen::Value(2))),
                _ => {}
            }
        }
    }
    maybe_lie(prng, &mut history, |a, b| {
        a.output.is_some() == b.output.is_some()
            && matches!(a.input, CounterInput::Read) == matches!(b.input, CounterInput::Read)
    });
    history
}

#[test]
fn random_counters_agree_with_the_search() {
    let tally = sample(&Counter, 10_000, draw_counter, add_prefix);
    tally.assert_telling();
}
