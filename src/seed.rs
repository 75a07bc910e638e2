//! One seed for a run, one named stream of it for each consumer of randomness.
//!
//! The streams are independent: adding a fault does not change what the clients are asked to do.
//! The generator is `ChaCha8`, whose output is fixed by its algorithm, and the distributions below
//! are our own few lines, so that a published seed means the same in years.

use std::fmt;
use std::str::FromStr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use sha2::{Digest, Sha256};

/// The root of all randomness of a run. Printed and read as 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of that name: SHA-256 of the seed and the name keys the generator.
    pub fn stream(self, name: &str) -> Stream {
        let mut hasher = Sha256::new();
        hasher.update(self.0.to_le_bytes());
        hasher.update(name.as_bytes());
        Stream(ChaCha8Rng::from_seed(hasher.finalize().into()))
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Seed, String> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        u64::from_str_radix(digits, 16)
            .map(Seed)
            .map_err(|_| format!("{text:?} is no seed: expected 1 to 16 hex digits"))
    }
}

/// One consumer's randomness.
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// Uniform over all 64-bit numbers.
    pub fn draw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `0..bound` (0 when `bound` is 0). Multiply-shift: the bias is below 2^-32 for
    /// every bound used here.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.draw()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// Uniform index into something of that length.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    /// True once in `n` on average.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n.max(1)) == 0
    }

    /// Fisher and Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut stream = Seed(7).stream("clients");
        let drawn: Vec<u64> = (0..4).map(|_| stream.below(1000)).collect();
        assert_eq!(drawn, FROZEN);
        assert_ne!(Seed(7).stream("nemesis").draw(), Seed(7).stream("clients").draw());
    }

    const FROZEN: [u64; 4] = [802, 927, 843, 116];

    #[test]
    fn a_seed_is_read_as_it_is_printed() {
        let seed = Seed(0xdead_beef);
        assert_eq!(seed.to_string().parse(), Ok(seed));
        assert!("xyz".parse::<Seed>().is_err());
    }
}
