//! How far a broken value is from one that was written.

use std::fmt;

use crate::Value;

/// The least change that makes one value of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Damage {
    /// Flipped bits, and in how many bytes.
    Bits {
        /// How many bits differ.
        bits: u32,
        /// In how many bytes.
        bytes: u32,
    },
    /// The value breaks off, or goes on, after so many common bytes.
    Length {
        /// Bytes that both begin with.
        common: u32,
        /// Bytes of what was written.
        written: u32,
        /// Bytes of what was read.
        read: u32,
    },
}

impl Damage {
    /// At most so many bits are taken for the same value with flipped bits: two seals differ in
    /// far more, because half of the 64 (or 36) bits of their codes do.
    pub const MOST_BITS: u32 = 8;
    /// Damage within at most so many bytes is taken for the same value, whatever the bits: a torn
    /// or zeroed word.
    pub const MOST_BYTES: u32 = 8;
    /// At least so many common bytes make a truncated value: the run, the key and the write.
    pub const FEWEST_COMMON: u32 = 25;

    /// What was `written`, if `read` is near enough to be it with damage. Which of the two it is
    /// (corrupted or forged) is a label: neither was ever written.
    pub fn between(written: &Value, read: &Value) -> Option<Damage> {
        if let (Value::Int(written), Value::Int(read)) = (written, read) {
            let flipped = written ^ read;
            let bits = flipped.count_ones();
            let bytes = flipped.to_be_bytes().iter().filter(|byte| **byte != 0).count() as u32;
            if bits <= Damage::MOST_BITS / 2 {
                return Some(Damage::Bits { bits, bytes });
            }
        }
        let (written_bytes, read_bytes) = (bytes(written)?, bytes(read)?);
        let (long, short) = (written_bytes.len() as u32, read_bytes.len() as u32);
        let pairs = || written_bytes.iter().zip(&read_bytes);
        if long != short {
            let common = pairs().take_while(|(left, right)| left == right).count() as u32;
            let torn = common == long.min(short) && common >= Damage::FEWEST_COMMON;
            return torn.then_some(Damage::Length { common, written: long, read: short });
        }
        let bits = pairs().map(|(left, right)| (left ^ right).count_ones()).sum();
        let bytes = pairs().filter(|(left, right)| left != right).count() as u32;
        // A number in decimal has too few digits for damage in many of them to mean anything.
        let few = matches!(written, Value::Text(_)) && bytes <= Damage::MOST_BYTES;
        let most = if few { u32::MAX } else { Damage::MOST_BITS / 2 };
        (bits <= most).then_some(Damage::Bits { bits, bytes })
    }
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Nil => None,
        Value::Int(number) => Some(number.to_string().into_bytes()),
        Value::Text(text) => Some(text.as_bytes().to_vec()),
        Value::Raw(raw) => Some(raw.to_vec()),
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = |number: &u32| if *number == 1 { "" } else { "s" };
        match self {
            Damage::Bits { bits, bytes } => {
                write!(f, "{bits} bit{} flipped in {bytes} byte{}", many(bits), many(bytes))
            }
            Damage::Length { common, written, read } => {
                let how = if read < written { "cut off" } else { "continued" };
                write!(f, "{how} after {common} of {written} bytes")
            }
        }
    }
}
