//! This machine as a remote: child processes, no connection.
//!
//! For the built-in database and for tests. Each program is its own process group, so that a
//! timeout ends all of it and an interrupt at the terminal does not reach it.

use std::process::Stdio;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin};
use tokio::sync::{mpsc, oneshot};

use super::command::keep;
use super::{
    Boxed, Command, Ending, Job, Output, Pipe, PipeWriter, Remote, RemoteError, Status, quote,
    transfer,
};

/// How many pieces may wait in a pipe.
pub(super) const PIECES: usize = 64;

/// This machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalRemote;

impl Remote for LocalRemote {
    fn place(&self) -> String {
        PLACE.to_string()
    }

    fn execute(&self, job: Job) -> Boxed<'_, Result<Output, RemoteError>> {
        Box::pin(execute(job))
    }

    fn pipe(&self, command: Command) -> Boxed<'_, Result<Pipe, RemoteError>> {
        Box::pin(async move { pipe(&command) })
    }
}

const PLACE: &str = "this machine";

/// Kills a process group when it is dropped, unless its leader has ended by itself.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // The leader is not reaped yet, so the number is still its own.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }
}

fn spawn(command: &Command) -> Result<(Child, Group), RemoteError> {
    quote::check(PLACE, command)?;
    let mut argv = Vec::new();
    if command.sudo && !nix::unistd::geteuid().is_root() {
        argv.extend(["sudo", "-n", "--", "env"].map(str::to_string));
        argv.extend(command.env.iter().map(|(name, value)| format!("{name}={value}")));
    }
    argv.extend(command.argv.iter().cloned());
    let mut child = tokio::process::Command::new(&argv[0]);
    child.args(&argv[1..]).envs(&command.env).process_group(0);
    child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = child.spawn().map_err(|error| RemoteError::Usage {
        place: PLACE.to_string(),
        reason: format!("cannot run {}: {error}", argv[0]),
    })?;
    let leader = child.id().and_then(|pid| i32::try_from(pid).ok()).map(Pid::from_raw);
    Ok((child, Group(leader)))
}

async fn execute(job: Job) -> Result<Output, RemoteError> {
    let Job { command, input, output } = job;
    let (mut child, mut group) = spawn(&command)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let all = async {
        let out = async {
            match &output {
                Some(path) => copy_to(stdout, path).await.map(|()| Vec::new()),
                None => Ok(collect(stdout).await),
            }
        };
        let fed = feed(stdin, command.stdin, input);
        let (fed, out, err) = tokio::join!(fed, out, collect(stderr));
        fed?;
        Ok((out?, err, child.wait().await))
    };
    let ended = tokio::time::timeout(command.timeout, all).await;
    let (stdout, stderr, ended) = ended.map_err(|_| RemoteError::Timeout {
        place: PLACE.to_string(),
        what: command.argv[0].clone(),
        limit: command.timeout,
    })??;
    group.0 = None;
    let ended = ended.map_err(|error| lost(&command.argv[0], &error))?;
    let output = Output { status: status(ended), stdout, stderr };
    match transfer::sudo_refusal(&output) {
        Some(reason) if command.sudo => Err(RemoteError::Sudo { place: PLACE.to_string(), reason }),
        _ => Ok(output),
    }
}

/// Writes all input. A program that does not read it is no error.
async fn feed(
    stdin: Option<ChildStdin>,
    bytes: Vec<u8>,
    file: Option<std::path::PathBuf>,
) -> Result<(), RemoteError> {
    let Some(mut stdin) = stdin else { return Ok(()) };
    let _ = stdin.write_all(&bytes).await;
    if let Some(path) = file {
        let opened = tokio::fs::File::open(&path).await;
        let mut file = opened.map_err(|error| transfer::here(PLACE, &path, &error))?;
        let _ = tokio::io::copy(&mut file, &mut stdin).await;
    }
    let _ = stdin.shutdown().await;
    Ok(())
}

async fn collect<R: AsyncRead + Unpin>(reader: Option<R>) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut piece = vec![0; 64 << 10];
    let Some(mut reader) = reader else { return kept };
    while let Ok(length @ 1..) = reader.read(&mut piece).await {
        keep(&mut kept, &piece[..length]);
    }
    kept
}

async fn copy_to<R: AsyncRead + Unpin>(
    reader: Option<R>,
    path: &std::path::Path,
) -> Result<(), RemoteError> {
    let failed = |error| transfer::here(PLACE, path, &error);
    let mut file = tokio::fs::File::create(path).await.map_err(failed)?;
    if let Some(mut reader) = reader {
        tokio::io::copy(&mut reader, &mut file).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)
}

fn pipe(command: &Command) -> Result<Pipe, RemoteError> {
    let (mut child, mut group) = spawn(command)?;
    // From here on the program ends because its input ends: an agent has to be able to heal.
    group.0 = None;
    let (to, mut outgoing) = mpsc::channel::<Vec<u8>>(PIECES);
    let (incoming, reader) = mpsc::channel(PIECES);
    let (ended, ending) = oneshot::channel();
    if let Some(mut stdin) = child.stdin.take() {
        let first = command.stdin.clone();
        tokio::spawn(async move {
            let mut alive = stdin.write_all(&first).await.is_ok();
            while alive && let Some(bytes) = outgoing.recv().await {
                alive = stdin.write_all(&bytes).await.is_ok();
            }
        });
    }
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    tokio::spawn(async move {
        let forward = async {
            let mut piece = vec![0; 64 << 10];
            let Some(mut stdout) = stdout else { return };
            while let Ok(length @ 1..) = stdout.read(&mut piece).await {
                // When nobody listens any more it is still drained: a blocked agent cannot heal.
                let _ = incoming.send(piece[..length].to_vec()).await;
            }
            drop(incoming);
        };
        let ((), mut stderr) = tokio::join!(forward, collect(stderr));
        let status = child.wait().await.map_or_else(|e| Status::Lost(e.to_string()), status);
        stderr.drain(..stderr.len().saturating_sub(Ending::MOST_STDERR));
        let _ = ended.send(Ending { status, stderr });
    });
    Ok(Pipe { writer: PipeWriter::new(to, None), reader, ending })
}

fn status(ended: std::process::ExitStatus) -> Status {
    use std::os::unix::process::ExitStatusExt as _;
    match (ended.code(), ended.signal()) {
        (Some(code), _) => Status::Exited(code),
        (None, Some(number)) => Status::Signaled(Signal::try_from(number).map_or_else(
            |_| number.to_string(),
            |signal| signal.as_str().trim_start_matches("SIG").to_string(),
        )),
        (None, None) => Status::Lost("no exit status".to_string()),
    }
}

fn lost(what: &str, error: &std::io::Error) -> RemoteError {
    let (place, what) = (PLACE.to_string(), what.to_string());
    RemoteError::Lost { place, what, reason: error.to_string() }
}
