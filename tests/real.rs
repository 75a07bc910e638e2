//! Real databases on real nodes: provisioned over SSH, partitioned and killed under load, judged.
//!
//! Needs root and what `make test` installs; skipped loudly otherwise. The nodes are namespaces of
//! this machine with an sshd in each.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use common::{Bench, Ended};
use perjury_history::seal::Class;
use perjury_history::{Event, Outcome, Phase, Reply, Value};

/// A cluster of a test's own, taken down at the end.
struct Nodes {
    bench: Bench,
    name: &'static str,
    declaration: String,
}

/// What this machine has to have for namespaces as nodes, in the words of `perjury doctor`.
const FOR_LOCAL: &[&str] = &["root", "ip", "packet filter", "debootstrap", "ssh"];
/// The same for containers. A daemon of our own needs root; without a registry in reach the image
/// is made from the bootstrapped tree.
const FOR_DOCKER: &[&str] =
    &["root", "ip", "debootstrap", "ssh", "docker", "docker daemon", "compose"];

impl Nodes {
    fn up(name: &'static str, subnet: u8, ipv6: bool) -> Option<Nodes> {
        let text = format!("subnet = \"10.{subnet}.0.0/24\"\nipv6 = {ipv6}\n");
        Nodes::declared(name, "local", &text, FOR_LOCAL)
    }

    fn declared(
        name: &'static str,
        backend: &str,
        options: &str,
        needed: &[&str],
    ) -> Option<Nodes> {
        if let Some(why) = impossible(needed) {
            eprintln!("SKIPPED: {why}");
            return None;
        }
        let bench = Bench::new();
        let text = format!("[{backend}]\nname = \"{name}\"\n{options}");
        let declaration = bench.declare(name, &text);
        let nodes = Nodes { bench, name, declaration };
        nodes.bench.perjury(&["cluster", "up", &nodes.declaration]).expect(0, &["n5"]);
        Some(nodes)
    }

    fn arguments<'a>(&'a self, results: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["test", "--cluster", &self.declaration, "--results", results];
        all.extend(rest);
        all
    }

    fn test(&self, rest: &[&str]) -> Ended {
        let results = self.bench.results();
        self.bench.perjury(&self.arguments(results.to_str().unwrap(), rest))
    }

    /// Runs a shell command on a node and answers what it printed.
    fn on(&self, node: &str, command: &str) -> String {
        let ended =
            self.bench.perjury(&["cluster", "ssh", "--cluster", self.name, node, "--", command]);
        ended.stdout
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let ended = self.bench.perjury(&["cluster", "down", self.name]);
        if !std::thread::panicking() {
            ended.expect(0, &[]);
            let namespaces = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
            let ours = format!("perjury-{}", self.name);
            let left: Vec<_> = namespaces.filter(|entry| *entry.file_name() == *ours).collect();
            assert!(left.is_empty(), "{left:?}");
        }
    }
}

fn impossible(needed: &[&str]) -> Option<String> {
    if perjury::remote::agent_binary().is_err() {
        return Some("the agent is not built; run `make agent`".into());
    }
    let places = perjury::clusters::Places::from_env();
    perjury::clusters::doctor(&places).into_iter().find_map(|check| {
        let lack = check.found.as_ref().err()?;
        let is_needed = needed.contains(&check.what.as_str());
        is_needed.then(|| format!("{}: {}", check.what, lack.why))
    })
}

/// Prints whatever of ours is left on a node. Docker has tables of its own in a container.
const LEFT: &str = "nft list tables | grep perjury; pgrep -x 'etcd|postgres'; ls -A /var/tmp; \
     ls -A /tmp /run | grep perjury-; ls /dev/shm; tail -n +2 /proc/sysvipc/shm";

/// How many faults took effect.
fn installed(object: &serde_json::Value) -> u64 {
    let findings = object["judgement"]["findings"].as_array().unwrap();
    let coverage = findings.iter().find(|finding| finding["checker"] == "coverage").unwrap();
    coverage["stats"]["faults-installed"].as_u64().unwrap()
}

fn kinds(object: &serde_json::Value) -> Vec<String> {
    let findings = object["judgement"]["findings"].as_array().unwrap();
    let anomalies = findings.iter().filter_map(|finding| finding["anomalies"].as_array()).flatten();
    anomalies.map(|anomaly| anomaly["kind"].as_str().unwrap().to_owned()).collect()
}

/// Every value came back from the real database as it was written, and was read of every node.
fn all_values_are_seals(run: &std::path::Path) {
    let history = perjury_history::read_file(&run.join("history.jsonl.zst")).unwrap();
    let seals = history.header.unwrap().seals.unwrap();
    let (mut genuine, mut scrubbed, mut keys) = (0, BTreeSet::new(), BTreeMap::new());
    let mut scrubbing = false;
    for entry in &history.entries {
        match &entry.event {
            Event::Phase(phase) => scrubbing = *phase == Phase::Scrub,
            Event::Invoke { node, call, .. } => {
                keys.insert(entry.index, call.key().unwrap().clone());
                if scrubbing {
                    scrubbed.insert(node.clone());
                }
            }
            Event::Complete { call, outcome: Outcome::Ok(reply), .. } => {
                let values: Vec<&Value> = match reply {
                    Reply::Value(value) if !value.is_nil() => vec![value],
                    Reply::Elements(elements) => elements.iter().collect(),
                    _ => vec![],
                };
                for value in values {
                    let class = seals.classify(&keys[call], value);
                    assert!(matches!(class, Class::Genuine(_)), "{value:?} at {}", entry.index);
                    genuine += 1;
                }
            }
            _ => {}
        }
    }
    assert!(genuine > 100, "{genuine}");
    assert_eq!(scrubbed.len(), 5, "{scrubbed:?}");
}

#[test]
fn etcd_keeps_its_word_under_partitions_and_kills() {
    let Some(nodes) = Nodes::up("real-etcd", 91, false) else { return };
    let ended = nodes.test(&[
        "--database",
        "etcd",
        "--nemesis",
        "demo",
        "--time-limit",
        "30s",
        "--seed",
        "11",
        "--json",
    ]);
    ended.expect(0, &["valid: No anomaly"]);
    let object = ended.json();
    assert!(installed(&object) >= 3, "{object}");
    assert!(object["version"].as_str().unwrap().contains("3."), "{object}");
    let run = nodes.bench.latest();
    all_values_are_seals(&run);
    let report = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(report.contains("isolate-primary"), "the faults are in the report");
    for node in ["n1", "n5"] {
        let log = std::fs::read_to_string(run.join(format!("nodes/{node}/etcd.log"))).unwrap();
        assert!(log.contains("elected leader"), "{node}");
        assert_eq!(nodes.on(node, LEFT), "");
    }
}

#[test]
fn etcd_with_serializable_reads_is_stale() {
    let Some(nodes) = Nodes::up("real-serial", 92, false) else { return };
    let ended = nodes.test(&[
        "--database",
        "etcd-serializable",
        "--nemesis",
        "demo",
        "--time-limit",
        "20s",
        "--seed",
        "3",
        "--json",
    ]);
    ended.expect(1, &["stale-read"]);
    assert!(kinds(&ended.json()).contains(&"stale-read".to_owned()));
}

#[test]
fn redis_with_sentinel_loses_acknowledged_writes() {
    let Some(nodes) = Nodes::up("real-redis", 93, false) else { return };
    let ended = nodes.test(&[
        "--database",
        "redis",
        "--workload",
        "set",
        "--nemesis",
        "demo",
        "--time-limit",
        "20s",
        "--seed",
        "3",
        "--json",
    ]);
    ended.expect(1, &["lost-write"]);
    assert!(kinds(&ended.json()).contains(&"lost-write".to_owned()));
    all_values_are_seals(&nodes.bench.latest());
}

#[test]
fn postgres_with_a_synchronous_standby_keeps_its_word_and_reads_of_standbys_are_stale() {
    let Some(nodes) = Nodes::up("real-postgres", 90, false) else { return };
    let run = |database, nemesis, limit| {
        let rest = ["--database", database, "--nemesis", nemesis, "--time-limit", limit];
        nodes.test(&[&rest[..], &["--seed", "5", "--json"]].concat())
    };
    let ended = run("postgres-sync", "demo", "15s");
    ended.expect(0, &["valid: No anomaly"]);
    let object = ended.json();
    assert!(installed(&object) >= 2, "{object}");
    assert!(object["version"].as_str().unwrap().contains("PostgreSQL"), "{object}");
    let log = nodes.bench.latest().join("nodes/n1/postgres.log");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("standby \"n2\" is now a synchronous standby"), "{log}");
    assert!(log.contains("automatic recovery in progress"), "it was killed: {log}");
    assert!(log.contains("terminating walsender process due to replication timeout"), "{log}");
    for node in ["n1", "n2"] {
        assert_eq!(nodes.on(node, LEFT), "");
    }
    let ended = run("postgres-standby-reads", "partitions", "8s");
    ended.expect(1, &["did what it does not rule out", "stale-read"]);
    assert!(kinds(&ended.json()).contains(&"stale-read".to_owned()));
}

#[test]
fn partitions_cut_ipv6_too() {
    let Some(nodes) = Nodes::up("real-ipv6", 94, true) else { return };
    let ended = nodes.test(&[
        "--database",
        "etcd",
        "--nemesis",
        "partitions",
        "--time-limit",
        "15s",
        "--seed",
        "4",
        "--json",
    ]);
    ended.expect(0, &["valid"]);
    assert!(installed(&ended.json()) >= 1);
    let environment = std::fs::read_to_string(nodes.bench.latest().join("environment.json"));
    assert!(environment.unwrap().contains("\"address\": \"fd"));
}

#[test]
fn after_kill_9_of_the_controller_in_a_partition_every_node_is_as_before() {
    let Some(nodes) = Nodes::up("real-kill", 95, false) else { return };
    let results = nodes.bench.results();
    let rest = ["--database", "etcd", "--nemesis", "partitions", "--time-limit", "60s"];
    let arguments = nodes.arguments(results.to_str().unwrap(), &rest);
    let mut child =
        nodes.bench.command(&arguments).stderr(std::process::Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let history = std::fs::read_to_string(results.join("latest/history.jsonl"));
        if history.is_ok_and(|text| text.contains("links cut, each seen dropping")) {
            break;
        }
        assert!(Instant::now() < deadline, "no partition came");
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let names = ["n1", "n2", "n3", "n4", "n5"];
    while names.iter().any(|node| !nodes.on(node, LEFT).is_empty()) {
        assert!(Instant::now() < deadline, "{:?}", names.map(|node| nodes.on(node, LEFT)));
        std::thread::sleep(Duration::from_millis(200));
    }
    for node in names {
        let pings = "for n in n1 n2 n3 n4 n5; do ping -c1 -W2 $n >/dev/null && echo $n; done";
        assert_eq!(nodes.on(node, pings).split_whitespace().collect::<Vec<_>>(), names, "{node}");
    }
    nodes.bench.perjury(&["heal", "--cluster", &nodes.declaration]).expect(0, &["n1", "n5"]);
    let run = nodes.bench.latest();
    let ended = nodes.bench.perjury(&["check", run.to_str().unwrap()]);
    ended.expect(3, &["valid", "the controller did not live to the end"]);
}

#[test]
fn a_full_disk_on_a_node_is_named() {
    let Some(nodes) = Nodes::up("real-full", 96, false) else { return };
    nodes.on("n3", "mount -t tmpfs -o size=256k tmpfs /var/tmp");
    let ended = nodes.test(&["--database", "etcd", "--time-limit", "5s"]);
    ended.expect(3, &["no space", "10.96.0.13"]);
    nodes.bench.failed_before_its_load(&["no space", "10.96.0.13"]);
}

#[test]
fn a_database_that_does_not_start_is_shown_with_the_end_of_its_log() {
    let Some(nodes) = Nodes::up("real-port", 97, false) else { return };
    nodes.on("n2", "setsid nc -lk 10.97.0.12 2379 </dev/null >/dev/null 2>&1 & sleep 0.2");
    let ended = nodes.test(&["--database", "etcd", "--time-limit", "5s"]);
    let words = ["etcd did not come up", "n2: etcd exited with", "address already in use"];
    ended.expect(3, &words);
    let report = nodes.bench.failed_before_its_load(&words);
    let logs = &report[report.find("id=\"logs\"").unwrap()..];
    assert!(logs.contains("etcd.log") && logs.contains("address already in use"));
    for node in ["n1", "n2", "n5"] {
        assert!(nodes.bench.latest().join(format!("nodes/{node}/etcd.log")).is_file(), "{node}");
        assert_eq!(nodes.on(node, LEFT), "");
    }
}

#[test]
fn etcd_in_containers_keeps_its_word_and_links_are_cut_there_too() {
    let options = "subnet = \"10.98.0.0/24\"\n";
    let Some(nodes) = Nodes::declared("real-docker", "docker", options, FOR_DOCKER) else { return };
    let ended = nodes.test(&[
        "--database",
        "etcd",
        "--nemesis",
        "demo",
        "--time-limit",
        "15s",
        "--seed",
        "3",
        "--json",
    ]);
    ended.expect(0, &["valid"]);
    assert!(installed(&ended.json()) >= 1);
    assert_eq!(nodes.on("n1", LEFT), "");
}
