//! The network of a cluster on this machine: one namespace with a bridge in it.
//!
//! The nodes' cables end at the bridge, and the controller enters the namespace; so the host's own
//! network has no interface, address, route or rule of ours. A socket stays in the namespace where
//! it was made, so entering is needed only before it is opened.

use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};

use super::address::{Plan, node_name};
use super::{ClusterError, Inventory, host};

/// Where `ip netns` keeps its namespaces.
const NAMESPACES: &str = "/run/netns";

/// The bridge, in the namespace of the cluster.
const BRIDGE: &str = "br0";

/// How long one attempt to reach an sshd may take.
const ATTEMPT: Duration = Duration::from_millis(500);

/// Enters the network namespace from which the nodes are reachable, if there is one: with the
/// calling thread and those that it starts from then on, since a thread is where it was born.
/// Every socket that they open is in it.
///
/// # Errors
/// [`ClusterError::NeedsRoot`], or the namespace is gone.
pub fn enter_thread(inventory: &Inventory) -> Result<(), ClusterError> {
    inventory.namespace.as_deref().map_or(Ok(()), join)
}

/// Enters a namespace with the calling thread only.
fn join(namespace: &str) -> Result<(), ClusterError> {
    let path = path_of(namespace);
    let file = File::open(&path).map_err(ClusterError::io(&path))?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(|errno| match errno {
        nix::errno::Errno::EPERM => {
            ClusterError::NeedsRoot { what: format!("entering the network {namespace}") }
        }
        other => ClusterError::io(&path)(other.into()),
    })
}

/// The file of a namespace.
pub(super) fn path_of(namespace: &str) -> PathBuf {
    PathBuf::from(NAMESPACES).join(namespace)
}

/// Is there a namespace of that name?
pub(super) fn exists(namespace: &str) -> bool {
    path_of(namespace).exists()
}

/// Makes an empty namespace.
pub(super) fn create(namespace: &str) -> Result<(), ClusterError> {
    ip(&["netns", "add", namespace])?;
    ip(&["-n", namespace, "link", "set", "lo", "up"])
}

/// Makes the bridge, with the controller's addresses on it.
pub(super) fn create_bridge(namespace: &str, plan: &Plan) -> Result<(), ClusterError> {
    // With a hardware address of its own: else it has that of one of its ports, and another one
    // when that node dies, and the other nodes answer the controller at the old one for seconds.
    // Without snooping: a bridge that has just been made would drop neighbour discovery.
    let mut lines = format!(
        "link add {BRIDGE} address {} type bridge mcast_snooping 0\n\
         address add {}/{} dev {BRIDGE}\n\
         link set {BRIDGE} up\n",
        plan.hardware(0),
        plan.controller(),
        plan.prefix
    );
    if has_ipv6() {
        lines.push_str(&format!("address add {} dev {BRIDGE} nodad\n", plan.controller6()));
    }
    batch(namespace, &lines)
}

/// Does this kernel speak IPv6?
pub(super) fn has_ipv6() -> bool {
    fs::exists("/proc/net/if_inet6").unwrap_or(false)
}

/// Plugs all nodes in: the near end at the bridge, the far end as `eth0` in the node. `pids` are
/// the first processes of the nodes, in order.
pub(super) fn plug_in(namespace: &str, plan: &Plan, pids: &[i32]) -> Result<(), ClusterError> {
    let mut lines = String::new();
    for (number, pid) in plan.numbers().zip(pids) {
        let port = node_name(number);
        lines.push_str(&format!(
            "link add {port} type veth peer name eth0 address {} netns {pid}\n\
             link set {port} master {BRIDGE} up\n",
            plan.hardware(number)
        ));
    }
    batch(namespace, &lines)
}

/// Removes a namespace and all in it. Nothing happens if there is none.
pub(super) fn delete(namespace: &str) -> Result<(), ClusterError> {
    if !exists(namespace) {
        return Ok(());
    }
    ip(&["netns", "del", namespace])
}

fn ip(arguments: &[&str]) -> Result<(), ClusterError> {
    host::run("making the network", host::program("ip").args(arguments)).map(|_| ())
}

fn batch(namespace: &str, lines: &str) -> Result<(), ClusterError> {
    let mut command = host::program("ip");
    command.args(["-n", namespace, "-batch", "-"]);
    host::run_with("making the network", &mut command, lines.as_bytes()).map(|_| ())
}

/// Waits until something greets as an SSH server there. Each attempt is made from within the
/// namespace, by a thread that is not used for anything else.
///
/// # Errors
/// The reason why the last attempt failed, as text, after the deadline or once `lost` answers.
pub(super) fn await_ssh(
    namespace: Option<&str>,
    at: SocketAddr,
    patience: Duration,
    lost: impl Fn() -> Option<String> + Send,
) -> Result<(), String> {
    let wait = move || {
        if let Some(namespace) = namespace {
            join(namespace).map_err(|error| error.to_string())?;
        }
        let deadline = Instant::now() + patience;
        loop {
            let Err(error) = greet(at) else { return Ok(()) };
            if let Some(reason) = lost() {
                return Err(reason);
            }
            if Instant::now() > deadline {
                return Err(format!("no sshd at {at} within {patience:.0?}: {error}"));
            }
            thread::sleep(Duration::from_millis(10));
        }
    };
    let joined = thread::scope(|scope| scope.spawn(wait).join());
    joined.unwrap_or_else(|_| Err("the thread that waited for it panicked".into()))
}

fn greet(at: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&at, ATTEMPT)?;
    stream.set_read_timeout(Some(ATTEMPT))?;
    let mut greeting = [0; 4];
    stream.read_exact(&mut greeting)?;
    if &greeting == b"SSH-" {
        return Ok(());
    }
    Err(std::io::Error::other("something else than SSH answers"))
}

/// Where the sshd of a node of ours listens.
pub(super) fn sshd_at(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, 22)
}
