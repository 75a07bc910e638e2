//! The node's own programs for the packet filter: found, run to their end, and understood when they
//! refuse. It knows nothing of rules.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::protocol::{Failure, FailureKind};

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a program to its end and answers what it printed.
pub fn run(name: &str, arguments: &[&str], input: &str) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::new(FailureKind::Io, format!("{name}: {error}"));
    let Some(program) = find(name) else {
        let message = format!("the program {name} is not installed here");
        return Err(Failure::new(FailureKind::Unsupported, message));
    };
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // If it does not read, its status says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_micros(200);
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if Instant::now() >= deadline {
            let _ = child.kill().and_then(|()| child.wait());
            let message = format!("{name} took more than {} s", PATIENCE.as_secs());
            return Err(Failure::new(FailureKind::Timeout, message));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    };
    let (stdout, stderr) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
    if status.success() {
        return Ok(stdout);
    }
    let kind = match () {
        () if ["not permitted", "must be root"].iter().any(|words| stderr.contains(words)) => {
            FailureKind::NotPermitted
        }
        () if stderr.contains("No such file") => FailureKind::NotFound,
        () if ["not supported", "can't initialize"].iter().any(|words| stderr.contains(words)) => {
            FailureKind::Unsupported
        }
        () => FailureKind::Io,
    };
    // A warning about other tables comes first.
    let mut lines = stderr.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let said = lines.next().unwrap_or("it failed").trim();
    let named = said.starts_with(name);
    Err(Failure::new(kind, if named { said.to_string() } else { format!("{name}: {said}") }))
}

fn collect<R: std::io::Read + Send + 'static>(
    reader: Option<R>,
) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut reader) = reader {
            let _ = reader.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Where a program is. A session over SSH often has no `sbin` in its path.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}
