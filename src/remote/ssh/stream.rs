//! The byte stream below SSH: a TCP connection, or a proxy program at the end of a socket pair.

use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command as Program, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// A connected stream. Dropping it ends the proxy.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Proxy(UnixStream, Child),
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
    /// Starts a proxy program; what it complains about goes to our own standard error. It is a
    /// process group of its own: an interrupt at the terminal must not cut us off from nodes that
    /// have to be healed, and its children have to end with it.
    pub(super) fn proxy(line: &str) -> std::io::Result<Stream> {
        let (ours, theirs) = UnixStream::pair()?;
        let output = theirs.try_clone()?;
        let child = Program::new("sh")
            .args(["-c", line])
            .process_group(0)
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            .stdout(Stdio::from(std::os::fd::OwnedFd::from(output)))
            .spawn()?;
        Ok(Stream::Proxy(ours, child))
    }

    /// A second handle on the stream.
    pub(super) fn half(&self) -> std::io::Result<Half> {
        Ok(Half(match self {
            Stream::Tcp(stream) => RawHalf::Tcp(stream.try_clone()?),
            Stream::Proxy(stream, _) => RawHalf::Unix(stream.try_clone()?),
        }))
    }

    /// Ends the connection under the feet of whoever waits on it.
    pub(super) fn shut(&self) {
        // A stream that is already down needs nothing more.
        let _ = match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Stream::Proxy(stream, _) => stream.shutdown(Shutdown::Both),
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

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Proxy(stream, _) => stream.as_fd(),
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
        if let Stream::Proxy(_, child) = self {
            // It is not reaped yet, so the number is still its own.
            if let Ok(leader) = i32::try_from(child.id()) {
                let _ = killpg(Pid::from_raw(leader), Signal::SIGKILL);
            }
            let _ = child.wait();
        }
    }
}
