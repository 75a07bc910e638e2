//! Text seals: `pj1` and 40 characters, each field at its own place.
//!
//! | characters | bits | field |
//! |---|---|---|
//! | 0..3 | | `pj1` |
//! | 3..11 | 40 | the run |
//! | 11..17 | 30 | hash of the key |
//! | 17..25 | 40 | number of the write in the run |
//! | 25..30 | 25 | process (its lowest bits) |
//! | 30..43 | 64 of 65 | code over everything before it |
//!
//! The first bit of the code's first character is 0: every seal has one spelling.

use std::fmt;
use std::ops::Range;

use sha2::{Digest, Sha256};

use super::{Class, Seals};
use crate::{Key, Process};

const PREFIX: &str = "pj1";
/// Characters of a seal.
pub const LENGTH: usize = 43;
/// Characters of the run.
pub(super) const RUN: usize = 8;
const RUN_AT: Range<usize> = 3..11;
const KEY_AT: Range<usize> = 11..17;
const WRITE_AT: Range<usize> = 17..25;
const PROCESS_AT: Range<usize> = 25..30;
const CODE_AT: Range<usize> = 30..43;

const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The fields of a text in the form of a seal. That it is genuine, only the run's secret tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The run, eight characters.
    pub run: String,
    /// The first 30 bits of the key's SHA-256.
    pub key: u64,
    /// The number of the write.
    pub write: u64,
    /// The process, as far as 25 bits go.
    pub process: u64,
    code: u64,
}

impl Seal {
    /// Reads a text that has the form of a seal.
    pub fn parse(text: &str) -> Option<Seal> {
        if text.len() != LENGTH || !text.starts_with(PREFIX) || !text.is_ascii() {
            return None;
        }
        let number = |at: Range<usize>| number(&text.as_bytes()[at]);
        number(RUN_AT)?;
        let code = u64::try_from(number(CODE_AT)?).ok()?;
        let narrow = |wide: u128| u64::try_from(wide).ok();
        Some(Seal {
            run: text[RUN_AT].to_owned(),
            key: narrow(number(KEY_AT)?)?,
            write: narrow(number(WRITE_AT)?)?,
            process: narrow(number(PROCESS_AT)?)?,
            code,
        })
    }
}

/// The short form, such as `w17·p3`: write 17, by process 3.
impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "w{}·p{}", self.write, self.process)
    }
}

pub(super) fn make(seals: &Seals, key: &Key, write: u64, process: Process) -> String {
    let mut text = String::with_capacity(LENGTH);
    text.push_str(PREFIX);
    text.push_str(&seals.run);
    text.push_str(&base32(hash(key), KEY_AT.len()));
    text.push_str(&base32(write, WRITE_AT.len()));
    text.push_str(&base32(process, PROCESS_AT.len()));
    let code = seals.code(&[text.as_bytes()]);
    text.push_str(&base32(code, CODE_AT.len()));
    text
}

pub(super) fn classify(seals: &Seals, key: &Key, text: &str) -> Class {
    let Some(seal) = Seal::parse(text) else { return Class::Broken };
    if seal.run != seals.run {
        return Class::Foreign(seal.run);
    }
    if seals.code(&[&text.as_bytes()[..CODE_AT.start]]) != seal.code {
        return Class::Broken;
    }
    if seal.key == hash(key) { Class::Genuine(seal.write) } else { Class::Misdirected(seal.write) }
}

/// 30 bits of the key. Two keys of a run may share them; the number of the write tells them apart.
fn hash(key: &Key) -> u64 {
    let sum = Sha256::digest(key.as_str());
    sum[..4].iter().fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte)) >> 2
}

/// The lowest bits of a number in so many characters, the highest first.
pub(super) fn base32(number: u64, characters: usize) -> String {
    let digit = |at: usize| {
        let shift = 5 * (characters - 1 - at);
        let bits = u128::from(number) >> shift & 31;
        char::from(DIGITS[bits as usize])
    };
    (0..characters).map(digit).collect()
}

fn number(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0_u128, |number, character| {
        let digit = match character {
            b'a'..=b'z' => character - b'a',
            b'2'..=b'7' => character - b'2' + 26,
            _ => return None,
        };
        Some(number << 5 | u128::from(digit))
    })
}
