//! Strings with puts and appends.

use perjury_porcupine::models::{KvAppend, KvAppendInput, KvAppendOutput, Seen};
use perjury_porcupine::{Kind, Operation};

use crate::agree::{one_thread, sample};
use crate::everything::everything;
use crate::prng::Prng;
use crate::simulate::{maybe_lie, simulate};
use crate::words::{Alphabet, Letter, Renaming, letter, often};

type Op = Operation<KvAppendInput<()>, KvAppendOutput>;

const PUT: u8 = 0;
const APPEND: u8 = 1;
/// With this many words, in this order.
const READ: u8 = 10;
const UNKNOWN: u8 = 50;

/// None begins another, though they have the same beginnings.
fn spelled(value: u8) -> String {
    format!("x{value};")
}

fn write(letter: Letter) -> (KvAppendInput<()>, KvAppendOutput) {
    let Letter { kind, values } = letter;
    match kind {
        PUT => (KvAppendInput::Put((), spelled(values[0])), KvAppendOutput::Done),
        APPEND => (KvAppendInput::Append((), spelled(values[0])), KvAppendOutput::Done),
        UNKNOWN => (KvAppendInput::Get(()), KvAppendOutput::Got(Seen::Unknown)),
        _ => {
            let words = &values[..usize::from(kind - READ)];
            let text = words.iter().copied().map(spelled).collect();
            (KvAppendInput::Get(()), KvAppendOutput::Got(Seen::Value(text)))
        }
    }
}

fn alphabet(values: u8) -> Alphabet<KvAppend<()>> {
    let one_each = |kind: u8| (1..=values).map(move |value| letter(kind, value));
    let unanswered: Vec<Letter> = one_each(PUT).chain(one_each(APPEND)).collect();
    let mut answered = unanswered.clone();
    answered.extend([letter(UNKNOWN, 0), letter(READ, 0)]);
    answered.extend(one_each(READ + 1));
    for one in 1..=values {
        answered.extend((1..=values).map(|two| Letter { kind: READ + 2, values: [one, two, 0] }));
    }
    Alphabet { renaming: Renaming::Any, answered, unanswered, once: often, write }
}

fn answers() -> Vec<Letter> {
    (1..=5).flat_map(|value| [letter(PUT, value), letter(APPEND, value)]).collect()
}

/// Words are written once, and what was seen was written.
fn is_plain(word: &[Letter]) -> bool {
    let writes = |value: u8| {
        let is_write = |other: &&Letter| other.kind <= APPEND && other.values[0] == value;
        word.iter().filter(is_write).count()
    };
    let values = word.iter().flat_map(|letter| letter.values).filter(|value| *value != 0);
    values.into_iter().all(|value| writes(value) == 1)
}

/// The writes of the words that were read.
fn add_writes(history: &[Op], core: &mut Vec<usize>) {
    let read = |at: &usize| match &history[*at].output {
        Some(KvAppendOutput::Got(Seen::Value(text))) => text.clone(),
        _ => String::new(),
    };
    let texts: Vec<String> = core.iter().map(read).collect();
    let was_read = |op: &Op| match &op.input {
        KvAppendInput::Put((), word) | KvAppendInput::Append((), word) => {
            texts.iter().any(|text| text.contains(word))
        }
        KvAppendInput::Get(()) => false,
    };
    core.extend((0..history.len()).filter(|&at| was_read(&history[at])));
}

#[test]
fn all_strings_of_four_operations() {
    let (model, most) = (KvAppend::default(), 4);
    let tally = everything(&model, &alphabet(3), most, &answers(), is_plain, add_writes);
    tally.assert_telling();
}

#[test]
#[ignore = "millions of histories: make exhaustive"]
fn all_strings_of_five_operations() {
    let (model, most) = (KvAppend::default(), 5);
    let tally = everything(&model, &alphabet(3), most, &answers(), is_plain, add_writes);
    tally.assert_telling();
}

#[test]
fn all_strings_of_four_operations_whatever_was_seen() {
    let (model, most) = (KvAppend::default(), 4);
    everything(&model, &alphabet(3), most, &answers(), |_| true, add_writes);
}

fn draw(prng: &mut Prng) -> Vec<Op> {
    let count = 1 + prng.below(9);
    let again = prng.below(8) == 0;
    let puts = prng.below(3);
    let mut next = 0;
    let mut word = move || {
        next += 1;
        spelled(if again { next / 2 } else { next })
    };
    let question = |prng: &mut Prng| match prng.below(8) {
        0..3 => KvAppendInput::Get(()),
        kind if kind < 3 + puts => KvAppendInput::Put((), word()),
        _ => KvAppendInput::Append((), word()),
    };
    let answer = |state: &String, input: &KvAppendInput<()>| match input {
        KvAppendInput::Get(()) => KvAppendOutput::Got(Seen::Value(state.clone())),
        _ => KvAppendOutput::Done,
    };
    let mut history = simulate(&KvAppend::default(), prng, count, question, answer);
    for operation in &mut history {
        if matches!(operation.output, Some(KvAppendOutput::Got(_))) && prng.below(9) == 0 {
            operation.output = Some(KvAppendOutput::Got(Seen::Unknown));
        }
    }
    maybe_lie(prng, &mut history, |a, b| {
        let is_read = |op: &Op| matches!(op.output, Some(KvAppendOutput::Got(_)));
        is_read(a) && is_read(b)
    });
    history
}

#[test]
fn random_strings_agree_with_the_search() {
    let tally = sample(&KvAppend::default(), 10_000, draw, add_writes);
    tally.assert_telling();
}

fn accused(history: &[Op]) -> (Kind, Vec<usize>) {
    let answer = perjury_porcupine::decide(&KvAppend::default(), history, &one_thread()).answer;
    let perjury_porcupine::Search::Illegal(evidence) = answer else { panic!("{answer:?}") };
    let witness = evidence.witnesses().next().unwrap();
    (witness.kind, witness.operations.clone())
}

#[test]
fn what_contradicts_itself_is_named() {
    let wrote = |word: &str, call, ret| {
        let append = KvAppendInput::Append((), word.to_string());
        Op::completed(0, append, KvAppendOutput::Done, call, ret)
    };
    let read = |text: &str, call, ret| {
        let found = KvAppendOutput::Got(Seen::Value(text.to_string()));
        Op::completed(0, KvAppendInput::Get(()), found, call, ret)
    };
    assert_eq!(accused(&[wrote("a", 0, 1), read("ax", 2, 3)]), (Kind::NobodyWrote, vec![1]));
    assert_eq!(accused(&[wrote("a", 0, 1), read("aa", 2, 3)]), (Kind::Mismatch, vec![1]));
    let forked = [wrote("a", 0, 9), wrote("b", 0, 9), read("ab", 2, 3), read("ba", 4, 5)];
    assert_eq!(accused(&forked), (Kind::Mismatch, vec![2, 3]));
    let stale = [wrote("a", 0, 1), read("a", 2, 3), read("", 4, 5)];
    assert_eq!(accused(&stale).0, Kind::SwapOrder);
}
