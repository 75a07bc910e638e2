//! Finding the workload's values among other bytes, and which of them are alive.
//!
//! A value is alive if no newer one of its key is found. That is a guess about the database, not a
//! proof: memory also holds what was sent and freed. It errs towards more copies, never towards
//! bytes that are no value.

use std::collections::BTreeMap;

use super::choice::Choice;
use super::{Aim, Copies};
use crate::proxy::Pattern;

/// A place that was found, in whatever space is searched.
pub(super) type Found<P> = BTreeMap<Vec<u8>, Vec<P>>;

/// What a search looks for.
pub(super) enum Wanted<'a> {
    /// Any seal.
    Seal(&'a Pattern),
    /// Exactly this.
    Bytes(&'a [u8]),
}

impl Wanted<'_> {
    /// How many bytes each find has.
    pub(super) fn width(&self) -> usize {
        match self {
            Wanted::Seal(pattern) => pattern.width,
            Wanted::Bytes(bytes) => bytes.len(),
        }
    }

    fn is(&self, candidate: &[u8]) -> bool {
        match self {
            Wanted::Seal(pattern) => pattern.is_seal(candidate),
            Wanted::Bytes(bytes) => candidate == *bytes,
        }
    }

    fn prefix(&self) -> &[u8] {
        match self {
            Wanted::Seal(pattern) => pattern.prefix.as_bytes(),
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
            if self.is(candidate) {
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

/// Of what was found, what is to be corrupted: each element is one value and its places.
pub(super) fn aimed<P>(found: Found<P>, aim: &Aim, choice: &mut Choice) -> Vec<(Vec<u8>, Vec<P>)> {
    let (values, copies) = match aim {
        Aim::Random { .. } => return Vec::new(),
        Aim::Bytes { copies, .. } => (found.into_iter().collect(), *copies),
        Aim::Live { pattern, keys, copies } => {
            let count = usize::try_from(*keys).unwrap_or(usize::MAX);
            (choice.some(newest(found, pattern), count), *copies)
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
fn newest<P>(found: Found<P>, pattern: &Pattern) -> Vec<(Vec<u8>, Vec<P>)> {
    let mut newest: BTreeMap<Vec<u8>, (Vec<u8>, Vec<P>)> = BTreeMap::new();
    for (value, places) in found {
        let key = pattern.key(&value).to_vec();
        let is_newer = |known: &[u8]| pattern.write(known) < pattern.write(&value);
        if newest.get(&key).is_none_or(|(known, _)| is_newer(known)) {
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
    use super::*;

    fn pattern() -> Pattern {
        Pattern { prefix: "pj1".into(), width: 8, key: (3, 5), write: (5, 7), code: 7 }
    }

    #[test]
    fn values_are_found_and_what_only_looks_alike_is_not() {
        let pattern = pattern();
        let wanted = Wanted::Seal(&pattern);
        assert_eq!(wanted.offsets(b"pj1aab2a..pj1AAAAA pj1aab3apj1ab"), [0, 19]);
        assert_eq!(wanted.offsets(b"ppj1aaaaaa"), [1]);
        assert_eq!(wanted.offsets(b""), [0; 0]);
        assert_eq!(Wanted::Bytes(b"aab").offsets(b"aaabaab"), [1, 4]);
    }

    #[test]
    fn the_newest_of_each_key_is_alive() {
        let found: Found<u8> = [("pj1aaazx", 1), ("pj1aaa2x", 2), ("pj1aaabx", 3), ("pj1abaax", 4)]
            .into_iter()
            .map(|(value, place)| (value.as_bytes().to_vec(), vec![place]))
            .collect();
        let aim = Aim::Live { pattern: pattern(), keys: 9, copies: Copies::All };
        let mut aimed = aimed(found, &aim, &mut Choice::new(1));
        aimed.sort();
        assert_eq!(aimed, [(b"pj1aaa2x".to_vec(), vec![2]), (b"pj1abaax".to_vec(), vec![4])]);
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
