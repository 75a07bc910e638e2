//! What is said instead of the truth, and whether.
//!
//! Invariant: a choice about a seal follows from the liar's seed, the seal and (for two stories)
//! the listener, by a keyed hash; never from the order in which things arrive. So liars with one
//! seed tell one story, and a liar does not contradict itself. Where a lie needs what was seen
//! before (another key's value, an older one), the choice among the candidates is made by such a
//! hash, and an equivocator remembers what it told whom.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use sha2::{Digest, Sha256};

use super::seal::{ALPHABET, Pattern};
use super::spec::{Instead, Part, Who};

/// How many keys are watched, how many seals are remembered for each, how many stories are told.
const MOST_KEYS: usize = 1 << 14;
const MOST_SEALS: usize = 32;
const MOST_STORIES: usize = 1 << 16;

/// Thirty-two bytes drawn from a seed and what the choice is about.
pub fn draw_bytes(seed: u64, about: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    for part in about {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A number drawn from a seed and what the choice is about.
pub fn draw(seed: u64, about: &[&[u8]]) -> u64 {
    let bytes = draw_bytes(seed, about);
    bytes[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Is that listener among those who are meant?
pub fn is_meant(who: &Who, seed: u64, listener: SocketAddr) -> bool {
    let canonical = listener.ip().to_canonical();
    let has = |list: &[IpAddr]| list.iter().any(|one| one.to_canonical() == canonical);
    match who {
        Who::Anyone => true,
        Who::Only(list) => has(list),
        Who::Except(list) => !has(list),
        Who::OneIn(n) => {
            let text = format!("{canonical} {}", listener.port());
            draw(seed, &[b"listener", text.as_bytes()]).is_multiple_of(*n)
        }
    }
}

/// What a liar has seen and said.
#[derive(Debug, Default)]
pub struct Memory {
    /// The seals of each key, in the order in which they were first seen.
    seen: BTreeMap<Vec<u8>, VecDeque<Vec<u8>>>,
    /// What was made up here: not to be taken for the truth when it comes back.
    made: HashSet<Vec<u8>>,
    /// What was told to whom about what.
    told: HashMap<(SocketAddr, Vec<u8>), Vec<u8>>,
}

impl Memory {
    /// Takes note of a seal that went by.
    pub fn see(&mut self, pattern: &Pattern, seal: &[u8]) {
        if self.made.contains(seal) {
            return;
        }
        let key = pattern.key(seal);
        if !self.seen.contains_key(key) && self.seen.len() >= MOST_KEYS {
            return;
        }
        let seals = self.seen.entry(key.to_vec()).or_default();
        if seals.iter().any(|old| old == seal) {
            return;
        }
        if seals.len() >= MOST_SEALS {
            seals.pop_front();
        }
        seals.push_back(seal.to_vec());
    }

    /// Was this made up here?
    pub fn is_made(&self, seal: &[u8]) -> bool {
        self.made.contains(seal)
    }

    /// Remembers something that was made up.
    pub fn make(&mut self, seal: &[u8]) {
        if self.made.len() < MOST_STORIES {
            self.made.insert(seal.to_vec());
        }
    }

    /// An older seal of the same key.
    fn older(&self, pattern: &Pattern, seed: u64, seal: &[u8]) -> Option<Vec<u8>> {
        let seals = self.seen.get(pattern.key(seal))?;
        let now = seals.iter().position(|old| old == seal).unwrap_or(seals.len());
        let older = seals.iter().take(now);
        older.min_by_key(|old| draw(seed, &[b"older", seal, old])).cloned()
    }

    /// The latest seal of another key: of the first one after a drawn point in the ring of keys.
    fn elsewhere(&self, pattern: &Pattern, seed: u64, seal: &[u8]) -> Option<Vec<u8>> {
        let own = pattern.key(seal);
        let bytes = draw_bytes(seed, &[b"elsewhere", own]);
        let point: Vec<u8> = letters(&bytes[..own.len().min(32)]).collect();
        let ring = self.seen.range(point.clone()..).chain(self.seen.range(..point));
        ring.filter(|(key, _)| *key != own).find_map(|(_, seals)| seals.back().cloned())
    }

    /// What stands in for this seal, if there is something.
    pub fn instead(
        &mut self,
        pattern: &Pattern,
        seed: u64,
        how: &Instead,
        seal: &[u8],
    ) -> Option<Vec<u8>> {
        let other = match how {
            Instead::Forged => Some(forged(pattern, seed, seal)),
            Instead::Insider(pool) => {
                let key = pattern.key(seal);
                let fit = pool
                    .iter()
                    .map(String::as_bytes)
                    .filter(|one| pattern.key(one) == key && *one != seal);
                fit.min_by_key(|one| draw(seed, &[b"insider", seal, one])).map(<[u8]>::to_vec)
            }
            Instead::Misdirected => self.elsewhere(pattern, seed, seal),
            Instead::Replayed => self.older(pattern, seed, seal),
        }?;
        if matches!(how, Instead::Forged | Instead::Insider(_)) {
            self.make(&other);
        }
        Some(other)
    }

    /// The story for one listener: the same one whenever it is told again.
    pub fn story(
        &mut self,
        pattern: &Pattern,
        seed: u64,
        how: &Instead,
        seal: &[u8],
        listener: SocketAddr,
    ) -> Option<Vec<u8>> {
        let listener = SocketAddr::new(listener.ip().to_canonical(), listener.port());
        let name = (listener, seal.to_vec());
        if let Some(story) = self.told.get(&name) {
            return Some(story.clone());
        }
        // A story that could not be remembered could be contradicted.
        if self.told.len() >= MOST_STORIES {
            return None;
        }
        let own = draw(seed, &[b"story", listener.to_string().as_bytes()]);
        let story = self.instead(pattern, own, how, seal)?;
        self.told.insert(name, story.clone());
        Some(story)
    }
}

fn letters(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().map(|byte| ALPHABET[usize::from(byte & 31)])
}

/// A seal of the same run and key that nobody wrote: all else is drawn.
fn forged(pattern: &Pattern, seed: u64, seal: &[u8]) -> Vec<u8> {
    let mut forged = seal.to_vec();
    let mut drawn = Vec::new();
    for round in 0..pattern.width.div_ceil(32) {
        drawn.extend(draw_bytes(seed, &[b"forge", seal, &[round as u8]]));
    }
    for (place, letter) in forged[pattern.key.1..].iter_mut().zip(letters(&drawn)) {
        *place = letter;
    }
    forged
}

/// The seal with one bit flipped, such that all characters stay characters of a seal: the flip has
/// to reach the reader, not break the parser in between.
pub fn flipped(pattern: &Pattern, seed: u64, part: Part, seal: &[u8]) -> Option<Vec<u8>> {
    let range = match part {
        Part::Body => pattern.body(),
        Part::Code => pattern.code(),
        Part::Stream { .. } => return None,
    };
    let flips: Vec<(usize, u8)> = range
        .flat_map(|at| (0..8).map(move |bit| (at, 1 << bit)))
        .filter(|(at, bit)| ALPHABET.contains(&(seal[*at] ^ bit)))
        .collect();
    let pick = draw(seed, &[b"flip", seal]) % (flips.len() as u64).max(1);
    let (at, bit) = *flips.get(usize::try_from(pick).ok()?)?;
    let mut other = seal.to_vec();
    other[at] ^= bit;
    Some(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(key: &str, write: &str) -> Vec<u8> {
        format!("pj1runrunrn{key}{write}procsmacmacmacmacm").into_bytes()
    }

    fn seals() -> Vec<Vec<u8>> {
        let keys = ["keyaaa", "keybbb", "keyccc"];
        let all = keys
            .iter()
            .flat_map(|key| ["writeone", "writetwo", "writesix"].map(|write| seal(key, write)));
        all.collect()
    }

    #[test]
    fn stories_do_not_depend_on_the_order_of_arrival() {
        let pattern = Pattern::default();
        let (mut one, mut other) = (Memory::default(), Memory::default());
        for seal in seals() {
            one.see(&pattern, &seal);
        }
        // Per key in the same order, the keys in another one.
        for key in ["keyccc", "keyaaa", "keybbb"] {
            for seal in seals().iter().filter(|seal| pattern.key(seal) == key.as_bytes()) {
                other.see(&pattern, seal);
            }
        }
        for seal in seals() {
            for how in [Instead::Forged, Instead::Misdirected, Instead::Replayed] {
                let told = one.instead(&pattern, 7, &how, &seal);
                assert_eq!(told, other.instead(&pattern, 7, &how, &seal), "{how:?}");
                let Some(told) = told else { continue };
                assert!(pattern.is_seal(&told) && told != seal);
                let same_key = pattern.key(&told) == pattern.key(&seal);
                assert_eq!(same_key, how != Instead::Misdirected);
                assert_eq!(seals().contains(&told), how != Instead::Forged);
            }
        }
        let first = seal("keyaaa", "writeone");
        assert_eq!(one.instead(&pattern, 7, &Instead::Replayed, &first), None);
    }

    #[test]
    fn each_listener_hears_one_story_for_ever_and_the_stories_differ() {
        let pattern = Pattern::default();
        let mut memory = Memory::default();
        let true_one = seal("keyaaa", "writesix");
        for seal in seals() {
            memory.see(&pattern, &seal);
        }
        let address = |last: u8| SocketAddr::from(([10, 0, 0, last], 0));
        let mut tell =
            |how: &Instead, last| memory.story(&pattern, 3, how, &true_one, address(last)).unwrap();
        assert_ne!(tell(&Instead::Forged, 1), tell(&Instead::Forged, 2));
        let replayed = tell(&Instead::Replayed, 3);
        memory.see(&pattern, &seal("keyaaa", "writeten"));
        for _ in 0..3 {
            let again = memory.story(&pattern, 3, &Instead::Replayed, &true_one, address(3));
            assert_eq!(again.as_ref(), Some(&replayed));
        }
    }

    #[test]
    fn a_flip_is_one_bit_and_stays_a_seal() {
        let pattern = Pattern::default();
        for seal in seals() {
            for (part, range) in [(Part::Body, 3..30), (Part::Code, 30..43)] {
                let other = flipped(&pattern, 5, part, &seal).unwrap();
                assert!(pattern.is_seal(&other));
                let bits: u32 = seal.iter().zip(&other).map(|(a, b)| (a ^ b).count_ones()).sum();
                assert_eq!(bits, 1);
                let at = seal.iter().zip(&other).position(|(a, b)| a != b).unwrap();
                assert!(range.contains(&at));
            }
        }
    }

    #[test]
    fn what_was_made_up_is_not_learned() {
        let pattern = Pattern::default();
        let mut memory = Memory::default();
        let seal = seal("keyaaa", "writeone");
        let made = memory.instead(&pattern, 1, &Instead::Forged, &seal).unwrap();
        memory.see(&pattern, &made);
        assert!(memory.seen.is_empty() && memory.is_made(&made));
    }
}
