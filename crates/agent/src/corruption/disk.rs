//! Corruption of files at rest: bit rot, zeroed blocks, misdirected and torn writes, cut ends.
//!
//! Files are written through the page cache and then dropped from it, so that both a reader of the
//! file and a process that maps it see the change. What a database holds in memory of its own it
//! goes on serving until it reads the file again: that is the database's behaviour, not a miss.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::choice::Choice;
use super::tokens::{self, Found, Wanted};
use super::{Aim, Corrupted, Damage, FileDamage, MOST_PLACES, Place};
use crate::agent::{Agent, io_failure};
use crate::bytes::Bytes;
use crate::journal::Change;
use crate::protocol::{Answer, Failure};

/// A block, as databases and disks write them.
const BLOCK: usize = 4096;
/// What a disk writes as a whole.
const SECTOR: usize = 512;
/// The most bytes that are cut off the end of a file: they are kept in the journal.
pub const MOST_CUT: u64 = 1 << 20;
/// How much is read at once.
const PIECE: usize = 1 << 20;
/// How many blocks are tried for one random place.
const TRIES: u32 = 4096;

/// One change of one file.
struct Edit {
    file: usize,
    offset: u64,
    before: Vec<u8>,
    /// Empty: the file ends at the offset.
    after: Vec<u8>,
}

/// The files to choose from.
struct Files(Vec<(PathBuf, File, u64)>);

/// Corrupts files.
pub fn damage(agent: &Agent, request: &FileDamage) -> Result<Answer, Failure> {
    let root = super::own_directory(agent, &request.path)?;
    let files = Files::below(&root, &request.suffix)
        .map_err(|error| io_failure("look through", &root, &error))?;
    let mut corrupted = Corrupted::default();
    let mut choice = Choice::new(request.seed);
    let edits = files
        .plan(&request.kind, &mut choice, &mut corrupted)
        .map_err(|error| io_failure("read the files of", &root, &error))?;
    super::note_shortfall(&mut corrupted, edits.len(), "in the files");
    for edit in edits.into_iter().take(MOST_PLACES as usize) {
        let (path, file, _) = &files.0[edit.file];
        let change = request.revert.then(|| Change::Bytes {
            path: path.clone(),
            offset: edit.offset,
            before: Bytes(edit.before.clone()),
            after: Bytes(edit.after.clone()),
        });
        super::promise(agent, change)?;
        let seen = write(file, edit.offset, &edit.after)
            .map_err(|error| io_failure("corrupt", path, &error))?;
        let at = format!("{} offset {}", path.display(), edit.offset);
        corrupted.places.push(Place::new(at, &edit.before, &seen));
    }
    Ok(Answer::Corrupted(corrupted))
}

/// Restores what still stands as it was written; says what came of it.
pub fn revert(path: &Path, offset: u64, before: &[u8], after: &[u8]) -> Result<String, String> {
    let place = format!("{} offset {offset}", path.display());
    let told = |error: io::Error| format!("{place}: {error}");
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(format!("{place}: the file is gone"));
        }
        Err(error) => return Err(told(error)),
    };
    let stands = if after.is_empty() {
        file.metadata().map_err(told)?.len() == offset
    } else {
        let mut now = vec![0; after.len()];
        file.read_exact_at(&mut now, offset).is_ok() && now == after
    };
    if !stands {
        return Ok(format!("{place}: overwritten since"));
    }
    write(&file, offset, before).map_err(told)?;
    Ok(format!("{place}: restored"))
}

impl Files {
    /// All regular files below, or the one file; symbolic links are not followed.
    fn below(root: &Path, suffix: &str) -> io::Result<Files> {
        let mut paths = Vec::new();
        let mut open = vec![root.to_path_buf()];
        while let Some(path) = open.pop() {
            let kind = path.symlink_metadata()?.file_type();
            if kind.is_dir() {
                for entry in fs::read_dir(&path)? {
                    open.push(entry?.path());
                }
            } else if kind.is_file() && path.to_string_lossy().ends_with(suffix) {
                paths.push(path);
            }
        }
        // The order of a directory is chance, and the seed has to choose the same again.
        paths.sort();
        let mut files = Vec::new();
        for path in paths {
            let file = match OpenOptions::new().read(true).write(true).open(&path) {
                Ok(file) => file,
                // A log that was rotated away between the look and now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let length = file.metadata()?.len();
            if length > 0 {
                files.push((path, file, length));
            }
        }
        Ok(Files(files))
    }

    fn plan(
        &self,
        kind: &Damage,
        choice: &mut Choice,
        corrupted: &mut Corrupted,
    ) -> io::Result<Vec<Edit>> {
        match kind {
            Damage::Flip(aim) => {
                super::check(aim).map_err(|failure| io::Error::other(failure.message))?;
                match aim {
                    Aim::Random { bits } => {
                        Ok(self.random(*bits, choice, corrupted, |block, c| {
                            let at = c.place(block.len());
                            (at, vec![block[at] ^ (1 << c.below(8))])
                        }))
                    }
                    Aim::Live { pattern, .. } => {
                        let prefix = pattern.prefix.len();
                        self.searched(&Wanted::Seal(pattern), aim, prefix, choice, corrupted)
                    }
                    Aim::Bytes { bytes, .. } => {
                        self.searched(&Wanted::Bytes(&bytes.0), aim, 0, choice, corrupted)
                    }
                }
            }
            Damage::Zero { blocks } => {
                Ok(self.random(*blocks, choice, corrupted, |block, _| (0, vec![0; block.len()])))
            }
            Damage::Misdirect { blocks } => Ok(self.misdirect(*blocks, choice, corrupted)),
            Damage::Torn => self.torn(choice, corrupted),
            Damage::Truncate { bytes } => self.truncate(*bytes, choice),
        }
    }

    fn searched(
        &self,
        wanted: &Wanted<'_>,
        aim: &Aim,
        prefix: usize,
        choice: &mut Choice,
        corrupted: &mut Corrupted,
    ) -> io::Result<Vec<Edit>> {
        let mut found: Found<(usize, u64)> = Found::new();
        let overlap = wanted.width().saturating_sub(1);
        let mut bytes = vec![0; PIECE + overlap];
        for (place, (_, file, _)) in self.0.iter().enumerate() {
            let mut at = 0;
            loop {
                let length = read_up_to(file, &mut bytes, at)?;
                corrupted.searched_bytes += length.min(PIECE) as u64;
                for offset in wanted.offsets(&bytes[..length]) {
                    if offset < PIECE {
                        let value = bytes[offset..offset + wanted.width()].to_vec();
                        found.entry(value).or_default().push((place, at + offset as u64));
                    }
                }
                if length < bytes.len() {
                    break;
                }
                at += PIECE as u64;
            }
        }
        let mut edits = Vec::new();
        for (value, places) in tokens::aimed(found, aim, choice) {
            let after = tokens::flipped(&value, prefix, choice);
            edits.extend(places.into_iter().map(|(file, offset)| {
                let (before, after) = (value.clone(), after.clone());
                Edit { file, offset, before, after }
            }));
        }
        Ok(edits)
    }

    /// Random blocks that hold more than zeros, each changed by `change`: where in it, and to what.
    fn random(
        &self,
        count: u32,
        choice: &mut Choice,
        corrupted: &mut Corrupted,
        change: impl Fn(&[u8], &mut Choice) -> (usize, Vec<u8>),
    ) -> Vec<Edit> {
        let mut edits: Vec<Edit> = Vec::new();
        for _ in 0..count {
            for _ in 0..TRIES {
                let Some((file, offset, block)) = self.block(choice) else { return edits };
                corrupted.searched_bytes += block.len() as u64;
                let (at, after) = change(&block, choice);
                let before = block[at..at + after.len()].to_vec();
                let offset = offset + at as u64;
                let known = edits.iter().any(|edit| {
                    let end = edit.offset + edit.after.len() as u64;
                    edit.file == file && offset < end && edit.offset < offset + after.len() as u64
                });
                if before != after && !known && block.iter().any(|byte| *byte != 0) {
                    edits.push(Edit { file, offset, before, after });
                    break;
                }
            }
        }
        edits
    }

    /// A block anywhere, each as likely as any other.
    fn block(&self, choice: &mut Choice) -> Option<(usize, u64, Vec<u8>)> {
        let blocks = |length: u64| length.div_ceil(BLOCK as u64);
        let all: u64 = self.0.iter().map(|(.., length)| blocks(*length)).sum();
        let mut nth = choice.below(all);
        for (place, (_, file, length)) in self.0.iter().enumerate() {
            if nth < blocks(*length) {
                let offset = nth * BLOCK as u64;
                let mut block = vec![0; BLOCK];
                let read = read_up_to(file, &mut block, offset).ok().filter(|read| *read > 0)?;
                block.truncate(read);
                return Some((place, offset, block));
            }
            nth -= blocks(*length);
        }
        None
    }

    fn misdirect(&self, count: u32, choice: &mut Choice, corrupted: &mut Corrupted) -> Vec<Edit> {
        let mut edits = self.random(count, choice, corrupted, |block, _| {
            // Replaced below; it only has to differ from what stands there.
            (0, block.iter().map(|byte| !byte).collect())
        });
        edits.retain_mut(|edit| {
            let (_, file, length) = &self.0[edit.file];
            for _ in 0..TRIES {
                let offset = choice.below(length.div_ceil(BLOCK as u64)) * BLOCK as u64;
                let mut block = vec![0; edit.before.len()];
                if file.read_exact_at(&mut block, offset).is_ok() && block != edit.before {
                    edit.after = block;
                    return true;
                }
            }
            false
        });
        edits
    }

    /// The last block of a file in which anything stands loses its last sectors.
    fn torn(&self, choice: &mut Choice, corrupted: &mut Corrupted) -> io::Result<Vec<Edit>> {
        let mut candidates = Vec::new();
        for (place, (_, file, length)) in self.0.iter().enumerate() {
            let mut nth = length.div_ceil(BLOCK as u64);
            while nth > 0 {
                nth -= 1;
                let mut block = vec![0; BLOCK];
                let read = read_up_to(file, &mut block, nth * BLOCK as u64)?;
                block.truncate(read);
                corrupted.searched_bytes += read as u64;
                let Some(last) = block.iter().rposition(|byte| *byte != 0) else { continue };
                let sectors = last / SECTOR;
                if sectors > 0 {
                    candidates.push((place, nth * BLOCK as u64, block, sectors, last));
                }
                break;
            }
        }
        let chosen =
            choice.some(candidates, 1).into_iter().map(|(file, start, block, sectors, last)| {
                let arrived = (1 + choice.place(sectors)) * SECTOR;
                let before = block[arrived..=last].to_vec();
                let after = vec![0; before.len()];
                Edit { file, offset: start + arrived as u64, before, after }
            });
        Ok(chosen.collect())
    }

    fn truncate(&self, bytes: u64, choice: &mut Choice) -> io::Result<Vec<Edit>> {
        let files: Vec<usize> = (0..self.0.len()).collect();
        let mut edits = Vec::new();
        for file in choice.some(files, 1) {
            let (_, handle, length) = &self.0[file];
            let cut = bytes.clamp(1, MOST_CUT).min(*length);
            let mut before = vec![0; usize::try_from(cut).unwrap_or_default()];
            handle.read_exact_at(&mut before, length - cut)?;
            edits.push(Edit { file, offset: length - cut, before, after: Vec::new() });
        }
        Ok(edits)
    }
}

/// Fills as much as the file has from there on; says how much.
fn read_up_to(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Writes, or cuts the file off, syncs, drops the file from the cache and reads back.
fn write(file: &File, offset: u64, bytes: &[u8]) -> io::Result<Vec<u8>> {
    if bytes.is_empty() {
        file.set_len(offset)?;
    } else {
        file.write_all_at(bytes, offset)?;
    }
    file.sync_data()?;
    // Only advice: a page that is mapped stays, and is the same page.
    let _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    let mut seen = vec![0; bytes.len()];
    file.read_exact_at(&mut seen, offset)?;
    if seen != bytes {
        return Err(io::Error::other("the file does not keep what is written to it"));
    }
    Ok(seen)
}
