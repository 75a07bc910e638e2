//! What kind of node this is.

use std::fs;

use crate::agent::{Agent, free_bytes};
use crate::network;
use crate::processes::Stat;
use crate::protocol::{Ability, Hello};

const CAP_KILL: u32 = 5;
const CAP_NET_ADMIN: u32 = 12;

/// Looks around. Changes nothing.
pub fn hello(agent: &Agent) -> Hello {
    let uid = nix::unistd::geteuid();
    let name = nix::sys::utsname::uname().ok();
    let word = |field: fn(&nix::sys::utsname::UtsName) -> &std::ffi::OsStr| {
        name.as_ref().map(|name| field(name).to_string_lossy().into_owned()).unwrap_or_default()
    };
    let memory = nix::sys::sysinfo::sysinfo().map(|info| info.ram_total()).unwrap_or(0);
    let signal = match has(CAP_KILL) {
        true => Ability::Yes,
        false => Ability::No("only processes of its own user: it is not root".to_string()),
    };
    let services = match Stat::of(std::process::id()) {
        Some(_) => Ability::Yes,
        None => Ability::No("there is no /proc here".to_string()),
    };
    Hello {
        version: crate::VERSION.to_string(),
        pid: std::process::id(),
        uid: uid.as_raw(),
        kernel: word(|name| name.release()),
        machine: word(|name| name.machine()),
        hostname: word(|name| name.nodename()),
        cut: network::ability(agent),
        net_admin: has(CAP_NET_ADMIN),
        signal,
        services,
        memory_bytes: memory,
        disk_free_bytes: free_bytes(agent.state()).unwrap_or(0),
        healed: agent.found.clone(),
    }
}

/// Is the capability effective? Without `/proc`, root is taken to have all.
fn has(capability: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    match effective {
        Some(set) => set >> capability & 1 == 1,
        None => nix::unistd::geteuid().is_root(),
    }
}
