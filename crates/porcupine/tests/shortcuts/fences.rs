//! Locks that give tokens.

use perjury_porcupine::Operation;
use perjury_porcupine::models::{FencedLock, FencedLockInput, FencedLockOutput};

use crate::agree::sample;
use crate::everything::everything;
use crate::prng::Prng;
use crate::simulate::{maybe_lie, simulate};
use crate::words::{Alphabet, Letter, Renaming, letter, often};

type Op = Operation<FencedLockInput, FencedLockOutput>;

const GRANTED: u8 = 0;
const RELEASED: u8 = 1;
const HELD: u8 = 2;
const FREE: u8 = 3;

fn write(letter: Letter) -> (FencedLockInput, FencedLockOutput) {
    use FencedLockInput::{Acquire, Release};
    match letter.kind {
        // The first token is 1: nothing has to be renamed to see one too few before it.
        GRANTED => (Acquire, FencedLockOutput::Granted(u64::from(letter.values[0]))),
        RELEASED => (Release, FencedLockOutput::Released),
        HELD => (Acquire, FencedLockOutput::Refused),
        _ => (Release, FencedLockOutput::Refused),
    }
}

#[test]
fn all_fenced_locks_of_five_operations() {
    let mut answered: Vec<Letter> = (1..=4).map(|token| letter(GRANTED, token)).collect();
    answered.extend([RELEASED, HELD, FREE].map(|kind| letter(kind, 0)));
    let unanswered = vec![letter(HELD, 0), letter(RELEASED, 0)];
    let alphabet = Alphabet { renaming: Renaming::None, answered, unanswered, once: often, write };
    let answers: Vec<Letter> =
        (0..=9).map(|token| letter(GRANTED, token)).chain([letter(RELEASED, 0)]).collect();
    let none = |_: &[Op], _: &mut Vec<usize>| {};
    let tally = everything(&FencedLock, &alphabet, 5, &answers, |_| true, none);
    assert!(tally.searched < 100, "{tally:?}");
    tally.assert_telling();
}

fn draw(prng: &mut Prng) -> Vec<Op> {
    let count = 1 + prng.below(16);
    let step = 1 + prng.below(3);
    let question = |prng: &mut Prng| match prng.below(2) {
        0 => FencedLockInput::Acquire,
        _ => FencedLockInput::Release,
    };
    let answer = |state: &(bool, u128), input: &FencedLockInput| match (state.0, input) {
        (false, FencedLockInput::Acquire) => FencedLockOutput::Granted(state.1 as u64 + step),
        (true, FencedLockInput::Release) => FencedLockOutput::Released,
        _ => FencedLockOutput::Refused,
    };
    let mut history = simulate(&FencedLock, prng, count, question, answer);
    maybe_lie(prng, &mut history, |a, b| {
        a.output.is_some() == b.output.is_some() && a.input == b.input
    });
    history
}

#[test]
fn random_fenced_locks_agree_with_the_search() {
    let tally = sample(&FencedLock, 10_000, draw, |_, _| {});
    tally.assert_telling();
}
