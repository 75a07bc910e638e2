//! The `ssh` backend: machines that are there already, and how to log in by hand to any node.
//!
//! Nothing is made on the machines and nothing is removed. What the declaration does not say comes
//! from the configuration of ssh, as `ssh -G` resolves it, so an alias of Vagrant works like one of
//! the user's own.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use perjury_history::NodeName;

use super::state::Home;
use super::{
    Backend, ClusterError, Inventory, Limits, Member, Reach, Say, SshLogin, SshNode, SshSpec, host,
    state,
};

/// Resolves the machines. They are not connected to, but for the host keys of those whose
/// configuration says that host keys are not to be checked.
pub(super) fn up(home: &Home, spec: &SshSpec, say: Say<'_>) -> Result<Inventory, ClusterError> {
    let config = spec.config.as_deref().map(absolute).transpose()?;
    if let Some(path) = &config
        && !path.is_file()
    {
        return Err(ClusterError::Missing {
            what: format!("config = {}: there is no such file", path.display()),
            mend: "with Vagrant: vagrant ssh-config > FILE".into(),
        });
    }
    let resolve = |node: &SshNode| member(home, node, config.as_deref(), say);
    Ok(Inventory {
        name: spec.name.clone(),
        backend: Backend::Ssh,
        namespace: None,
        nodes: spec.nodes.iter().map(resolve).collect::<Result<_, _>>()?,
        limits: Limits { own_clock: spec.own_clock, lacking: Vec::new() },
    })
}

fn member(
    home: &Home,
    node: &SshNode,
    config: Option<&Path>,
    say: Say<'_>,
) -> Result<Member, ClusterError> {
    let mut login = SshLogin {
        host: node.host.clone(),
        port: node.port,
        user: node.user.clone(),
        identities: node.identity.as_deref().map(absolute).transpose()?.into_iter().collect(),
        known_hosts: node.known_hosts.as_deref().map(absolute).transpose()?.into_iter().collect(),
        config: config.map(Path::to_owned),
    };
    let options = resolve(&login)?;
    let named = |key: &str| options.get(key).map(String::as_str);
    let host = named("hostname").unwrap_or(&node.host);
    let port = named("port").and_then(|port| port.parse().ok()).unwrap_or(22);
    let address = match node.address {
        Some(address) => address,
        None => look_up(&node.name, host, port)?,
    };
    // Vagrant makes machines with new keys each time and turns the check off; we never do, but
    // take the keys that they have now for theirs.
    let unchecked =
        named("stricthostkeychecking").is_some_and(|word| matches!(word, "no" | "off" | "false"));
    if unchecked && login.known_hosts.is_empty() {
        login.known_hosts.push(scan(home, &node.name, host, port)?);
        say(&format!("node {}: trusting the host keys that {host} port {port} shows", node.name));
    }
    Ok(Member {
        name: node.name.as_str().into(),
        address,
        other_address: None,
        reach: Reach::Ssh(login),
    })
}

/// What `ssh` would do, by option; empty if there is no `ssh`.
fn resolve(login: &SshLogin) -> Result<BTreeMap<String, String>, ClusterError> {
    let mut command = host::program("ssh");
    command.arg("-G").args(options(login)).arg(destination(login));
    match host::run("reading the configuration of ssh", &mut command) {
        Ok(output) => Ok(parse(&String::from_utf8_lossy(&output.stdout))),
        Err(ClusterError::Missing { .. }) => Ok(BTreeMap::new()),
        Err(error) => Err(error),
    }
}

/// The first value of each option.
fn parse(text: &str) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    for (key, value) in text.lines().filter_map(|line| line.split_once(' ')) {
        options.entry(key.to_string()).or_insert_with(|| value.to_string());
    }
    options
}

fn look_up(node: &str, host: &str, port: u16) -> Result<IpAddr, ClusterError> {
    let found = (host, port).to_socket_addrs().ok().and_then(|mut all| all.next());
    found.map(|at| at.ip()).ok_or_else(|| ClusterError::Declaration {
        what: format!("node {node}: no address is known for {host}; give one as `address`"),
    })
}

fn scan(home: &Home, node: &str, host: &str, port: u16) -> Result<PathBuf, ClusterError> {
    let mut command = host::program("ssh-keyscan");
    command.args(["-T", "10", "-p", &port.to_string(), host]);
    let output = host::run("asking for host keys", &mut command)?;
    if output.stdout.is_empty() {
        return Err(ClusterError::Node {
            node: node.into(),
            what: format!("no sshd shows its keys at {host} port {port}: is it up?"),
        });
    }
    state::make_private(&home.keys())?;
    let path = home.keys().join(format!("known_hosts-{node}"));
    fs::write(&path, output.stdout).map_err(ClusterError::io(&path))?;
    Ok(path)
}

/// A path of a declaration, seen from the folder where the program was started.
fn absolute(path: &Path) -> Result<PathBuf, ClusterError> {
    if let Ok(rest) = path.strip_prefix("~")
        && let Some(home) = std::env::var_os("HOME")
    {
        return Ok(Path::new(&home).join(rest));
    }
    std::path::absolute(path).map_err(ClusterError::io(path))
}

/// The program and arguments that log in to a node, to which a command may be added. They work from
/// the host's own network too.
///
/// # Errors
/// [`ClusterError::Declaration`]: no such node, or it is only an address of this machine.
pub fn ssh_argv(inventory: &Inventory, node: &NodeName) -> Result<Vec<String>, ClusterError> {
    let refuse = |what: String| ClusterError::Declaration { what };
    let Some(member) = inventory.member(node) else {
        let names: Vec<_> = inventory.nodes.iter().map(|member| member.name.as_str()).collect();
        let (name, names) = (&inventory.name, names.join(", "));
        return Err(refuse(format!("cluster {name} has no node {node}; it has {names}")));
    };
    let Reach::Ssh(login) = &member.reach else {
        return Err(refuse(format!("node {node} is only an address of this machine")));
    };
    let mut argv = Vec::new();
    if let Some(namespace) = &inventory.namespace {
        argv.extend(["ip", "netns", "exec", namespace].map(String::from));
    }
    argv.push("ssh".into());
    argv.extend(options(login));
    argv.push(destination(login));
    Ok(argv)
}

fn options(login: &SshLogin) -> Vec<String> {
    let mut words = Vec::new();
    let mut add = |flag: &str, value: String| words.extend([flag.to_string(), value]);
    if let Some(config) = &login.config {
        add("-F", config.display().to_string());
    }
    if let Some(port) = login.port {
        add("-p", port.to_string());
    }
    for identity in &login.identities {
        add("-i", identity.display().to_string());
    }
    if !login.identities.is_empty() {
        add("-o", "IdentitiesOnly=yes".into());
    }
    if !login.known_hosts.is_empty() {
        let files: Vec<_> =
            login.known_hosts.iter().map(|path| format!("\"{}\"", path.display())).collect();
        add("-o", format!("UserKnownHostsFile={}", files.join(" ")));
        add("-o", "GlobalKnownHostsFile=/dev/null".into());
        add("-o", "StrictHostKeyChecking=yes".into());
    }
    words
}

fn destination(login: &SshLogin) -> String {
    match &login.user {
        Some(user) => format!("{user}@{}", login.host),
        None => login.host.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(namespace: Option<&str>, reach: Reach) -> Inventory {
        let address = "10.77.0.11".parse().unwrap();
        Inventory {
            name: "local".into(),
            backend: Backend::Local,
            namespace: namespace.map(String::from),
            nodes: vec![Member { name: "n1".into(), address, other_address: None, reach }],
            limits: Limits::default(),
        }
    }

    #[test]
    fn a_login_checks_host_keys_and_enters_the_namespace() {
        let login = SshLogin {
            host: "10.77.0.11".into(),
            port: Some(22),
            user: Some("root".into()),
            identities: vec!["/s/k".into()],
            known_hosts: vec!["/s/h".into()],
            config: Some("/dev/null".into()),
        };
        let inventory = inventory(Some("perjury-local"), Reach::Ssh(login));
        let argv = ssh_argv(&inventory, &"n1".into()).unwrap().join(" ");
        assert_eq!(
            argv,
            "ip netns exec perjury-local ssh -F /dev/null -p 22 -i /s/k -o IdentitiesOnly=yes \
             -o UserKnownHostsFile=\"/s/h\" -o GlobalKnownHostsFile=/dev/null \
             -o StrictHostKeyChecking=yes root@10.77.0.11"
        );
        let error = ssh_argv(&inventory, &"n2".into()).unwrap_err().to_string();
        assert_eq!(error, "cluster local has no node n2; it has n1");
    }

    #[test]
    fn a_process_cannot_be_logged_in_to() {
        let inventory = inventory(None, Reach::LocalProcess);
        assert!(ssh_argv(&inventory, &"n1".into()).is_err());
    }

    #[test]
    fn the_first_value_of_an_option_counts() {
        let options = parse("hostname a.example\nidentityfile ~/.ssh/a\nidentityfile ~/.ssh/b\n");
        assert_eq!(options["hostname"], "a.example");
        assert_eq!(options["identityfile"], "~/.ssh/a");
    }
}
