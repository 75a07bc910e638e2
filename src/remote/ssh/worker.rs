//! The threads that own connections.
//!
//! A session lives and dies on its thread. A thread that gave up on a host shuts the socket first
//! and leaves the rest to a reaper: dropping a channel or a session can block for a long time.

use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use ssh2::Channel;
use tokio::sync::oneshot;

use super::carry::{self, Ends};
use super::config::Resolved;
use super::connect::{Connected, connect};
use super::run::{self, Broken, Input, Program};
use crate::remote::local::PIECES;
use crate::remote::{
    Command, Ending, Job, Output, Pipe, PipeWriter, RemoteError, Status, transfer,
};

/// An idle connection is kept awake this often.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// How long after the deadline of a connection its thread may still be at it.
const GRACE: Duration = Duration::from_secs(5);

/// Why a job did not come to its end.
pub(super) enum Refused {
    /// The program was certainly not started.
    NotStarted(RemoteError),
    /// It may have been.
    Failed(RemoteError),
}

type Answer = Result<Output, Refused>;

struct Work {
    job: Arc<Job>,
    line: String,
    answer: oneshot::Sender<Answer>,
}

/// A connection on its thread. Dropping it ends both.
#[derive(Debug)]
pub(super) struct Connection {
    place: String,
    work: mpsc::Sender<Work>,
}

impl Connection {
    /// Connects on a new thread.
    pub(super) async fn open(resolved: Arc<Resolved>) -> Result<Connection, RemoteError> {
        let (place, limit) = (resolved.place(), resolved.connect_deadline);
        let (work, jobs) = mpsc::channel();
        let (ready, connected) = oneshot::channel();
        spawn(&place, move || match connect(&resolved) {
            Ok(connected) => {
                if ready.send(Ok(())).is_ok() {
                    serve(connected, &resolved.place(), &jobs);
                }
            }
            // Nobody is left to hear it if the caller gave up.
            Err(error) => drop(ready.send(Err(error))),
        })?;
        in_time(&place, limit, connected).await.map(|()| Connection { place, work })
    }

    /// Runs a job on it. After any failure the connection is of no use.
    pub(super) async fn run(&mut self, job: Arc<Job>, line: String) -> Answer {
        let (answer, answered) = oneshot::channel();
        let what = job.command.argv[0].clone();
        let ended = || lost(&self.place, &what, "its thread ended".to_string());
        if self.work.send(Work { job, line, answer }).is_err() {
            return Err(Refused::NotStarted(ended()));
        }
        answered.await.unwrap_or_else(|_| Err(Refused::Failed(ended())))
    }
}

/// Waits for a thread that connects. It watches its own deadline, but an ssh-agent or a proxy that
/// falls silent in the middle can hold it for ever: then it is left to itself.
async fn in_time(
    place: &str,
    limit: Duration,
    connected: oneshot::Receiver<Result<(), RemoteError>>,
) -> Result<(), RemoteError> {
    let what = "logging in".to_string();
    match tokio::time::timeout(limit + GRACE, connected).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(lost(place, &what, "its thread ended".to_string())),
        Err(_) => Err(RemoteError::Timeout { place: place.to_string(), what, limit }),
    }
}

fn spawn(place: &str, body: impl FnOnce() + Send + 'static) -> Result<(), RemoteError> {
    let thread = std::thread::Builder::new().name("perjury-ssh".to_string());
    thread.spawn(body).map(drop).map_err(|error| RemoteError::Usage {
        place: place.to_string(),
        reason: format!("cannot start a thread: {error}"),
    })
}

fn lost(place: &str, what: &str, reason: String) -> RemoteError {
    RemoteError::Lost { place: place.to_string(), what: what.to_string(), reason }
}

/// Does one job after the other until the connection is dropped or fails.
fn serve(connected: Connected, place: &str, jobs: &mpsc::Receiver<Work>) {
    connected.session.set_keepalive(true, 5);
    loop {
        match jobs.recv_timeout(KEEPALIVE) {
            Ok(Work { job, line, answer }) => {
                let result = one(&connected, place, &job, &line);
                let healthy = result.is_ok();
                if !healthy {
                    connected.stream.shut();
                }
                let wanted = answer.send(result).is_ok();
                if !healthy || !wanted {
                    return reap(connected);
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                if connected.session.keepalive_send().is_err() {
                    connected.stream.shut();
                    return reap(connected);
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return reap(connected),
        }
    }
}

/// This thread has nothing else to do, but nobody may wait for it either.
fn reap(connected: Connected) {
    let Connected { session, stream } = connected;
    // With the socket down, libssh2's goodbye fails at once instead of waiting for the host.
    session.set_timeout(1000);
    stream.shut();
    drop(session);
}

fn one(connected: &Connected, place: &str, job: &Job, line: &str) -> Answer {
    let Connected { session, stream } = connected;
    let command = &job.command;
    let what = &command.argv[0];
    let not_started = |error| Refused::NotStarted(error);
    let open = |path: &std::path::Path| {
        File::open(path).map_err(|error| not_started(transfer::here(place, path, &error)))
    };
    let create = |path: &std::path::Path| {
        File::create(path).map_err(|error| not_started(transfer::here(place, path, &error)))
    };
    let input = Input {
        bytes: command.stdin.clone(),
        sent: 0,
        file: job.input.as_deref().map(open).transpose()?,
        ended: false,
    };
    let file = job.output.as_deref().map(create).transpose()?;
    let deadline = Instant::now() + command.timeout;
    session.set_blocking(true);
    let channel = session
        .channel_session()
        .map_err(|error| not_started(lost(place, what, error.to_string())))?;
    let mut program = start(connected, channel, line)
        .map_err(|error| Refused::Failed(lost(place, what, error.to_string())))?;
    let ended = run::to_end(&mut program, input, file, deadline).map_err(|broken| {
        // First the socket: closing the channel properly could wait as long again.
        stream.shut();
        let place = place.to_string();
        Refused::Failed(match broken {
            Broken::Late => {
                RemoteError::Timeout { place, what: what.clone(), limit: command.timeout }
            }
            Broken::Lost(reason) => lost(&place, what, reason),
            Broken::Here(error) => {
                let path = job.output.as_deref().or(job.input.as_deref()).unwrap_or("".as_ref());
                transfer::here(&place, path, &error)
            }
        })
    });
    let (status, stdout, stderr) = match ended {
        Ok(ended) => ended,
        Err(error) => {
            session.set_timeout(1000);
            return Err(error);
        }
    };
    if program.close().is_err() {
        // The output is whole; the next job will find the connection dead and make another.
        stream.shut();
    }
    Ok(Output { status, stdout, stderr })
}

fn start<'a>(
    connected: &'a Connected,
    mut channel: Channel,
    line: &str,
) -> Result<Program<'a>, ssh2::Error> {
    channel.exec(line)?;
    Ok(Program::new(&connected.session, &connected.stream, channel))
}

/// Connects, starts a program and carries its pipe, all on a thread of its own.
pub(super) async fn open_pipe(
    resolved: Arc<Resolved>,
    command: Command,
    line: String,
) -> Result<Pipe, RemoteError> {
    let (place, limit) = (resolved.place(), resolved.connect_deadline);
    let io = |error: std::io::Error| lost(&place, "opening a pipe", error.to_string());
    let (waker, wake) = UnixStream::pair().map_err(io)?;
    wake.set_nonblocking(true).map_err(io)?;
    waker.set_nonblocking(true).map_err(io)?;
    let (to, outgoing) = tokio::sync::mpsc::channel(PIECES);
    let (incoming, reader) = tokio::sync::mpsc::channel(PIECES);
    let (ended, ending) = oneshot::channel();
    let (ready, started) = oneshot::channel();
    let ends = Ends { first: command.stdin, outgoing, incoming, wake };
    let what = command.argv[0].clone();
    spawn(&place, move || {
        let connected = match connect(&resolved) {
            Ok(connected) => connected,
            Err(error) => return drop(ready.send(Err(error))),
        };
        let begun = connected.session.channel_session();
        let begun = begun.and_then(|channel| start(&connected, channel, &line));
        let mut program = match begun {
            Ok(program) => program,
            Err(error) => {
                return drop(ready.send(Err(lost(&resolved.place(), &what, error.to_string()))));
            }
        };
        if ready.send(Ok(())).is_ok() {
            let _ = ended.send(converse(&connected, &mut program, ends));
        }
        connected.stream.shut();
        drop(program);
        reap(connected);
    })?;
    in_time(&place, limit, started).await?;
    // A full wake-up socket is already a wake-up.
    let wake = Arc::new(move || drop((&waker).write(&[0])));
    Ok(Pipe { writer: PipeWriter::new(to, Some(wake)), reader, ending })
}

fn converse(connected: &Connected, program: &mut Program<'_>, ends: Ends) -> Ending {
    let session = &connected.session;
    session.set_keepalive(true, 1);
    let keep = || {
        session.set_blocking(true);
        // If the host is gone, the next read says so.
        let _ = session.keepalive_send();
        session.set_blocking(false);
    };
    let ending = carry::carry(program, ends, &keep);
    if let Status::Lost(_) = ending.status {
        connected.stream.shut();
    }
    ending
}
