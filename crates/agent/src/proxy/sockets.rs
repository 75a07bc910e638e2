//! Sockets of the proxy: marked ones that are not redirected, and where a redirected one was going.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrIn6, SockaddrStorage, bind,
    connect, getsockopt, listen, setsockopt, socket, sockopt,
};

/// The mark of the agent's own connections: `pj` in ASCII. Our redirects leave it alone.
pub const MARK: u32 = 0x706a;

/// How long a destination may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

fn open(address: &SocketAddr) -> nix::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(family, SockType::Stream, flags, None)
}

/// Listens. An IPv6 socket does not take IPv4 along.
pub fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = open(&address)?;
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    if address.is_ipv6() {
        setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
    }
    bind(std::os::fd::AsRawFd::as_raw_fd(&socket), &SockaddrStorage::from(address))?;
    listen(&socket, Backlog::MAXCONN)?;
    Ok(TcpListener::from(socket))
}

/// Connects, with our mark if wanted; gives up when `stop` becomes readable. The socket does not
/// block.
pub fn dial(to: SocketAddr, marked: bool, stop: &impl AsFd) -> io::Result<TcpStream> {
    let socket = open(&to)?;
    if marked {
        setsockopt(&socket, sockopt::Mark, &MARK)?;
    }
    match connect(std::os::fd::AsRawFd::as_raw_fd(&socket), &SockaddrStorage::from(to)) {
        Ok(()) => {}
        Err(Errno::EINPROGRESS) => {
            let deadline = Instant::now() + PATIENCE;
            loop {
                let rest = deadline.saturating_duration_since(Instant::now());
                let mut asked = [
                    PollFd::new(socket.as_fd(), PollFlags::POLLOUT),
                    PollFd::new(stop.as_fd(), PollFlags::POLLIN),
                ];
                let timeout = PollTimeout::try_from(rest).unwrap_or(PollTimeout::MAX);
                match poll(&mut asked, timeout) {
                    Err(Errno::EINTR) => continue,
                    Err(error) => return Err(error.into()),
                    Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                    Ok(_) if asked[1].any() == Some(true) => {
                        return Err(io::ErrorKind::Interrupted.into());
                    }
                    Ok(_) => break,
                }
            }
        }
        Err(error) => return Err(error.into()),
    }
    match getsockopt(&socket, sockopt::SocketError)? {
        0 => Ok(TcpStream::from(socket)),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Where a redirected connection was going.
pub fn original_destination(socket: &TcpStream) -> io::Result<SocketAddr> {
    if socket.local_addr()?.is_ipv4() {
        let address = SockaddrIn::from(getsockopt(socket, sockopt::OriginalDst)?);
        return Ok((address.ip(), address.port()).into());
    }
    let address = SockaddrIn6::from(getsockopt(socket, sockopt::Ip6tOriginalDst)?);
    Ok((address.ip(), address.port()).into())
}

/// Lets the end of this socket be a reset: nobody shall take a torn stream for a whole one.
pub fn reset_on_close(socket: &TcpStream) {
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    let _ = setsockopt(socket, sockopt::Linger, &linger);
}

/// Takes that back.
pub fn close_in_order(socket: &TcpStream) {
    let linger = nix::libc::linger { l_onoff: 0, l_linger: 0 };
    let _ = setsockopt(socket, sockopt::Linger, &linger);
}
