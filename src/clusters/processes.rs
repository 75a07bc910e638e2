//! The `processes` backend: no nodes, only addresses.
//!
//! All of 127.0.0.0/8 is this machine, so each "node" gets an address of its own without root. It
//! serves the toy database, whose faults are switches in the program itself.

use std::net::{IpAddr, Ipv4Addr};

use super::{Backend, ClusterError, Inventory, Limits, Member, ProcessesSpec, Reach, address};

/// There is nothing to make.
pub(super) fn up(spec: &ProcessesSpec) -> Result<Inventory, ClusterError> {
    let member = |number: u16| {
        let [_, last] = number.to_be_bytes();
        Member {
            name: address::node_name(number).into(),
            address: IpAddr::V4(Ipv4Addr::new(127, 77, spec.block, last)),
            other_address: None,
            reach: Reach::LocalProcess,
        }
    };
    Ok(Inventory {
        name: spec.name.clone(),
        backend: Backend::Processes,
        namespace: None,
        nodes: (1..=spec.nodes).map(member).collect(),
        limits: Limits { own_clock: Some(false), lacking: Vec::new() },
    })
}
