//! One node of the `local` backend: its folder, and the first process of its life.
//!
//! A node is born in three steps: its first process starts in namespaces of its own and waits; its
//! number is written down and its network is plugged in; it is told to go on, and says when it is
//! ready. A maker that dies before that takes it along, since they speak by pipes; after it, the
//! node belongs to nobody and lasts until it is taken down.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

use super::keys::Keys;
use super::life::Life;
use super::{ClusterError, host, network, state};

/// What the first process runs.
const SCRIPT: &str = include_str!("node.sh");

/// The sshd of every node, local or container.
pub(super) const SSHD: &str = include_str!("../../clusters/docker/sshd.conf");

/// How long a node may take until its sshd answers; it takes less than a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a node lacks, so that a slip in it does not reach the whole machine. As in `node.sh`.
pub(super) const LACKING: [&str; 4] = ["sys_time", "sys_boot", "sys_module", "sys_rawio"];

/// What nodes have in common.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    /// The folders below each node's own, the topmost first.
    pub lower: &'a [PathBuf],
    /// The cluster's keys.
    pub keys: &'a Keys,
    /// The program that is the first process of a node and reaps the others.
    pub init: &'a Path,
    /// The content of `/etc/hosts`.
    pub hosts: &'a str,
}

/// A node whose first process has not been started.
#[derive(Debug)]
pub(super) struct Folder {
    /// The node's name.
    pub name: String,
    path: PathBuf,
}

/// A node whose first process waits.
#[derive(Debug)]
pub(super) struct Waiting {
    folder: Folder,
    life: Life,
    go: ChildStdin,
    said: BufReader<ChildStdout>,
}

/// A node whose first process goes on.
#[derive(Debug)]
pub(super) struct Going {
    folder: Folder,
    life: Life,
    said: BufReader<ChildStdout>,
}

impl Folder {
    /// Makes the folder of a node with all that is its own in it.
    pub fn make(nodes: &Path, name: &str, parts: &Parts<'_>) -> Result<Folder, ClusterError> {
        let path = nodes.join(name);
        let upper = path.join("upper");
        for (folder, mode) in [
            ("", 0o755),
            ("etc", 0o755),
            ("etc/ssh", 0o755),
            ("etc/ssh/sshd_config.d", 0o755),
            ("root", 0o700),
            ("root/.ssh", 0o700),
            ("usr", 0o755),
            ("usr/sbin", 0o755),
        ] {
            let folder = upper.join(folder);
            state::make_folders(&folder)?;
            set_mode(&folder, mode)?;
        }
        for folder in ["work", "root"] {
            state::make_folders(&path.join(folder))?;
        }
        write(&upper.join("etc/hostname"), format!("{name}\n").as_bytes(), 0o644)?;
        write(&upper.join("etc/hosts"), parts.hosts.as_bytes(), 0o644)?;
        write(&upper.join("etc/ssh/sshd_config.d/perjury.conf"), SSHD.as_bytes(), 0o644)?;
        let key = parts.keys.host(name);
        let key = fs::read(&key).map_err(ClusterError::io(&key))?;
        write(&upper.join("etc/ssh/ssh_host_ed25519_key"), &key, 0o600)?;
        let authorized = parts.keys.authorized()?;
        write(&upper.join("root/.ssh/authorized_keys"), authorized.as_bytes(), 0o600)?;
        let init = fs::read(parts.init).map_err(ClusterError::io(parts.init))?;
        write(&upper.join("usr/sbin/perjury-init"), &init, 0o755)?;
        Ok(Folder { name: name.into(), path })
    }

    /// Starts the first process, which waits, and writes down which it is.
    pub fn start(
        self,
        script: &Path,
        lower: &[PathBuf],
        addresses: &[String],
    ) -> Result<Waiting, ClusterError> {
        let log_path = self.log();
        let log = File::create(&log_path).map_err(ClusterError::io(&log_path))?;
        let lower: Vec<_> = lower.iter().map(|path| path.display().to_string()).collect();
        // `setsid --fork`: a signal for the terminal's programs is not for the node, and its
        // parent is the host's init, which reaps it whenever it ends.
        let mut command = host::program("setsid");
        command
            .args(["--fork", "unshare", "--fork", "--kill-child=SIGKILL", "--pid", "--mount"])
            .args(["--propagation", "private", "--uts", "--ipc", "--net", "--cgroup", "sh"])
            .arg(script)
            .arg(&self.path)
            .args([&self.name, &lower.join(":")])
            .args(addresses)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command
            .spawn()
            .map_err(|error| host::not_started("starting a node", &command, error))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        child.wait().map_err(ClusterError::io("setsid"))?;
        let Some((go, said)) = pipes else { return Err(self.lost("it has no pipes")) };
        let mut said = BufReader::new(said);
        let Some(life) = self.hear(&mut said).and_then(|pid| Life::of(pid.parse().ok()?)) else {
            return Err(self.lost("its first process ended at once"));
        };
        state::write_json(&self.path.join("life.json"), &life)?;
        Ok(Waiting { folder: self, life, go, said })
    }

    /// The next line that the first process says; `None` once it has ended.
    fn hear(&self, said: &mut BufReader<ChildStdout>) -> Option<String> {
        let mut line = String::new();
        said.read_line(&mut line).ok().filter(|length| *length > 0)?;
        Some(line.trim().to_string())
    }

    fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    fn lost(&self, what: &str) -> ClusterError {
        let what = format!("{what}: {}", host::end_of_file(&self.log()));
        ClusterError::Node { node: self.name.clone(), what }
    }
}

impl Waiting {
    /// The number of the first process, as the host counts.
    pub fn pid(&self) -> i32 {
        self.life.pid
    }

    /// Tells it to go on.
    pub fn go(mut self) -> Result<Going, ClusterError> {
        let told = self.go.write_all(b"go\n");
        told.map_err(|_| self.folder.lost("its first process ended while it waited"))?;
        Ok(Going { folder: self.folder, life: self.life, said: self.said })
    }
}

impl Going {
    /// Waits until its sshd answers. From here on it lasts without us.
    pub fn await_ssh(mut self, namespace: &str, address: IpAddr) -> Result<(), ClusterError> {
        // Before it has its address, every attempt to reach it would cost a second: so long is an
        // unanswered question for a hardware address kept.
        if self.folder.hear(&mut self.said).is_none() {
            return Err(self.folder.lost("it ended before it was ready"));
        }
        let lost = || (!self.life.lasts()).then(|| "it ended".to_string());
        let at = network::sshd_at(address);
        network::await_ssh(Some(namespace), at, PATIENCE, lost)
            .map_err(|reason| self.folder.lost(&reason))
    }
}

/// Puts the script of the first process where all nodes of a cluster find it.
pub(super) fn write_script(home: &Path) -> Result<PathBuf, ClusterError> {
    let path = home.join("node.sh");
    write(&path, SCRIPT.as_bytes(), 0o644)?;
    Ok(path)
}

/// The life of a node, as it was written down; `None` if its first process never started.
pub(super) fn life_of(nodes: &Path, name: &str) -> Result<Option<Life>, ClusterError> {
    state::read_json(&nodes.join(name).join("life.json"))
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), ClusterError> {
    fs::write(path, content).map_err(ClusterError::io(path))?;
    set_mode(path, mode)
}

fn set_mode(path: &Path, mode: u32) -> Result<(), ClusterError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(ClusterError::io(path))
}
