//! Which address each node has: a pure function of the subnet and the node's number.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ClusterError;

/// The IPv6 network of every local cluster. It is a private one (RFC 4193), and it is the same for
/// all, since no two clusters share a link.
const IPV6_PREFIX: u8 = 64;

/// The number of the first node's address less one: 1 is the controller, 2 to 10 are kept free.
const BEFORE_FIRST: u32 = 10;

/// The addresses of a cluster of namespaces or containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    network: u32,
    /// The length of the IPv4 prefix in bits.
    pub prefix: u8,
    /// How many nodes there are.
    pub nodes: u16,
}

impl Plan {
    /// Reads a subnet such as `10.77.0.0/24` and checks that the nodes fit into it.
    pub fn new(subnet: &str, nodes: u16) -> Result<Plan, ClusterError> {
        let refuse = |why: &str| ClusterError::Declaration {
            what: format!("subnet {subnet:?}: {why}, such as \"10.77.0.0/24\""),
        };
        let (network, prefix) =
            subnet.split_once('/').ok_or_else(|| refuse("has to be an IPv4 network"))?;
        let network: Ipv4Addr = network.parse().map_err(|_| refuse("has to be an IPv4 network"))?;
        let prefix: u8 = prefix.parse().map_err(|_| refuse("the prefix has to be a number"))?;
        if !(8..=27).contains(&prefix) {
            return Err(refuse("the prefix has to be 8 to 27 bits long"));
        }
        let size = 1u32 << (32 - prefix);
        let network = u32::from(network);
        if !network.is_multiple_of(size) {
            return Err(refuse("has bits set behind its prefix; it has to be a network"));
        }
        // The last address is the broadcast address.
        let most = (size - 2 - BEFORE_FIRST).min(200);
        if nodes == 0 || u32::from(nodes) > most {
            return Err(ClusterError::Declaration {
                what: format!("nodes = {nodes}: 1 to {most} fit into subnet {subnet}"),
            });
        }
        Ok(Plan { network, prefix, nodes })
    }

    /// The first three numbers of a /24, as `10.78.0`.
    pub fn prefix_24(&self) -> Result<String, ClusterError> {
        let [a, b, c, _] = Ipv4Addr::from(self.network).octets();
        if self.prefix == 24 {
            return Ok(format!("{a}.{b}.{c}"));
        }
        Err(ClusterError::Declaration {
            what: format!("subnet {a}.{b}.{c}.0/{}: the compose file wants a /24", self.prefix),
        })
    }

    /// The controller's IPv4 address.
    pub fn controller(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.network + 1)
    }

    /// The controller's IPv6 address with its prefix.
    pub fn controller6(&self) -> String {
        format!("fd77::1/{IPV6_PREFIX}")
    }

    /// The numbers of the nodes, from 1.
    pub fn numbers(&self) -> std::ops::RangeInclusive<u16> {
        1..=self.nodes
    }

    /// The IPv4 address of a node.
    pub fn ipv4(&self, number: u16) -> Ipv4Addr {
        Ipv4Addr::from(self.network + BEFORE_FIRST + u32::from(number))
    }

    /// The IPv6 address of a node. Its last group reads, in decimal, like the last number of a
    /// small cluster's IPv4 address: `fd77::11` is the first node.
    pub fn ipv6(&self, number: u16) -> Ipv6Addr {
        let digits = format!("{}", BEFORE_FIRST + u32::from(number));
        let group = u16::from_str_radix(&digits, 16).unwrap_or(number);
        Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, group)
    }

    /// The length of the IPv6 prefix in bits.
    pub fn prefix6(&self) -> u8 {
        IPV6_PREFIX
    }

    /// A fixed hardware address; that of number 0 is the controller's. After a change of it the
    /// others would speak to the old one until their neighbour tables forget it.
    pub fn hardware(&self, number: u16) -> String {
        let [_, _, a, b] = Ipv4Addr::from(self.network).octets();
        let [high, low] = number.to_be_bytes();
        format!("02:77:{a:02x}:{b:02x}:{high:02x}:{low:02x}")
    }

    /// The two addresses of a node, the one that is to be used first.
    pub fn addresses(&self, number: u16, ipv6: bool) -> (IpAddr, IpAddr) {
        let (four, six) = (IpAddr::V4(self.ipv4(number)), IpAddr::V6(self.ipv6(number)));
        if ipv6 { (six, four) } else { (four, six) }
    }
}

/// The name of a node that is only numbered.
pub(super) fn node_name(number: u16) -> String {
    format!("n{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_from_the_subnet_and_the_number() {
        let plan = Plan::new("10.77.0.0/24", 5).unwrap();
        assert_eq!(plan.controller().to_string(), "10.77.0.1");
        assert_eq!(plan.ipv4(1).to_string(), "10.77.0.11");
        assert_eq!(plan.ipv6(1).to_string(), "fd77::11");
        assert_eq!(plan.ipv6(95).to_string(), "fd77::105");
        assert_eq!(plan.prefix_24().unwrap(), "10.77.0");
        assert_eq!(plan.hardware(5), "02:77:00:00:00:05");
        assert!(plan.addresses(2, true).0.is_ipv6());
        let wide = Plan::new("10.0.0.0/8", 200).unwrap();
        assert!(wide.prefix_24().is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (subnet, nodes) in [
            ("10.77.0.0", 5),
            ("10.77.0.0/33", 5),
            ("10.77.0.0/28", 1),
            ("10.77.0.1/24", 5),
            ("10.77.0.0/27", 21),
            ("10.77.0.0/24", 0),
            ("10.77.0.0/24", 201),
            ("fd77::/64", 5),
            ("n1/24", 5),
        ] {
            assert!(Plan::new(subnet, nodes).is_err(), "{subnet} {nodes}");
        }
        assert!(Plan::new("10.77.0.0/27", 20).is_ok());
        assert!(Plan::new("192.168.5.0/24", 200).is_ok());
    }
}
