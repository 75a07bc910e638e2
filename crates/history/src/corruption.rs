//! Bits that turn over in a node's memory or files, in concrete terms.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{FaultId, Nanos, NodeName, Value};

/// What was corrupted, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Corruption {
    /// The confused nodes.
    pub nodes: Vec<NodeName>,
    /// What happens on each of them.
    pub what: Rot,
    /// Decides what is left open; below 2^53, so that every reader of JSON keeps it.
    pub seed: u64,
}

/// Where bits turn over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Rot {
    /// In the memory of the running database.
    Memory(Aim),
    /// In the files of its data directory.
    Files(Files),
    /// All files go back to what they were when the fault began (amnesia): the database is killed,
    /// gets the older files and is started again when the fault ends.
    RollBack,
}

/// Which bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Aim {
    /// One bit each of the newest sealed values of so many keys.
    Values {
        /// How many keys.
        keys: u32,
        /// Only one copy of each that is found, instead of all.
        #[serde(default)]
        one_copy: bool,
    },
    /// So many bits, anywhere.
    Bits(u32),
    /// So many bits in each second, anywhere, as long as the fault is on.
    PerSecond(u32),
}

/// Corruption of files.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Files {
    /// What happens to them.
    pub damage: Damage,
    /// Only to those whose path ends so; all if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub suffix: String,
    /// The database is killed before and started after it: what it holds in memory of its own
    /// would hide the corruption.
    #[serde(default)]
    pub crash: bool,
    /// The database is asked to end before and started after it: all that it holds in memory is on
    /// the disk then, and there is nothing to recover that would hide the corruption either.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stop: bool,
}

/// What happens to files.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Damage {
    /// Bits turn over.
    Flip(Aim),
    /// So many blocks of 4 KiB read as zeros.
    Zero(u32),
    /// So many blocks of 4 KiB are overwritten with others of the same file.
    Misdirect(u32),
    /// Of the last block of a file only the first sectors were written.
    Torn,
    /// So many bytes at the end of a file are missing.
    Truncate(u64),
}

/// A place that was corrupted: a line of `corruptions.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CorruptionMade {
    /// The fault that it belongs to.
    pub fault: FaultId,
    /// The confused node.
    pub node: NodeName,
    /// When at the latest, on the controller's clock.
    pub time: Nanos,
    /// At most so much earlier: what it took the node to search and write.
    pub within: Nanos,
    /// A process and an address, or a file and an offset. Hostile text: files have names.
    pub at: String,
    /// How long the stretch is, in bytes.
    pub length: u64,
    /// What stood there: the beginning. Text, or the raw bytes where it is none.
    pub before: Value,
    /// What stands there now, read back: the beginning.
    pub after: Value,
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes: Vec<_> = self.nodes.iter().map(NodeName::as_str).collect();
        write!(f, "corruption of {}: {}", nodes.join(", "), self.what)
    }
}

impl fmt::Display for Rot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rot::Memory(aim) => write!(f, "{aim} in memory"),
            Rot::Files(Files { damage, suffix, crash, stop }) => {
                let crash = match (stop, crash) {
                    (true, _) => ", while it is stopped",
                    (false, true) => ", in a crash",
                    (false, false) => "",
                };
                let which = if suffix.is_empty() { "" } else { " ending in " };
                write!(f, "{damage} in files{which}{suffix}{crash}")
            }
            Rot::RollBack => f.write_str("the data directory goes back in time"),
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Aim::Values { keys, one_copy } => {
                let copies = if *one_copy { "one copy" } else { "all copies" };
                write!(f, "a bit of the newest value of {keys} keys ({copies})")
            }
            Aim::Bits(bits) => write!(f, "{bits} bits anywhere"),
            Aim::PerSecond(bits) => write!(f, "{bits} bits a second anywhere"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Flip(aim) => write!(f, "{aim}"),
            Damage::Zero(blocks) => write!(f, "{blocks} blocks zeroed"),
            Damage::Misdirect(blocks) => write!(f, "{blocks} blocks overwritten with others"),
            Damage::Torn => f.write_str("a torn write"),
            Damage::Truncate(bytes) => write!(f, "{bytes} bytes cut off the end"),
        }
    }
}
