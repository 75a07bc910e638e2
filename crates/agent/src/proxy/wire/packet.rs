//! Packets of TCP and UDP: where their payload is, and checksums that fit it again.
//!
//! A flipped bit in a packet never arrives otherwise: the receiver drops what does not add up, and
//! the sender sends it again. Fragments and extension headers of IPv6 are left alone.
//!
//! Source: RFC 791, 8200, 9293, 768; the checksum is that of RFC 1071.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Range;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// A packet that can be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who sent it.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// Where what they say to each other stands; never empty.
    pub payload: Range<usize>,
    /// Where the header of TCP or UDP begins.
    transport: usize,
    protocol: u8,
}

impl Packet {
    /// Reads the headers. `None` for what is not understood, and for packets that say nothing.
    pub fn parse(bytes: &[u8]) -> Option<Packet> {
        let (addresses, protocol, transport, end) = match bytes.first()? >> 4 {
            4 => v4(bytes)?,
            6 => v6(bytes)?,
            _ => return None,
        };
        let header = bytes.get(transport..end)?;
        let port = |at: usize| Some(u16::from_be_bytes(*header.get(at..)?.first_chunk()?));
        let length = match protocol {
            TCP => usize::from(header.get(12)? >> 4) * 4,
            UDP => 8,
            _ => return None,
        };
        let payload = transport + length..end;
        if payload.is_empty() || length < 8 {
            return None;
        }
        let (source, destination) = addresses;
        Some(Packet {
            source: SocketAddr::new(source, port(0)?),
            destination: SocketAddr::new(destination, port(2)?),
            payload,
            transport,
            protocol,
        })
    }

    /// Makes the checksums fit the bytes.
    pub fn mend(&self, bytes: &mut [u8]) {
        if self.source.is_ipv4() {
            let header = usize::from(bytes[0] & 15) * 4;
            bytes[10..12].fill(0);
            let sum = folded(sum(0, &bytes[..header]));
            bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        let at = self.transport + if self.protocol == TCP { 16 } else { 6 };
        // A datagram over IPv4 may go without.
        if self.protocol == UDP && self.source.is_ipv4() && bytes[at..at + 2] == [0, 0] {
            return;
        }
        bytes[at..at + 2].fill(0);
        let sum = match folded(self.transport_sum(bytes)) {
            // "None" is written as zero, so zero is written as its other form.
            0 if self.protocol == UDP => 0xffff,
            sum => sum,
        };
        bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }

    /// The sum of the pseudo-header, the header and the payload.
    fn transport_sum(&self, bytes: &[u8]) -> u64 {
        let text = &bytes[self.transport..self.payload.end];
        let mut pseudo = Vec::new();
        for end in [self.source, self.destination] {
            match end.ip() {
                IpAddr::V4(ip) => pseudo.extend(ip.octets()),
                IpAddr::V6(ip) => pseudo.extend(ip.octets()),
            }
        }
        pseudo.extend((text.len() as u32).to_be_bytes());
        pseudo.extend([0, 0, 0, self.protocol]);
        sum(sum(0, &pseudo), text)
    }
}

/// Who to whom, the protocol, where its header begins and where the packet ends.
type Network = ((IpAddr, IpAddr), u8, usize, usize);

fn v4(bytes: &[u8]) -> Option<Network> {
    let header = usize::from(bytes.first()? & 15) * 4;
    let end = usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?));
    // More fragments, or not the first one.
    let fragment = u16::from_be_bytes(*bytes.get(6..)?.first_chunk()?) & 0x3fff != 0;
    if header < 20 || end > bytes.len() || fragment {
        return None;
    }
    let ip = |at: usize| Some(IpAddr::from(Ipv4Addr::from(*bytes.get(at..)?.first_chunk::<4>()?)));
    Some(((ip(12)?, ip(16)?), *bytes.get(9)?, header, end))
}

fn v6(bytes: &[u8]) -> Option<Network> {
    let end = 40 + usize::from(u16::from_be_bytes(*bytes.get(4..)?.first_chunk()?));
    let ip = |at: usize| Some(IpAddr::from(Ipv6Addr::from(*bytes.get(at..)?.first_chunk::<16>()?)));
    (end <= bytes.len()).then_some(((ip(8)?, ip(24)?), *bytes.get(6)?, 40, end))
}

/// Adds up words of sixteen bits; an odd last byte is the high one.
fn sum(start: u64, bytes: &[u8]) -> u64 {
    bytes.chunks(2).fold(start, |sum, pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        sum + u64::from(u16::from_be_bytes([pair[0], low]))
    })
}

/// The complement of the sum with its carries added.
fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A datagram, with sums that were not made by the code under test.
    fn udp_v4() -> Vec<u8> {
        let mut bytes = vec![
            0x45, 0, 0, 31, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, // IP
            0x13, 0x88, 0, 9, 0, 11, 0, 0, // UDP 5000 to 9, length 11
            b'a', b'b', b'c',
        ];
        // 4500 + 1f + 1 + 4011 + a00 + 1 + a00 + 2 = 9934, and its complement.
        bytes[10..12].copy_from_slice(&[0x66, 0xcb]);
        // a00 + 1 + a00 + 2 + b + 11 + 1388 + 9 + b + 6162 + 6300 = ec1d, and its complement.
        bytes[26..28].copy_from_slice(&[0x13, 0xe2]);
        bytes
    }

    /// TCP over IPv6, with options, an odd payload, and no sum yet.
    fn tcp_v6(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0];
        bytes.extend((24 + payload.len() as u16).to_be_bytes());
        bytes.extend([TCP, 64]);
        for last in [1, 2] {
            bytes.extend("fd00::".parse::<Ipv6Addr>().unwrap().octets()[..15].iter());
            bytes.push(last);
        }
        bytes
            .extend([0x0f, 0xa0, 0x18, 0xeb, 0, 0, 0, 1, 0, 0, 0, 2, 0x60, 0x18, 1, 0, 0, 0, 0, 0]);
        bytes.extend([1, 1, 1, 0]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn headers_are_read_and_the_payload_found() {
        let bytes = udp_v4();
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.source, "10.0.0.1:5000".parse().unwrap());
        assert_eq!(packet.destination, "10.0.0.2:9".parse().unwrap());
        assert_eq!(&bytes[packet.payload], b"abc");
        let bytes = tcp_v6(b"hello");
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.destination, "[fd00::2]:6379".parse().unwrap());
        assert_eq!(&bytes[packet.payload], b"hello");
    }

    #[test]
    fn a_mended_packet_is_as_its_sender_would_have_made_it() {
        let sound = udp_v4();
        let packet = Packet::parse(&sound).unwrap();
        let mut bytes = sound.clone();
        bytes[10..12].fill(7);
        bytes[26..28].fill(7);
        packet.mend(&mut bytes);
        assert_eq!(bytes, sound);
        // Without a sum it stays without.
        bytes[26..28].fill(0);
        packet.mend(&mut bytes);
        assert_eq!(bytes[26..28], [0, 0]);
    }

    #[test]
    fn after_any_flip_the_sums_add_up() {
        for payload in [&b"x"[..], b"hello", b"hell"] {
            let bytes = tcp_v6(payload);
            let packet = Packet::parse(&bytes).unwrap();
            for at in packet.payload.clone() {
                for bit in 0..8 {
                    let mut bytes = bytes.clone();
                    bytes[at] ^= 1 << bit;
                    assert_ne!(folded(packet.transport_sum(&bytes)), 0, "it is wrong before");
                    packet.mend(&mut bytes);
                    // A sum with its own complement in it is all ones (RFC 1071).
                    assert_eq!(folded(packet.transport_sum(&bytes)), 0);
                }
            }
        }
    }

    #[test]
    fn what_is_not_whole_is_left_alone() {
        let bytes = udp_v4();
        for length in 0..bytes.len() {
            assert_eq!(Packet::parse(&bytes[..length]), None, "{length}");
        }
        let mut fragment = bytes.clone();
        fragment[6] = 0x20;
        assert_eq!(Packet::parse(&fragment), None);
        let mut other = bytes.clone();
        other[9] = 1;
        assert_eq!(Packet::parse(&other), None);
        assert_eq!(Packet::parse(&tcp_v6(b"")), None, "a bare acknowledgement");
    }
}
