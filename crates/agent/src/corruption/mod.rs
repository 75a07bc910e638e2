//! Bits that turn over where the database keeps its data: in its memory, in its files.
//!
//! Not bytes on the wire: those are the proxy's. Only what the agent itself brought to the node is
//! touched: the memory of a service that it started, files below a directory that it made. So the
//! damage ends with the service or goes with the directory; beside that a corruption can be asked
//! to revert when the node is healed, if nothing has overwritten it by then.
//!
//! Invariant: every corruption is reported with the bytes before and after, which are read back
//! from where they were written; one that reverts is in the journal before it is made. What was
//! not found is reported as nothing corrupted, never as success.
//!
//! Source of the fault model: "Redundancy does not imply fault tolerance" (Ganesan and others,
//! FAST 2017) for files, "SEI hardening" (Behrens and others, NSDI 2015) for memory.

mod choice;
mod disk;
mod maps;
mod memory;
mod snapshot;
mod tokens;

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use disk::damage;
pub(crate) use disk::revert as revert_file;
pub(crate) use memory::flip;
pub(crate) use memory::revert as revert_memory;
pub(crate) use snapshot::{restore, take};

use crate::agent::{Agent, io_failure};
use crate::bytes::Bytes;
use crate::journal::Change;
use crate::protocol::{Failure, FailureKind};
use crate::proxy::Pattern;

/// The most places that one request corrupts.
pub const MOST_PLACES: u32 = 1024;

/// Which bytes are corrupted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Aim {
    /// Live values: of each key the newest that is found.
    Live {
        /// How they look.
        pattern: Pattern,
        /// Of how many keys, at the most.
        keys: u32,
        /// Every copy of the value, or one of them.
        copies: Copies,
    },
    /// Every place, or one, where exactly these bytes stand.
    Bytes {
        /// The bytes.
        bytes: Bytes,
        /// All or one.
        copies: Copies,
    },
    /// Anywhere.
    Random {
        /// How many bits.
        bits: u32,
    },
}

/// Of the copies of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Copies {
    /// All, each in the same bit.
    All,
    /// One.
    One,
}

/// Turns bits over in the memory of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryFlip {
    /// The name that it was started under.
    pub service: String,
    /// Which bits.
    pub aim: Aim,
    /// Decides what the aim leaves open.
    pub seed: u64,
    /// Flip back on healing what still stands as it was flipped.
    pub revert: bool,
}

/// Corrupts files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDamage {
    /// A file, or a directory with all that is below it; inside a directory that the agent made.
    pub path: String,
    /// Only files whose path below that ends so; empty for all.
    #[serde(default)]
    pub suffix: String,
    /// What is done.
    pub kind: Damage,
    /// Decides what the kind leaves open.
    pub seed: u64,
    /// Restore on healing what still stands as it was written.
    pub revert: bool,
}

/// What happens to a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Damage {
    /// Bits turn over (bit rot).
    Flip(Aim),
    /// Blocks of 4 KiB read as zeros.
    Zero {
        /// How many.
        blocks: u32,
    },
    /// A block of 4 KiB is overwritten with another one of the same file (misdirected write).
    Misdirect {
        /// How many.
        blocks: u32,
    },
    /// Of the last block that was written only the first sectors arrived (torn write).
    Torn,
    /// The end of the file is missing.
    Truncate {
        /// How many bytes, at the most; never more than 1 MiB.
        bytes: u64,
    },
}

/// Keeps a copy of a directory, or puts one back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// A directory that the agent made.
    pub path: String,
    /// A name for the copy: letters, digits and `-`.
    pub name: String,
}

/// What was corrupted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corrupted {
    /// Every place.
    pub places: Vec<Place>,
    /// How many bytes were looked through.
    pub searched_bytes: u64,
    /// Why nothing, or less than was asked for, was corrupted; empty otherwise.
    pub shortfall: String,
}

/// One place and what happened there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Where: a process and an address, or a file and an offset. Hostile text: files have names.
    pub at: String,
    /// The bytes that stood there; of a long stretch the first [`Place::MOST_BYTES`].
    pub before: Bytes,
    /// The bytes that stand there now, read back; empty where the file ends now.
    pub after: Bytes,
    /// How long the stretch is, in bytes.
    pub length: u64,
}

impl Place {
    /// How many bytes of a stretch are reported.
    pub const MOST_BYTES: usize = 64;

    fn new(at: String, before: &[u8], after: &[u8]) -> Place {
        let kept = |bytes: &[u8]| Bytes(bytes[..bytes.len().min(Place::MOST_BYTES)].to_vec());
        Place { at, length: before.len() as u64, before: kept(before), after: kept(after) }
    }
}

fn check(aim: &Aim) -> Result<(), Failure> {
    match aim {
        Aim::Live { pattern, .. } => pattern.check().map_err(Failure::bad_request)?,
        Aim::Bytes { bytes, .. } if !(4..=4096).contains(&bytes.0.len()) => {
            return Err(Failure::bad_request("the bytes to corrupt are 4 to 4096 bytes long"));
        }
        Aim::Bytes { .. } | Aim::Random { .. } => {}
    }
    Ok(())
}

/// Says what was left undone, before anything is done.
fn note_shortfall(corrupted: &mut Corrupted, found: usize, place: &str) {
    if found == 0 {
        corrupted.shortfall = format!("nothing that was aimed at is {place}");
    } else if found > MOST_PLACES as usize {
        corrupted.shortfall = format!("{found} places {place}, of which {MOST_PLACES} were chosen");
    }
}

/// Writes into the journal what will have to be undone.
fn promise(agent: &Agent, change: Option<Change>) -> Result<(), Failure> {
    let Some(change) = change else { return Ok(()) };
    let begun = agent.journal().begin(change);
    begun.map(drop).map_err(|error| agent.journal_failure(&error))
}

/// The path, resolved, if it is inside a directory that this agent made and will remove.
fn own_directory(agent: &Agent, path: &str) -> Result<PathBuf, Failure> {
    let asked = Path::new(path);
    let real = fs::canonicalize(asked).map_err(|error| io_failure("find", asked, &error))?;
    let inside = agent.journal().entries().any(|(_, change)| match change {
        Change::Dir { path, .. } => fs::canonicalize(path).is_ok_and(|made| real.starts_with(made)),
        _ => false,
    });
    if !inside {
        let message = format!("{path:?} is in no directory that was made for this run");
        return Err(Failure::new(FailureKind::NotPermitted, message));
    }
    Ok(real)
}
