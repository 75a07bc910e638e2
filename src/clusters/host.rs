//! Running programs of this machine to their end, and saying which package a missing one is in.
//!
//! Only short programs, and builds whose output goes to a file. Nothing here goes through a shell.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::ClusterError;

/// Most of what a failed program said that goes into a message, in bytes.
const MOST: usize = 2000;

/// A command whose output is in English and which finds the programs of the administrator too: a
/// user's path may lack them.
pub(super) fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.env("PATH", search_path()).env("LC_ALL", "C").stdin(Stdio::null());
    command
}

fn search_path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin");
    path
}

/// Where a program is, if it is here.
pub(super) fn which(name: &str) -> Option<PathBuf> {
    env::split_paths(&search_path()).map(|dir| dir.join(name)).find(|path| path.is_file())
}

/// The Debian package that has a program.
pub(super) fn package_of(program: &str) -> Option<&'static str> {
    Some(match program {
        "ip" => "iproute2",
        "nft" => "nftables",
        "debootstrap" => "debootstrap",
        "unshare" | "nsenter" | "setpriv" | "setsid" | "flock" | "mount" => "util-linux",
        "ssh" | "ssh-keygen" | "ssh-keyscan" => "openssh-client",
        "docker" | "dockerd" => "docker.io",
        "docker-compose" => "docker-compose",
        "chromium" => "chromium",
        "tar" => "tar",
        _ => return None,
    })
}

/// Runs a program; answers what it left if it ended well.
///
/// # Errors
/// [`ClusterError::Missing`] if it is not installed, else [`ClusterError::Failed`].
pub(super) fn run(step: &str, command: &mut Command) -> Result<Output, ClusterError> {
    run_with(step, command, b"")
}

/// Runs a program with something to read.
pub(super) fn run_with(
    step: &str,
    command: &mut Command,
    stdin: &[u8],
) -> Result<Output, ClusterError> {
    if !stdin.is_empty() {
        command.stdin(Stdio::piped());
    }
    let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| not_started(step, command, error))?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that ends early says so itself; what is sent is far smaller than the pipe.
        let _ = pipe.write_all(stdin);
    }
    let output = child.wait_with_output().map_err(ClusterError::io(command.get_program()))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
    Err(failed(step, command, &format!("{}: {}", output.status, end_of(said))))
}

/// Runs a program that has much to say; it says it to the log.
pub(super) fn run_logged(
    step: &str,
    command: &mut Command,
    log: &Path,
) -> Result<(), ClusterError> {
    let file = File::create(log).map_err(ClusterError::io(log))?;
    let twin = file.try_clone().map_err(ClusterError::io(log))?;
    let status = command.stdout(file).stderr(twin).status();
    let status = status.map_err(|error| not_started(step, command, error))?;
    if status.success() {
        return Ok(());
    }
    let said = format!("{status}, log {}: {}", log.display(), end_of_file(log));
    Err(failed(step, command, &said))
}

pub(super) fn not_started(step: &str, command: &Command, error: io::Error) -> ClusterError {
    let name = command.get_program().to_string_lossy().into_owned();
    match package_of(&name) {
        Some(package) if error.kind() == io::ErrorKind::NotFound => ClusterError::Missing {
            what: format!("{step}: {name} is not installed"),
            mend: format!("apt-get install -y {package}"),
        },
        _ => failed(step, command, &error.to_string()),
    }
}

fn failed(step: &str, command: &Command, why: &str) -> ClusterError {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for word in command.get_args().take(6) {
        line.push(' ');
        line.push_str(&word.to_string_lossy());
    }
    ClusterError::Failed { step: step.into(), what: format!("{line}: {why}") }
}

/// The end of what a program said, for a message.
pub(super) fn end_of(said: &[u8]) -> String {
    let start = said.len().saturating_sub(MOST);
    String::from_utf8_lossy(&said[start..]).trim().to_string()
}

/// The end of a log, for a message.
pub(super) fn end_of_file(log: &Path) -> String {
    end_of(&fs::read(log).unwrap_or_default())
}
