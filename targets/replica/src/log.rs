//! A log of records on disk, which a replica that was killed reads again.
//!
//! A record is in the log, and with `sync` on the disk, before [`Log::append`] returns. It is a
//! length with a checksum of its own, a checksum of the body, and the body; checksums are the first
//! bytes of a SHA-256. A last record that breaks off was never acknowledged and is cut away; a
//! wrong checksum is damage, and the replica refuses to start. The length has its own, since a
//! damaged one could make the rest of the log look like such a last record.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

/// The length, its checksum, and the checksum of the body.
const HEAD: usize = 4 + 4 + 8;

/// An open log.
pub struct Log {
    file: File,
    sync: bool,
}

impl Log {
    /// Opens the log and hands on the body of every record, the oldest first. `each` answers
    /// whether it is a record of this program.
    ///
    /// # Errors
    /// The file cannot be used, or is damaged: where, is said.
    pub fn open(path: &Path, sync: bool, each: impl FnMut(&[u8]) -> bool) -> io::Result<Log> {
        let mut file =
            File::options().create(true).read(true).write(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole = replay(&bytes, each)?;
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Log { file, sync })
    }

    /// Writes one more record.
    ///
    /// # Errors
    /// It is not there, or not whole.
    pub fn append(&mut self, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        let mut record = length.to_be_bytes().to_vec();
        record.extend(checksum::<4>(&record));
        record.extend(checksum::<8>(body));
        record.extend(body);
        self.file.write_all(&record)?;
        if self.sync { self.file.sync_data() } else { Ok(()) }
    }

    /// Removes every record.
    ///
    /// # Errors
    /// They are still there.
    pub fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()
    }
}

/// How many bytes are whole records.
fn replay(bytes: &[u8], mut each: impl FnMut(&[u8]) -> bool) -> io::Result<usize> {
    let mut at = 0;
    while let Some(head) = bytes.get(at..at + HEAD) {
        let damaged = || {
            let what = format!("the log is damaged at byte {at}: the checksum does not match");
            io::Error::new(io::ErrorKind::InvalidData, what)
        };
        if checksum::<4>(&head[..4]) != head[4..8] {
            return Err(damaged());
        }
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some(body) = bytes.get(at + HEAD..at + HEAD + length) else { break };
        if checksum::<8>(body) != head[8..] {
            return Err(damaged());
        }
        if !each(body) {
            let what = format!("the record at byte {at} of the log is none of this program");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        at += HEAD + length;
    }
    Ok(at)
}

fn checksum<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut sum = [0; N];
    sum.copy_from_slice(&Sha256::digest(bytes)[..N]);
    sum
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    fn open(path: &Path) -> (Log, Vec<Vec<u8>>) {
        let mut records = Vec::new();
        let log = Log::open(path, true, |body| {
            records.push(body.to_vec());
            true
        });
        (log.unwrap(), records)
    }

    fn filled(path: &Path) {
        let (mut log, _) = open(path);
        log.append(b"one").unwrap();
        log.append(b"another").unwrap();
    }

    #[test]
    fn what_was_written_is_there_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        filled(&path);
        let (mut log, records) = open(&path);
        assert_eq!(records, [b"one".to_vec(), b"another".to_vec()]);
        log.clear().unwrap();
        log.append(b"new").unwrap();
        drop(log);
        assert_eq!(open(&path).1, [b"new".to_vec()]);
    }

    #[test]
    fn a_record_that_breaks_off_is_cut_away_and_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        filled(&path);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let (mut log, records) = open(&path);
        assert_eq!(records, [b"one".to_vec()]);
        log.append(b"next").unwrap();
        drop(log);
        assert_eq!(open(&path).1, [b"one".to_vec(), b"next".to_vec()]);
    }

    #[test]
    fn every_flipped_bit_is_noticed_and_so_is_a_foreign_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        filled(&path);
        let bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            assert!(replay(&damaged, |_| true).is_err(), "bit {at}");
        }
        assert!(replay(&bytes, |_| true).is_ok());
        assert!(replay(&bytes, |body| body == b"one").is_err());
    }
}
