//! Locks and counters: the lazy paths.

use perjury_porcupine::models::{
    Counter, CounterInput, CounterOutput, Mutex, MutexInput, MutexOutput, Seen,
};
use perjury_porcupine::{Model, Operation, Search, check, decide};

use crate::agree::{exhaust, one_thread, sample};
use crate::prng::Prng;
use crate::simulate::{maybe_lie, simulate};

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

fn lock_questions() -> Vec<(MutexInput, MutexOutput)> {
    let outputs = [MutexOutput::Done, MutexOutput::Refused];
    let inputs = [MutexInput::Acquire, MutexInput::Release];
    inputs.iter().flat_map(|input| outputs.map(|output| (*input, output))).collect()
}

#[test]
fn all_lock_histories_of_five_operations_on_three_processes() {
    let tally = exhaust(
        &Mutex,
        &lock_questions(),
        (5, 3),
        |history| {
            // What was not answered would have been anything: one of the two will do.
            blocks_the_same(&Mutex, history);
            true
        },
        add_prefix,
    );
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

fn counter_questions() -> Vec<(CounterInput, CounterOutput)> {
    let read = |sum| (CounterInput::Read, CounterOutput::Read(Seen::Value(sum)));
    let mut asked: Vec<_> = [0, 2, 4, 6].map(read).to_vec();
    asked.push((CounterInput::Add(2), CounterOutput::Added));
    asked
}

#[test]
fn all_counter_histories_of_five_operations_on_three_processes() {
    let tally = exhaust(
        &Counter,
        &counter_questions(),
        (5, 3),
        |history| {
            let useful = history
                .iter()
                .all(|op| !op.is_indeterminate() || matches!(op.input, CounterInput::Add(_)));
            if useful {
                blocks_the_same(&Counter, history);
            }
            useful
        },
        add_prefix,
    );
    tally.assert_telling();
    assert_eq!(tally.searched, 0);
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
