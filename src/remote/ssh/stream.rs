//! The byte stream below SSH: a TCP connection, or a proxy program at the end of a socket pair.

use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command as Program, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// A connected stream. Dropping it ends the proxy.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Proxy(UnixStream, Child, Arc<Mutex<Vec<u8>>>),
}

/// What ssh2 keeps: the same descriptor, so that we can still shut it down.
#[derive(Debug)]
pub(super) struct Half(RawHalf);

#[derive(Debug)]
enum RawHalf {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// How much of a proxy's complaints is kept, in bytes: the beginning.
    const MOST_SAID: usize = 8 << 10;

    /// Starts a proxy program; what it complains about is kept for [`Stream::complaint`]. It is a
    /// process group of its own: an interrupt at the terminal must not cut us off from nodes that
    /// have to be healed, and its children have to end with it.
    pub(super) fn proxy(line: &str) -> std::io::Result<Stream> {
        let (ours, theirs) = UnixStream::pair()?;
        let output = theirs.try_clone()?;
        let mut child = Program::new("sh")
            .args(["-c", line])
            .process_group(0)
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stdout(Stdio::from(std::os::fd::OwnedFd::from(output)))
            .stderr(Stdio::piped())
            .spawn()?;
        let said = Arc::new(Mutex::new(Vec::new()));
        if let Some(stderr) = child.stderr.take() {
            let said = Arc::clone(&said);
            std::thread::Builder::new().name("perjury-proxy".into()).spawn(move || {
                listen(stderr, &said);
            })?;
        }
        Ok(Stream::Proxy(ours, child, said))
    }

    /// What the proxy has complained about, if it has. It is given a moment to end: its last words
    /// come after it closed the stream.
    pub(super) fn complaint(&mut self) -> Option<String> {
        let Stream::Proxy(_, child, said) = self else { return None };
        let deadline = Instant::now() + Duration::from_millis(500);
        while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        // The thread that listens has it a moment after the end.
        std::thread::sleep(Duration::from_millis(20));
        let said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&said);
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| line.contains(|c| c != '@')).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }

    /// A second handle on the stream.
    pub(super) fn half(&self) -> std::io::Result<Half> {
        Ok(Half(match self {
            Stream::Tcp(stream) => RawHalf::Tcp(stream.try_clone()?),
            Stream::Proxy(stream, ..) => RawHalf::Unix(stream.try_clone()?),
        }))
    }

    /// Ends the connection under the feet of whoever waits on it.
    pub(super) fn shut(&self) {
        // A stream that is already down needs nothing more.
        let _ = match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Stream::Proxy(stream, ..) => stream.shutdown(Shutdown::Both),
        };
    }

    /// Waits until there is something to read, here or at `wake`, but no longer than `limit`.
    pub(super) fn wait(&self, wake: Option<BorrowedFd<'_>>, limit: Duration) {
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        let mut all = vec![PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        all.extend(wake.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        // An interruption only makes the caller look once more.
        let _ = nix::poll::poll(&mut all, timeout);
    }

    /// Waits until there is room to write, but no longer than `limit`.
    pub(super) fn wait_room(&self, limit: Duration) {
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        let _ = nix::poll::poll(&mut [PollFd::new(self.as_fd(), PollFlags::POLLOUT)], timeout);
    }
}

/// Keeps the beginning and drains the rest: a proxy must not block on its complaints.
fn listen(mut stderr: ChildStderr, said: &Mutex<Vec<u8>>) {
    let mut piece = [0; 1024];
    while let Ok(length @ 1..) = stderr.read(&mut piece) {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let room = Stream::MOST_SAID.saturating_sub(said.len());
        said.extend_from_slice(&piece[..length.min(room)]);
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Proxy(stream, ..) => stream.as_fd(),
        }
    }
}

impl AsRawFd for Half {
    fn as_raw_fd(&self) -> RawFd {
        match &self.0 {
            RawHalf::Tcp(stream) => stream.as_raw_fd(),
            RawHalf::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Stream::Proxy(_, child, _) = self {
            // It is not reaped yet, so the number is still its own.
            if let Ok(leader) = i32::try_from(child.id()) {
                let _ = killpg(Pid::from_raw(leader), Signal::SIGKILL);
            }
            let _ = child.wait();
        }
    }
}
