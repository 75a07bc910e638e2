//! Grow-only sets.

use std::collections::BTreeSet;

use perjury_porcupine::models::{Seen, Set, SetInput, SetOutput};
use perjury_porcupine::{Kind, Operation, Search, decide};

use crate::agree::{exhaust, one_thread, sample};
use crate::prng::Prng;
use crate::simulate::{maybe_lie, simulate};

type Op = Operation<SetInput<u8>, SetOutput<u8>>;

fn seen(elements: &[u8]) -> SetOutput<u8> {
    SetOutput::Read(Seen::Value(elements.iter().copied().collect()))
}

/// The adds of all that was read.
fn add_adders(history: &[Op], core: &mut Vec<usize>) {
    let mut elements = BTreeSet::new();
    for &index in core.iter() {
        if let Some(SetOutput::Read(Seen::Value(read))) = &history[index].output {
            elements.extend(read.iter().copied());
        }
    }
    let is_adder = |op: &Op| matches!(op.input, SetInput::Add(it) if elements.contains(&it));
    core.extend((0..history.len()).filter(|&at| is_adder(&history[at])));
}

#[test]
fn all_set_histories_of_five_operations_on_three_processes() {
    let mut asked: Vec<_> = [&[][..], &[1], &[2], &[1, 2]]
        .into_iter()
        .map(|elements| (SetInput::Read, seen(elements)))
        .collect();
    asked.extend([1, 2].map(|element| (SetInput::Add(element), SetOutput::Added)));
    let useful = |history: &[Op]| {
        // What is added twice is for the search.
        let adds = history.iter().filter_map(|op| match op.input {
            SetInput::Add(element) => Some(element),
            SetInput::Read => None,
        });
        let adds: Vec<u8> = adds.collect();
        let distinct = adds.iter().collect::<BTreeSet<_>>().len() == adds.len();
        distinct && history.iter().all(|op| !op.is_indeterminate() || op.input != SetInput::Read)
    };
    let tally = exhaust(&Set::default(), &asked, (5, 3), useful, add_adders);
    tally.assert_telling();
    assert_eq!(tally.searched, 0);
}

fn draw(prng: &mut Prng) -> Vec<Op> {
    let count = 1 + prng.below(14);
    let mut next = 0;
    let again = prng.below(5) == 0;
    let question = |prng: &mut Prng| {
        if prng.below(2) == 0 {
            return SetInput::Read;
        }
        next += 1;
        SetInput::Add(if again { next / 2 } else { next })
    };
    let answer = |state: &BTreeSet<u8>, input: &SetInput<u8>| match input {
        SetInput::Add(_) => SetOutput::Added,
        SetInput::Read => SetOutput::Read(Seen::Value(state.clone())),
    };
    let mut history = simulate(&Set::default(), prng, count, question, answer);
    for operation in &mut history {
        if operation.input == SetInput::Read && operation.output.is_some() && prng.below(9) == 0 {
            operation.output = Some(SetOutput::Read(Seen::Unknown));
        }
    }
    maybe_lie(prng, &mut history, |a, b| {
        a.output.is_some() == b.output.is_some()
            && (a.input == SetInput::Read) == (b.input == SetInput::Read)
    });
    history
}

#[test]
fn random_sets_agree_with_the_search() {
    sample(&Set::default(), 10_000, draw, add_adders).assert_telling();
}

#[test]
fn reads_that_contradict_each_other_are_named() {
    let add = |element, call, ret| {
        Operation::completed(0, SetInput::Add(element), SetOutput::Added, call, ret)
    };
    let read = |elements: &[u8], call, ret| {
        Operation::completed(1, SetInput::Read, seen(elements), call, ret)
    };
    let accused = |history: &[Op]| {
        let Search::Illegal(evidence) = decide(&Set::default(), history, &one_thread()).answer
        else {
            panic!("illegal");
        };
        let witness = evidence.witnesses().next().unwrap();
        (witness.kind, witness.operations.clone())
    };
    let both = [add(1, 0, 9), add(2, 0, 9), read(&[1], 0, 9), read(&[2], 0, 9)];
    assert_eq!(accused(&both), (Kind::Incomparable, vec![2, 3]));
    let lost = [add(1, 0, 1), read(&[1], 2, 3), read(&[], 4, 5)];
    assert_eq!(accused(&lost), (Kind::AgainstTime, vec![2, 0]));
    let swapped = [add(1, 0, 1), add(2, 2, 3), read(&[2], 0, 9)];
    assert_eq!(accused(&swapped), (Kind::AgainstTime, vec![1, 2, 0]));
}
