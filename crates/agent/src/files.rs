//! Files and directories on the node.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown, fchown};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::agent::{Agent, disk_failure, io_failure};
use crate::journal::Change;
use crate::protocol::{Account, Answer, Chunk, Failure, MAX_CHUNK, MakeDir, Read, Write};

fn absolute(path: &str) -> Result<&Path, Failure> {
    let checked = Path::new(path);
    let honest = checked.components().all(|part| part != Component::ParentDir);
    if !checked.is_absolute() || !honest || path.contains('\0') {
        return Err(Failure::bad_request(format!("{path:?} is not an absolute path without `..`")));
    }
    Ok(checked)
}

/// Writes or appends.
pub fn write(request: &Write) -> Result<Answer, Failure> {
    let path = absolute(&request.path)?;
    if request.bytes.0.len() > MAX_CHUNK {
        return Err(Failure::bad_request(format!(
            "{} bytes at once, more than allowed",
            request.bytes.0.len()
        )));
    }
    let done = if request.append { append(path, request) } else { replace(path, request) };
    done.map(|()| Answer::Done).map_err(|error| disk_failure("write", path, &error))
}

fn append(path: &Path, request: &Write) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).mode(request.mode).open(path)?;
    let length = file.metadata()?.len();
    let written = file.write_all(&request.bytes.0).and_then(|()| adorn(&file, request));
    if written.is_err() {
        // Asked again, the same bytes must not stand there one and a half times.
        let _ = file.set_len(length);
    }
    written
}

fn replace(path: &Path, request: &Write) -> io::Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let part = path.with_file_name(format!(".{name}.part-{}-{count}", std::process::id()));
    let mut options = OpenOptions::new();
    let written = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)
        .and_then(|mut file| {
            file.write_all(&request.bytes.0)?;
            adorn(&file, request)
        })
        .and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

fn adorn(file: &File, request: &Write) -> io::Result<()> {
    if let Some(Account { uid, gid }) = request.owner {
        fchown(file, Some(uid), Some(gid))?;
    }
    // After the owner: changing that clears the set-user-id bit.
    file.set_permissions(Permissions::from_mode(request.mode & 0o7777))
}

/// Reads a piece.
pub fn read(request: &Read) -> Result<Answer, Failure> {
    let path = absolute(&request.path)?;
    let most = request.max_bytes.min(MAX_CHUNK as u64);
    let piece = || -> io::Result<Chunk> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        file.seek(SeekFrom::Start(request.offset))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(Chunk { bytes: bytes.into(), size })
    };
    piece().map(Answer::Chunk).map_err(|error| io_failure("read", path, &error))
}

/// Makes a directory.
pub fn make_dir(agent: &Agent, request: &MakeDir) -> Result<Answer, Failure> {
    let path = absolute(&request.path)?;
    if request.remove_on_heal {
        promise_removal(agent, path)?;
    }
    let done = || -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o755).create(path)?;
        if let Some(Account { uid, gid }) = request.owner {
            chown(path, Some(uid), Some(gid))?;
        }
        fs::set_permissions(path, Permissions::from_mode(request.mode & 0o7777))
    };
    done().map(|()| Answer::Done).map_err(|error| disk_failure("make", path, &error))
}

/// Writes into the journal that this directory goes when the node is healed.
fn promise_removal(agent: &Agent, path: &Path) -> Result<(), Failure> {
    if path.components().count() < 3 {
        let message = format!("{} is too near the root to be removed later", path.display());
        return Err(Failure::bad_request(message));
    }
    let mut journal = agent.journal();
    let promised = journal
        .entries()
        .any(|(_, change)| matches!(change, Change::Dir { path: known, .. } if known == path));
    if promised {
        return Ok(());
    }
    if path.symlink_metadata().is_ok() {
        let message = format!("{} was there before: it will not be removed later", path.display());
        return Err(Failure::bad_request(message));
    }
    let absent = |parent: &&Path| parent.symlink_metadata().is_err();
    let parents: Vec<PathBuf> =
        path.ancestors().skip(1).take_while(absent).map(Path::to_path_buf).collect();
    let change = Change::Dir { path: path.to_path_buf(), parents };
    journal.begin(change).map(drop).map_err(|error| agent.journal_failure(&error))
}
