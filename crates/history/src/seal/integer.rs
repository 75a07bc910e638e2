//! Integer seals: 63 bits, of which the upper 27 are the number of the write in the run and the
//! lower 36 a code over that number and the key, so that the run, the key and the write are bound.
//!
//! The number is never 0 (writes count from 0 and are stored plus one), so a seal is positive and
//! at least 2³⁶: no small counter passes for one. A change of the code alone is always found; any
//! other change is not found with probability 2⁻³⁶, and then it still has to name a write that was
//! asked for on this key.

use super::Seals;
use crate::Key;

/// Bits of the number of the write.
pub(super) const ID_BITS: u32 = 27;
const CODE_BITS: u32 = 63 - ID_BITS;

pub(super) fn make(seals: &Seals, key: &Key, write: u64) -> i64 {
    let id = (write + 1) & ((1 << ID_BITS) - 1);
    let sealed = id << CODE_BITS | code(seals, key, id);
    i64::try_from(sealed).unwrap_or(i64::MAX)
}

/// The number of the write, if the code holds for this key.
pub(super) fn open(seals: &Seals, key: &Key, number: i64) -> Option<u64> {
    let number = u64::try_from(number).ok()?;
    let id = number >> CODE_BITS;
    let holds = number & ((1 << CODE_BITS) - 1) == code(seals, key, id);
    holds.then(|| id.checked_sub(1)).flatten()
}

fn code(seals: &Seals, key: &Key, id: u64) -> u64 {
    seals.code(&[b"integer", &id.to_be_bytes(), key.as_str().as_bytes()]) >> (64 - CODE_BITS)
}
