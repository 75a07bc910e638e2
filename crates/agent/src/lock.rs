//! One agent at a time for each state directory.
//!
//! A lock file with the owner's process id in it, held with `flock`: the kernel lets go of it when
//! the last process of the owner dies, however it dies.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A state directory that is ours.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    lock: Flock<File>,
}

/// Why a state directory is not ours.
#[derive(Debug)]
pub enum LockError {
    /// Another agent has it; its process id, if it could be read.
    Held(Option<u32>),
    /// The directory cannot be used.
    Io(io::Error),
}

impl StateDir {
    /// Makes the directory (mode 0700) and locks it, or says who has it.
    pub fn take(path: &Path) -> Result<StateDir, LockError> {
        let name = path.join("lock");
        loop {
            let mut folder = fs::DirBuilder::new();
            folder.recursive(true).mode(0o700).create(path).map_err(LockError::Io)?;
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let file = match options.open(&name) {
                Ok(file) => file,
                // The former owner removed the directory just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(LockError::Io(error)),
            };
            let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => lock,
                Err((mut file, Errno::EWOULDBLOCK)) => {
                    let mut text = String::new();
                    let read = file.read_to_string(&mut text);
                    let pid = read.ok().and_then(|_| text.trim().parse().ok());
                    return Err(LockError::Held(pid));
                }
                Err((_, error)) => return Err(LockError::Io(error.into())),
            };
            // The former owner removes the file when it is done: what we locked may be a file
            // that nobody else can find any more.
            let ours = lock.metadata().map_err(LockError::Io)?;
            let there = fs::metadata(&name);
            if !there.is_ok_and(|there| (there.ino(), there.dev()) == (ours.ino(), ours.dev())) {
                continue;
            }
            // On a full disk the number is missing; the lock holds all the same.
            let _ = lock.set_len(0).and_then(|()| lock.rewind());
            let _ = write!(lock, "{}", std::process::id());
            return Ok(StateDir { path: path.to_path_buf(), lock });
        }
    }

    /// The same, but waits for another agent to go by itself.
    pub fn await_free(path: &Path, patience: Duration) -> Result<StateDir, LockError> {
        let deadline = Instant::now() + patience;
        loop {
            match StateDir::take(path) {
                Err(LockError::Held(_)) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                other => return other,
            }
        }
    }

    /// The same, but asks another agent to heal and go, and waits for that.
    pub fn take_over(path: &Path, patience: Duration) -> Result<StateDir, LockError> {
        let deadline = Instant::now() + patience;
        let mut asked = None;
        loop {
            match StateDir::take(path) {
                Err(LockError::Held(owner)) if Instant::now() < deadline => {
                    // Asked once: while it heals it needs no second signal. The lock is held, so
                    // the number is that of a living process.
                    if owner != asked
                        && let Some(pid) = owner.and_then(|pid| i32::try_from(pid).ok())
                    {
                        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
                        asked = owner;
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
                other => return other,
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it up and removes what is empty.
    pub fn leave(self) {
        // Before the lock is let go: see `take`.
        let _ = fs::remove_file(self.path.join("lock"));
        drop(self.lock);
        // It stays if something is left in it.
        let _ = fs::remove_dir(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let first = StateDir::take(&path).unwrap();
        let me = std::process::id();
        assert!(matches!(StateDir::take(&path), Err(LockError::Held(Some(pid))) if pid == me));
        first.leave();
        assert!(!path.exists());
        StateDir::take(&path).unwrap().leave();
    }
}
