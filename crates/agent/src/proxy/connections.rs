//! The TCP connections of this network namespace, and ending them.
//!
//! Read from `/proc/net/tcp` and `tcp6` (proc(5)); ended with SOCK_DESTROY of sock_diag(7), as
//! `ss -K` does, which resets both ends. Sockets of this process are never meant.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

use super::spec::{DialledBy, Who};

/// An established connection, as one of its ends on this node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    /// The end on this node.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// Is it a socket of IPv6, whatever its addresses?
    v6: bool,
    inode: u64,
}

const ESTABLISHED: &str = "01";
const SOCK_DESTROY: u16 = 21;
const REQUEST_AND_ACK: u16 = 5;
const ERROR: u16 = 2;

/// Every established connection of this namespace, but those of this process.
pub fn all() -> BTreeSet<Connection> {
    let own = own_inodes();
    let mut found = BTreeSet::new();
    for (path, v6) in [("/proc/self/net/tcp", false), ("/proc/self/net/tcp6", true)] {
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines = text.lines().filter_map(|line| parse(line, v6));
        found.extend(lines.filter(|one| !own.contains(&one.inode)));
    }
    found
}

/// The connections that a redirect would have caught.
pub fn matching(ports: &[u16], with: &Who, by: DialledBy) -> BTreeSet<Connection> {
    let here = local_addresses();
    let is_meant = |address: IpAddr| match with {
        Who::Anyone | Who::OneIn(_) => true,
        Who::Only(list) => list.iter().any(|one| one.to_canonical() == address),
        Who::Except(list) => !list.iter().any(|one| one.to_canonical() == address),
    };
    let wanted = |one: &Connection| {
        let incoming = ports.contains(&one.local.port()) && by != DialledBy::Us;
        let outgoing = ports.contains(&one.remote.port()) && by != DialledBy::Them;
        let other = one.remote.ip();
        (incoming || outgoing) && !here.contains(&other) && is_meant(other)
    };
    all().into_iter().filter(wanted).collect()
}

fn local_addresses() -> BTreeSet<IpAddr> {
    let mut found = BTreeSet::new();
    for interface in nix::ifaddrs::getifaddrs().into_iter().flatten() {
        let Some(address) = interface.address else { continue };
        if let Some(v4) = address.as_sockaddr_in() {
            found.insert(IpAddr::V4(v4.ip()));
        } else if let Some(v6) = address.as_sockaddr_in6() {
            found.insert(IpAddr::V6(v6.ip()));
        }
    }
    found
}

fn own_inodes() -> BTreeSet<u64> {
    let links = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let inode = |path: std::path::PathBuf| {
        let target = fs::read_link(path).ok()?;
        let name = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
        name.parse().ok()
    };
    links.filter_map(|link| inode(link.path())).collect()
}

/// Reads `N: LOCAL:PORT REMOTE:PORT STATE ... INODE ...`, in the byte order of the machine.
fn parse(line: &str, v6: bool) -> Option<Connection> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if *words.get(3)? != ESTABLISHED {
        return None;
    }
    let end = |text: &str| -> Option<SocketAddr> {
        let (address, port) = text.split_once(':')?;
        let part = |at: usize| u32::from_str_radix(address.get(at..at + 8)?, 16).ok();
        let ip = if v6 {
            let mut bytes = [0; 16];
            for (at, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&part(8 * at)?.to_ne_bytes());
            }
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        } else {
            IpAddr::V4(Ipv4Addr::from(part(0)?.to_ne_bytes()))
        };
        Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
    };
    let (local, remote) = (end(words[1])?, end(words[2])?);
    Some(Connection { local, remote, v6, inode: words.get(9)?.parse().ok()? })
}

/// Ends a connection; its other end is reset too.
pub fn destroy(one: &Connection) -> nix::Result<()> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let netlink =
        socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkSockDiag)?;
    send(netlink.as_raw_fd(), &request(one), MsgFlags::empty())?;
    let mut answer = [0; 256];
    let count = recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    let kind = answer[4..6].try_into().map(u16::from_ne_bytes);
    let code = answer[16..20].try_into().map(i32::from_ne_bytes);
    match (kind, code) {
        (Ok(ERROR), Ok(0)) if count >= 20 => Ok(()),
        // It has ended by itself.
        (Ok(ERROR), Ok(code)) if -code == Errno::ENOENT as i32 => Ok(()),
        (Ok(ERROR), Ok(code)) if count >= 20 => Err(Errno::from_raw(-code)),
        _ => Err(Errno::EPROTO),
    }
}

/// `nlmsghdr` and `inet_diag_req_v2` of linux/inet_diag.h.
fn request(one: &Connection) -> Vec<u8> {
    let family = if one.v6 { nix::libc::AF_INET6 } else { nix::libc::AF_INET };
    let address = |ip: IpAddr| -> [u8; 16] {
        match (ip, one.v6) {
            (IpAddr::V4(v4), true) => v4.to_ipv6_mapped().octets(),
            (IpAddr::V6(v6), _) => v6.octets(),
            (IpAddr::V4(v4), false) => {
                let mut bytes = [0; 16];
                bytes[..4].copy_from_slice(&v4.octets());
                bytes
            }
        }
    };
    let mut bytes = Vec::with_capacity(72);
    bytes.extend(72_u32.to_ne_bytes());
    bytes.extend(SOCK_DESTROY.to_ne_bytes());
    bytes.extend(REQUEST_AND_ACK.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family as u8, nix::libc::IPPROTO_TCP as u8, 0, 0]);
    // Only established ones.
    bytes.extend((1_u32 << 1).to_ne_bytes());
    bytes.extend(one.local.port().to_be_bytes());
    bytes.extend(one.remote.port().to_be_bytes());
    bytes.extend(address(one.local.ip()));
    bytes.extend(address(one.remote.ip()));
    // Any interface, and no cookie.
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend([0xff; 8]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read() {
        let line = "   3: 0B01A8C0:1F90 0201A8C0:C350 01 00000000:00000000 00:00000000 00000000  \
                    1000        0 54321 1 0000000000000000 20 4 30 10 -1";
        let one = parse(line, false).unwrap();
        assert_eq!(one.local, "192.168.1.11:8080".parse().unwrap());
        assert_eq!((one.remote.port(), one.inode), (50000, 54321));
        let mapped = line
            .replace("0B01A8C0", "0000000000000000FFFF00000B01A8C0")
            .replace("0201A8C0", "0000000000000000FFFF00000201A8C0");
        assert_eq!(parse(&mapped, true).unwrap().local, one.local);
        assert_eq!(parse(&line.replace(" 01 ", " 0A "), false), None);
        assert_eq!(request(&one).len(), 72);
    }

    #[test]
    fn a_connection_of_another_process_is_seen_and_our_own_is_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _server = listener.accept().unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(all().iter().all(|one| one.local.port() != port));
    }
}
