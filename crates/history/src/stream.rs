//! A history of our own, entry by entry: also one that is still being written.
//!
//! Not more is in memory than one line. The same lines are refused as by
//! [`read_file`](crate::read_file), and a file whose end is cut off ends before the cut.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::file::{FileError, Header, Truncation, read_header};
use crate::{Entry, line};

/// The longest line, in bytes: what is longer is no entry.
const MOST_LINE: u64 = 1 << 28;

/// A history file that is open, and how far it was read.
pub struct Entries {
    path: PathBuf,
    source: Box<dyn BufRead + Send>,
    is_compressed: bool,
    header: Header,
    /// What was read of a line that has no end yet.
    line: Vec<u8>,
    /// How many lines were read.
    number: u64,
    damage: Option<String>,
}

impl Entries {
    /// Opens a file and reads its header. Files that end in `.gz` or `.zst` are decompressed.
    ///
    /// # Errors
    /// The file cannot be read, has no header, or is of a newer format.
    pub fn open(path: &Path) -> Result<Entries, FileError> {
        let fail = |source| FileError::Io { path: path.to_owned(), source };
        let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(fail)?);
        let ending = path.extension().and_then(|end| end.to_str());
        let mut source: Box<dyn BufRead + Send> = match ending {
            Some("zst") => {
                let decoder = zstd::Decoder::with_buffer(file).map_err(fail)?;
                Box::new(BufReader::with_capacity(1 << 16, decoder))
            }
            Some("gz") => {
                let decoder = flate2::bufread::MultiGzDecoder::new(file);
                Box::new(BufReader::with_capacity(1 << 16, decoder))
            }
            _ => Box::new(file),
        };
        let mut line = Vec::new();
        let read = source.by_ref().take(MOST_LINE).read_until(b'\n', &mut line);
        let at = |what: String| FileError::Line { path: path.to_owned(), line: 1, what };
        if line.last() != Some(&b'\n') {
            read.map_err(fail)?;
            return Err(at("the file is empty: not even its header was written".into()));
        }
        let text = std::str::from_utf8(&line).map_err(|_| at("not UTF-8".into()))?;
        Ok(Entries {
            header: read_header(path, text)?,
            path: path.to_owned(),
            source,
            is_compressed: matches!(ending, Some("zst" | "gz")),
            line: Vec::new(),
            number: 1,
            damage: None,
        })
    }

    /// The first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next entry, or `None` where the file ends for now: what is written to it later is read
    /// by asking again.
    ///
    /// # Errors
    /// The file cannot be read, or a line is damaged.
    pub fn read(&mut self) -> Result<Option<Entry>, FileError> {
        if self.damage.is_some() {
            return Ok(None);
        }
        let room = MOST_LINE.saturating_sub(self.line.len() as u64);
        let read = self.source.by_ref().take(room).read_until(b'\n', &mut self.line);
        if let Err(source) = read {
            if self.is_compressed {
                self.damage = Some(format!("the compressed stream breaks off: {source}"));
                return Ok(None);
            }
            return Err(FileError::Io { path: self.path.clone(), source });
        }
        if self.line.last() != Some(&b'\n') {
            if self.line.len() as u64 >= MOST_LINE {
                return Err(self.flaw(format!("a line of more than {MOST_LINE} bytes")));
            }
            return Ok(None);
        }
        self.number += 1;
        let text = std::str::from_utf8(&self.line)
            .map_err(|error| format!("not UTF-8 at byte {}", error.valid_up_to() + 1));
        let entry = text.and_then(line::read).map_err(|what| self.flaw(what))?;
        let expected = self.number - 2;
        if entry.index.0 != expected {
            let found = entry.index.0;
            return Err(self.flaw(format!(
                "entry {found} stands where {expected} should: lines are missing or repeated"
            )));
        }
        self.line.clear();
        Ok(Some(entry))
    }

    /// Where the file is cut off, if [`Entries::read`] said that it ends here and nothing follows.
    pub fn truncation(&self) -> Option<Truncation> {
        let rest = self.line.len();
        let what = match &self.damage {
            Some(damage) => damage.clone(),
            None if rest == 0 => return None,
            None => format!("{rest} bytes without a line end"),
        };
        Some(Truncation { line: self.number + 1, what })
    }

    fn flaw(&self, what: String) -> FileError {
        FileError::Line { path: self.path.clone(), line: self.number, what }
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
