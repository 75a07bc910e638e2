//! Hashing of states and configurations.
//!
//! A multiply-and-rotate hasher, several times faster than the standard one on short keys. Not
//! resistant to chosen collisions: everything stored under a hash is compared for equality as well,
//! so a collision costs time (which the budget counts) and never an answer.

use std::hash::Hasher;

// Odd constants with well-spread bits: the golden ratio, and the finalizer of MurmurHash3 (public
// domain, Austin Appleby).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
const MIX_1: u64 = 0xff51_afd7_ed55_8ccd;
const MIX_2: u64 = 0xc4ce_b9fe_1a85_ec53;

/// Spreads every bit of `x` over all bits of the result.
pub(crate) fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(MIX_1);
    x ^= x >> 33;
    x = x.wrapping_mul(MIX_2);
    x ^ (x >> 33)
}

/// Adds a word to a running hash. Finish with [`mix`].
pub(crate) fn absorb(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(26) ^ word).wrapping_mul(STEP)
}

/// The standard library's face of [`absorb`] and [`mix`].
#[derive(Default)]
pub(crate) struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            let mut buffer = [0; 8];
            buffer.copy_from_slice(word);
            self.0 = absorb(self.0, u64::from_le_bytes(buffer));
        }
        let rest = words.remainder();
        if !rest.is_empty() {
            let mut buffer = [0; 8];
            buffer[..rest.len()].copy_from_slice(rest);
            self.0 = absorb(self.0, u64::from_le_bytes(buffer) ^ ((rest.len() as u64) << 56));
        }
    }

    fn write_u8(&mut self, x: u8) {
        self.0 = absorb(self.0, u64::from(x));
    }

    fn write_u16(&mut self, x: u16) {
        self.0 = absorb(self.0, u64::from(x));
    }

    fn write_u32(&mut self, x: u32) {
        self.0 = absorb(self.0, u64::from(x));
    }

    fn write_u64(&mut self, x: u64) {
        self.0 = absorb(self.0, x);
    }

    fn write_usize(&mut self, x: usize) {
        self.0 = absorb(self.0, x as u64);
    }

    fn finish(&self) -> u64 {
        mix(self.0)
    }
}
