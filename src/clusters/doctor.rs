//! What this machine has of what clusters need, and how to get the rest. Looks, changes nothing.

use std::fs;
use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::dockerd::Client;
use super::{Places, host, network, state};
use crate::remote::agent_binary;

/// How much space base tree, packages and nodes want, in bytes.
const SPACE: u64 = 4 << 30;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at, such as `debootstrap`.
    pub what: String,
    /// What cannot be done without it.
    pub needed_for: &'static str,
    /// What was found, such as a path or a version.
    pub found: Result<String, Lack>,
}

/// Something that is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// What is wrong.
    pub why: String,
    /// How to mend it: a command, where there is one.
    pub mend: String,
}

/// Looks at everything.
pub fn doctor(places: &Places) -> Vec<Check> {
    let mut checks = vec![platform(), root()];
    let for_local = "local clusters";
    for program in ["ip", "debootstrap", "unshare", "setpriv", "tar"] {
        checks.push(installed(program, for_local));
    }
    for program in ["ssh", "ssh-keygen"] {
        checks.push(installed(program, "local and docker clusters, and `cluster ssh`"));
    }
    checks.push(packet_filter());
    checks.push(overlay());
    checks.push(namespaces());
    checks.push(agent());
    checks.push(space(places));
    checks.push(installed("docker", "docker clusters"));
    checks.push(docker_daemon());
    checks.push(compose());
    checks.push(installed("chromium", "the tests of the report only"));
    checks
}

fn check(what: &str, needed_for: &'static str, found: Result<String, (String, &str)>) -> Check {
    let found = found.map_err(|(why, mend)| Lack { why, mend: mend.into() });
    Check { what: what.into(), needed_for, found }
}

fn platform() -> Check {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let found = match (os, arch) {
        ("linux", "x86_64") => Ok("linux x86-64".into()),
        _ => Err((format!("this is {os} {arch}"), "use a Linux machine with an x86-64 processor")),
    };
    check("platform", "everything", found)
}

fn root() -> Check {
    let found = if state::is_root() {
        Ok("root".into())
    } else {
        Err(("not root".into(), "sudo, or a docker or ssh cluster"))
    };
    check("root", "local clusters", found)
}

fn installed(program: &str, needed_for: &'static str) -> Check {
    let found = host::which(program).map(|path| path.display().to_string()).ok_or_else(|| Lack {
        why: "not installed".into(),
        mend: match host::package_of(program) {
            Some(package) => format!("apt-get install -y {package}"),
            None => format!("install {program}"),
        },
    });
    Check { what: program.into(), needed_for, found }
}

/// Which program an agent on this machine would cut links with. Each node has its own; those of
/// local and docker clusters bring `nft`, and a host that lacks it says so when it is reached.
fn packet_filter() -> Check {
    let path = |program| host::which(program).map(|path| path.display().to_string());
    let found = match (path("nft"), path("iptables")) {
        (Some(nft), _) => Ok(format!("nft will be used ({nft})")),
        (None, Some(iptables)) => {
            Ok(format!("iptables will be used, as nft is not installed ({iptables})"))
        }
        (None, None) => {
            Err(("neither nft nor iptables is installed".into(), "apt-get install -y nftables"))
        }
    };
    check("packet filter", "partitions, where this machine is a node", found)
}

fn overlay() -> Check {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let found = if known.lines().any(|line| line.split_whitespace().last() == Some("overlay")) {
        Ok("in the kernel".into())
    } else {
        Err(("the kernel does not know it".into(), "modprobe overlay"))
    };
    check("overlayfs", "local clusters", found)
}

fn namespaces() -> Check {
    let missing: Vec<&str> = ["pid", "mnt", "uts", "ipc", "net", "cgroup"]
        .into_iter()
        .filter(|kind| !Path::new("/proc/self/ns").join(kind).exists())
        .collect();
    let mut found = if missing.is_empty() {
        Ok("all kinds".to_string())
    } else {
        let why = format!("the kernel lacks {}", missing.join(", "));
        Err((why, "use a kernel with namespaces, or an ssh cluster"))
    };
    if found.is_ok() && state::is_root() {
        // In a container without privileges they are known, but cannot be made.
        let mut command = host::program("unshare");
        command.args(["--net", "--mount", "--pid", "--fork", "true"]);
        if let Err(error) = host::run("making namespaces", &mut command) {
            found = Err((error.to_string(), "run this outside of a container"));
        }
    }
    if found.is_ok() && !network::has_ipv6() {
        found = Ok("all kinds, but no IPv6".into());
    }
    check("namespaces", "local clusters", found)
}

fn agent() -> Check {
    let found = agent_binary()
        .map(|path| path.display().to_string())
        .map_err(|error| Lack { why: error.to_string(), mend: super::local::BUILD_AGENT.into() });
    Check { what: "agent".into(), needed_for: "faults, and local clusters", found }
}

/// Free space where the cache is, or will be.
fn space(places: &Places) -> Check {
    let mut folder = places.cache.as_path();
    while !folder.exists() {
        folder = folder.parent().unwrap_or(Path::new("/"));
    }
    let found = match statvfs(folder) {
        Ok(disk) => {
            let free = disk.blocks_available() * disk.fragment_size();
            let text = format!("{} GiB free in {}", free >> 30, folder.display());
            if free >= SPACE {
                Ok(text)
            } else {
                let mend = "make room for 4 GiB, or name another folder in PERJURY_CACHE";
                Err((text, mend))
            }
        }
        Err(errno) => Err((errno.to_string(), "name another folder in PERJURY_CACHE")),
    };
    check("space", "local clusters", found)
}

fn docker_daemon() -> Check {
    let own = state::is_root() && host::which("dockerd").is_some();
    let found = if Client::users().answers() {
        Ok("answers".into())
    } else if own {
        Ok("none answers; one of our own will be started".into())
    } else {
        let mend = "systemctl start docker; or apt-get install -y docker.io and run as root";
        Err(("none answers".into(), mend))
    };
    check("docker daemon", "docker clusters", found)
}

fn compose() -> Check {
    let words = super::docker::compose(&Client::users());
    let found = words.map(|words| words.join(" "));
    let mend = "apt-get install -y docker-compose";
    check("compose", "docker clusters", found.map_err(|error| (error.to_string(), mend)))
}
