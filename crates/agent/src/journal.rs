//! The write-ahead journal of what has to be undone: `<state>/journal.jsonl`.
//!
//! A line says that a change is about to be made, a later line that it was undone. Each line is
//! synced to the disk before [`Journal::begin`] returns, and only then may the change be made. So
//! whatever was changed is in the journal, and an entry whose change was never made is harmless:
//! undoing is idempotent.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::processes::Family;

/// Something that has to be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// A service runs. Undone by killing it.
    Service {
        /// Its name.
        name: String,
        /// Its processes.
        family: Family,
    },
    /// A command runs that somebody waits for. Undone by killing it.
    Command {
        /// Its program.
        name: String,
        /// Its processes.
        family: Family,
    },
    /// The processes of a service are stopped. Undone by continuing them.
    Stopped {
        /// Its name.
        name: String,
        /// Its processes.
        family: Family,
    },
    /// A table of the packet filter drops packets. Undone by deleting it.
    Table {
        /// Its name.
        table: String,
    },
    /// A chain of the older packet filter drops packets. Undone by deleting it and the jump to it.
    Chain {
        /// Its name.
        chain: String,
    },
    /// A table of the packet filter redirects connections to a liar. Undone by deleting it; the
    /// liar's connections end with its process.
    Redirect {
        /// Its name.
        table: String,
    },
    /// Packets wait for the verdict of a liar. Undone by deleting the rules that make them wait.
    Queue {
        /// The name of the table, or of the chain.
        name: String,
        /// Is it a table of `nft`? Else it is a chain of `iptables`.
        nft: bool,
    },
    /// A directory was made. Undone by removing it with all that is in it.
    Dir {
        /// Where.
        path: PathBuf,
        /// The parents that were made for it, the innermost first; removed only if empty.
        parents: Vec<PathBuf>,
    },
    /// Bits of a process's memory were turned over. Undone if they still stand so.
    Memory {
        /// The process.
        pid: u32,
        /// Its start time, in clock ticks since the machine booted.
        start: u64,
        /// Where.
        address: u64,
        /// What stood there.
        before: Bytes,
        /// What was written.
        after: Bytes,
    },
    /// A stretch of a file was overwritten or cut off. Undone if it still stands so.
    Bytes {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What stood there.
        before: Bytes,
        /// What was written; empty if the file was cut off there.
        after: Bytes,
    },
}

impl Change {
    /// Is it a stop of these processes?
    pub fn stops(&self, family: &Family) -> bool {
        matches!(self, Change::Stopped { family: stopped, .. } if stopped == family)
    }

    /// Is it a fault, rather than a part of the database under test?
    pub fn is_fault(&self) -> bool {
        match self {
            Change::Stopped { .. }
            | Change::Table { .. }
            | Change::Chain { .. }
            | Change::Redirect { .. }
            | Change::Queue { .. }
            | Change::Memory { .. }
            | Change::Bytes { .. } => true,
            Change::Service { .. } | Change::Command { .. } | Change::Dir { .. } => false,
        }
    }
}

/// The number of an entry in its journal.
pub type Seq = u64;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    Begin { seq: Seq, change: Change },
    Healed { seq: Seq },
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// Made with the first entry.
    file: Option<File>,
    /// Up to here the file holds whole lines.
    length: u64,
    next: Seq,
    open: BTreeMap<Seq, Change>,
}

impl Journal {
    /// Opens the journal of a state directory, with what an earlier agent left in it. A last line
    /// without its end is cut off: its change was never made. Fails on any other junk, because
    /// what cannot be read cannot be undone.
    pub fn open(state: &Path) -> io::Result<Journal> {
        let path = state.join("journal.jsonl");
        let mut journal = Journal { path, file: None, length: 0, next: 1, open: BTreeMap::new() };
        let mut file = match OpenOptions::new().read(true).append(true).open(&journal.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(journal),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for (at, line) in bytes[..whole].split(|byte| *byte == b'\n').enumerate() {
            if !line.is_empty() {
                journal.replay(line).map_err(|error| journal.junk(at + 1, &error))?;
            }
        }
        journal.length = whole as u64;
        file.set_len(journal.length)?;
        journal.file = Some(file);
        Ok(journal)
    }

    fn replay(&mut self, line: &[u8]) -> Result<(), serde_json::Error> {
        match serde_json::from_slice(line)? {
            Line::Begin { seq, change } => {
                self.next = self.next.max(seq + 1);
                self.open.insert(seq, change);
            }
            Line::Healed { seq } => {
                self.open.remove(&seq);
            }
        }
        Ok(())
    }

    fn junk(&self, line: usize, error: &serde_json::Error) -> io::Error {
        let text = format!("{} line {line} cannot be read: {error}", self.path.display());
        io::Error::new(io::ErrorKind::InvalidData, text)
    }

    /// Writes down a change that is about to be made. If this fails, it must not be made.
    pub fn begin(&mut self, change: Change) -> io::Result<Seq> {
        let seq = self.note(change)?;
        let synced = self.file()?.sync_data();
        if synced.is_err() {
            self.healed(seq);
        }
        synced.map(|()| seq)
    }

    /// The same without waiting for the disk: for what does not outlive the machine anyway.
    pub fn note(&mut self, change: Change) -> io::Result<Seq> {
        let seq = self.next;
        self.append(&Line::Begin { seq, change: change.clone() })?;
        self.next += 1;
        self.open.insert(seq, change);
        Ok(seq)
    }

    /// Writes down that a change is undone. If that does not reach the disk it is undone once more
    /// by whoever reads the journal, which does no harm; so it is not waited for.
    pub fn healed(&mut self, seq: Seq) {
        if self.open.remove(&seq).is_some() {
            let _ = self.append(&Line::Healed { seq });
        }
    }

    /// What is not undone yet, in the order in which it was done.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = (Seq, &Change)> {
        self.open.iter().map(|(seq, change)| (*seq, change))
    }

    /// Removes the file if nothing is left to undo; says whether nothing is.
    pub fn finish(&mut self) -> io::Result<bool> {
        if !self.open.is_empty() {
            return Ok(false);
        }
        self.file = None;
        self.length = 0;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(true),
        }
    }

    fn append(&mut self, line: &Line) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        let length = self.length;
        let file = self.file()?;
        if let Err(error) = file.write_all(&bytes) {
            // Half a line in the middle would make the rest unreadable.
            let _ = file.set_len(length);
            return Err(error);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn file(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            let mut options = OpenOptions::new();
            let file = options.append(true).create(true).mode(0o600).open(&self.path)?;
            // The name of the file has to survive a crash as well.
            if let Some(folder) = self.path.parent() {
                File::open(folder)?.sync_all()?;
            }
            self.file = Some(file);
        }
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> Change {
        Change::Table { table: name.to_string() }
    }

    #[test]
    fn what_was_begun_and_not_healed_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(folder.path()).unwrap();
        let first = journal.begin(table("a")).unwrap();
        journal.begin(table("b")).unwrap();
        journal.healed(first);
        let mut again = Journal::open(folder.path()).unwrap();
        let left: Vec<_> = again.entries().map(|(seq, change)| (seq, change.clone())).collect();
        assert_eq!(left, [(2, table("b"))]);
        assert!(!again.finish().unwrap());
        again.healed(2);
        assert!(again.finish().unwrap());
        assert!(!folder.path().join("journal.jsonl").exists());
        assert_eq!(again.begin(table("c")).unwrap(), 3);
        assert_eq!(Journal::open(folder.path()).unwrap().entries().count(), 1);
    }

    #[test]
    fn a_last_line_without_its_end_is_cut_off_and_other_junk_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        Journal::open(folder.path()).unwrap().begin(table("a")).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, [&whole, &whole[..cut]].concat()).unwrap();
            let mut journal = Journal::open(folder.path()).unwrap();
            assert_eq!(journal.entries().count(), 1);
            journal.begin(table("b")).unwrap();
            assert_eq!(Journal::open(folder.path()).unwrap().entries().count(), 2);
        }
        fs::write(&path, "junk\n").unwrap();
        assert!(Journal::open(folder.path()).is_err());
    }
}
