//! An older copy of a data directory: amnesia. The node forgets what it acknowledged and voted.
//!
//! The copy is kept in the agent's state directory and goes when the node is healed. Putting it
//! back replaces what is there; who asks for that stops the service before and starts it after.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};

use super::Snapshot;
use crate::agent::{Agent, disk_failure, io_failure};
use crate::journal::Change;
use crate::protocol::{Answer, Failure, FailureKind};

/// Keeps a copy under its name, instead of an earlier one of that name.
pub fn take(agent: &Agent, request: &Snapshot) -> Result<Answer, Failure> {
    let from = super::own_directory(agent, &request.path)?;
    let to = place(agent, request)?;
    let promised = agent
        .journal()
        .entries()
        .any(|(_, change)| matches!(change, Change::Dir { path, .. } if *path == to));
    if !promised {
        let change = Change::Dir { path: to.clone(), parents: Vec::new() };
        super::promise(agent, Some(change))?;
    }
    clear(&to).map_err(|error| io_failure("replace the copy", &to, &error))?;
    copy(&from, &to).map_err(|error| {
        let _ = clear(&to);
        disk_failure("keep a copy in", &to, &error)
    })?;
    Ok(Answer::Done)
}

/// Puts the copy of that name back.
pub fn restore(agent: &Agent, request: &Snapshot) -> Result<Answer, Failure> {
    let to = super::own_directory(agent, &request.path)?;
    let from = place(agent, request)?;
    if !from.is_dir() {
        let message = format!("there is no copy {:?} of {}", request.name, to.display());
        return Err(Failure::new(FailureKind::NotFound, message));
    }
    let replaced = || -> io::Result<()> {
        // The directory itself stays: it may be a mount point, and the journal names it.
        for entry in fs::read_dir(&to)? {
            clear(&entry?.path())?;
        }
        copy(&from, &to)
    };
    replaced().map_err(|error| disk_failure("put the copy back into", &to, &error))?;
    Ok(Answer::Done)
}

fn place(agent: &Agent, request: &Snapshot) -> Result<PathBuf, Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if request.name.is_empty() || !request.name.bytes().all(plain) {
        return Err(Failure::bad_request("the name of a copy has letters, digits and `-` only"));
    }
    Ok(agent.state().join(format!("copy-{}", request.name)))
}

fn clear(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(data) if data.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Copies a directory with its owners and permissions; what is no file, directory or link (a
/// socket, a pipe) is left out: its maker makes it again.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let data = from.symlink_metadata()?;
    let kind = data.file_type();
    if kind.is_dir() {
        if !to.is_dir() {
            fs::create_dir(to)?;
        }
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            match copy(&entry.path(), &to.join(entry.file_name())) {
                // A file that the database removed in the meantime.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other?,
            }
        }
    } else if kind.is_symlink() {
        return symlink(fs::read_link(from)?, to);
    } else if kind.is_file() {
        io::copy(&mut File::open(from)?, &mut File::create(to)?)?;
    } else {
        return Ok(());
    }
    chown(to, Some(data.uid()), Some(data.gid()))?;
    fs::set_permissions(to, data.permissions())
}
