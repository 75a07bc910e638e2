//! Paths that stay inside a folder.
//!
//! A path is taken apart before it touches the disk, and what it leads to is looked at again
//! afterwards: neither `..` nor a link leads out, and only plain files are opened.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use crate::report::index::FileLine;

/// How large a file may be that is sent.
const MOST_BYTES: u64 = 256 << 20;
/// How many files are listed.
const MOST_FILES: usize = 5000;

/// Why a file is not given out.
#[derive(Debug)]
pub enum Refusal {
    /// It is not there.
    Missing,
    /// The path is none that stays inside.
    Outside,
    /// It has that many bytes.
    Large(u64),
    /// The system refused.
    Io(io::Error),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Refusal::Missing,
            _ => Refusal::Io(error),
        }
    }
}

/// What that path leads to, if it is inside the folder.
///
/// # Errors
/// It is not.
pub fn inside(folder: &Path, path: &str) -> Result<PathBuf, Refusal> {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    let whole = Path::new(path);
    if path.is_empty() || path.contains(['\0', '\\']) || !whole.components().all(plain) {
        return Err(Refusal::Outside);
    }
    let root = fs::canonicalize(folder)?;
    let found = fs::canonicalize(root.join(whole))?;
    if found == root || !found.starts_with(&root) {
        return Err(Refusal::Outside);
    }
    Ok(found)
}

/// The content of a file inside the folder.
///
/// # Errors
/// It is not there, not inside, no plain file, or too large.
pub fn read(folder: &Path, path: &str) -> Result<Vec<u8>, Refusal> {
    let found = inside(folder, path)?;
    // Looked at before it is opened: opening a pipe would wait for ever.
    let meta = fs::symlink_metadata(&found)?;
    if !meta.is_file() {
        return Err(Refusal::Missing);
    }
    if meta.len() > MOST_BYTES {
        return Err(Refusal::Large(meta.len()));
    }
    let mut bytes = Vec::new();
    File::open(&found)?.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The plain files below a folder, in order. Links are not followed.
pub fn list(folder: &Path) -> Vec<FileLine> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let Ok(meta) = fs::symlink_metadata(entry.path()) else { continue };
            if meta.is_dir() {
                pending.push(entry.path());
            } else if meta.is_file() && found.len() < MOST_FILES {
                let path = entry.path();
                let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy();
                found.push((name.into_owned(), meta.len()));
            }
        }
    }
    found.sort();
    found.into_iter().map(|(name, size)| FileLine::new(&name, size)).collect()
}
