//! Logs.

use perjury_porcupine::Operation;
use perjury_porcupine::models::{Log, LogInput, LogOutput, Seen};

use crate::agree::sample;
use crate::everything::everything;
use crate::prng::Prng;
use crate::simulate::{maybe_lie, simulate};
use crate::words::{Alphabet, Letter, Renaming, letter, often};

type Op = Operation<LogInput<u8>, LogOutput<u8>>;

const APPEND: u8 = 0;
/// And the position that it was told.
const TOLD: u8 = 10;
/// And the position that was read.
const AT: u8 = 20;
const NOTHING_AT: u8 = 30;
/// And how many there were.
const ALL: u8 = 40;
const UNKNOWN: u8 = 50;

fn write(letter: Letter) -> (LogInput<u8>, LogOutput<u8>) {
    let Letter { kind, values } = letter;
    let number = kind % 10;
    let position = u64::from(number);
    match kind - number {
        APPEND => (LogInput::Append(values[0]), LogOutput::Appended),
        TOLD => (LogInput::Append(values[0]), LogOutput::Position(position)),
        AT => (LogInput::ReadAt(position), LogOutput::Entry(Seen::Value(Some(values[0])))),
        NOTHING_AT => (LogInput::ReadAt(position), LogOutput::Entry(Seen::Value(None))),
        ALL => {
            let all = values[..usize::from(number)].to_vec();
            (LogInput::ReadAll, LogOutput::All(Seen::Value(all)))
        }
        _ => (LogInput::ReadAll, LogOutput::All(Seen::Unknown)),
    }
}

/// To these positions, and values.
fn alphabet(positions: u8, values: u8) -> Alphabet<Log<u8>> {
    let one_each = |kind: u8| (1..=values).map(move |value| letter(kind, value));
    let mut answered: Vec<Letter> = one_each(APPEND).collect();
    for position in 0..positions {
        answered.extend(one_each(TOLD + position).chain(one_each(AT + position)));
        answered.push(letter(NOTHING_AT + position, 0));
    }
    answered.push(letter(ALL, 0));
    for one in 1..=values {
        answered.push(letter(ALL + 1, one));
        answered.extend((1..=values).map(|two| Letter { kind: ALL + 2, values: [one, two, 0] }));
    }
    answered.push(letter(UNKNOWN, 0));
    let unanswered = one_each(APPEND).collect();
    Alphabet { renaming: Renaming::Any, answered, unanswered, once: often, write }
}

/// Elements are appended once, and what was seen was appended.
fn is_plain(word: &[Letter]) -> bool {
    let appends = |value: u8| {
        let is_append = |other: &&Letter| other.kind < AT && other.values[0] == value;
        word.iter().filter(is_append).count()
    };
    let values = word.iter().flat_map(|letter| letter.values).filter(|value| *value != 0);
    values.into_iter().all(|value| appends(value) == 1)
}

/// All appends.
fn add_appends(history: &[Op], core: &mut Vec<usize>) {
    let is_append = |op: &Op| matches!(op.input, LogInput::Append(_));
    core.extend((0..history.len()).filter(|&at| is_append(&history[at])));
}

fn answers() -> Vec<Letter> {
    (1..=5).map(|value| letter(APPEND, value)).collect()
}

#[test]
fn all_logs_of_four_operations() {
    let log = Log::default();
    let tally = everything(&log, &alphabet(2, 3), 4, &answers(), is_plain, add_appends);
    tally.assert_telling();
}

#[test]
#[ignore = "four million histories: make exhaustive"]
fn all_logs_of_four_operations_whatever_was_seen() {
    let log = Log::default();
    everything(&log, &alphabet(3, 3), 4, &answers(), |_| true, add_appends);
}

#[test]
#[ignore = "sixteen million histories: make exhaustive"]
fn all_logs_of_five_operations() {
    let log = Log::default();
    let tally = everything(&log, &alphabet(2, 3), 5, &answers(), is_plain, add_appends);
    tally.assert_telling();
}

fn draw(prng: &mut Prng) -> Vec<Op> {
    let count = 1 + prng.below(9);
    let again = prng.below(8) == 0;
    let mut next = 0;
    let question = |prng: &mut Prng| match prng.below(6) {
        0..3 => {
            next += 1;
            LogInput::Append(if again { next / 2 } else { next })
        }
        3 => LogInput::ReadAll,
        _ => LogInput::ReadAt(prng.below(5)),
    };
    let told = prng.below(3);
    let answer = |state: &Vec<u8>, input: &LogInput<u8>| match input {
        LogInput::Append(element) if told == 0 || (told == 1 && element % 2 == 0) => {
            LogOutput::Appended
        }
        LogInput::Append(_) => LogOutput::Position(state.len() as u64),
        LogInput::ReadAt(at) => LogOutput::Entry(Seen::Value(state.get(*at as usize).copied())),
        LogInput::ReadAll => LogOutput::All(Seen::Value(state.clone())),
    };
    let mut history = simulate(&Log::default(), prng, count, question, answer);
    for operation in &mut history {
        if operation.input == LogInput::ReadAll && operation.output.is_some() && prng.below(9) == 0
        {
            operation.output = Some(LogOutput::All(Seen::Unknown));
        }
    }
    let kind = |op: &Op| match op.input {
        LogInput::Append(_) => 0,
        LogInput::ReadAt(_) => 1,
        LogInput::ReadAll => 2,
    };
    maybe_lie(prng, &mut history, |a, b| {
        a.output.is_some() == b.output.is_some() && kind(a) == kind(b)
    });
    history
}

#[test]
fn random_logs_agree_with_the_search() {
    let tally = sample(&Log::default(), 10_000, draw, add_appends);
    tally.assert_telling();
}
