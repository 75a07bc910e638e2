//! The kernel's queue of packets that wait for a verdict (nfnetlink_queue), spoken by hand.
//!
//! A rule of the packet filter puts packets into a queue with a number; whoever has bound that
//! number gets each of them and says what becomes of it, unchanged or with other bytes. Large
//! packets that hardware would cut are cut before, and checksums that hardware would make are made.
//!
//! Invariant: a full queue lets packets pass (fail-open), and so does the rule where nobody has
//! bound the number (bypass): a dead or slow agent does not cut the node off.
//!
//! Source: linux/netfilter/nfnetlink.h and nfnetlink_queue.h, netlink(7).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};

use crate::protocol::{Failure, FailureKind};

/// The kind of a message: the subsystem of queues in the high byte.
const PACKET: u16 = 3 << 8;
const VERDICT: u16 = PACKET | 1;
const CONFIG: u16 = PACKET | 2;
const REQUEST: u16 = 1;
const WITH_ACK: u16 = 5;
const ERROR: u16 = 2;

/// Attributes of configurations, of packets and of verdicts.
const COMMAND: u16 = 1;
const PARAMETERS: u16 = 2;
const MOST_WAITING: u16 = 3;
const MASK: u16 = 4;
const FLAGS: u16 = 5;
const PACKET_HEADER: u16 = 1;
const VERDICT_HEADER: u16 = 2;
const PAYLOAD: u16 = 10;

const BIND: u8 = 1;
const COPY_PACKETS: u8 = 2;
const FAIL_OPEN: u32 = 1;
const ACCEPT: u32 = 1;
/// The hook of what comes in; the other one that we use is of what goes out.
const LOCAL_IN: u8 = 1;

/// How many numbers are tried before a free one is given up.
const TRIES: u16 = 64;
/// How many packets and how many bytes may wait.
const WAITING: u32 = 4096;
const BUFFER: usize = 8 << 20;
/// No packet is longer, with what the kernel says of it.
pub const MOST_PACKET: usize = (64 << 10) + 4096;

/// A bound queue.
#[derive(Debug)]
pub struct Queue {
    socket: OwnedFd,
    /// For the rules.
    pub number: u16,
}

/// A packet that waits for its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caught<'a> {
    /// For the verdict.
    pub id: u32,
    /// Does it come in? Else it goes out.
    pub comes_in: bool,
    /// From the header of IP on.
    pub bytes: &'a [u8],
}

impl Queue {
    /// Binds a number that nobody has in this network namespace.
    pub fn bind() -> Result<Queue, Failure> {
        let mut socket = open().map_err(|error| failure(error, "open a socket for queues"))?;
        let first = std::process::id() as u16;
        let mut refused = Errno::EBUSY;
        for number in (0..TRIES).map(|step| first.wrapping_add(step).max(1)) {
            let queue = Queue { socket, number };
            match queue.configure(&[(COMMAND, &[BIND, 0, 0, 0])]) {
                Ok(()) => {
                    queue.prepare().map_err(|error| failure(error, "prepare a queue"))?;
                    return Ok(queue);
                }
                // The kernel says the same to who may not bind and to who comes second.
                Err(error @ (Errno::EBUSY | Errno::EPERM)) => refused = error,
                Err(error) => return Err(failure(error, "bind a queue")),
            }
            socket = queue.socket;
        }
        Err(failure(refused, "bind a queue"))
    }

    fn prepare(&self) -> nix::Result<()> {
        let most = (MOST_PACKET as u32).to_be_bytes();
        let parameters = [&most[..], &[COPY_PACKETS]].concat();
        self.configure(&[
            (PARAMETERS, &parameters),
            (MOST_WAITING, &WAITING.to_be_bytes()),
            (FLAGS, &FAIL_OPEN.to_be_bytes()),
            (MASK, &FAIL_OPEN.to_be_bytes()),
        ])
    }

    /// Asks, and waits for the answer. Packets cannot come before the last of these.
    fn configure(&self, attributes: &[(u16, &[u8])]) -> nix::Result<()> {
        let text = message(CONFIG, WITH_ACK, self.number, attributes);
        send(self.socket.as_raw_fd(), &text, MsgFlags::empty())?;
        let mut answer = vec![0; 4096];
        loop {
            let count = recv(self.socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
            let number = |at: usize| answer[..count].get(at..at + 4)?.try_into().ok();
            let kind = answer[4..6].try_into().map(u16::from_ne_bytes);
            match (kind, number(16).map(i32::from_ne_bytes)) {
                (Ok(ERROR), Some(0)) => return Ok(()),
                (Ok(ERROR), Some(code)) => return Err(Errno::from_raw(-code)),
                (Ok(PACKET), _) => {}
                _ => return Err(Errno::EPROTO),
            }
        }
    }

    /// What has come by now; `None` if nothing has.
    pub fn next<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<Caught<'a>>> {
        loop {
            let count = match recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(count) => count,
                Err(Errno::EAGAIN) => return Ok(None),
                // Some were lost on their way here; the kernel has let them pass.
                Err(Errno::ENOBUFS | Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if caught(&buffer[..count]).is_some() {
                return Ok(caught(&buffer[..count]));
            }
        }
    }

    /// Lets a packet go on, with these bytes instead of its own if there are any.
    pub fn pass(&self, id: u32, other: Option<&[u8]>) -> nix::Result<()> {
        let header = [ACCEPT.to_be_bytes(), id.to_be_bytes()].concat();
        let mut attributes = vec![(VERDICT_HEADER, &header[..])];
        attributes.extend(other.map(|bytes| (PAYLOAD, bytes)));
        let text = message(VERDICT, REQUEST, self.number, &attributes);
        send(self.socket.as_raw_fd(), &text, MsgFlags::empty()).map(drop)
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn open() -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let protocol = SockProtocol::NetlinkNetFilter;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    // More room than others get; without it bursts pass by.
    let _ = setsockopt(&socket, sockopt::RcvBufForce, &BUFFER);
    Ok(socket)
}

fn failure(error: Errno, what: &str) -> Failure {
    let (kind, why) = match error {
        Errno::EPERM | Errno::EACCES => (FailureKind::NotPermitted, "needs CAP_NET_ADMIN"),
        Errno::EINVAL | Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT => (
            FailureKind::Unsupported,
            "the kernel has no nfnetlink_queue (CONFIG_NETFILTER_NETLINK_QUEUE)",
        ),
        _ => (FailureKind::Io, "the numbers near ours are all taken, or the kernel refuses"),
    };
    Failure::new(kind, format!("cannot {what}: {error}: {why}"))
}

/// `nlmsghdr`, `nfgenmsg` and attributes, each padded to four bytes.
fn message(kind: u16, flags: u16, queue: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut text = vec![0; 16];
    text.extend([0, 0]);
    text.extend(queue.to_be_bytes());
    for (name, value) in attributes {
        text.extend((value.len() as u16 + 4).to_ne_bytes());
        text.extend(name.to_ne_bytes());
        text.extend(*value);
        text.resize(text.len().next_multiple_of(4), 0);
    }
    let length = text.len() as u32;
    text[..4].copy_from_slice(&length.to_ne_bytes());
    text[4..6].copy_from_slice(&kind.to_ne_bytes());
    text[6..8].copy_from_slice(&flags.to_ne_bytes());
    text
}

/// Reads a message about a packet; `None` if it is none.
fn caught(text: &[u8]) -> Option<Caught<'_>> {
    if text.get(4..6)? != PACKET.to_ne_bytes() {
        return None;
    }
    let (mut head, mut bytes) = (None, None);
    let mut rest = text.get(20..)?;
    while rest.len() >= 4 {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        // The highest bits are marks of the kernel's own.
        let name = u16::from_ne_bytes(*rest[2..].first_chunk()?) & 0x3fff;
        let value = rest.get(4..length)?;
        match name {
            PACKET_HEADER => {
                head = Some((u32::from_be_bytes(*value.first_chunk()?), *value.get(6)?));
            }
            PAYLOAD => bytes = Some(value),
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    let (id, hook) = head?;
    // A packet that says nothing of itself still waits for its verdict.
    Some(Caught { id, comes_in: hook == LOCAL_IN, bytes: bytes.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_padded_and_packets_read_back() {
        let header = [&77_u32.to_be_bytes()[..], &[8, 0, LOCAL_IN]].concat();
        let text =
            message(PACKET, 0, 5, &[(PACKET_HEADER, &header), (99, b"z"), (PAYLOAD, b"abc")]);
        assert_eq!(text.len() % 4, 0);
        assert_eq!(u32::from_ne_bytes(*text.first_chunk().unwrap()), text.len() as u32);
        let wanted = Caught { id: 77, comes_in: true, bytes: b"abc" };
        assert_eq!(caught(&text), Some(wanted));
        assert_eq!(caught(&message(VERDICT, 0, 5, &[])), None);
        for length in 0..text.len() {
            // Whatever is cut off, nothing is made up.
            if let Some(some) = caught(&text[..length]) {
                assert_eq!((some.id, some.comes_in), (77, true));
            }
        }
    }
}
