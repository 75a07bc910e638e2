//! How clusters are: which are recorded, and whether their nodes let us in at this moment.

use std::net::IpAddr;
use std::thread;

use perjury_history::NodeName;

use super::{Backend, ClusterError, Inventory, Member, Places, Reach, host, ssh};

/// A recorded cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// What made it.
    pub backend: Backend,
    /// Whether it came up whole; if not, it is being made or its maker died.
    pub whole: bool,
    /// Its nodes; none unless it is whole.
    pub nodes: Vec<NodeStatus>,
}

/// A node of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its name.
    pub name: NodeName,
    /// Where the others reach it.
    pub address: IpAddr,
    /// How it is.
    pub state: NodeState,
}

/// How a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// A program was run on it.
    Up,
    /// It does not let us in; why.
    Down(String),
    /// It is only an address of this machine.
    Address,
}

/// The names of all recorded clusters, in order.
pub fn list(places: &Places) -> Vec<String> {
    places.names()
}

/// How a recorded cluster is. Logs in to every node.
///
/// # Errors
/// No cluster of that name is recorded, its record cannot be read, or `ssh` is not installed.
pub fn status(places: &Places, name: &str) -> Result<Status, ClusterError> {
    super::spec::check_name("cluster", name)?;
    let inventory = places.inventory(name)?;
    let backend = places.record(name)?.backend;
    let nodes = match &inventory {
        Some(inventory) => ask_all(inventory)?,
        None => Vec::new(),
    };
    Ok(Status { name: name.into(), backend, whole: inventory.is_some(), nodes })
}

/// The inventory of a recorded cluster that is up; `None` if it did not come up whole.
///
/// # Errors
/// No cluster of that name is recorded, or its record cannot be read.
pub fn inventory(places: &Places, name: &str) -> Result<Option<Inventory>, ClusterError> {
    super::spec::check_name("cluster", name)?;
    places.inventory(name)
}

fn ask_all(inventory: &Inventory) -> Result<Vec<NodeStatus>, ClusterError> {
    thread::scope(|scope| {
        let start = |member| scope.spawn(move || ask(inventory, member));
        let threads: Vec<_> = inventory.nodes.iter().map(start).collect();
        let joined: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        let flat = |result: thread::Result<_>| {
            result.unwrap_or_else(|_| {
                let (step, what) = ("asking the nodes".into(), "a thread panicked".into());
                Err(ClusterError::Failed { step, what })
            })
        };
        joined.into_iter().map(flat).collect()
    })
}

fn ask(inventory: &Inventory, member: &Member) -> Result<NodeStatus, ClusterError> {
    let state = match member.reach {
        Reach::LocalProcess => NodeState::Address,
        Reach::Ssh(_) => {
            let argv = ssh::ssh_argv(inventory, &member.name)?;
            let (destination, words) =
                argv.split_last().map_or(("", &argv[..]), |(last, rest)| (last.as_str(), rest));
            let mut command = host::program(&words[0]);
            command.args(&words[1..]);
            // Never asks a person, never waits for ever.
            command.args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]);
            command.args(["-o", "ServerAliveInterval=5", "-o", "LogLevel=ERROR"]);
            match host::run("logging in", command.args([destination, "true"])) {
                Ok(_) => NodeState::Up,
                Err(error @ ClusterError::Missing { .. }) => return Err(error),
                Err(error) => NodeState::Down(error.to_string()),
            }
        }
    };
    Ok(NodeStatus { name: member.name.clone(), address: member.address, state })
}
