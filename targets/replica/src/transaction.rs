//! What clients ask for through consensus, who took it in, and what came of it.
//!
//! A transaction is signed by the replica that a client gave it to. So a lying leader can leave out
//! the transactions of others, and reorder them, but cannot make them up. A lying replica can still
//! make up transactions of its own clients: nothing here has keys of clients.

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use serde::{Deserialize, Serialize};

/// The longest key, value or element, in bytes.
pub const MOST_BYTES: usize = 4096;

/// What is signed begins with this, so that it can be mistaken for nothing else.
const DOMAIN: &[u8] = b"replica transaction 1\n";

/// What a client wants done, or wants to know, in the order that consensus finds.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Operation {
    /// Set a register.
    Write {
        /// Which.
        key: String,
        /// To what.
        value: String,
    },
    /// Read a register.
    Read {
        /// Which.
        key: String,
    },
    /// Set a register if it holds `from`; absent is `None`.
    Cas {
        /// Which.
        key: String,
        /// What it has to hold.
        from: Option<String>,
        /// What it then holds.
        to: String,
    },
    /// Add an element to a set. An element that is in it already changes nothing.
    Add {
        /// Which set.
        key: String,
        /// The element.
        element: String,
    },
    /// Read all of a set.
    Elements {
        /// Which set.
        key: String,
    },
}

impl Operation {
    /// Is everything short enough?
    ///
    /// # Errors
    /// What is not.
    pub fn check(&self) -> Result<(), String> {
        let (key, others): (&str, [Option<&str>; 2]) = match self {
            Operation::Write { key, value } => (key, [Some(value), None]),
            Operation::Read { key } | Operation::Elements { key } => (key, [None, None]),
            Operation::Cas { key, from, to } => (key, [from.as_deref(), Some(to)]),
            Operation::Add { key, element } => (key, [Some(element), None]),
        };
        let all = [Some(key)].into_iter().chain(others).flatten();
        match all.map(str::len).find(|length| *length > MOST_BYTES) {
            Some(length) => Err(format!("{length} bytes; at most {MOST_BYTES} are taken")),
            None => Ok(()),
        }
    }
}

/// The name of a transaction: unique without any agreement.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize,
)]
pub struct Id {
    /// The replica that took it in, by its place in the configuration.
    pub origin: u16,
    /// Drawn by that replica at its start: its counter is not kept.
    pub boot: u64,
    /// Its counter.
    pub number: u64,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}-{}", self.origin, self.boot, self.number)
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Id, String> {
        let parse = || {
            let mut parts = text.split('-');
            let id = Id {
                origin: parts.next()?.parse().ok()?,
                boot: u64::from_str_radix(parts.next()?, 16).ok()?,
                number: parts.next()?.parse().ok()?,
            };
            parts.next().is_none().then_some(id)
        };
        parse().ok_or_else(|| format!("{text:?} is no name of a transaction"))
    }
}

/// An operation on its way.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Transaction {
    /// Its name.
    pub id: Id,
    /// What it does.
    pub operation: Operation,
    /// By the replica `id.origin`, over both.
    pub signature: [u8; 64],
}

impl Transaction {
    /// Signs it.
    pub fn new(id: Id, operation: Operation, key: &SigningKey) -> Transaction {
        let signature = key.sign(&signed(id, &operation)).to_bytes();
        Transaction { id, operation, signature }
    }

    /// Is it what its origin signed, and short enough?
    ///
    /// # Errors
    /// Why not.
    pub fn verify(&self, replicas: &[VerifyingKey]) -> Result<(), String> {
        let Some(origin) = replicas.get(usize::from(self.id.origin)) else {
            return Err(format!("transaction {}: no such replica", self.id));
        };
        let signature = Signature::from_bytes(&self.signature);
        origin
            .verify(&signed(self.id, &self.operation), &signature)
            .map_err(|_| format!("transaction {}: its signature is not its origin's", self.id))?;
        self.operation.check().map_err(|why| format!("transaction {}: {why}", self.id))
    }
}

fn signed(id: Id, operation: &Operation) -> Vec<u8> {
    let mut bytes = DOMAIN.to_vec();
    bytes.extend(encode(&(id, operation)));
    bytes
}

/// What came of a transaction. The same at every replica.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Outcome {
    /// The height of its block.
    pub height: u64,
    /// How many transactions were carried out before it, in the whole history: a version that only
    /// this transaction has.
    pub at: u64,
    /// What it found.
    pub output: Output,
}

/// What a transaction found.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Output {
    /// It was done.
    Done,
    /// The content of a register, and the `at` of what wrote it.
    Value(Option<String>, Option<u64>),
    /// Did the compare-and-set set?
    Swapped(bool),
    /// The first so many elements of that set, which only grows.
    Elements(String, u64),
}

/// The bytes of a value that is always encodable.
pub fn encode(value: &impl BorshSerialize) -> Vec<u8> {
    // Writing to memory cannot fail, and no length here reaches 4 GiB.
    value.try_to_vec().unwrap_or_default()
}

/// The value of these bytes, all of them.
pub fn decode<T: BorshDeserialize>(bytes: &[u8]) -> Option<T> {
    T::try_from_slice(bytes).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn write(value: &str) -> Operation {
        Operation::Write { key: "k".into(), value: value.into() }
    }

    #[test]
    fn a_name_is_read_back() {
        let id = Id { origin: 3, boot: u64::MAX, number: 9 };
        assert_eq!(id.to_string().parse::<Id>(), Ok(id));
        for wrong in ["", "3", "3-x-9", "3-1-9-0", "-1-1-1"] {
            assert!(wrong.parse::<Id>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_what_its_origin_signed_is_taken() {
        let keys = [key(1).verifying_key(), key(2).verifying_key()];
        let id = Id { origin: 1, boot: 5, number: 1 };
        let good = Transaction::new(id, write("v"), &key(2));
        assert_eq!(good.verify(&keys), Ok(()));
        let mut altered = good.clone();
        altered.operation = write("w");
        assert!(altered.verify(&keys).is_err());
        let forged = Transaction::new(id, write("v"), &key(1));
        assert!(forged.verify(&keys).is_err());
        let mut nobody = good;
        nobody.id.origin = 2;
        assert!(nobody.verify(&keys).is_err());
    }

    #[test]
    fn lengths_are_limited() {
        assert_eq!(write(&"x".repeat(MOST_BYTES)).check(), Ok(()));
        assert!(write(&"x".repeat(MOST_BYTES + 1)).check().is_err());
        let long = "x".repeat(MOST_BYTES + 1);
        assert!(Operation::Read { key: long }.check().is_err());
    }
}
