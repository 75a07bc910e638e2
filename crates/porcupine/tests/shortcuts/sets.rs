//! Grow-only sets.

use std::collections::BTreeSet;

use perjury_porcupine::models::{Seen, Set, SetInput, SetOutput};
use perjury_porcupine::{Kind, Operation, Search, decide};

use crate::agree::{Tally, one_thread, sample};
use crate::everything::everything;
use crate::prng::Prng;
use crate::simulate::{maybe_lie, simulate};
use crate::words::{Alphabet, Letter, Renaming, letter, often};

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

const READ: u8 = 0;
const READ_UNKNOWN: u8 = 1;
const ADD: u8 = 2;

fn write(letter: Letter) -> (SetInput<u8>, SetOutput<u8>) {
    let values: Vec<u8> = letter.values.into_iter().filter(|value| *value > 0).collect();
    match letter.kind {
        READ => (SetInput::Read, seen(&values)),
        READ_UNKNOWN => (SetInput::Read, SetOutput::Read(Seen::Unknown)),
        _ => (SetInput::Add(values[0]), SetOutput::Added),
    }
}

/// Elements that are read were added, and every read is known.
fn is_plain(word: &[Letter]) -> bool {
    let was_added = |value: u8| word.contains(&letter(ADD, value));
    let reads = || word.iter().filter(|letter| letter.kind == READ);
    reads().flat_map(|letter| letter.values).all(|value| value == 0 || was_added(value))
        && !word.contains(&letter(READ_UNKNOWN, 0))
}

fn all(most: usize, elements: u8, fits: impl Fn(&[Letter]) -> bool) -> Tally {
    let adds: Vec<Letter> = (1..=elements).map(|element| letter(ADD, element)).collect();
    let mut answered = adds.clone();
    answered.push(letter(READ_UNKNOWN, 0));
    for subset in 0..1u8 << elements {
        let mut values = [0; 3];
        let members = (1..=elements).filter(|element| subset >> (element - 1) & 1 == 1);
        values.iter_mut().zip(members).for_each(|(value, member)| *value = member);
        answered.push(Letter { kind: READ, values });
    }
    let alphabet = Alphabet {
        renaming: Renaming::Unordered,
        answered,
        unanswered: adds.clone(),
        once: often,
        write,
    };
    let tally = everything(&Set::default(), &alphabet, most, &adds, fits, add_adders);
    assert_eq!(tally.searched, 0);
    tally
}

#[test]
fn all_sets_of_five_operations() {
    all(5, 2, is_plain).assert_decided();
}

#[test]
fn all_sets_of_four_operations_whatever_was_seen() {
    all(4, 3, |_| true).assert_decided();
}

#[test]
#[ignore = "make exhaustive"]
fn all_sets_of_five_operations_whatever_was_seen() {
    all(5, 3, |_| true).assert_decided();
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
    let tally = sample(&Set::default(), 10_000, draw, add_adders);
    tally.assert_telling();
    assert_eq!(tally.searched, 0);
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
