//! Machines that were there before, reached by SSH.

use std::fs;
use std::thread;

use perjury::clusters::{self, Inventory, NodeState, Spec, SshNode, SshSpec};

use crate::bench::{Bench, assert_all_let_us_in, bench, name, ssh};

#[test]
fn declared_machines_are_resolved_and_left_alone() {
    let Some(bench) = bench("declared machines", &[]) else { return };
    let (name, declared) = (name("there"), name("declared"));
    let inventory = bench.up(&bench.local(&name, 2));
    let run = || declare(&bench, &inventory, &declared);
    thread::scope(|scope| scope.spawn(run).join()).unwrap();
    assert_all_let_us_in(&bench, &inventory);
    bench.down(&name);
    bench.assert_nothing_left(&name);
}

/// From inside a local cluster's network, its nodes are machines like any others. Their aliases are
/// in a configuration such as Vagrant writes, which turns the check of host keys off.
fn declare(bench: &Bench, inventory: &Inventory, name: &str) {
    clusters::enter_thread(inventory).unwrap();
    let login = login(inventory, 0);
    let config = bench.folder.path().join("vagrant.ssh");
    let mut text = String::new();
    for member in &inventory.nodes {
        text.push_str(&format!(
            "Host alias-{}\n  HostName {}\n  User root\n  IdentityFile {}\n  \
             StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n",
            member.name,
            member.address,
            login.identities[0].display()
        ));
    }
    fs::write(&config, text).unwrap();
    let node = |number| SshNode {
        name: format!("m{number}"),
        host: format!("alias-n{number}"),
        address: None,
        port: None,
        user: None,
        identity: None,
        known_hosts: None,
    };
    let spec = SshSpec {
        name: name.into(),
        nodes: vec![node(1), node(2)],
        config: Some(config),
        own_clock: Some(true),
    };
    let machines = bench.up(&Spec::Ssh(spec));
    assert_eq!(machines.nodes[1].address, inventory.nodes[1].address);
    assert_eq!(machines.limits.own_clock, Some(true));
    assert_eq!(ssh(&machines, "m2", "hostname").as_deref(), Ok("n2"));
    let status = clusters::status(&bench.places, name).unwrap();
    assert!(status.nodes.iter().all(|node| node.state == NodeState::Up), "{status:?}");

    // Another machine at the same address is noticed, whatever the configuration says.
    let keys = fs::read_to_string(&self::login(&machines, 1).known_hosts[0]).unwrap();
    let (one, two) = (machines.nodes[0].address, machines.nodes[1].address);
    let swapped = keys.replace(&two.to_string(), &one.to_string());
    fs::write(&self::login(&machines, 0).known_hosts[0], swapped).unwrap();
    assert!(ssh(&machines, "m1", "hostname").is_err());
    bench.down(name);
}

fn login(inventory: &Inventory, node: usize) -> &clusters::SshLogin {
    let clusters::Reach::Ssh(login) = &inventory.nodes[node].reach else { panic!("no ssh") };
    login
}
