//! What a declaration in `clusters/` may say. Data and its checks; nothing is looked up here.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::address::Plan;
use super::{Backend, ClusterError};

/// One declared cluster. In TOML the backend is the key: `[local]`, `[docker]`, `[ssh]` or
/// `[processes]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Spec {
    /// Namespaces of this machine, each with a real sshd. Needs root.
    Local(LocalSpec),
    /// Containers, by docker compose.
    Docker(DockerSpec),
    /// Machines that exist. Nothing is made and nothing is removed.
    Ssh(SshSpec),
    /// No nodes at all: plain processes on loopback addresses, for the toy database.
    Processes(ProcessesSpec),
}

/// Options of the `local` backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct LocalSpec {
    /// The cluster's name: part of names on the host, so clusters of different names coexist.
    pub name: String,
    /// How many nodes: `n1`, `n2`, ...
    pub nodes: u16,
    /// The IPv4 network of the nodes. Nothing outside the cluster sees it, so it may be any
    /// private one. The controller is its address 1, node *i* its address 10 + *i*.
    pub subnet: String,
    /// Nodes always have an IPv6 address too; with `true` it is the one that everybody uses.
    pub ipv6: bool,
    /// Packages of the host's distribution that every node has installed.
    pub packages: Vec<String>,
}

impl Default for LocalSpec {
    fn default() -> LocalSpec {
        LocalSpec {
            name: "local".into(),
            nodes: 5,
            subnet: "10.77.0.0/24".into(),
            ipv6: false,
            packages: default_packages(),
        }
    }
}

/// Options of the `docker` backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct DockerSpec {
    /// The cluster's name, which is also the name of the compose project.
    pub name: String,
    /// How many of the services `n1`, `n2`, ... of the compose file are started.
    pub nodes: u16,
    /// The IPv4 network of the containers, a /24. It must not be in use on the host.
    pub subnet: String,
    /// The image that nodes are built upon. `None`: the one that the Dockerfile names.
    pub base: Option<String>,
    /// Packages that are installed in the image.
    pub packages: Vec<String>,
    /// A folder with a `compose.yaml` and a `Dockerfile` of one's own. `None`: those of
    /// `clusters/docker`, which are built into the program.
    pub directory: Option<PathBuf>,
}

impl Default for DockerSpec {
    fn default() -> DockerSpec {
        DockerSpec {
            name: "docker".into(),
            nodes: 5,
            subnet: "10.78.0.0/24".into(),
            base: None,
            packages: default_packages(),
            directory: None,
        }
    }
}

/// Options of the `ssh` backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SshSpec {
    /// The cluster's name.
    #[serde(default = "ssh_name")]
    pub name: String,
    /// The machines.
    pub nodes: Vec<SshNode>,
    /// A file for `ssh -F`, such as the output of `vagrant ssh-config`. `None`: the user's own.
    #[serde(default)]
    pub config: Option<PathBuf>,
    /// Whether the clock of a node may be set without harm to anything else. `None`: not known.
    #[serde(default)]
    pub own_clock: Option<bool>,
}

/// One machine of the `ssh` backend. What is not said is taken from the configuration of ssh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SshNode {
    /// Its name in the test.
    pub name: String,
    /// Its host name, address, or alias in the configuration of ssh.
    pub host: String,
    /// Where the other nodes and the clients reach it, if that is not the address of `host`.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// The port of its sshd.
    #[serde(default)]
    pub port: Option<u16>,
    /// Who logs in: root, or someone with `sudo` without a password.
    #[serde(default)]
    pub user: Option<String>,
    /// The file of the private key.
    #[serde(default)]
    pub identity: Option<PathBuf>,
    /// The file of known host keys.
    #[serde(default)]
    pub known_hosts: Option<PathBuf>,
}

/// Options of the `processes` backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ProcessesSpec {
    /// The cluster's name.
    pub name: String,
    /// How many: `n1` at 127.77.0.1, `n2` at 127.77.0.2, ...
    pub nodes: u16,
    /// The third number of their addresses: clusters of different names coexist if it differs.
    pub block: u8,
}

impl Default for ProcessesSpec {
    fn default() -> ProcessesSpec {
        ProcessesSpec { name: "processes".into(), nodes: 5, block: 0 }
    }
}

fn ssh_name() -> String {
    "ssh".into()
}

/// What the databases with a driver need.
fn default_packages() -> Vec<String> {
    let names = ["etcd-server", "etcd-client", "redis-server", "redis-sentinel", "postgresql"];
    names.map(String::from).to_vec()
}

impl Spec {
    /// The cluster's name.
    pub fn name(&self) -> &str {
        match self {
            Spec::Local(spec) => &spec.name,
            Spec::Docker(spec) => &spec.name,
            Spec::Ssh(spec) => &spec.name,
            Spec::Processes(spec) => &spec.name,
        }
    }

    /// Its backend.
    pub fn backend(&self) -> Backend {
        match self {
            Spec::Local(_) => Backend::Local,
            Spec::Docker(_) => Backend::Docker,
            Spec::Ssh(_) => Backend::Ssh,
            Spec::Processes(_) => Backend::Processes,
        }
    }

    /// Whether what is declared can exist at all; looks at nothing but the declaration.
    ///
    /// # Errors
    /// [`ClusterError::Declaration`].
    pub fn check(&self) -> Result<(), ClusterError> {
        check_name("cluster", self.name())?;
        match self {
            Spec::Local(spec) => {
                check_packages(&spec.packages)?;
                Plan::new(&spec.subnet, spec.nodes).map(|_| ())
            }
            Spec::Docker(spec) => {
                check_packages(&spec.packages)?;
                Plan::new(&spec.subnet, spec.nodes)?.prefix_24().map(|_| ())
            }
            Spec::Ssh(spec) => check_nodes(&spec.nodes),
            Spec::Processes(spec) if (1..=250).contains(&spec.nodes) => Ok(()),
            Spec::Processes(spec) => refuse(format!("nodes = {}: 1 to 250 can be had", spec.nodes)),
        }
    }
}

fn refuse(what: String) -> Result<(), ClusterError> {
    Err(ClusterError::Declaration { what })
}

/// Names end up in paths, in arguments and in the names of namespaces and compose projects.
pub(super) fn check_name(of: &str, name: &str) -> Result<(), ClusterError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if starts && name.len() <= 40 && name.chars().all(plain) {
        return Ok(());
    }
    refuse(format!(
        "{of} {name:?}: a name has up to 40 of a-z, 0-9 and '-' and does not begin with '-'"
    ))
}

/// A package name goes to a shell as a word and to apt, which would take `-o` for an option.
fn check_packages(packages: &[String]) -> Result<(), ClusterError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.:=~".contains(c);
    let good = |name: &String| {
        name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            && name.chars().all(|c| plain(c) || c.is_ascii_uppercase())
    };
    match packages.iter().find(|name| !good(name)) {
        None => Ok(()),
        Some(name) => refuse(format!("packages: {name:?} is no package name")),
    }
}

fn check_nodes(nodes: &[SshNode]) -> Result<(), ClusterError> {
    if nodes.is_empty() {
        return refuse("nodes: at least one is needed".into());
    }
    let mut seen = BTreeSet::new();
    for node in nodes {
        check_name("node", &node.name)?;
        if !seen.insert(&node.name) {
            return refuse(format!("node {}: declared twice", node.name));
        }
        if node.host.is_empty() || node.host.starts_with('-') {
            return refuse(format!("node {}: host {:?} is no host", node.name, node.host));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
