//! The values that a load writes: seals, unless the declaration asks for plain numbers.
//!
//! Every value is written at most once in a run, and a seal says by which write and by whom.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use perjury_history::seal::{Class, Form, MOST_WRITES, Seals};
use perjury_history::{Key, Process, Value};
use serde::{Deserialize, Serialize};

/// What the values of a load look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Values {
    /// Text seals.
    #[default]
    Seal,
    /// Integer seals, for databases that hold nothing else.
    SealedInteger,
    /// 1, 2, 3, ...
    Plain,
}

impl Values {
    /// The seals of the run of that id and seed; none for plain values.
    pub fn seals(self, run: &str, seed: &str) -> Option<Seals> {
        match self {
            Values::Seal => Some(Seals::of_run(run, seed, Form::Text)),
            Values::SealedInteger => Some(Seals::of_run(run, seed, Form::Integer)),
            Values::Plain => None,
        }
    }
}

/// Makes the values of a run. Its copies share one count of the writes.
#[derive(Clone, Debug, Default)]
pub struct Mint {
    seals: Option<Seals>,
    made: Arc<AtomicU64>,
}

impl Mint {
    /// Makes seals, or plain numbers without any.
    pub fn new(seals: Option<Seals>) -> Mint {
        Mint { seals, made: Arc::default() }
    }

    /// A value that was never made before. Plain ones count `written`, the writes of their key.
    pub(super) fn make(&self, key: &Key, process: Process, written: &mut i64) -> Value {
        *written += 1;
        let write = self.made.fetch_add(1, Relaxed);
        match &self.seals {
            Some(seals) => seals.seal(key, write % MOST_WRITES, process),
            None => Value::Int(*written),
        }
    }

    /// May a call name this value, which was read at `key`? Only what the harness wrote survives
    /// the way to the database as it is, and what nobody wrote is not asked for.
    pub(super) fn knows(&self, key: &Key, value: &Value) -> bool {
        match &self.seals {
            Some(seals) => matches!(seals.classify(key, value), Class::Absent | Class::Genuine(_)),
            None => matches!(value, Value::Nil | Value::Int(_)),
        }
    }
}
