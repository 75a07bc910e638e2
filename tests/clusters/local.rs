//! Nodes that are namespaces of this machine.

use std::fs;
use std::thread;

use perjury::clusters::{self, ClusterError, Inventory, LocalSpec, NodeState, Places, Spec};
use perjury::remote::{self, Remote, SshRemote, SshTarget};

use crate::bench::{assert_all_let_us_in, bench, greeting_from_host, name, say, ssh};

#[test]
fn five_nodes_come_up_reach_each_other_and_leave_nothing() {
    let Some(bench) = bench("five local nodes", &[]) else { return };
    let name = name("five");
    let inventory = bench.up(&bench.local(&name, 5));
    assert_eq!(inventory.nodes.len(), 5);
    assert_all_let_us_in(&bench, &inventory);
    bench.assert_host_network_untouched();

    for member in &inventory.nodes {
        let (from, four) = (member.name.as_str(), member.address);
        let six = member.other_address.unwrap();
        // Each is pinged by the next one, by both of its addresses and by its name.
        let number: usize = from[1..].parse().unwrap();
        let next = format!("n{}", number % 5 + 1);
        let pings =
            format!("ping -c 1 -W 2 {four} && ping -c 1 -W 2 {six} && ping -c 1 -W 2 {from}");
        ssh(&inventory, &next, &pings).unwrap();
    }
    // The host has no way in, and a node has none out.
    assert_ne!(greeting_from_host(inventory.nodes[0].address), b"SSH-");
    assert_eq!(ssh(&inventory, "n1", "ip -4 route show default").as_deref(), Ok(""));

    // What belongs to the whole machine is out of reach.
    assert!(ssh(&inventory, "n1", "date -s '+1 hour'").is_err());
    assert!(ssh(&inventory, "n1", "echo 1 > /proc/sys/vm/drop_caches").is_err());
    // What faults need is there.
    ssh(&inventory, "n1", "nft add table inet x && nft delete table inet x").unwrap();
    ssh(&inventory, "n1", "echo 1 > /proc/sys/net/ipv4/ip_forward").unwrap();
    ssh(&inventory, "n1", "command -v etcd redis-server redis-sentinel sudo").unwrap();
    // Orphans are reaped.
    ssh(&inventory, "n1", "sh -c 'sleep 0.1 & exit'; sleep 0.5; ! grep -q Z /proc/[0-9]*/stat")
        .unwrap();

    bench.down(&name);
    bench.assert_nothing_left(&name);
    let again = clusters::down(&bench.places, &name, &say);
    assert!(matches!(again, Err(ClusterError::Unknown { .. })));
}

#[test]
fn ipv6_can_be_the_address_of_all() {
    let Some(bench) = bench("ipv6 nodes", &[]) else { return };
    let name = name("six");
    let mut spec = LocalSpec { name: name.clone(), nodes: 2, ..LocalSpec::default() };
    spec.ipv6 = true;
    let inventory = bench.up(&Spec::Local(spec));
    assert!(inventory.nodes.iter().all(|member| member.address.is_ipv6()));
    assert_all_let_us_in(&bench, &inventory);
    bench.down(&name);
    bench.assert_nothing_left(&name);
}

#[test]
fn clusters_of_different_names_stand_side_by_side() {
    let Some(bench) = bench("two local clusters", &[]) else { return };
    let (one, two) = (name("one"), name("two"));
    let first = bench.up(&bench.local(&one, 2));
    let subnet = "10.99.0.0/16".to_string();
    let spec = LocalSpec { name: two.clone(), nodes: 2, subnet, ..LocalSpec::default() };
    let second = bench.up(&Spec::Local(spec.clone()));
    assert_ne!(first.nodes[0].address, second.nodes[0].address);
    assert_all_let_us_in(&bench, &first);
    assert_all_let_us_in(&bench, &second);
    let again = clusters::up(&bench.places, &Spec::Local(spec), &say);
    assert!(matches!(again, Err(ClusterError::Exists { .. })), "{again:?}");

    // What another state folder made is not ours to take over or to remove.
    let other = Places { state: bench.folder.path().join("other"), ..bench.places.clone() };
    let stolen = clusters::up(&other, &bench.local(&one, 1), &say).unwrap_err();
    assert!(stolen.to_string().contains("not recorded here"), "{stolen}");
    clusters::down_all(&other, &say).unwrap();

    bench.down(&one);
    assert_all_let_us_in(&bench, &second);
    clusters::down_all(&bench.places, &say).unwrap();
    bench.assert_nothing_left(&one);
    bench.assert_nothing_left(&two);
}

/// Enters the network of a cluster and speaks with its nodes over connections of our own.
fn speak_from_inside(inventory: &Inventory) {
    clusters::enter_thread(inventory).unwrap();
    // Its threads are started from here, so they are inside too.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for member in &inventory.nodes {
        let clusters::Reach::Ssh(login) = &member.reach else { panic!("no ssh") };
        let remote = SshRemote::new(&SshTarget::from(login)).unwrap();
        let hostname = remote::Command::new(["hostname"]);
        let output = runtime.block_on(remote.run(hostname)).unwrap();
        assert_eq!(output.text(), member.name.as_str());
    }
}

#[test]
fn nodes_outlive_their_maker_and_are_entered_by_another() {
    let Some(bench) = bench("nodes outlive their maker", &[]) else { return };
    let name = name("outlive");
    assert!(bench.child("child_up", &name).wait().unwrap().success());
    let inventory = clusters::inventory(&bench.places, &name).unwrap().unwrap();
    assert_all_let_us_in(&bench, &inventory);
    thread::scope(|scope| scope.spawn(|| speak_from_inside(&inventory)).join()).unwrap();
    bench.down(&name);
    bench.assert_nothing_left(&name);
}

#[test]
fn a_dead_node_is_seen_and_taken_down() {
    let Some(bench) = bench("a dead node", &[]) else { return };
    let name = name("dead");
    let inventory = bench.up(&bench.local(&name, 2));
    let life = bench.places.state.join("clusters").join(&name).join("nodes/n2/life.json");
    let life: serde_json::Value = serde_json::from_slice(&fs::read(life).unwrap()).unwrap();
    let pid = i32::try_from(life["pid"].as_i64().unwrap()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGKILL).unwrap();
    let status = clusters::status(&bench.places, &name).unwrap();
    assert_eq!(status.nodes[0].state, NodeState::Up);
    assert!(matches!(status.nodes[1].state, NodeState::Down(_)), "{status:?}");
    assert!(ssh(&inventory, "n2", "true").is_err());
    bench.down(&name);
    bench.assert_nothing_left(&name);
}
