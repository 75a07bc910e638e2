//! Sets from which elements can be removed.

use perjury_porcupine::Operation;
use perjury_porcupine::models::{MutableSet, MutableSetInput, MutableSetOutput};

use crate::agree::{Tally, sample};
use crate::everything::everything;
use crate::prng::Prng;
use crate::simulate::{maybe_lie, simulate};
use crate::words::{Alphabet, Letter, Renaming, letter, often};

type Op = Operation<MutableSetInput<u8>, MutableSetOutput>;

/// Which question, and which answer.
fn write(letter: Letter) -> (MutableSetInput<u8>, MutableSetOutput) {
    use MutableSetOutput::{Changed, Contains, Done};
    let element = letter.values[0];
    let input = match letter.kind / 3 {
        0 => MutableSetInput::Add(element),
        1 => MutableSetInput::Remove(element),
        _ => MutableSetInput::Contains(element),
    };
    let output = match (letter.kind / 3, letter.kind % 3) {
        (2, answer) => Contains(answer == 1),
        (_, 0) => Changed(false),
        (_, 1) => Changed(true),
        _ => Done,
    };
    (input, output)
}

/// All operations on the element.
fn add_all(history: &[Op], core: &mut Vec<usize>) {
    let element = |op: &Op| match op.input {
        MutableSetInput::Add(it) | MutableSetInput::Remove(it) | MutableSetInput::Contains(it) => {
            it
        }
    };
    let elements: Vec<u8> = core.iter().map(|&index| element(&history[index])).collect();
    core.extend((0..history.len()).filter(|&at| elements.contains(&element(&history[at]))));
}

/// Elements are objects of their own, and the definition is tried on one object.
fn all(most: usize) -> Tally {
    let kinds = |kinds: std::ops::Range<u8>| kinds.map(|kind| letter(kind, 1));
    let answered: Vec<Letter> = kinds(0..8).collect();
    let unanswered: Vec<Letter> = kinds(0..1).chain(kinds(3..4)).collect();
    let answers: Vec<Letter> = kinds(0..3).chain(kinds(3..6)).collect();
    let alphabet = Alphabet { renaming: Renaming::Any, answered, unanswered, once: often, write };
    let model = MutableSet::default();
    everything(&model, &alphabet, most, &answers, |_| true, add_all)
}

#[test]
fn all_mutable_sets_of_four_operations() {
    all(4).assert_decided();
}

#[test]
#[ignore = "a million and a half histories: make exhaustive"]
fn all_mutable_sets_of_five_operations() {
    all(5).assert_decided();
}

fn draw(prng: &mut Prng) -> Vec<Op> {
    let count = 1 + prng.below(16);
    let elements = 1 + prng.below(4);
    let tells = prng.below(3) > 0;
    let question = |prng: &mut Prng| {
        let element = prng.below(elements) as u8;
        match prng.below(3) {
            0 => MutableSetInput::Add(element),
            1 => MutableSetInput::Remove(element),
            _ => MutableSetInput::Contains(element),
        }
    };
    let answer = |there: &bool, input: &MutableSetInput<u8>| match input {
        MutableSetInput::Contains(_) => MutableSetOutput::Contains(*there),
        _ if !tells => MutableSetOutput::Done,
        MutableSetInput::Add(_) => MutableSetOutput::Changed(!there),
        MutableSetInput::Remove(_) => MutableSetOutput::Changed(*there),
    };
    // The model's state is one element, so each is simulated by itself.
    let mut history = Vec::new();
    for _ in 0..elements {
        history.extend(simulate(&MutableSet::default(), prng, count, question, answer));
    }
    history.truncate(18);
    maybe_lie(prng, &mut history, |a, b| {
        let asks = |op: &Op| matches!(op.input, MutableSetInput::Contains(_));
        a.output.is_some() == b.output.is_some() && asks(a) == asks(b)
    });
    history
}

#[test]
fn random_mutable_sets_agree_with_the_search() {
    let tally = sample(&MutableSet::default(), 10_000, draw, add_all);
    tally.assert_decided();
}
