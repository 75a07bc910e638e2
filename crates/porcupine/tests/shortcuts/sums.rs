//! Counters to which different numbers are added.

use perjury_porcupine::Operation;
use perjury_porcupine::models::{Counter, CounterInput, CounterOutput, Seen};

use crate::agree::sample;
use crate::everything::everything;
use crate::prng::Prng;
use crate::simulate::{maybe_lie, simulate};
use crate::words::{Alphabet, Letter, Renaming, letter};

type Op = Operation<CounterInput, CounterOutput>;

const READ: u8 = 0;
const ADD: u8 = 1;

fn write(letter: Letter) -> (CounterInput, CounterOutput) {
    let number = i64::from(letter.values[0]);
    match letter.kind {
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

#[test]
fn all_counters_of_five_operations() {
    let adds = |numbers: &[u8]| numbers.iter().map(|it| letter(ADD, *it)).collect::<Vec<_>>();
    for numbers in [&[1][..], &[1, 2], &[1, 2, 3]] {
        let reads = (0..=10).map(|sum| letter(READ, sum));
        let answered: Vec<Letter> = reads.chain(adds(numbers)).collect();
        let unanswered = adds(numbers);
        let alphabet = Alphabet { renaming: Renaming::None, answered, unanswered, write };
        let most = if numbers.len() < 3 { 5 } else { 4 };
        let answers = adds(numbers);
        let tally = everything(&Counter, &alphabet, most, &answers, is_plain, add_all);
        assert!(tally.legal > 0 && tally.illegal > 0 && tally.searched * 10 < tally.illegal);
    }
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
