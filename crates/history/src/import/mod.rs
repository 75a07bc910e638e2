//! Reads the histories of other tools: Jepsen (EDN, JSON and log), Knossos, Elle, Porcupine, and
//! those of transactions in sessions: AWDIT, Plume, dbcop.
//!
//! `edn`, `json` and `log` take the text apart, `calls` and `outcomes` say what an entry means, and
//! `recording` pairs entries and makes a [`History`]. `awdit`, `plume` and `dbcop` read whole
//! transactions, of which `sessions` makes one without real time. The invariant: nothing that a
//! client did is passed over in silence. What is not understood is an error with its place, since a
//! history with a hole may be judged wrongly; only notes about faults are left out, and counted.
//!
//! The formats are described in docs/history-format.md.

mod awdit;
mod calls;
mod datum;
mod dbcop;
mod edn;
mod json;
mod log;
mod outcomes;
mod plume;
mod recording;
mod said;
#[cfg(test)]
mod session_tests;
mod sessions;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod word_tests;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

pub(crate) use edn::RAW;
pub(crate) use outcomes::{EMPTY, NOT_SWAPPED};

use crate::{FileError, History, Truncation, file};

/// The formats of histories that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Our own JSON Lines.
    Perjury,
    /// Maps in EDN: Jepsen's `history.edn`, the files of Knossos and of elle-cli.
    JepsenEdn,
    /// The same maps as JSON objects, as elle-cli takes them.
    JepsenJson,
    /// The lines of Jepsen's log (`INFO  jepsen.util - 0 :invoke :read nil`) or `history.txt`.
    JepsenLog,
    /// The log of Porcupine's key-value store: one map a line, `get`, `put` and `append`.
    PorcupineKv,
    /// AWDIT's own text: a step of a transaction a line, in sessions without real time.
    Awdit,
    /// The text of Plume (also of PolySI): a step a line, with its session and transaction.
    Plume,
    /// dbcop's binary file (also of PolySI), bincode with integers of eight bytes.
    Dbcop,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 8] = [
        Format::Perjury,
        Format::JepsenEdn,
        Format::JepsenJson,
        Format::JepsenLog,
        Format::PorcupineKv,
        Format::Awdit,
        Format::Plume,
        Format::Dbcop,
    ];

    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Perjury => "perjury",
            Format::JepsenEdn => "jepsen-edn",
            Format::JepsenJson => "jepsen-json",
            Format::JepsenLog => "jepsen-log",
            Format::PorcupineKv => "porcupine-kv",
            Format::Awdit => "awdit",
            Format::Plume => "plume",
            Format::Dbcop => "dbcop",
        }
    }

    /// The format of that name; `None` for `auto`, which is to be told from the content.
    ///
    /// # Errors
    /// The word is no format; the message lists those that are.
    pub fn parse(word: &str) -> Result<Option<Format>, String> {
        if word == "auto" { Ok(None) } else { word.parse().map(Some) }
    }

    /// What the beginning of a file looks like. Maps in EDN are the fallback: its reader says best
    /// what is wrong with a text that is nothing at all.
    fn detect(bytes: &[u8]) -> Format {
        // The five counts at the beginning have zeros among their bytes, which no text has.
        if bytes.iter().take(dbcop::COUNTS).any(|byte| *byte == 0) {
            return Format::Dbcop;
        }
        let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let line = text.lines().next().unwrap_or_default();
        let inner = text.trim_start_matches('[').trim_start();
        if line.starts_with('{') && line.contains("\"perjury-history\"") {
            return Format::Perjury;
        }
        if log::is_entry(line) {
            return Format::JepsenLog;
        }
        if awdit::is_line(line) {
            return Format::Awdit;
        }
        if plume::is_line(line) {
            return Format::Plume;
        }
        let in_object = inner.strip_prefix('{').map(str::trim_start);
        if in_object.is_some_and(|inside| inside.starts_with('"')) {
            return Format::JepsenJson;
        }
        let kv = [":f :get", ":f :put", ":f :append"].iter().any(|word| line.contains(word));
        if kv && line.contains(":key \"") { Format::PorcupineKv } else { Format::JepsenEdn }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(word: &str) -> Result<Format, String> {
        Format::ALL.into_iter().find(|format| format.name() == word).ok_or_else(|| {
            let known = Format::ALL.map(Format::name).join(", ");
            format!("unknown history format {word:?}; expected auto, {known}")
        })
    }
}

/// What a read that was answered with `nil` saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NilRead {
    /// Really nothing: the object has no value. So in Porcupine's etcd logs.
    #[default]
    Value,
    /// Something that is not recorded; it matches anything. So in Knossos.
    Unknown,
}

impl FromStr for NilRead {
    type Err = String;

    fn from_str(word: &str) -> Result<NilRead, String> {
        match word {
            "value" => Ok(NilRead::Value),
            "unknown" => Ok(NilRead::Unknown),
            _ => Err(format!("unknown meaning of a nil read {word:?}; expected value or unknown")),
        }
    }
}

/// What the same text may mean to different tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// What a nil that was read means.
    pub nil_read: NilRead,
}

/// A history that was read, and what its file says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The history.
    pub history: History,
    /// The format in which it was.
    pub format: Format,
    /// The word for the model: the header's for our own format, else the one that the operations
    /// suggest; `None` where they fit none.
    pub model: Option<String>,
    /// Entries that are no operation of a client (a nemesis') and were left out.
    pub skipped: u64,
    /// Why a process is not the owner of what it acquires, if the file names its clients.
    pub other_owners: Option<String>,
    /// Are the times those of the file? If not, each is the entry's position.
    pub timed: bool,
}

/// The node of an operation whose file does not name one.
pub const NOWHERE: &str = "?";

/// Reads a history in the given format, or in the one that its content shows. Files that end in
/// `.gz` or `.zst` are decompressed.
///
/// # Errors
/// The file cannot be read, or a line or byte of it is not understood.
pub fn read(path: &Path, format: Option<Format>, dialect: &Dialect) -> Result<Imported, FileError> {
    file::verify_sum(path)?;
    let (bytes, damage) = file::read_bytes(path)?;
    read_text(path, &bytes, damage, format, dialect)
}

fn read_text(
    path: &Path,
    bytes: &[u8],
    damage: Option<String>,
    format: Option<Format>,
    dialect: &Dialect,
) -> Result<Imported, FileError> {
    let format = format.unwrap_or_else(|| Format::detect(bytes));
    if format == Format::Perjury {
        let history = file::read_lines(path, bytes, damage)?;
        let named = history.header.as_ref().map(|header| header.model.clone());
        // One that was converted without knowing its model names none.
        let model = named.filter(|model| !model.is_empty());
        return Ok(Imported {
            history,
            format,
            model,
            skipped: 0,
            other_owners: None,
            timed: true,
        });
    }
    let fail = |flaw: datum::Flaw| FileError::Line {
        path: path.to_owned(),
        line: flaw.line,
        what: format!("{} (read as {format})", flaw.what),
    };
    if format == Format::Dbcop {
        let end = bytes.len() as u64;
        let whole = damage.map_or(Ok(()), |what| Err((end, what)));
        let transactions = whole.and_then(|()| dbcop::transactions(bytes));
        let fail = |(byte, what)| FileError::Byte {
            path: path.to_owned(),
            byte,
            what: format!("{what} (read as {format})"),
        };
        return Ok(sessions::record(transactions.map_err(fail)?, format));
    }
    let line = |end: usize| 1 + bytes[..end].iter().filter(|byte| **byte == b'\n').count() as u64;
    // What a compressed stream still gave after its last line end is half a line.
    let whole = match &damage {
        Some(_) => bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1),
        None => bytes.len(),
    };
    let text = std::str::from_utf8(&bytes[..whole]).map_err(|error| {
        let what = "not UTF-8; mend or delete the damaged bytes".to_owned();
        fail(datum::Flaw { line: line(error.valid_up_to()), what })
    })?;
    let text = text.trim_start_matches('\u{feff}');
    if let Format::Awdit | Format::Plume = format {
        // Half of a transaction, or a read without its writer, would be judged wrongly.
        let transactions = match (damage, format) {
            (Some(what), _) => Err(datum::Flaw { line: line(whole), what }),
            (None, Format::Awdit) => awdit::transactions(text),
            (None, _) => plume::transactions(text),
        };
        return Ok(sessions::record(transactions.map_err(fail)?, format));
    }
    let said = match format {
        Format::JepsenLog => log::entries(text),
        Format::JepsenJson => json::forms(text).and_then(said::all),
        _ => edn::forms(text).and_then(said::all),
    };
    let mut imported = recording::record(said.map_err(fail)?, format, dialect).map_err(fail)?;
    imported.history.truncation = damage.map(|what| Truncation { line: line(whole), what });
    Ok(imported)
}
