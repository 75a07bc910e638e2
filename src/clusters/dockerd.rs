//! A docker daemon of our own, for a machine where docker is installed but none is running.
//!
//! It lives in network and mount namespaces of its own, so that neither the host's firewall nor its
//! mounts change, and it keeps everything in the state folder. It has no way out: images are made
//! of the base tree. The first docker cluster starts it, the last one ends it.
//!
//! Its processes are recognised by the paths in their arguments, which are those of this state
//! folder, so nothing has to be written down and no other daemon is ever mistaken for it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use perjury_history::hex;
use sha2::{Digest, Sha256};

use super::life::{self, Life};
use super::{ClusterError, Places, Say, host, network, state};

/// How long the daemon may take to answer; it takes a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest path of a socket, in bytes, less the zero at its end.
const LONGEST_SOCKET: usize = 107;

/// Our daemon, running or not.
#[derive(Clone, Debug)]
pub(super) struct Daemon {
    folder: PathBuf,
    mark: String,
}

impl Daemon {
    /// The daemon that belongs to a state folder.
    pub fn of(places: &Places) -> Daemon {
        let folder = places.state.join("docker");
        let hash = Sha256::digest(folder.as_os_str().as_encoded_bytes());
        let mark = hex(&hash[..4]);
        Daemon { folder, mark }
    }

    /// What `DOCKER_HOST` has to be to speak with it.
    pub fn docker_host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The network namespace that it lives in.
    pub fn namespace(&self) -> String {
        // With a dot, which no cluster's name has.
        format!("perjury.dockerd-{}", self.mark)
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("sock")
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("pid")
    }

    /// Where it keeps images and containers.
    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Where it and its containerd keep what runs.
    fn exec(&self) -> PathBuf {
        self.folder.join("exec")
    }

    /// Does it run?
    pub fn runs(&self) -> bool {
        !self.lives().is_empty()
    }

    /// The daemon itself.
    fn lives(&self) -> Vec<Life> {
        let pid_file = self.pid_file();
        with_argument(|argument| Path::new(argument) == pid_file)
    }

    /// Starts it, unless it runs.
    pub fn start(&self, say: Say<'_>) -> Result<(), ClusterError> {
        if self.runs() && self.answers() {
            return Ok(());
        }
        self.stop()?;
        if self.socket().as_os_str().len() > LONGEST_SOCKET {
            return Err(ClusterError::Declaration {
                what: format!(
                    "{}: too long for a socket; set PERJURY_STATE",
                    self.socket().display()
                ),
            });
        }
        let start = Instant::now();
        state::make_private(&self.folder)?;
        let namespace = self.namespace();
        network::create(&namespace)?;
        let log_path = self.folder.join("log");
        self.spawn(&network::path_of(&namespace), &log_path)?;
        while !self.answers() {
            if start.elapsed() > PATIENCE || (start.elapsed().as_secs() > 2 && !self.runs()) {
                return Err(ClusterError::Failed {
                    step: "starting a docker daemon".into(),
                    what: format!("it does not answer: {}", host::end_of_file(&log_path)),
                });
            }
            thread::sleep(Duration::from_millis(50));
        }
        say(&format!("docker daemon: started one of our own in {:.1?}", start.elapsed()));
        Ok(())
    }

    fn spawn(&self, namespace: &Path, log: &Path) -> Result<(), ClusterError> {
        let file = File::create(log).map_err(ClusterError::io(log))?;
        let twin = file.try_clone().map_err(ClusterError::io(log))?;
        let mut command = host::program("setsid");
        command
            .args(["--fork", "nsenter"])
            .arg(format!("--net={}", namespace.display()))
            .args(["unshare", "--mount", "--propagation", "slave", "dockerd", "--data-root"])
            .arg(self.data())
            .arg("--exec-root")
            .arg(self.exec())
            .arg("--pidfile")
            .arg(self.pid_file())
            .args(["--host", &self.docker_host(), "--cgroup-parent", &self.cgroup()])
            // Neither of these is seen outside its namespace.
            .args(["--bip", "10.255.255.1/24"])
            .args(["--default-address-pool", "base=10.254.0.0/16,size=24"])
            .current_dir("/")
            .stdout(file)
            .stderr(twin);
        let status = command.status();
        let status = status
            .map_err(|error| host::not_started("starting a docker daemon", &command, error))?;
        if status.success() {
            return Ok(());
        }
        let what = format!("setsid: {status}: {}", host::end_of_file(log));
        Err(ClusterError::Failed { step: "starting a docker daemon".into(), what })
    }

    fn answers(&self) -> bool {
        let mut command = host::program("docker");
        command.args(["version", "--format", "{{.Server.Version}}"]);
        let command = command.env("DOCKER_HOST", self.docker_host());
        host::run("asking the docker daemon", command).is_ok()
    }

    /// Ends it with all that it runs, and removes what it kept. Nothing happens if there is none.
    pub fn stop(&self) -> Result<(), ClusterError> {
        for life in self.lives() {
            // It ends its containers and its containerd by itself, unless it hangs.
            if life.end(Signal::SIGTERM).is_err() {
                life.end(Signal::SIGKILL)?;
            }
        }
        let exec = self.exec();
        for life in with_argument(|argument| Path::new(argument).starts_with(&exec)) {
            life.end(Signal::SIGKILL)?;
        }
        // The containers of a daemon that was killed go on without it.
        for life in life::living_on(&self.data()) {
            life.end(Signal::SIGKILL)?;
        }
        network::delete(&self.namespace())?;
        self.remove_cgroups();
        state::remove_tree(&self.folder)
    }

    fn cgroup(&self) -> String {
        format!("/perjury-dockerd-{}", self.mark)
    }

    /// Removes the control groups of our containers, in the one hierarchy or in each of the old
    /// ones. A group that cannot be removed is empty and harmless, so no error is made of it.
    fn remove_cgroups(&self) {
        let name = self.cgroup();
        let name = name.trim_start_matches('/');
        let root = Path::new("/sys/fs/cgroup");
        let hierarchies = fs::read_dir(root).into_iter().flatten().flatten();
        let below = hierarchies.map(|entry| entry.path().join(name));
        for group in below.chain([root.join(name)]) {
            remove_groups(&group);
        }
    }
}

fn remove_groups(group: &Path) {
    let Ok(entries) = fs::read_dir(group) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    let _ = fs::remove_dir(group);
}

/// The processes that have such an argument.
fn with_argument(wanted: impl Fn(&str) -> bool) -> Vec<Life> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let fits = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0)
            .skip(1)
            .any(|word| std::str::from_utf8(word).is_ok_and(&wanted))
    };
    pids.filter(fits).filter_map(Life::of).collect()
}

/// A docker client for one daemon.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// `None`: whichever the user's settings name.
    host: Option<String>,
}

impl Client {
    /// For the user's daemon.
    pub fn users() -> Client {
        Client { host: None }
    }

    /// For ours.
    pub fn ours(daemon: &Daemon) -> Client {
        Client { host: Some(daemon.docker_host()) }
    }

    /// A command that speaks with this daemon.
    pub fn program(&self, name: &str) -> Command {
        self.prepare(host::program(name))
    }

    /// The same command, speaking with this daemon.
    pub fn prepare(&self, mut command: Command) -> Command {
        if let Some(host) = &self.host {
            command.env("DOCKER_HOST", host).env_remove("DOCKER_CONTEXT");
        }
        command
    }

    /// Runs `docker` and answers the lines that it printed.
    pub fn lines(&self, step: &str, arguments: &[&str]) -> Result<Vec<String>, ClusterError> {
        let output = host::run(step, self.program("docker").args(arguments))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.lines().map(str::to_string).collect())
    }

    /// Does a daemon answer?
    pub fn answers(&self) -> bool {
        self.lines("asking docker", &["version", "--format", "{{.Server.Version}}"]).is_ok()
    }
}
