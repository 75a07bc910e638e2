//! All small histories of registers, with and without compare-and-set, and of maps.

use perjury_porcupine::Model;
use perjury_porcupine::models::{
    CasInput, CasOutput, CasRegister, Kv, KvInput, KvOutput, Register, RegisterInput,
    RegisterOutput, Seen,
};

use crate::agree::Tally;
use crate::everything::everything;
use crate::registers::add_writers;
use crate::words::{Alphabet, Letter, Renaming, letter, often};

/// A value that was written, and the initial one.
const READ: u8 = 0;
const READ_INITIAL: u8 = 1;
const READ_UNKNOWN: u8 = 2;
const WRITE: u8 = 3;
/// In a map: delete.
const WRITE_INITIAL: u8 = 4;
/// From the first value to the second.
const SWAP: u8 = 5;
const SWAP_FROM_INITIAL: u8 = 6;
const SWAP_TO_INITIAL: u8 = 7;
const REFUSED: u8 = 8;
const REFUSED_FROM_INITIAL: u8 = 9;

/// To this value a refused compare-and-set would have gone.
const UNHEARD: u8 = 8;

/// What is asked of the object.
#[derive(Clone, Copy)]
struct Asked {
    values: u8,
    deletes: bool,
    swaps: bool,
    refused: bool,
    /// A value may be written twice, the initial one again, and a read may find what nobody wrote
    /// or what is not known.
    whatever: bool,
}

fn alphabet<M: Model>(asked: Asked, write: fn(Letter) -> (M::Input, M::Output)) -> Alphabet<M> {
    let one_each = |kind: u8| (1..=asked.values).map(move |value| letter(kind, value));
    let mut unanswered: Vec<Letter> = one_each(WRITE).collect();
    if asked.deletes || asked.whatever {
        unanswered.push(letter(WRITE_INITIAL, 0));
    }
    if asked.swaps {
        unanswered.extend(one_each(SWAP_FROM_INITIAL));
        for from in 1..=asked.values {
            let values = |to| Letter { kind: SWAP, values: [from, to, 0] };
            unanswered.extend((1..=asked.values).map(values));
        }
        if asked.whatever {
            unanswered.extend(one_each(SWAP_TO_INITIAL));
        }
    }
    let mut answered = unanswered.clone();
    answered.extend(one_each(READ).chain([letter(READ_INITIAL, 0)]));
    if asked.refused {
        answered.extend(one_each(REFUSED).chain([letter(REFUSED_FROM_INITIAL, 0)]));
    }
    if asked.whatever {
        answered.push(letter(READ_UNKNOWN, 0));
    }
    let once = if asked.whatever { often } else { written };
    Alphabet { renaming: Renaming::Any, answered, unanswered, once, write }
}

fn written(letter: Letter) -> u8 {
    match letter.kind {
        WRITE | SWAP_FROM_INITIAL => letter.values[0],
        SWAP => letter.values[1],
        _ => 0,
    }
}

/// The value that has to be there.
fn expected(letter: Letter) -> u8 {
    match letter.kind {
        READ | SWAP | SWAP_TO_INITIAL | REFUSED => letter.values[0],
        _ => 0,
    }
}

/// What was seen was written.
fn was_written(word: &[Letter]) -> bool {
    word.iter()
        .map(|letter| expected(*letter))
        .all(|seen| seen == 0 || word.iter().any(|letter| written(*letter) == seen))
}

fn swap(letter: Letter) -> (u8, u8) {
    match letter.kind {
        SWAP => (letter.values[0], letter.values[1]),
        SWAP_FROM_INITIAL => (0, letter.values[0]),
        SWAP_TO_INITIAL => (letter.values[0], 0),
        _ => (letter.values[0], UNHEARD),
    }
}

fn register(letter: Letter) -> (RegisterInput<u8>, RegisterOutput<u8>) {
    let value = letter.values[0];
    let read = |seen| (RegisterInput::Read, RegisterOutput::Read(seen));
    match letter.kind {
        READ | READ_INITIAL => read(Seen::Value(value)),
        READ_UNKNOWN => read(Seen::Unknown),
        _ => (RegisterInput::Write(value), RegisterOutput::Written),
    }
}

fn cas_register(letter: Letter) -> (CasInput<u8>, CasOutput<u8>) {
    let value = letter.values[0];
    let read = |seen| (CasInput::Read, CasOutput::Read(seen));
    match letter.kind {
        READ | READ_INITIAL => read(Seen::Value(value)),
        READ_UNKNOWN => read(Seen::Unknown),
        WRITE | WRITE_INITIAL => (CasInput::Write(value), CasOutput::Written),
        kind => {
            let (from, to) = swap(letter);
            let done = !matches!(kind, REFUSED | REFUSED_FROM_INITIAL);
            (CasInput::Cas { from, to }, CasOutput::Cas(done))
        }
    }
}

fn map(letter: Letter) -> (KvInput<u8, u8>, KvOutput<u8>) {
    let value = letter.values[0];
    let get = |seen| (KvInput::Get(0), KvOutput::Got(seen));
    match letter.kind {
        READ => get(Seen::Value(Some(value))),
        READ_INITIAL => get(Seen::Value(None)),
        READ_UNKNOWN => get(Seen::Unknown),
        WRITE => (KvInput::Put(0, value), KvOutput::Put),
        _ => (KvInput::Delete(0), KvOutput::Deleted),
    }
}

fn all_registers(most: usize, asked: Asked) -> Tally {
    let alphabet = alphabet(asked, register);
    let answers = alphabet.unanswered.clone();
    let written = |input: &RegisterInput<u8>| match *input {
        RegisterInput::Write(value) => Some(value),
        RegisterInput::Read => None,
    };
    let expected = |output: &RegisterOutput<u8>| match *output {
        RegisterOutput::Read(Seen::Value(value)) => Some(value),
        _ => None,
    };
    everything(&Register(0), &alphabet, most, &answers, fits(asked), |history, core| {
        add_writers(
            history,
            core,
            |op| written(&op.input),
            |op| op.output.as_ref().and_then(expected),
        );
    })
}

fn all_cas_registers(most: usize, asked: Asked) -> Tally {
    let alphabet = alphabet(asked, cas_register);
    let answers = alphabet.unanswered.clone();
    everything(&CasRegister(0), &alphabet, most, &answers, fits(asked), |history, core| {
        add_writers(history, core, crate::registers::written, crate::registers::expected);
    })
}

fn all_maps(most: usize, asked: Asked) -> Tally {
    let alphabet = alphabet(asked, map);
    let answers = alphabet.unanswered.clone();
    // Deletes have a part in everything, so all operations do.
    everything(&Kv::default(), &alphabet, most, &answers, fits(asked), |history, core| {
        core.extend(0..history.len());
    })
}

fn fits(asked: Asked) -> impl Fn(&[Letter]) -> bool {
    move |word| asked.whatever || was_written(word)
}

/// Reads and writes, values written once.
const PLAIN: Asked =
    Asked { values: 5, deletes: false, swaps: false, refused: false, whatever: false };
const SWAPS: Asked = Asked { swaps: true, ..PLAIN };
const REFUSALS: Asked = Asked { refused: true, ..SWAPS };
const WHATEVER: Asked = Asked { whatever: true, ..PLAIN };

fn assert_path_alone(tally: &Tally) {
    tally.assert_decided();
    assert_eq!(tally.searched, 0);
}

#[test]
fn all_registers_of_five_operations() {
    assert_path_alone(&all_registers(5, PLAIN));
}

#[test]
fn all_registers_of_four_operations_whatever_was_seen() {
    all_registers(4, WHATEVER).assert_decided();
}

#[test]
fn all_maps_of_five_operations() {
    assert_path_alone(&all_maps(5, Asked { deletes: true, ..PLAIN }));
}

#[test]
fn all_maps_of_four_operations_whatever_was_seen() {
    all_maps(4, WHATEVER).assert_decided();
}

#[test]
fn all_cas_registers_of_four_operations() {
    assert_path_alone(&all_cas_registers(4, SWAPS));
    all_cas_registers(4, REFUSALS).assert_decided();
}

#[test]
#[ignore = "make exhaustive"]
fn all_registers_of_five_operations_whatever_was_seen() {
    all_registers(5, WHATEVER).assert_decided();
}

#[test]
#[ignore = "make exhaustive"]
fn all_maps_of_five_operations_whatever_was_seen() {
    all_maps(5, WHATEVER).assert_decided();
}

#[test]
#[ignore = "make exhaustive"]
fn all_cas_registers_of_five_operations() {
    assert_path_alone(&all_cas_registers(5, SWAPS));
    all_cas_registers(5, REFUSALS).assert_decided();
}

#[test]
#[ignore = "make exhaustive"]
fn all_cas_registers_of_four_operations_whatever_was_seen() {
    all_cas_registers(4, Asked { whatever: true, ..REFUSALS }).assert_decided();
}

#[test]
#[ignore = "make exhaustive"]
fn all_cas_registers_of_five_operations_on_two_values() {
    all_cas_registers(5, Asked { whatever: true, values: 1, ..REFUSALS }).assert_decided();
}
