//! Self-certifying values: every value that a workload writes says which write made it, and
//! carries a keyed code over that, so that it is told from a lie without trusting any node.
//!
//! There are two forms. A *text seal* is `pj1` and 40 characters of lower-case base 32 (`text`);
//! an *integer seal* is a positive 63-bit number (`integer`). The code is HMAC-SHA256 (RFC 2104)
//! under the run's secret, cut to 64 and to 36 bits. The secret stands in the header of the
//! history, so that anybody can verify again, and is never sent to a node.
//!
//! What is *not* told here: whether the write was ever asked for, and when. That is in the history,
//! and so is whether a genuine value was replayed; see the checkers.
//!
//! Source: the self-identifying values of Jepsen's workloads, with an authenticator as in Bellare,
//! Canetti and Krawczyk, "Keying hash functions for message authentication" (CRYPTO 1996).

mod damage;
pub(crate) mod integer;
pub(crate) mod text;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex::{hex, unhex};
use crate::{Key, Process, Value};

pub use damage::Damage;
pub use text::Seal;

/// How many writes of a run have numbers of their own: the narrower form has 27 bits.
pub const MOST_WRITES: u64 = (1 << integer::ID_BITS) - 1;

/// What a run's values look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// Text of 43 characters.
    #[serde(rename = "seal")]
    Text,
    /// A positive 63-bit integer, for databases that hold nothing else.
    #[serde(rename = "sealed-integer")]
    Integer,
}

/// A run's secret. In JSON: 64 hex digits.
#[derive(Clone, PartialEq, Eq)]
struct Secret([u8; 32]);

/// It would be long, and it is nobody's business.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let bytes = unhex(&digits).and_then(|bytes| bytes.try_into().ok()).map(Secret);
        bytes.ok_or_else(|| serde::de::Error::custom("a secret is 64 hex digits"))
    }
}

/// The seals of one run: makes them and knows them again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Seals {
    /// What the values look like.
    pub form: Form,
    /// The run, as it stands in text seals: eight characters of base 32.
    pub run: String,
    secret: Secret,
}

/// What one value says of itself, under a run's secret, where `key` was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// There is no value.
    Absent,
    /// It was made by this run for this key; the number of its write.
    Genuine(u64),
    /// It was made by this run for another key. Only text seals tell: integer seals of other keys
    /// are no seals here.
    Misdirected(u64),
    /// It is in the form of a seal, of a run of that name. Only that run's secret tells more.
    Foreign(String),
    /// It was not made by this run as it is: corrupted, or forged.
    Broken,
}

impl Seals {
    /// The seals of the run of that id. The secret is derived from the id and the run's seed.
    pub fn of_run(run: &str, seed: &str, form: Form) -> Seals {
        let derive = |what: &str, more: &str| -> [u8; 32] {
            let mut hasher = Sha256::new();
            for part in [what, run, more] {
                hasher.update((part.len() as u64).to_be_bytes());
                hasher.update(part);
            }
            hasher.finalize().into()
        };
        let tag = derive("perjury run", "");
        let tag = tag[..5].iter().fold(0, |tag, byte| tag << 8 | u64::from(*byte));
        let secret = Secret(derive("perjury secret", seed));
        Seals { form, run: text::base32(tag, text::RUN), secret }
    }

    /// The value of write number `write` (below [`MOST_WRITES`]) of the run, to `key`, by
    /// `process`.
    pub fn seal(&self, key: &Key, write: u64, process: Process) -> Value {
        debug_assert!(write < MOST_WRITES, "the run has more writes than numbers");
        match self.form {
            Form::Text => Value::Text(text::make(self, key, write, process).into()),
            Form::Integer => Value::Int(integer::make(self, key, write)),
        }
    }

    /// What a value that was read at `key` says of itself.
    ///
    /// Odds: a value that was not made by the run passes for genuine with probability 2⁻⁶⁴ (text)
    /// or 2⁻³⁶ (integer), whatever it is. A change within the code alone is always found.
    pub fn classify(&self, key: &Key, value: &Value) -> Class {
        match (self.form, value) {
            (_, Value::Nil) => Class::Absent,
            (Form::Text, Value::Text(written)) => text::classify(self, key, written),
            (Form::Integer, Value::Int(number)) => match integer::open(self, key, *number) {
                Some(write) => Class::Genuine(write),
                None => Class::Broken,
            },
            _ => Class::Broken,
        }
    }

    /// The first eight bytes of the code of these parts, under the run's secret.
    fn code(&self, parts: &[&[u8]]) -> u64 {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret.0).expect("a key of any length");
        for part in parts {
            mac.update(part);
        }
        let code = mac.finalize().into_bytes();
        code[..8].iter().fold(0, |code, byte| code << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests;
