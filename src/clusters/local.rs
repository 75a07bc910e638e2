//! The `local` backend: nodes made of namespaces of this machine, each with a real sshd.
//!
//! A node is an overlay over a shared tree, a cable to the cluster's bridge, and an init with an
//! sshd; it costs some ten megabytes. It is no machine with a clock or a kernel of its own.
//! Nodes last until they are taken down, and nothing of them is on the host's own network.

use std::fs;
use std::thread;
use std::time::Instant;

use nix::sys::signal::Signal;

use super::address::{Plan, node_name};
use super::keys::Keys;
use super::node::{self, Folder, Going, Parts, Waiting};
use super::state::Home;
use super::{
    Backend, ClusterError, Inventory, Limits, LocalSpec, Member, Places, Reach, Say, base, life,
    network, state,
};
use crate::remote::agent_binary;

/// How to get the program that is the first process of a node.
pub(super) const BUILD_AGENT: &str = "build it with `RUSTFLAGS='-C target-feature=+crt-static' \
    cargo build -p perjury-agent --profile agent --target x86_64-unknown-linux-gnu`, or name it in \
    PERJURY_AGENT";

/// Makes the nodes. The caller removes what was made if this fails.
pub(super) fn up(
    places: &Places,
    home: &Home,
    spec: &LocalSpec,
    say: Say<'_>,
) -> Result<Inventory, ClusterError> {
    if !state::is_root() {
        return Err(ClusterError::NeedsRoot { what: "a local cluster".into() });
    }
    let plan = Plan::new(&spec.subnet, spec.nodes)?;
    let init = agent_binary().map_err(|error| ClusterError::Missing {
        what: format!("the agent, which is the first process of a node: {error}"),
        mend: BUILD_AGENT.into(),
    })?;
    if spec.ipv6 && !network::has_ipv6() {
        return Err(ClusterError::Missing {
            what: "ipv6 = true, but this kernel does not speak IPv6".into(),
            mend: "enable it, or leave it out".into(),
        });
    }
    let lower = base::lower(places, &spec.packages, say)?;

    let start = Instant::now();
    let namespace = claim_namespace(home)?;
    network::create_bridge(&namespace, &plan)?;
    let names: Vec<String> = plan.numbers().map(node_name).collect();
    let keys = Keys::make(&home.keys(), &names)?;
    let members = members(&plan, spec.ipv6, &keys);
    let known: Vec<_> = members.iter().map(known_as).collect();
    keys.write_known_hosts(&known)?;

    let hosts = hosts_file(&plan);
    let parts = Parts { lower: &lower, keys: &keys, init: &init, hosts: &hosts };
    let waiting = start_all(home, &plan, &parts)?;
    let pids: Vec<i32> = waiting.iter().map(Waiting::pid).collect();
    network::plug_in(&namespace, &plan, &pids)?;
    let going = waiting.into_iter().map(Waiting::go).collect::<Result<Vec<Going>, _>>()?;
    say(&format!("cluster {}: {} nodes made in {:.1?}", home.name, going.len(), start.elapsed()));
    await_all(going, &members, &namespace)?;

    Ok(Inventory {
        name: home.name.clone(),
        backend: Backend::Local,
        namespace: Some(namespace),
        nodes: members,
        limits: Limits {
            own_clock: Some(false),
            lacking: node::LACKING.map(String::from).to_vec(),
        },
    })
}

/// Makes the cluster's network namespace, once it is certain that the name is nobody else's.
fn claim_namespace(home: &Home) -> Result<String, ClusterError> {
    let namespace = format!("perjury-{}", home.name);
    if network::exists(&namespace) {
        return Err(ClusterError::Failed {
            step: "making the network".into(),
            what: format!(
                "a network namespace {namespace} exists, but is not recorded here: perhaps a \
                 cluster of that name is kept in another state folder; choose another name, or \
                 remove it with `ip netns del {namespace}`"
            ),
        });
    }
    home.note(|record| record.namespace = Some(namespace.clone()))?;
    network::create(&namespace)?;
    Ok(namespace)
}

fn members(plan: &Plan, ipv6: bool, keys: &Keys) -> Vec<Member> {
    let member = |number| {
        let (address, other) = plan.addresses(number, ipv6);
        Member {
            name: node_name(number).into(),
            address,
            other_address: network::has_ipv6().then_some(other),
            reach: Reach::Ssh(keys.login(address)),
        }
    };
    plan.numbers().map(member).collect()
}

fn known_as(member: &Member) -> (String, Vec<std::net::IpAddr>) {
    let addresses = [Some(member.address), member.other_address];
    (member.name.to_string(), addresses.into_iter().flatten().collect())
}

fn hosts_file(plan: &Plan) -> String {
    let mut text = String::from("127.0.0.1 localhost\n::1 localhost ip6-localhost\n");
    for number in plan.numbers() {
        let name = node_name(number);
        text.push_str(&format!("{} {name}\n{} {name}\n", plan.ipv4(number), plan.ipv6(number)));
    }
    text
}

/// Starts all nodes at once, each up to the point where it waits.
fn start_all(home: &Home, plan: &Plan, parts: &Parts<'_>) -> Result<Vec<Waiting>, ClusterError> {
    let script = node::write_script(&home.path)?;
    let nodes = home.nodes();
    state::make_folders(&nodes)?;
    let start = |number: u16| {
        let folder = Folder::make(&nodes, &node_name(number), parts)?;
        let mut addresses = vec![format!("{}/{}", plan.ipv4(number), plan.prefix)];
        if network::has_ipv6() {
            addresses.push(format!("{}/{}", plan.ipv6(number), plan.prefix6()));
        }
        folder.start(&script, parts.lower, &addresses)
    };
    thread::scope(|scope| {
        let start = &start;
        let threads: Vec<_> =
            plan.numbers().map(|number| scope.spawn(move || start(number))).collect();
        // All are joined before the first error is answered: none may be under way then.
        let joined: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        let flat = |result: thread::Result<_>| result.unwrap_or_else(|_| Err(panicked()));
        joined.into_iter().map(flat).collect()
    })
}

fn await_all(going: Vec<Going>, members: &[Member], namespace: &str) -> Result<(), ClusterError> {
    thread::scope(|scope| {
        let wait = |(node, member): (Going, &Member)| node.await_ssh(namespace, member.address);
        let threads: Vec<_> =
            going.into_iter().zip(members).map(|pair| scope.spawn(move || wait(pair))).collect();
        let joined: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        let flat = |result: thread::Result<_>| result.unwrap_or_else(|_| Err(panicked()));
        joined.into_iter().try_for_each(flat)
    })
}

fn panicked() -> ClusterError {
    ClusterError::Failed { step: "starting the nodes".into(), what: "a thread panicked".into() }
}

/// Ends all nodes and removes the network. The files go with the cluster's folder.
pub(super) fn down(home: &Home) -> Result<(), ClusterError> {
    let nodes = home.nodes();
    if let Ok(entries) = fs::read_dir(&nodes) {
        for entry in entries.flatten() {
            let name = entry.file_name();
            if let Some(life) = node::life_of(&nodes, &name.to_string_lossy())? {
                life.end(Signal::SIGKILL)?;
            }
        }
    }
    // A node whose number was not written down waits on a pipe to its maker. This finds it in the
    // moment before it notices that the maker died, and whatever else still uses our folders.
    for life in life::living_on(&nodes) {
        life.end(Signal::SIGKILL)?;
    }
    match home.record()?.namespace {
        Some(namespace) => network::delete(&namespace),
        None => Ok(()),
    }
}
