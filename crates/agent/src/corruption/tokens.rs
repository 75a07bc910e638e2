//! Finding the workload's values among other bytes, and which of them are alive.
//!
//! A value is alive if no newer one of its key is found. That is a guess about the database, not a
//! proof: memory also holds what was sent and freed. It errs towards more copies, never towards
//! bytes that are no value.

use std::collections::BTreeMap;

use super::choice::Choice;
use super::{Aim, Copies, Token};

/// A place that was found, in whatever space is searched.
pub(super) type Found<P> = BTreeMap<Vec<u8>, Vec<P>>;

/// What a search looks for.
pub(super) enum Wanted<'a> {
    /// Anything that looks so.
    Token(&'a Token),
    /// Exactly this.
    Bytes(&'a [u8]),
}

impl Wanted<'_> {
    /// How many bytes each find has.
    pub(super) fn width(&self) -> usize {
        match self {
            Wanted::Token(token) => token.width,
            Wanted::Bytes(bytes) => bytes.len(),
        }
    }

    fn prefix(&self) -> &[u8] {
        match self {
            Wanted::Token(token) => &token.prefix.0,
            Wanted::Bytes(bytes) => bytes,
        }
    }

    /// Every offset in `bytes` at which one begins that is wholly inside.
    pub(super) fn offsets(&self, bytes: &[u8]) -> Vec<usize> {
        let (prefix, width) = (self.prefix(), self.width());
        let Some(first) = prefix.first() else { return Vec::new() };
        let mut offsets = Vec::new();
        let mut from = 0;
        while let Some(step) = bytes.get(from..).and_then(|rest| find(rest, *first)) {
            let at = from + step;
            let Some(candidate) = bytes.get(at..at + width) else { break };
            if candidate.starts_with(prefix)
                && candidate[prefix.len()..].iter().all(|byte| digit(*byte).is_some())
            {
                offsets.push(at);
                from = at + width;
            } else {
                from = at + 1;
            }
        }
        offsets
    }
}

fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    bytes.iter().position(|byte| *byte == wanted)
}

/// The value of a digit of lower-case base32 (RFC 4648).
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'a'..=b'z' => Some(byte - b'a'),
        b'2'..=b'7' => Some(byte - b'2' + 26),
        _ => None,
    }
}

/// Of what was found, what is to be corrupted: each element is one value and its places.
pub(super) fn aimed<P>(found: Found<P>, aim: &Aim, choice: &mut Choice) -> Vec<(Vec<u8>, Vec<P>)> {
    let (values, copies) = match aim {
        Aim::Random { .. } => return Vec::new(),
        Aim::Bytes { copies, .. } => (found.into_iter().collect(), *copies),
        Aim::Live { token, keys, copies } => {
            let count = usize::try_from(*keys).unwrap_or(usize::MAX);
            (choice.some(newest(found, token), count), *copies)
        }
    };
    let mut aimed: Vec<(Vec<u8>, Vec<P>)> = values;
    if copies == Copies::One {
        for (_, places) in &mut aimed {
            let one = choice.place(places.len());
            *places = std::mem::take(places).into_iter().skip(one).take(1).collect();
        }
    }
    aimed
}

/// Of each key the value with the highest write number.
fn newest<P>(found: Found<P>, token: &Token) -> Vec<(Vec<u8>, Vec<P>)> {
    let part = |value: &[u8], (from, length): (usize, usize)| -> Vec<u8> {
        value.get(from..from + length).unwrap_or_default().to_vec()
    };
    // Digits do not sort as their letters do.
    let number = |value: &[u8]| -> Vec<u8> {
        part(value, token.write).into_iter().map(|byte| digit(byte).unwrap_or(0)).collect()
    };
    let mut newest: BTreeMap<Vec<u8>, (Vec<u8>, Vec<P>)> = BTreeMap::new();
    for (value, places) in found {
        let key = part(&value, token.key);
        if newest.get(&key).is_none_or(|(known, _)| number(known) < number(&value)) {
            newest.insert(key, (value, places));
        }
    }
    newest.into_values().collect()
}

/// The value with one bit turned over that is not in its prefix: its key, its number or its code.
pub(super) fn flipped(value: &[u8], prefix: usize, choice: &mut Choice) -> Vec<u8> {
    let mut flipped = value.to_vec();
    let at = prefix + choice.place(value.len().saturating_sub(prefix));
    if let Some(byte) = flipped.get_mut(at) {
        // The lowest bits: what is printable remains so, and the lie survives text protocols.
        *byte ^= 1 << choice.below(2);
    }
    flipped
}

#[cfg(test)]
mod tests {
    use super::super::Bytes;
    use super::*;

    fn token() -> Token {
        Token { prefix: Bytes::from("pj"), width: 6, key: (2, 2), write: (4, 2) }
    }

    #[test]
    fn values_are_found_and_what_only_looks_alike_is_not() {
        let token = token();
        let wanted = Wanted::Token(&token);
        assert_eq!(wanted.offsets(b"pjaab2..pjAAAA pjaab3pjab"), [0, 15]);
        assert_eq!(wanted.offsets(b"pppjaaaa"), [2]);
        assert_eq!(wanted.offsets(b""), [0; 0]);
        assert_eq!(Wanted::Bytes(b"aab").offsets(b"aaabaab"), [1, 4]);
    }

    #[test]
    fn the_newest_of_each_key_is_alive() {
        let found: Found<u8> = [("pjaaaz", 1), ("pjaaa2", 2), ("pjaaab", 3), ("pjabaa", 4)]
            .into_iter()
            .map(|(value, place)| (value.as_bytes().to_vec(), vec![place]))
            .collect();
        let aim = Aim::Live { token: token(), keys: 9, copies: Copies::All };
        let mut aimed = aimed(found, &aim, &mut Choice::new(1));
        aimed.sort();
        assert_eq!(aimed, [(b"pjaaa2".to_vec(), vec![2]), (b"pjabaa".to_vec(), vec![4])]);
    }

    #[test]
    fn one_bit_turns_over_behind_the_prefix() {
        for seed in 0..100 {
            let flipped = flipped(b"pjabcd", 2, &mut Choice::new(seed));
            let bits: u32 = flipped
                .iter()
                .zip(b"pjabcd")
                .map(|(left, right)| (left ^ right).count_ones())
                .sum();
            assert!(bits == 1 && flipped.starts_with(b"pj"), "{flipped:?}");
        }
    }
}
