//! From a target to a session that is let in.
//!
//! Connecting is the only thing that is tried again: nothing has been done yet. sshd refuses
//! connections at random when many begin at once (MaxStartups), a node that boots is not there yet;
//! both are normal.

use std::hash::{BuildHasher, RandomState};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use ssh2::Session;

use super::auth::{self, Failure};
use super::config::Resolved;
use super::hostkey::Known;
use super::stream::Stream;
use crate::remote::{HostKeyProblem, RemoteError};

/// How long one step of libssh2 may wait for the host.
pub(super) const STEP: Duration = Duration::from_secs(15);

/// A session that is let in, and the stream below it. The session never leaves its thread, but for
/// its end.
pub(super) struct Connected {
    /// Before the stream: it says goodbye when it is dropped.
    pub(super) session: Session,
    pub(super) stream: Stream,
}

enum Attempt {
    /// Try again.
    Again(String),
    /// Trying again will not help.
    Never(RemoteError),
}

/// Connects, trying again until the deadline of the target.
pub(super) fn connect(resolved: &Resolved) -> Result<Connected, RemoteError> {
    let started = Instant::now();
    let deadline = started + resolved.connect_deadline;
    let mut pause = Duration::from_millis(100);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let reason = match attempt(resolved, deadline) {
            Ok(connected) => return Ok(connected),
            Err(Attempt::Never(error)) => return Err(error),
            Err(Attempt::Again(reason)) => reason,
        };
        let wait = jitter(pause);
        if Instant::now() + wait >= deadline {
            return Err(RemoteError::Unreachable {
                host: resolved.host.clone(),
                port: resolved.port,
                attempts,
                waited: started.elapsed(),
                reason,
            });
        }
        std::thread::sleep(wait);
        pause = (pause * 2).min(Duration::from_secs(3));
    }
}

/// Between half and one and a half of it, so that many who were refused do not come back at once.
fn jitter(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 1000;
    pause / 2 + pause * u32::try_from(random).unwrap_or(0) / 1000
}

fn attempt(resolved: &Resolved, deadline: Instant) -> Result<Connected, Attempt> {
    let mut stream = open(resolved, deadline)?;
    let again = |what: &str, error: &ssh2::Error| Attempt::Again(format!("{what}: {error}"));
    let io = |error: std::io::Error| Attempt::Again(error.to_string());
    let mut session = Session::new().map_err(|error| again("no session", &error))?;
    let left = deadline.saturating_duration_since(Instant::now()).min(STEP);
    session.set_timeout(milliseconds(left));
    session.set_tcp_stream(stream.half().map_err(io)?);
    let known = Known::read(resolved);
    known.prefer(&session).map_err(|error| again("no host key types", &error))?;
    if let Err(error) = session.handshake() {
        stream.shut();
        return Err(match stream.complaint() {
            Some(said) => of_proxy(resolved, said),
            None => again("no handshake", &error),
        });
    }
    known.verify(&session, resolved).map_err(Attempt::Never)?;
    match auth::authenticate(&session, resolved) {
        Ok(()) => {}
        Err(Failure::Broken(error)) => {
            stream.shut();
            return Err(again("while logging in", &error));
        }
        Err(Failure::Refused(error)) => return Err(Attempt::Never(error)),
    }
    session.set_timeout(milliseconds(STEP));
    Ok(Connected { session, stream })
}

/// What the complaint of a proxy means: one that may not pass will not pass a second later.
fn of_proxy(resolved: &Resolved, said: String) -> Attempt {
    let place = resolved.place();
    if said.contains("Host key verification failed") {
        let (problem, why) = match said.contains("HAS CHANGED") {
            true => (HostKeyProblem::Mismatch, "the host key of a jump is not the known one"),
            false => (HostKeyProblem::Unknown, "the host key of a jump is not known"),
        };
        let message =
            format!("{place}: {why}: {said}; log in to the jump once by hand and compare its key");
        return Attempt::Never(RemoteError::HostKey { problem, message });
    }
    if said.contains("Permission denied") || said.contains("Too many authentication failures") {
        return Attempt::Never(RemoteError::Auth { place, reason: format!("its proxy: {said}") });
    }
    Attempt::Again(format!("its proxy: {said}"))
}

/// For libssh2, to which 0 means for ever.
pub(super) fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX).max(1)
}

fn open(resolved: &Resolved, deadline: Instant) -> Result<Stream, Attempt> {
    if let Some(line) = &resolved.proxy {
        return Stream::proxy(line).map_err(|error| {
            let reason = format!("cannot start its proxy ({line}): {error}");
            Attempt::Never(RemoteError::Usage { place: resolved.place(), reason })
        });
    }
    let addresses = (resolved.host.as_str(), resolved.port).to_socket_addrs();
    let addresses: Vec<SocketAddr> = match addresses {
        Ok(found) => found.collect(),
        Err(error) => return Err(Attempt::Again(format!("its address is not known: {error}"))),
    };
    let mut reason = "it has no address".to_string();
    for address in addresses {
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = left.min(Duration::from_secs(5)).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, limit) {
            Ok(stream) => {
                // Latency only; a stream without it works as well.
                let _ = stream.set_nodelay(true);
                return Ok(Stream::Tcp(stream));
            }
            Err(error) => reason = format!("{address}: {error}"),
        }
    }
    Err(Attempt::Again(reason))
}
