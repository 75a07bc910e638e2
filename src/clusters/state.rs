//! The state folder: what was made, written down before it is made.
//!
//! Each cluster has a folder `clusters/<name>`, locked while somebody works on it, with a
//! [`Record`] from before the first thing is made and an [`Inventory`] from after the last one.
//! Folders are only removed when no mount lies below them.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Backend, ClusterError, Inventory, life};

/// Where state and cache lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// What describes clusters that are up, with their keys and the files of their nodes.
    pub state: PathBuf,
    /// What can be made again at the price of time: base trees, package layers, images.
    pub cache: PathBuf,
}

impl Places {
    /// `$PERJURY_STATE`, else `/var/lib/perjury` for root and the user's state folder for others;
    /// `$PERJURY_CACHE`, else `/var/cache/perjury`.
    pub fn from_env() -> Places {
        let named = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home_state = || {
            let home = named("HOME").unwrap_or_else(|| "/tmp".into());
            named("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state")).join("perjury")
        };
        let state = named("PERJURY_STATE")
            .unwrap_or_else(|| if is_root() { "/var/lib/perjury".into() } else { home_state() });
        let cache = named("PERJURY_CACHE").unwrap_or_else(|| "/var/cache/perjury".into());
        Places { state, cache }
    }

    /// The folder of all clusters.
    pub(super) fn clusters(&self) -> PathBuf {
        self.state.join("clusters")
    }

    /// The names of all recorded clusters, in order.
    pub(super) fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.clusters()) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Makes and locks the folder of a new cluster.
    pub(super) fn claim(&self, name: &str, backend: Backend) -> Result<Home, ClusterError> {
        check_path(&self.state)?;
        check_path(&self.cache)?;
        let path = self.clusters().join(name);
        make_folders(&self.clusters())?;
        match DirBuilder::new().mode(0o755).create(&path) {
            Ok(()) => (),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(ClusterError::Exists { name: name.into() });
            }
            Err(error) => return Err(ClusterError::io(&path)(error)),
        }
        let home = self.open(name)?;
        home.write_record(&Record::new(backend))?;
        Ok(home)
    }

    /// Locks the folder of a recorded cluster.
    pub(super) fn open(&self, name: &str) -> Result<Home, ClusterError> {
        super::spec::check_name("cluster", name)?;
        let path = self.clusters().join(name);
        let unknown = || ClusterError::Unknown { name: name.into(), state: self.state.clone() };
        let folder = match File::open(&path) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(unknown()),
            Err(error) => return Err(ClusterError::io(&path)(error)),
        };
        let lock = lock_soon(folder, &path, &format!("cluster {name}"))?;
        // Whoever held the lock before may have removed the folder that we had opened.
        match (lock.metadata(), fs::metadata(&path)) {
            (Ok(ours), Ok(now)) if ours.ino() == now.ino() => {
                Ok(Home { name: name.into(), path, lock })
            }
            _ => Err(unknown()),
        }
    }

    /// What a recorded cluster was made into, without locking it; `None` if it is not whole.
    pub(super) fn inventory(&self, name: &str) -> Result<Option<Inventory>, ClusterError> {
        let path = self.clusters().join(name);
        if !path.is_dir() {
            let name = name.into();
            return Err(ClusterError::Unknown { name, state: self.state.clone() });
        }
        read_json(&path.join("inventory.json"))
    }

    /// What is recorded of a cluster, without locking it.
    pub(super) fn record(&self, name: &str) -> Result<Record, ClusterError> {
        read_record(&self.clusters().join(name))
    }
}

/// Is this process root?
pub(super) fn is_root() -> bool {
    geteuid().is_root()
}

/// What was made for a cluster, as far as it is not in its folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Record {
    /// What made it.
    pub backend: Backend,
    /// The boot of the machine in which it was made: nothing but files survives the next.
    pub boot: String,
    /// A network namespace that belongs to this cluster alone.
    pub namespace: Option<String>,
    /// A compose project.
    pub compose: Option<Compose>,
}

/// How to find a compose project again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Compose {
    /// The project's name, which docker puts on all that belongs to it as a label.
    pub project: String,
    /// Whether it lives in the daemon that we started, and not in the user's.
    pub own_daemon: bool,
}

impl Record {
    fn new(backend: Backend) -> Record {
        Record { backend, boot: life::boot(), namespace: None, compose: None }
    }

    /// Was it made before this machine was last started, and did that end it?
    pub fn is_of_earlier_boot(&self) -> bool {
        matches!(self.backend, Backend::Local | Backend::Docker) && self.boot != life::boot()
    }
}

/// The locked folder of one cluster.
#[derive(Debug)]
pub(super) struct Home {
    /// The cluster's name.
    pub name: String,
    /// The folder.
    pub path: PathBuf,
    #[expect(dead_code, reason = "held, never looked at")]
    lock: Flock<File>,
}

impl Home {
    /// What is recorded. A folder without a record belongs to someone who died before anything was
    /// made.
    pub fn record(&self) -> Result<Record, ClusterError> {
        read_record(&self.path)
    }

    /// Changes the record.
    pub fn note(&self, change: impl FnOnce(&mut Record)) -> Result<(), ClusterError> {
        let mut record = self.record()?;
        change(&mut record);
        self.write_record(&record)
    }

    fn write_record(&self, record: &Record) -> Result<(), ClusterError> {
        write_json(&self.path.join("record.json"), record)
    }

    /// Says that the cluster is whole.
    pub fn write_inventory(&self, inventory: &Inventory) -> Result<(), ClusterError> {
        write_json(&self.path.join("inventory.json"), inventory)
    }

    /// Where the keys lie.
    pub fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// Where the files of the nodes lie.
    pub fn nodes(&self) -> PathBuf {
        self.path.join("nodes")
    }

    /// Removes the folder, the record last: what is cut off in between can be taken up again.
    pub fn forget(self) -> Result<(), ClusterError> {
        refuse_mounts(&self.path)?;
        for entry in fs::read_dir(&self.path).map_err(ClusterError::io(&self.path))? {
            let path = entry.map_err(ClusterError::io(&self.path))?.path();
            if path.file_name().is_some_and(|name| name == "record.json") {
                continue;
            }
            remove(&path)?;
        }
        remove_tree(&self.path)
    }
}

fn read_record(path: &Path) -> Result<Record, ClusterError> {
    let record = read_json(&path.join("record.json"))?;
    Ok(record.unwrap_or_else(|| Record::new(Backend::Processes)))
}

/// Locks an open file or folder, without waiting, until the result is dropped.
pub(super) fn lock(file: File, path: &Path, what: &str) -> Result<Flock<File>, ClusterError> {
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
        if errno == nix::errno::Errno::EWOULDBLOCK {
            ClusterError::Busy { what: what.into(), lock: path.into() }
        } else {
            ClusterError::io(path)(errno.into())
        }
    })
}

/// Locks an open file or folder; waits a moment. A program that its maker was just starting when it
/// was killed has the lock until it runs.
fn lock_soon(file: File, path: &Path, what: &str) -> Result<Flock<File>, ClusterError> {
    let deadline = Instant::now() + Duration::from_secs(1);
    loop {
        let twin = file.try_clone().map_err(ClusterError::io(path))?;
        match lock(twin, path, what) {
            Err(ClusterError::Busy { .. }) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

/// Makes a folder and those above it.
pub(super) fn make_folders(path: &Path) -> Result<(), ClusterError> {
    fs::create_dir_all(path).map_err(ClusterError::io(path))
}

/// Makes a folder that only its owner may look into.
pub(super) fn make_private(path: &Path) -> Result<(), ClusterError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(ClusterError::io(path))
}

/// Removes a folder and all in it. Never follows a link, never crosses a mount.
pub(super) fn remove_tree(path: &Path) -> Result<(), ClusterError> {
    refuse_mounts(path)?;
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ClusterError::io(path)(error)),
        _ => Ok(()),
    }
}

fn remove(path: &Path) -> Result<(), ClusterError> {
    let kind = fs::symlink_metadata(path).map_err(ClusterError::io(path))?;
    if kind.is_dir() {
        return remove_tree(path);
    }
    fs::remove_file(path).map_err(ClusterError::io(path))
}

/// What is mounted below a folder is not ours to delete: it may be the user's files.
fn refuse_mounts(path: &Path) -> Result<(), ClusterError> {
    let table = fs::read_to_string("/proc/self/mountinfo")
        .map_err(ClusterError::io("/proc/self/mountinfo"))?;
    match mounts_below(&table, path).first() {
        None => Ok(()),
        Some(mount) => Err(ClusterError::Failed {
            step: format!("removing {}", path.display()),
            what: format!("{mount} is mounted below it: unmount it, then try again"),
        }),
    }
}

/// The mount points at or below a path. `table` has the form of `/proc/self/mountinfo`.
fn mounts_below(table: &str, path: &Path) -> Vec<String> {
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    points.filter(|point| Path::new(point).starts_with(path)).map(String::from).collect()
}

/// Paths go into the options of overlayfs, where `:` and `,` separate, and into `mountinfo`, where
/// a blank is written in another way.
fn check_path(path: &Path) -> Result<(), ClusterError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._+@-".contains(c);
    let text = path.to_string_lossy();
    if path.is_absolute() && text.chars().all(plain) {
        return Ok(());
    }
    Err(ClusterError::Declaration {
        what: format!(
            "{text}: the state and cache folders have to be absolute paths of letters, digits and \
             /._+@- ; set PERJURY_STATE and PERJURY_CACHE"
        ),
    })
}

/// Reads a file of ours; `None` if there is none.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ClusterError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ClusterError::io(path)(error)),
    };
    let value = serde_json::from_slice(&bytes);
    value.map(Some).map_err(|error| ClusterError::io(path)(error.into()))
}

/// Writes a file of ours in one step.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), ClusterError> {
    let text = serde_json::to_vec_pretty(value).map_err(|e| ClusterError::io(path)(e.into()))?;
    let part = path.with_extension("part");
    fs::write(&part, text).map_err(ClusterError::io(&part))?;
    fs::rename(&part, path).map_err(ClusterError::io(path))
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
