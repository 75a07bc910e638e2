//! What is decided: a list of transactions, as bytes, known by their hash.

use std::fmt;
use std::io::{Read, Write};
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::VerifyingKey;
use replica::pool::Pool;
use replica::transaction::{Transaction, decode, encode};
use sha2::{Digest, Sha256};

/// A value holds no more transactions than this: at most about 4 MiB.
pub const MOST: usize = 256;

/// The SHA-256 of a value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct ValueId([u8; 32]);

impl fmt::Display for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A list of transactions. The library clones values often, so that has to be cheap.
///
/// Invariant: the id is that of the bytes, also of what was received: it never travels.
#[derive(Clone)]
pub struct Value {
    id: ValueId,
    bytes: Arc<[u8]>,
}

impl Value {
    /// That of these transactions.
    pub fn new(transactions: &Vec<Transaction>) -> Value {
        Value::from_bytes(encode(transactions))
    }

    /// That of these bytes, whatever they are.
    pub fn from_bytes(bytes: Vec<u8>) -> Value {
        Value { id: ValueId(Sha256::digest(&bytes).into()), bytes: bytes.into() }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its transactions, if it is a list of some.
    pub fn transactions(&self) -> Option<Vec<Transaction>> {
        decode(&self.bytes)
    }

    /// May it be carried out? Every correct replica answers the same.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, pool: &Pool, replicas: &[VerifyingKey]) -> Result<(), String> {
        let transactions = self.transactions().ok_or("its content is no transactions")?;
        if transactions.len() > MOST {
            return Err(format!("{} transactions", transactions.len()));
        }
        // What is in the pool was verified on its way there.
        let mut unknown = transactions.iter().filter(|transaction| !pool.holds(transaction));
        unknown.try_for_each(|transaction| transaction.verify(replicas))
    }
}

impl malachite_types::Value for Value {
    type Id = ValueId;

    fn id(&self) -> ValueId {
        self.id
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.id == other.id
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Value) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Value) -> std::cmp::Ordering {
        self.id.cmp(&other.id)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.id, self.bytes.len())
    }
}

impl BorshSerialize for Value {
    fn serialize<W: Write>(&self, writer: &mut W) -> std::io::Result<()> {
        BorshSerialize::serialize(&self.bytes[..], writer)
    }
}

impl BorshDeserialize for Value {
    fn deserialize_reader<R: Read>(reader: &mut R) -> std::io::Result<Value> {
        Ok(Value::from_bytes(Vec::deserialize_reader(reader)?))
    }
}
