//! What the nodes of this machine are made of: a base tree, and layers of packages over it.
//!
//! Both are made once and kept in the cache under a name with the hash of their recipe. They are
//! built beside it and renamed when they are whole, and one process builds at a time, so what bears
//! the name is complete. The builders are shell scripts in namespaces of their own that die with
//! this process. No tree is changed once it has its name: nodes may be mounted on it.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use nix::fcntl::{Flock, FlockArg};
use perjury_history::hex;
use sha2::{Digest, Sha256};

use super::{ClusterError, Places, Say, archive, host, state};

const BASE: &str = include_str!("base.sh");
const LAYER: &str = include_str!("layer.sh");
const LEND: &str = include_str!("lend.sh");

/// What every node has: a way in, the tools of the faults, and what a person wants to look with.
const PACKAGES: [&str; 9] = [
    "openssh-server",
    "iproute2",
    "nftables",
    "iptables",
    "procps",
    "iputils-ping",
    "curl",
    "netcat-openbsd",
    "sudo",
];

/// The folders to lay below a node's own, the topmost first, as overlayfs wants them.
pub(super) fn lower(
    places: &Places,
    packages: &[String],
    say: Say<'_>,
) -> Result<Vec<PathBuf>, ClusterError> {
    let suite = archive::suite()?;
    let base = base(places, &suite, say)?;
    if packages.is_empty() {
        return Ok(vec![base]);
    }
    let layer = layer(places, &suite, &base, packages, say)?;
    Ok(vec![layer, base])
}

fn base(places: &Places, suite: &str, say: Say<'_>) -> Result<PathBuf, ClusterError> {
    let recipe = [BASE, LEND, suite, &PACKAGES.join(" ")];
    let name = format!("base-{suite}-{}", hash(&recipe));
    let what = format!("base tree ({suite})");
    build(places, &name, &what, say, |part, log| {
        let tree = part.join("tree");
        folder(&tree)?;
        let archive = archive::of_host(suite)?;
        let mut command = builder(&archive, BASE);
        command.arg(&tree).args([suite, &archive.mirror]).args(PACKAGES);
        host::run_logged("building the base tree", &mut command, log)?;
        Ok(tree)
    })
}

fn layer(
    places: &Places,
    suite: &str,
    base: &Path,
    packages: &[String],
    say: Say<'_>,
) -> Result<PathBuf, ClusterError> {
    // The order in which they were declared makes no difference.
    let mut packages = packages.to_vec();
    packages.sort();
    packages.dedup();
    let below = base.file_name().unwrap_or_default().to_string_lossy();
    let recipe = [LAYER, LEND, &below, &packages.join(" ")];
    let name = format!("layer-{suite}-{}", hash(&recipe));
    let what = format!("packages ({})", packages.join(", "));
    build(places, &name, &what, say, |part, log| {
        let [upper, work, root] = ["upper", "work", "root"].map(|name| part.join(name));
        for path in [&upper, &work, &root] {
            folder(path)?;
        }
        let mut command = builder(&archive::of_host(suite)?, LAYER);
        command.args([base, &upper, &work, &root]).args(&packages);
        host::run_logged("installing packages", &mut command, log)?;
        Ok(upper)
    })
}

/// The folder of that name in the cache, built if it is not there. `make` gets a folder to build in
/// and a log, and answers which folder in it is the result.
fn build(
    places: &Places,
    name: &str,
    what: &str,
    say: Say<'_>,
    make: impl FnOnce(&Path, &Path) -> Result<PathBuf, ClusterError>,
) -> Result<PathBuf, ClusterError> {
    let whole = places.cache.join(name);
    if whole.is_dir() {
        return Ok(whole);
    }
    state::make_folders(&places.cache)?;
    let _lock = wait_for(&places.cache.join(format!("{name}.lock")), what, say)?;
    if whole.is_dir() {
        return Ok(whole);
    }
    let (part, log) =
        (places.cache.join(format!("{name}.part")), places.cache.join(format!("{name}.log")));
    // What a cut build left.
    state::remove_tree(&part)?;
    folder(&part)?;
    say(&format!("{what}: building it, once; it takes some minutes (log {})", log.display()));
    let start = Instant::now();
    let result = make(&part, &log)?;
    fs::rename(&result, &whole).map_err(ClusterError::io(&whole))?;
    state::remove_tree(&part)?;
    say(&format!("{what}: built in {:.1?}", start.elapsed()));
    Ok(whole)
}

/// Takes a lock, waiting for whoever has it.
fn wait_for(path: &Path, what: &str, say: Say<'_>) -> Result<Flock<File>, ClusterError> {
    let open = || File::create(path).map_err(ClusterError::io(path));
    match state::lock(open()?, path, what) {
        Err(ClusterError::Busy { .. }) => {
            say(&format!("{what}: another process is building it; waiting"));
            let lock = Flock::lock(open()?, FlockArg::LockExclusive);
            lock.map_err(|(_, errno)| ClusterError::io(path)(errno.into()))
        }
        other => other,
    }
}

/// The root of a tree is seen as `/` by every user of it, whatever the umask here.
fn folder(path: &Path) -> Result<(), ClusterError> {
    fs::create_dir(path).map_err(ClusterError::io(path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(ClusterError::io(path))
}

/// A builder that may use the host's package archive.
fn builder(archive: &archive::Archive, script: &str) -> Command {
    let mut command = isolated(&format!("{LEND}\n{script}"));
    command.env("APT_SOURCES", &archive.sources).env("APT_SETTINGS", &archive.settings);
    command
}

/// A shell that runs the script in namespaces of its own and dies with this process: the first
/// process of its pid namespace ends with `unshare`, which the kernel ends with us, and with it
/// end all others and all mounts.
pub(super) fn isolated(script: &str) -> Command {
    let mut command = host::program("setpriv");
    command
        .args(["--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"])
        .args(["--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "sh", "-c", script])
        .arg("perjury")
        .current_dir("/");
    command
}

/// The first 12 hex digits of a recipe's SHA-256.
fn hash(recipe: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in recipe {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    hex(&hasher.finalize()[..6])
}

/// The folders that cut builds left in the cache. Nobody is building in them.
pub(super) fn cut_builds(places: &Places) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(&places.cache) else { return Vec::new() };
    let parts = entries.flatten().map(|entry| entry.path());
    let parts = parts.filter(|path| path.extension().is_some_and(|end| end == "part"));
    let idle = |path: &PathBuf| {
        let lock = path.with_extension("lock");
        let Ok(file) = File::open(&lock) else { return true };
        state::lock(file, &lock, "build").is_ok()
    };
    parts.filter(idle).collect()
}
