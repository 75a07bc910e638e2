//! Seals in a stream of bytes: tokens of a fixed width, which a workload writes as its values.
//!
//! The agent knows how they look and which characters name the key, nothing more: it has no secret,
//! so it cannot make a valid one. A seal may stand in the stream as it is, or alone in base64 (as
//! in etcd's JSON), where it has another look and a fixed width too.
//!
//! Invariant: what is found and replaced keeps its width, so every length around it stays right.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;

/// The characters of base32 in lower case (RFC 4648).
pub const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// How seals look: a prefix, then characters of lower-case base32 (RFC 4648). Offsets count from
/// the beginning of the seal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// What every seal begins with; ASCII letters and digits.
    pub prefix: String,
    /// The length of a seal, in bytes.
    pub width: usize,
    /// Which characters name the key: from, and up to.
    pub key: (usize, usize),
    /// Which characters count the write, in base32: from, and up to.
    pub write: (usize, usize),
    /// From here on stands the code of authentication; what is before is what it protects.
    pub code: usize,
}

impl Default for Pattern {
    /// `pj1`, 8 characters of the run, 6 of the key, 8 of the write, 5 of the process, 13 of code.
    fn default() -> Pattern {
        Pattern { prefix: "pj1".into(), width: 43, key: (11, 17), write: (17, 25), code: 30 }
    }
}

/// How a seal stands in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dress {
    /// As it is.
    Plain,
    /// In base64, alone.
    Base64,
}

/// What is at a place of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Seal(Dress),
    Nothing,
    /// The bytes end before that can be said.
    Open,
}

impl Pattern {
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let (from, to) = self.key;
        let fits = self.prefix.len() >= 3 && self.prefix.len() <= from;
        let counted = to <= self.write.0 && self.write.0 < self.write.1;
        let ordered = from < to && counted && self.write.1 <= self.code;
        let ordered = ordered && self.code < self.width && self.width <= 256;
        let plain = self.prefix.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match fits && ordered && plain {
            true => Ok(()),
            false => Err(format!(
                "pattern {self:?}: a prefix of 3 or more letters and digits, then the key, the \
                 write and the code, and at most 256 bytes in all"
            )),
        }
    }

    /// Is this one seal and nothing else?
    pub fn is_seal(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.width
            && bytes.starts_with(self.prefix.as_bytes())
            && bytes[self.prefix.len()..].iter().all(|byte| ALPHABET.contains(byte))
    }

    /// The characters that name the key.
    pub fn key<'a>(&self, seal: &'a [u8]) -> &'a [u8] {
        &seal[self.key.0..self.key.1]
    }

    /// The number of the write, as digits from the most significant on.
    pub fn write(&self, seal: &[u8]) -> Vec<usize> {
        let digit = |byte: &u8| ALPHABET.iter().position(|letter| letter == byte);
        seal[self.write.0..self.write.1].iter().map(|byte| digit(byte).unwrap_or(0)).collect()
    }

    /// What the code protects, without the prefix.
    pub fn body(&self) -> Range<usize> {
        self.prefix.len()..self.code
    }

    /// The code.
    pub fn code(&self) -> Range<usize> {
        self.code..self.width
    }

    /// Prepares the search.
    pub fn finder(&self) -> Finder {
        let whole = Bytes(self.prefix.as_bytes().to_vec()).to_base64();
        // Only groups of three whole bytes look the same whatever follows.
        let shown = self.prefix.len() / 3 * 4;
        Finder {
            plain: self.prefix.clone().into_bytes(),
            coded: whole.into_bytes()[..shown].to_vec(),
            coded_width: self.width.div_ceil(3) * 4,
            pattern: self.clone(),
        }
    }
}

/// Finds seals.
#[derive(Clone, Debug)]
pub struct Finder {
    /// How seals look.
    pub pattern: Pattern,
    plain: Vec<u8>,
    coded: Vec<u8>,
    coded_width: usize,
}

impl Finder {
    /// Shows every seal in `bytes`, in order, to `judge`, and puts what it answers in its place.
    /// Answers how many bytes from the beginning on are settled: the rest may be the beginning of
    /// a seal. With `last`, nothing follows, so all are.
    pub fn replace(
        &self,
        bytes: &mut [u8],
        last: bool,
        mut judge: impl FnMut(&[u8]) -> Option<Vec<u8>>,
    ) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let Some(next) = self.candidate(&bytes[at..]) else { return bytes.len() };
            at += next;
            match self.look(&bytes[at..]) {
                Look::Seal(dress) => {
                    let width = self.width(dress);
                    let place = &mut bytes[at..at + width];
                    if let Some(other) = judge(&undress(place, dress)) {
                        debug_assert_eq!(other.len(), self.pattern.width);
                        match dress {
                            Dress::Plain => place.copy_from_slice(&other),
                            Dress::Base64 => {
                                place.copy_from_slice(Bytes(other).to_base64().as_bytes());
                            }
                        }
                    }
                    at += width;
                }
                Look::Open if !last => return at,
                Look::Open | Look::Nothing => at += 1,
            }
        }
        bytes.len()
    }

    /// The next place at which a seal could begin. Both looks are searched by their first byte.
    fn candidate(&self, bytes: &[u8]) -> Option<usize> {
        let (one, other) = (self.plain[0], self.coded[0]);
        bytes.iter().position(|byte| *byte == one || *byte == other)
    }

    fn width(&self, dress: Dress) -> usize {
        match dress {
            Dress::Plain => self.pattern.width,
            Dress::Base64 => self.coded_width,
        }
    }

    fn look(&self, bytes: &[u8]) -> Look {
        let mut open = false;
        for (dress, prefix) in [(Dress::Plain, &self.plain), (Dress::Base64, &self.coded)] {
            let width = self.width(dress);
            let seen = &bytes[..bytes.len().min(width)];
            let shown = seen.len().min(prefix.len());
            if seen[..shown] != prefix[..shown] {
                continue;
            }
            match dress {
                Dress::Plain if seen.len() < width => {
                    open |= seen[shown..].iter().all(|byte| ALPHABET.contains(byte));
                }
                Dress::Base64 if seen.len() < width => {
                    open |= seen[shown..].iter().all(|byte| is_base64(*byte));
                }
                Dress::Plain if self.pattern.is_seal(seen) => return Look::Seal(dress),
                Dress::Base64 if self.pattern.is_seal(&undress(seen, dress)) => {
                    return Look::Seal(dress);
                }
                _ => {}
            }
        }
        if open { Look::Open } else { Look::Nothing }
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn undress(bytes: &[u8], dress: Dress) -> Vec<u8> {
    match dress {
        Dress::Plain => bytes.to_vec(),
        Dress::Base64 => {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            Bytes::from_base64(text).unwrap_or_default().0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(letter: char) -> String {
        format!("pj1{}", letter.to_string().repeat(40))
    }

    fn swap(found: &[u8]) -> Option<Vec<u8>> {
        Some([&found[..3], &b"z".repeat(40)].concat())
    }

    /// Feeds the pieces one after the other, keeping what is not settled.
    fn in_pieces(text: &[u8], size: usize) -> Vec<u8> {
        let finder = Pattern::default().finder();
        let (mut held, mut out) = (Vec::new(), Vec::new());
        for piece in text.chunks(size) {
            held.extend_from_slice(piece);
            let settled = finder.replace(&mut held, false, swap);
            out.extend(held.drain(..settled));
        }
        finder.replace(&mut held, true, swap);
        out.extend(held);
        out
    }

    #[test]
    fn seals_are_found_in_either_dress_and_across_every_cut() {
        let coded = |text: String| Bytes(text.into_bytes()).to_base64();
        let around = |a: &str, b: &str| format!("pj1pj cGo {a}p|{a}{a}\"{b}\" cGox {b} pj1aa.pj");
        let text = around(&seal('a'), &coded(seal('b')));
        let wanted = around(&seal('z'), &coded(seal('z')));
        for size in 1..=text.len() {
            let got = in_pieces(text.as_bytes(), size);
            assert_eq!(String::from_utf8_lossy(&got), wanted, "pieces of {size}");
        }
    }

    #[test]
    fn what_only_looks_alike_is_left_alone() {
        let upper = seal('a').to_uppercase();
        let wrong = format!("pj1{}1", "a".repeat(39));
        let longer = Bytes(format!("{}x", seal('a')).into_bytes()).to_base64();
        let text = format!("{upper} {wrong} {longer} pj1");
        assert_eq!(in_pieces(text.as_bytes(), 7), text.as_bytes());
    }

    #[test]
    fn nothing_is_held_back_that_cannot_become_a_seal() {
        let finder = Pattern::default().finder();
        let mut text = *b"+OK\r\n$3\r\npj1\r\n";
        assert_eq!(finder.replace(&mut text, false, swap), text.len());
        let mut text = *b"value pj1abc";
        assert_eq!(finder.replace(&mut text, false, swap), 6);
        assert!(Pattern { code: 43, ..Pattern::default() }.check().is_err());
        assert!(Pattern { prefix: "p".into(), ..Pattern::default() }.check().is_err());
    }
}
