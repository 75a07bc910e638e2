//! Clusters for real: nodes are made on this machine, logged in to, and gone without a trace.
//!
//! They need root, a few programs and the agent; where one is missing, a test says SKIPPED and what
//! is missing, and passes. Each has a state folder of its own and names of its own, and shares the
//! cache, whose first filling takes minutes. How long things take is printed, never asserted.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use perjury::clusters::{
    self, ClusterError, DockerSpec, Inventory, LeftoverKind, LocalSpec, NodeState, Places,
    ProcessesSpec, Spec, SshNode, SshSpec, ssh_argv,
};
use perjury::remote::{self, Remote, SshRemote, SshTarget};

/// The environment variables by which a test passes on to its child what it shall do.
const CHILD_STATE: &str = "PERJURY_TEST_STATE";
const CHILD_NAME: &str = "PERJURY_TEST_NAME";

/// A state folder, and what the machine looked like before.
struct Bench {
    folder: tempfile::TempDir,
    places: Places,
    before: Network,
}

/// What the host's own network has, line by line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Network {
    links: BTreeSet<String>,
    routes: BTreeSet<String>,
    tables: BTreeSet<String>,
}

fn say(line: &str) {
    eprintln!("  {line}");
}

/// A bench, or the reason why there is none.
fn bench(test: &str, more: &[&str]) -> Option<Bench> {
    let mut missing = Vec::new();
    if !nix::unistd::geteuid().is_root() {
        missing.push("root".to_string());
    }
    for program in ["debootstrap", "ip", "nft", "unshare", "ssh"].iter().chain(more) {
        if !runs(program) {
            missing.push(program.to_string());
        }
    }
    if let Err(error) = remote::agent_binary() {
        missing.push(format!("the agent ({error})"));
    }
    if !missing.is_empty() {
        eprintln!("SKIPPED {test}: missing {}", missing.join(", "));
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let places = Places { state, ..Places::from_env() };
    Some(Bench { folder, places, before: Network::now() })
}

fn runs(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).output();
    found.is_ok_and(|output| output.status.success())
}

fn output_of(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A name that no other test and no user has.
fn name(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{number}-{what}", std::process::id())
}

impl Network {
    fn now() -> Network {
        let lines = |words: &[&str]| {
            let output = output_of(words);
            output.lines().map(str::to_string).collect::<Vec<_>>().into_iter()
        };
        let links = output_of(&["ip", "-o", "link"]);
        // The state of a link may change by itself; its name may not.
        let link = |line: &str| line.split(": ").nth(1).unwrap_or_default().to_string();
        Network {
            links: links.lines().map(link).collect(),
            // Whether a docker that was here before builds something is its own affair.
            routes: lines(&["ip", "-o", "route", "show", "table", "all"])
                .filter(|line| !line.contains("dev docker0"))
                .collect(),
            tables: lines(&["nft", "list", "tables"]).collect(),
        }
    }
}

impl Bench {
    /// The host's network is as before. Other programs of this machine may be at work, so what is
    /// new has to stay for a while to count.
    fn assert_host_network_untouched(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let now = Network::now();
            if now == self.before {
                return;
            }
            assert!(Instant::now() < deadline, "before: {:#?}\nnow: {now:#?}", self.before);
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Nothing is left that bears a name of ours or lies in our state folder.
    fn assert_nothing_left(&self, name: &str) {
        let namespaces = output_of(&["ip", "netns", "list"]);
        assert!(!namespaces.contains(name), "{namespaces}");
        let state = self.places.state.display().to_string();
        assert_eq!(mounted_below(&state), Vec::<String>::new());
        assert_eq!(alive_with(&state), Vec::<String>::new());
        let clusters = self.places.state.join("clusters");
        let left: Vec<_> = fs::read_dir(&clusters).into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(!self.places.state.join("docker").exists(), "the daemon's folder is left");
        let ours: Vec<_> =
            clusters::leftovers(&self.places).into_iter().filter(|left| left.ours).collect();
        assert!(ours.is_empty(), "{ours:?}");
        self.assert_host_network_untouched();
    }

    fn local(&self, name: &str, nodes: u16) -> Spec {
        let _ = self;
        Spec::Local(LocalSpec { name: name.into(), nodes, ..LocalSpec::default() })
    }

    fn up(&self, spec: &Spec) -> Inventory {
        clusters::up(&self.places, spec, &say).unwrap()
    }

    fn down(&self, name: &str) {
        clusters::down(&self.places, name, &say).unwrap();
    }

    /// Another process that runs one of the ignored tests below.
    fn child(&self, test: &str, name: &str) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
            .env(CHILD_STATE, &self.places.state)
            .env(CHILD_NAME, name)
            .env("PERJURY_CACHE", &self.places.cache)
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    }
}

/// A test that fails leaves its cluster; it is taken down all the same.
impl Drop for Bench {
    fn drop(&mut self) {
        if let Err(error) = clusters::down_all(&self.places, &|_| ()) {
            eprintln!("  and then: {error}");
        }
    }
}

/// The mount points of this process below a folder.
fn mounted_below(folder: &str) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    points.filter(|point| point.starts_with(folder)).map(str::to_string).collect()
}

/// The living processes that name a folder in their arguments or have mounted something of it.
fn alive_with(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        let Ok(line) = fs::read(path.join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let mounts = fs::read_to_string(path.join("mountinfo")).unwrap_or_default();
        if line.contains(folder) || mounts.contains(folder) {
            found.push(format!("{}: {line}", path.display()));
        }
    }
    found
}

/// Runs a command in a node by `ssh`, with strict checks, and answers what it printed.
fn ssh(inventory: &Inventory, node: &str, command: &str) -> Result<String, String> {
    let mut argv = ssh_argv(inventory, &node.into()).unwrap();
    let at = argv.len() - 1;
    for option in ["BatchMode=yes", "ConnectTimeout=5"] {
        argv.splice(at..at, ["-o".to_string(), option.to_string()]);
    }
    argv.push(command.into());
    assert!(argv.iter().any(|word| word == "StrictHostKeyChecking=yes"), "{argv:?}");
    let output = Command::new(&argv[0]).args(&argv[1..]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{}: {}", output.status, text(&output.stderr))),
    }
}

/// What answers on the port of sshd if the host's own network is used. Some machine outside may
/// have that address, or pretend to.
fn greeting_from_host(address: std::net::IpAddr) -> Vec<u8> {
    let patience = Duration::from_millis(500);
    let Ok(mut stream) = TcpStream::connect_timeout(&(address, 22).into(), patience) else {
        return Vec::new();
    };
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut greeting = [0; 4];
    let read = stream.read(&mut greeting).unwrap_or(0);
    greeting[..read].to_vec()
}

/// Every node lets us in, and knows who it is.
fn assert_all_let_us_in(bench: &Bench, inventory: &Inventory) {
    for member in &inventory.nodes {
        let node = member.name.as_str();
        assert_eq!(ssh(inventory, node, "hostname").as_deref(), Ok(node));
    }
    let status = clusters::status(&bench.places, &inventory.name).unwrap();
    assert!(status.whole);
    assert!(status.nodes.iter().all(|node| node.state == NodeState::Up), "{status:?}");
}

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

/// Not a test: what a child does for the tests below.
#[test]
#[ignore = "run by other tests in a process of its own"]
fn child_up() {
    let (Some(places), Ok(name)) = (child_places(), std::env::var(CHILD_NAME)) else { return };
    let spec = LocalSpec { name, nodes: 3, ..LocalSpec::default() };
    clusters::up(&places, &Spec::Local(spec), &say).unwrap();
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

fn child_places() -> Option<Places> {
    let state = PathBuf::from(std::env::var_os(CHILD_STATE)?);
    Some(Places { state, ..Places::from_env() })
}

#[test]
fn nodes_outlive_their_maker_and_are_entered_by_another() {
    let Some(bench) = bench("nodes outlive their maker", &[]) else { return };
    let name = name("outlive");
    assert!(bench.child("child_up", &name).wait().unwrap().success());
    let inventory = clusters::inventory(&bench.places, &name).unwrap().unwrap();
    assert_all_let_us_in(&bench, &inventory);
    // Here threads are running, so it is too late for all of us.
    assert!(clusters::enter(&inventory).is_err());
    thread::scope(|scope| scope.spawn(|| speak_from_inside(&inventory)).join()).unwrap();
    bench.down(&name);
    bench.assert_nothing_left(&name);
}

#[test]
fn a_maker_that_is_killed_leaves_nothing_that_down_does_not_remove() {
    let Some(bench) = bench("kill -9 of the maker", &[]) else { return };
    // The base tree is built first: its minutes are not what is cut here.
    let warm = name("warm");
    bench.up(&bench.local(&warm, 1));
    bench.down(&warm);
    // Each of these appears at another moment of `up`.
    for moment in [
        "record.json",
        "keys/known_hosts",
        "node.sh",
        "nodes/n1/log",
        "nodes/n3/life.json",
        "inventory.json",
    ] {
        let name = name("killed");
        let mut child = bench.child("child_up", &name);
        let seen = bench.places.state.join("clusters").join(&name).join(moment);
        await_file(&seen, &mut child);
        child.kill().unwrap();
        child.wait().unwrap();
        let whole = clusters::inventory(&bench.places, &name).unwrap().is_some();
        let left = clusters::leftovers(&bench.places);
        eprintln!("  killed at {moment}: whole {whole}, left {left:?}");
        assert_eq!(left.iter().any(|left| left.what.contains(&name) && left.ours), !whole);
        bench.down(&name);
        bench.assert_nothing_left(&name);
    }
}

#[test]
fn a_build_that_is_cut_leaves_a_folder_that_nobody_takes_for_whole() {
    let Some(mut bench) = bench("a cut build", &[]) else { return };
    bench.places.cache = bench.folder.path().join("cache");
    let name = name("cut");
    let mut child = bench.child("child_up", &name);
    let begun = || {
        let entries = fs::read_dir(&bench.places.cache).into_iter().flatten().flatten();
        let logs = entries.filter_map(|entry| fs::metadata(entry.path()).ok());
        logs.into_iter().any(|log| log.is_file() && log.len() > 0)
    };
    while !begun() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it built anything");
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let cache = bench.places.cache.display().to_string();
    let deadline = Instant::now() + Duration::from_secs(5);
    while !alive_with(&cache).is_empty() {
        assert!(Instant::now() < deadline, "{:?}", alive_with(&cache));
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(mounted_below(&cache), Vec::<String>::new());
    let left = clusters::leftovers(&bench.places);
    assert!(left.iter().any(|left| left.kind == LeftoverKind::Build), "{left:?}");
    clusters::down_all(&bench.places, &say).unwrap();
    bench.assert_nothing_left(&name);
    let folders = fs::read_dir(&bench.places.cache).unwrap().flatten();
    assert_eq!(folders.filter(|entry| entry.path().is_dir()).count(), 0);
}

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

fn await_file(path: &Path, child: &mut Child) {
    while !path.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before {}", path.display());
        thread::sleep(Duration::from_micros(200));
    }
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

#[test]
fn containers_come_up_with_or_without_a_daemon_and_leave_nothing() {
    let answers = Command::new("docker").arg("version").output();
    let more: &[&str] = match answers.is_ok_and(|output| output.status.success()) {
        true => &["docker"],
        false => &["docker", "dockerd"],
    };
    let Some(mut bench) = bench("containers", more) else { return };
    if !runs("docker-compose")
        && !Command::new("docker")
            .args(["compose", "version"])
            .output()
            .is_ok_and(|output| output.status.success())
    {
        eprintln!("SKIPPED containers: missing docker compose and docker-compose");
        return;
    }
    // A socket's path has to be short.
    bench.folder = tempfile::Builder::new().prefix("p").tempdir_in("/tmp").unwrap();
    bench.places.state = bench.folder.path().join("s");
    let before = control_groups();
    let name = name("docker");
    let spec = |nodes| DockerSpec { name: name.clone(), nodes, ..DockerSpec::default() };
    let inventory = bench.up(&Spec::Docker(spec(3)));
    assert_all_let_us_in(&bench, &inventory);
    for member in &inventory.nodes {
        let node = member.name.as_str();
        let address = inventory.nodes[0].address;
        ssh(&inventory, node, &format!("ping -c 1 -W 2 {address} && ping -c 1 -W 2 n2")).unwrap();
        ssh(&inventory, node, "nft add table inet x && nft delete table inet x").unwrap();
        ssh(&inventory, node, "command -v etcd redis-server").unwrap();
        assert!(ssh(&inventory, node, "date -s '+1 hour'").is_err());
    }
    if inventory.namespace.is_some() {
        bench.assert_host_network_untouched();
    }
    bench.down(&name);
    bench.assert_nothing_left(&name);
    assert_eq!(control_groups(), before);

    // A daemon of ours that dies leaves its containers running.
    if inventory.namespace.is_some() {
        bench.up(&Spec::Docker(spec(2)));
        let pid = fs::read_to_string(bench.places.state.join("docker/pid")).unwrap();
        let pid = nix::unistd::Pid::from_raw(pid.trim().parse().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).unwrap();
        bench.down(&name);
        bench.assert_nothing_left(&name);
        assert_eq!(control_groups(), before);
    }
}

/// The control groups of daemons of ours.
fn control_groups() -> String {
    output_of(&["find", "/sys/fs/cgroup", "-name", "perjury-dockerd*"])
}

#[test]
fn processes_need_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let places = Places { state: folder.path().join("state"), cache: folder.path().join("cache") };
    let spec = Spec::Processes(ProcessesSpec::default());
    let inventory = clusters::up(&places, &spec, &say).unwrap();
    assert_eq!(inventory.topology().nodes.len(), 5);
    assert_eq!(inventory.nodes[4].address.to_string(), "127.77.0.5");
    assert_eq!(clusters::list(&places), ["processes"]);
    let status = clusters::status(&places, "processes").unwrap();
    assert!(status.nodes.iter().all(|node| node.state == NodeState::Address));
    assert_eq!(clusters::inventory(&places, "processes").unwrap(), Some(inventory));
    clusters::down(&places, "processes", &say).unwrap();
    assert!(clusters::list(&places).is_empty());
}

#[test]
fn the_doctor_says_how_to_mend_what_is_missing() {
    for check in clusters::doctor(&Places::from_env()) {
        match check.found {
            Ok(found) => eprintln!("  ok       {}: {found}", check.what),
            Err(lack) => {
                eprintln!("  missing  {}: {}; {}", check.what, lack.why, lack.mend);
                assert!(!lack.mend.is_empty());
            }
        }
    }
}
