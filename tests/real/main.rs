//! Real databases on real nodes: provisioned over SSH, partitioned and killed under load, judged.
//!
//! Needs root and what `make test` installs; skipped loudly otherwise. The nodes are namespaces of
//! this machine with an sshd in each.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod byzantine;
#[path = "../common/mod.rs"]
mod common;
mod contrast;
mod damage;
mod nodes;

use std::time::{Duration, Instant};

use nodes::*;

#[test]
fn etcd_keeps_its_word_under_partitions_and_kills() {
    let Some(nodes) = Nodes::up("real-etcd", 91, false) else { return };
    let ended = nodes.test("--database etcd --nemesis demo --time-limit 30s --seed 11 --json");
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
    let ended =
        nodes.test("--database etcd-serializable --nemesis demo --time-limit 20s --seed 3 --json");
    ended.expect(1, &["stale-read"]);
    assert!(kinds(&ended.json()).contains(&"stale-read".to_owned()));
}

#[test]
fn redis_with_sentinel_loses_acknowledged_writes() {
    let Some(nodes) = Nodes::up("real-redis", 93, false) else { return };
    let ended = nodes
        .test("--database redis --workload set --nemesis demo --time-limit 20s --seed 3 --json");
    ended.expect(1, &["lost-write"]);
    assert!(kinds(&ended.json()).contains(&"lost-write".to_owned()));
    all_values_are_seals(&nodes.bench.latest());
}

#[test]
fn postgres_with_a_synchronous_standby_keeps_its_word_and_reads_of_standbys_are_stale() {
    let Some(nodes) = Nodes::up("real-postgres", 90, false) else { return };
    let run = |database, nemesis, limit| {
        nodes.test(&format!(
            "--database {database} --nemesis {nemesis} --time-limit {limit} --seed 5 --json"
        ))
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
    let ended = nodes.test("--database etcd --nemesis partitions --time-limit 15s --seed 4 --json");
    ended.expect(0, &["valid"]);
    assert!(installed(&ended.json()) >= 1);
    let environment = std::fs::read_to_string(nodes.bench.latest().join("environment.json"));
    assert!(environment.unwrap().contains("\"address\": \"fd"));
}

#[test]
fn after_kill_9_of_the_controller_in_a_partition_every_node_is_as_before() {
    let Some(nodes) = Nodes::up("real-kill", 95, false) else { return };
    let results = nodes.bench.results();
    let rest = "--database etcd --nemesis partitions --time-limit 60s";
    let arguments = nodes.arguments(results.to_str().unwrap(), rest);
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
    let ended = nodes.test("--database etcd --time-limit 5s");
    ended.expect(3, &["no space", "10.96.0.13"]);
    nodes.bench.failed_before_its_load(&["no space", "10.96.0.13"]);
}

#[test]
fn a_database_that_does_not_start_is_shown_with_the_end_of_its_log() {
    let Some(nodes) = Nodes::up("real-port", 97, false) else { return };
    nodes.on("n2", "setsid nc -lk 10.97.0.12 2379 </dev/null >/dev/null 2>&1 & sleep 0.2");
    let ended = nodes.test("--database etcd --time-limit 5s");
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
    let ended = nodes.test("--database etcd --nemesis demo --time-limit 15s --seed 3 --json");
    ended.expect(0, &["valid"]);
    assert!(installed(&ended.json()) >= 1);
    assert_eq!(nodes.on("n1", LEFT), "");
}
