//! What the threads of one agent share.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use sha2::{Digest, Sha256};

use crate::journal::{Journal, Seq};
use crate::processes::Family;
use crate::protocol::{Failure, FailureKind, Healed};
use crate::services::Services;
use crate::undo;

/// One agent at work on a state directory.
#[derive(Debug)]
pub struct Agent {
    state: PathBuf,
    id: String,
    journal: Mutex<Journal>,
    /// The services that were started.
    pub services: Services,
    /// How many marks were given out.
    marks: AtomicU64,
    /// Held while the cut changes.
    pub cutting: Mutex<()>,
    /// The leaders of the process groups of running commands.
    commands: Mutex<BTreeSet<i32>>,
    /// Read by who changes the node, written by who heals it; true when nothing may change again.
    gate: RwLock<bool>,
    /// What an earlier agent had left.
    pub found: Healed,
}

impl Agent {
    /// Takes over a locked state directory and undoes what an earlier agent left there.
    pub fn new(state: &Path) -> io::Result<Agent> {
        let mut journal = Journal::open(state)?;
        let found = undo::heal(&mut journal, |_| true);
        Ok(Agent {
            state: state.to_path_buf(),
            id: id_of(state),
            journal: Mutex::new(journal),
            services: Services::default(),
            marks: AtomicU64::new(0),
            cutting: Mutex::new(()),
            commands: Mutex::new(BTreeSet::new()),
            gate: RwLock::new(false),
            found,
        })
    }

    /// Where the journal is.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Tells this agent from those of other runs on the node: twelve hex digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A value for [`crate::processes::MARK`] that nobody else has.
    pub fn new_mark(&self) -> String {
        let count = self.marks.fetch_add(1, Ordering::Relaxed);
        format!("{}-{}-{count}", self.id, std::process::id())
    }

    /// The journal, for a short time.
    pub fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Permission to change the node, held while it is changed. Refused once the agent heals for
    /// good.
    pub fn enter(&self) -> Result<RwLockReadGuard<'_, bool>, Failure> {
        let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        if *gate {
            return Err(Failure::new(FailureKind::NotPermitted, "the agent is ending"));
        }
        Ok(gate)
    }

    /// Undoes the faults, or everything, while nothing else changes the node.
    pub fn heal(&self, services: bool) -> Healed {
        let _alone = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        undo::heal(&mut self.journal(), |change| services || change.is_fault())
    }

    /// Undoes everything for good. A request that still changes something gets a few seconds to
    /// finish; healing does not wait for ever for it.
    pub fn heal_for_good(&self) -> Healed {
        let deadline = Instant::now() + Duration::from_secs(15);
        let mut gate = self.gate.try_write();
        while gate.is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
            gate = self.gate.try_write();
        }
        if let Ok(gate) = &mut gate {
            **gate = true;
        }
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        for leader in commands.iter() {
            // Not reaped while it is in the set, so the number is still its own.
            let _ = killpg(Pid::from_raw(*leader), Signal::SIGKILL);
        }
        drop(commands);
        let mut journal = self.journal();
        let mut healed = undo::heal(&mut journal, |_| true);
        if let Err(error) = journal.finish() {
            healed.failed.push(format!("the journal cannot be removed: {error}"));
        }
        healed
    }

    /// The commands that are running; a leader is in it from its start until it is reaped. Who
    /// adds one holds the permission of [`Agent::enter`].
    pub fn commands(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is there a stop of these processes that was not undone?
    pub fn is_stopped(&self, family: &Family) -> bool {
        self.journal().entries().any(|(_, change)| change.stops(family))
    }

    /// The processes were continued or killed: nothing is left to continue.
    pub fn forget_stops(&self, family: &Family) {
        let mut journal = self.journal();
        let stops = journal.entries().filter(|(_, change)| change.stops(family));
        let done: Vec<Seq> = stops.map(|(seq, _)| seq).collect();
        for seq in done {
            journal.healed(seq);
        }
    }

    /// The journal could not be written, so nothing was changed.
    pub fn journal_failure(&self, error: &io::Error) -> Failure {
        disk_failure("write the undo journal in", &self.state, error)
    }
}

fn id_of(state: &Path) -> String {
    let path = std::fs::canonicalize(state).unwrap_or_else(|_| state.to_path_buf());
    let hash = Sha256::digest(path.as_os_str().as_encoded_bytes());
    hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// A failure of the operating system about a path.
pub fn io_failure(what: &str, path: &Path, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FailureKind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            FailureKind::NotPermitted
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureKind::DiskFull,
        io::ErrorKind::TimedOut => FailureKind::Timeout,
        io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory => FailureKind::BadRequest,
        _ if error.raw_os_error() == Some(Errno::EPERM as i32) => FailureKind::NotPermitted,
        _ => FailureKind::Io,
    };
    Failure::new(kind, format!("cannot {what} {}: {error}", path.display()))
}

/// The same for who writes: a full disk is told with how much is free.
pub fn disk_failure(what: &str, path: &Path, error: &io::Error) -> Failure {
    let failure = io_failure(what, path, error);
    if failure.kind != FailureKind::DiskFull {
        return failure;
    }
    let free = free_bytes(path).map_or_else(|| "unknown".to_string(), |bytes| bytes.to_string());
    let message = format!(
        "cannot {what} {}: the disk is full ({free} bytes free there): {error}",
        path.display()
    );
    Failure::new(FailureKind::DiskFull, message)
}

/// Free bytes on the file system of the nearest existing parent.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let existing = path.ancestors().find(|path| path.exists())?;
    let space = nix::sys::statvfs::statvfs(existing).ok()?;
    Some(space.blocks_available() * space.fragment_size())
}
