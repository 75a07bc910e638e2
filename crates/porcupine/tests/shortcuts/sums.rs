//! Counters to which different numbers are added.

use perjury_porcupine::Operation;
use perjury_porcupine::models::{Counter, CounterInput, CounterOutput, Seen};

use crate::agree::{Tally, sample};
use crate::everything::everything;
use crate::prng::Prng;
use crate::simulate::{maybe_lie, simulate};
use crate::words::{Alphabet, Letter, Renaming, letter, often};

type Op = Operation<CounterInput, CounterOutput>;

const READ: u8 = 0;
const ADD: u8 = 1;
/// Added to the kind.
const NEGATIVE: u8 = 2;

fn write(letter: Letter) -> (CounterInput, CounterOutput) {
    let size = i64::from(letter.values[0]);
    let number = if letter.kind & NEGATIVE == 0 { size } else { -size };
    match letter.kind & !NEGATIVE {
        READ => (CounterInput::Read, CounterOutput::Read(Seen::Value(number))),
        _ => (CounterInput::Add(number), CounterOutput::Added),
    }
}

/// A blocked operation needs all that was called before it returned.
fn add_all(history: &[Op], core: &mut Vec<usize>) {
    core.extend(0..history.len());
}

/// No read found more than was added: that would be illegal whatever the order.
fn is_plain(word: &[Letter]) -> bool {
    let values = |kind: u8| word.iter().filter(move |it| it.kind == kind).map(|it| it.values[0]);
    let sum: u8 = values(ADD).sum();
    values(READ).all(|read| read <= sum)
}

fn signed(kind: u8, number: i8) -> Letter {
    letter(kind | if number < 0 { NEGATIVE } else { 0 }, number.unsigned_abs())
}

fn all(numbers: &[i8], most: usize, fits: impl Fn(&[Letter]) -> bool) -> Tally {
    let adds: Vec<Letter> = numbers.iter().map(|number| signed(ADD, *number)).collect();
    // Where steps have both signs, sums near zero will do.
    let least: i8 = numbers.iter().map(|number| *number.min(&0) * 3).sum();
    let greatest = if least < 0 { -least } else { 10 };
    let reads = (least..=greatest).map(|sum| signed(READ, sum));
    let answered = reads.chain(adds.clone()).collect();
    let unanswered = adds.clone();
    let alphabet = Alphabet { renaming: Renaming::None, answered, unanswered, once: often, write };
    everything(&Counter, &alphabet, most, &adds, fits, add_all)
}

#[test]
fn all_counters_of_four_operations() {
    for numbers in [&[1, 2][..], &[1, 2, 3]] {
        let tally = all(numbers, 4, is_plain);
        assert!(tally.legal > 0 && tally.illegal > 0 && tally.searched * 10 < tally.illegal);
    }
}

#[test]
fn all_counters_of_four_operations_with_both_signs() {
    let tally = all(&[1, -1], 4, |_| true);
    assert!(tally.legal > 0 && tally.illegal > 0);
}

#[test]
#[ignore = "make exhaustive"]
fn all_counters_of_five_operations() {
    all(&[1, 2], 5, is_plain);
    all(&[1, 2, 3], 5, is_plain);
    all(&[1, -1], 5, |_| true);
    all(&[2, -1], 5, |_| true);
}

fn draw(prng: &mut Prng) -> Vec<Op> {
    let count = 1 + prng.below(14);
    let numbers = [&[1, 2][..], &[1, 2, 3], &[-1, -5], &[1, 2, 4, 8, 16, 32], &[1, -1]];
    let numbers = numbers[prng.below(5) as usize];
    let question = |prng: &mut Prng| match prng.below(2) {
        0 => CounterInput::Add(numbers[prng.below(numbers.len() as u64) as usize]),
        _ => CounterInput::Read,
    };
    let answer = |sum: &i64, input: &CounterInput| match input {
        CounterInput::Add(_) => CounterOutput::Added,
        CounterInput::Read => CounterOutput::Read(Seen::Value(*sum)),
    };
    let mut history = simulate(&Counter, prng, count, question, answer);
    maybe_lie(prng, &mut history, |a, b| {
        a.output.is_some() == b.output.is_some()
            && matches!(a.input, CounterInput::Read) == matches!(b.input, CounterInput::Read)
    });
    history
}

#[test]
fn random_sums_agree_with_the_search() {
    let tally = sample(&Counter, 10_000, draw, add_all);
    tally.assert_telling();
}
