//! The history file: JSON Lines, appended while the run goes on, compressed and summed at its end.
//!
//! There is one writer. [`Writer::flush`] hands everything to the kernel, so that a history
//! survives kill -9 of the controller; it is called before any invocation in it is dispatched.
//! A file whose end is cut off is read up to its last whole line, and the cut is reported; damage
//! anywhere else is an error that names the line.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::seal::Seals;
use crate::{Entry, Event, Index, Nanos, Topology, hex, line};

/// The version of the history file that this crate writes, and the newest that it reads.
pub const SCHEMA: u32 = 1;

/// What the order of the entries means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Who stands before another was before it: all times are those of one clock.
    #[default]
    RealTime,
    /// Only the entries of one process are in their order. Where they stand between those of
    /// another, and their times, mean nothing: no conclusion may be drawn from that.
    Sessions,
}

impl Order {
    /// Is it the order of real time?
    pub fn is_real_time(&self) -> bool {
        *self == Order::RealTime
    }

    /// Why nothing that needs real time can be said of a history in the order of sessions.
    pub const NO_REAL_TIME: &str = "the file says in which order each session asked, but not \
        which of two sessions was earlier, and this check needs real time";
}

/// The first line of a history file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Header {
    /// The version of the format.
    pub perjury_history: u32,
    /// The run's id.
    pub run: String,
    /// The word for the model that the workload claims, such as `cas-register`.
    pub model: String,
    /// The nodes.
    pub nodes: Topology,
    /// What the values certify themselves by; absent where they are plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seals: Option<Seals>,
    /// What the order of the lines means; left out where it is that of real time.
    #[serde(default, skip_serializing_if = "Order::is_real_time")]
    pub order: Order,
}

impl Header {
    /// The header of a history of today's format, in the order of real time.
    pub fn new(run: impl Into<String>, model: impl Into<String>, nodes: Topology) -> Header {
        let (run, model) = (run.into(), model.into());
        Header { perjury_history: SCHEMA, run, model, nodes, seals: None, order: Order::RealTime }
    }
}

/// A history in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The first line; `None` for an imported history.
    pub header: Option<Header>,
    /// All whole entries.
    pub entries: Vec<Entry>,
    /// What their order means.
    pub order: Order,
    /// Where the file was cut off, if it was.
    pub truncation: Option<Truncation>,
}

/// A file that ends in the middle of a line: its writer was killed or its disk was full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// The number of the line that was dropped, from 1.
    pub line: u64,
    /// What was seen there.
    pub what: String,
}

/// Why a history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file could not be opened, read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A byte of a binary file is not what it should be, or the file ends there.
    #[error("{}: byte {byte}: {what}", path.display())]
    Byte {
        /// The file.
        path: PathBuf,
        /// Which byte of its decompressed content, from 0.
        byte: u64,
        /// What is wrong there.
        what: String,
    },
    /// A line in the middle is not what it should be.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// The file was written by a newer Perjury.
    #[error(
        "{}: history format {found} is newer than {SCHEMA}; use a newer perjury",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The content does not match the recorded checksum.
    #[error(
        "{}: SHA-256 is {found}, but SHA256SUMS says {expected}: the file was changed after the \
         run; restore it, or delete its line in SHA256SUMS to judge it as it is",
        path.display()
    )]
    Sum {
        /// The file.
        path: PathBuf,
        /// The recorded sum, in hex.
        expected: String,
        /// The sum of the content, in hex.
        found: String,
    },
}

/// The only writer of a run's history.
pub struct Writer {
    file: File,
    buffer: Vec<u8>,
    next: u64,
}

impl Writer {
    /// Creates the file, which must not exist yet, and writes its header.
    ///
    /// # Errors
    /// The file exists or cannot be written.
    pub fn create(path: &Path, header: &Header) -> io::Result<Writer> {
        let file = File::options().append(true).create_new(true).open(path)?;
        let mut writer = Writer { file, buffer: Vec::with_capacity(1 << 16), next: 0 };
        serde_json::to_writer(&mut writer.buffer, header)?;
        writer.buffer.push(b'\n');
        writer.flush()?;
        Ok(writer)
    }

    /// Appends an entry to the buffer and returns its index.
    pub fn append(&mut self, time: Nanos, event: &Event) -> Index {
        let index = Index(self.next);
        self.next += 1;
        line::write(&mut self.buffer, index, time, event);
        index
    }

    /// Hands everything that was appended to the kernel, in one write.
    ///
    /// # Errors
    /// The disk is full, or the file is gone.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.file.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// How many entries were appended.
    pub fn len(&self) -> u64 {
        self.next
    }

    /// Has nothing been appended yet?
    pub fn is_empty(&self) -> bool {
        self.next == 0
    }
}

/// Writes a history that is in memory whole, such as another tool's, as a file of ours. Where it
/// has no header it gets one with this model. That its end is missing, if it is, becomes a note.
///
/// # Errors
/// `out` cannot be written.
pub fn write_history(history: &History, model: &str, out: &mut impl Write) -> io::Result<()> {
    let imported = || Header::new("imported", model, Topology::default());
    let header = history.header.clone().unwrap_or_else(imported);
    serde_json::to_writer(&mut *out, &Header { order: history.order, ..header })?;
    let mut buffer = vec![b'\n'];
    for entry in &history.entries {
        line::write(&mut buffer, entry.index, entry.time, &entry.event);
        out.write_all(&buffer)?;
        buffer.clear();
    }
    if let Some(cut) = &history.truncation {
        let time = history.entries.last().map_or(0, |entry| entry.time);
        let note = format!("the end is missing from line {} on: {}", cut.line, cut.what);
        let index = Index(history.entries.len() as u64);
        line::write(&mut buffer, index, time, &Event::Note(note));
    }
    out.write_all(&buffer)?;
    out.flush()
}

/// Compresses a closed history to `<path>.zst`, syncs it and removes the original. Returns the new
/// path and its SHA-256 in hex.
///
/// # Errors
/// The disk is full, or a file is gone; the original is then still there.
pub fn close(path: &Path) -> Result<(PathBuf, String), FileError> {
    let mut target = path.as_os_str().to_owned();
    target.push(".zst");
    let target = PathBuf::from(target);
    let part = target.with_extension("zst.part");
    let fail = |source| FileError::Io { path: path.to_owned(), source };
    let mut source = File::open(path).map_err(fail)?;
    let mut encoder = zstd::Encoder::new(File::create(&part).map_err(fail)?, 3).map_err(fail)?;
    encoder.include_checksum(true).map_err(fail)?;
    io::copy(&mut source, &mut encoder).map_err(fail)?;
    encoder.finish().and_then(|file| file.sync_all()).map_err(fail)?;
    std::fs::rename(&part, &target).map_err(fail)?;
    std::fs::remove_file(path).map_err(fail)?;
    let sum = sha256(&target)?;
    Ok((target, sum))
}

/// The SHA-256 of a file, in hex.
fn sha256(path: &Path) -> Result<String, FileError> {
    let fail = |source| FileError::Io { path: path.to_owned(), source };
    let mut hasher = Sha256::new();
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(fail)?);
    let mut chunk = vec![0; 1 << 16];
    loop {
        match file.read(&mut chunk).map_err(fail)? {
            0 => break,
            n => hasher.update(&chunk[..n]),
        }
    }
    Ok(hex(&hasher.finalize()))
}

/// Compares a file with the line about it in the `SHA256SUMS` beside it, if there is one.
///
/// # Errors
/// [`FileError::Sum`] when they differ.
pub fn verify_sum(path: &Path) -> Result<(), FileError> {
    let Ok(sums) = std::fs::read_to_string(path.with_file_name("SHA256SUMS")) else {
        return Ok(());
    };
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let recorded = sums.lines().find_map(|line| {
        line.split_once("  ").filter(|(_, file)| *file == name).map(|(sum, _)| sum)
    });
    match recorded {
        Some(expected) => {
            let found = sha256(path)?;
            if found == expected {
                return Ok(());
            }
            Err(FileError::Sum { path: path.to_owned(), expected: expected.to_owned(), found })
        }
        None => Ok(()),
    }
}

/// Reads a file whole, decompressing `.gz` and `.zst` by their ending. A compressed stream that is
/// cut off yields what came before the cut; the second result says what was wrong there.
///
/// # Errors
/// The file cannot be opened or read.
pub fn read_bytes(path: &Path) -> Result<(Vec<u8>, Option<String>), FileError> {
    let fail = |source| FileError::Io { path: path.to_owned(), source };
    let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(fail)?);
    let mut source: Box<dyn Read> = match path.extension().and_then(|end| end.to_str()) {
        Some("zst") => Box::new(zstd::Decoder::with_buffer(file).map_err(fail)?),
        Some("gz") => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        _ => {
            let mut bytes = Vec::new();
            let mut file = file;
            file.read_to_end(&mut bytes).map_err(fail)?;
            return Ok((bytes, None));
        }
    };
    // `read_to_end` keeps what it read before an error.
    let mut bytes = Vec::new();
    let damage = source.read_to_end(&mut bytes).err();
    Ok((bytes, damage.map(|error| format!("the compressed stream breaks off: {error}"))))
}

/// Reads a history of our own, compressed or not.
///
/// # Errors
/// The file cannot be read, a line in its middle is damaged, or its format is too new.
pub fn read_file(path: &Path) -> Result<History, FileError> {
    verify_sum(path)?;
    let (bytes, damage) = read_bytes(path)?;
    read_lines(path, &bytes, damage)
}

pub(crate) fn read_lines(
    path: &Path,
    bytes: &[u8],
    damage: Option<String>,
) -> Result<History, FileError> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let mut history = History::default();
    let mut number = 0;
    for text in bytes[..whole].split_inclusive(|byte| *byte == b'\n') {
        number += 1;
        let fail = |what| FileError::Line { path: path.to_owned(), line: number, what };
        let text = std::str::from_utf8(text)
            .map_err(|error| fail(format!("not UTF-8 at byte {}", error.valid_up_to() + 1)))?;
        if number == 1 {
            let header = read_header(path, text)?;
            history.order = header.order;
            history.header = Some(header);
            continue;
        }
        let entry = line::read(text).map_err(fail)?;
        if entry.index.0 != history.entries.len() as u64 {
            let expected = history.entries.len();
            return Err(fail(format!(
                "entry {} stands where {expected} should: lines are missing or repeated",
                entry.index.0
            )));
        }
        history.entries.push(entry);
    }
    if number == 0 {
        return Err(FileError::Line {
            path: path.to_owned(),
            line: 1,
            what: "the file is empty: not even its header was written".into(),
        });
    }
    let rest = &bytes[whole..];
    if !rest.is_empty() || damage.is_some() {
        let what = damage.unwrap_or_else(|| format!("{} bytes without a line end", rest.len()));
        history.truncation = Some(Truncation { line: number + 1, what });
    }
    Ok(history)
}

pub(crate) fn read_header(path: &Path, text: &str) -> Result<Header, FileError> {
    // The version is looked at first: a newer header may have fields that this one denies.
    let version = serde_json::from_str::<serde_json::Value>(text)
        .ok()
        .and_then(|json| json.get("perjury-history").and_then(serde_json::Value::as_u64));
    let line = |what| FileError::Line { path: path.to_owned(), line: 1, what };
    match version {
        Some(found) if found > u64::from(SCHEMA) => Err(FileError::Newer {
            path: path.to_owned(),
            found: u32::try_from(found).unwrap_or(u32::MAX),
        }),
        Some(_) => serde_json::from_str(text).map_err(|error| line(error.to_string())),
        None => Err(line("no history of ours: the first line has no \"perjury-history\"".into())),
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
