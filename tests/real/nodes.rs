//! A cluster for one test, and questions about a run on it.

use perjury_history::seal::Class;
use perjury_history::{Event, NodeName, Outcome, Phase, Reply, Value};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};

use super::common::{Bench, Ended};

/// A cluster of a test's own, taken down at the end.
pub struct Nodes {
    pub bench: Bench,
    pub name: &'static str,
    pub declaration: String,
}

/// What this machine has to have for namespaces as nodes, in the words of `perjury doctor`.
pub const FOR_LOCAL: &[&str] = &["root", "ip", "packet filter", "debootstrap", "ssh"];
/// The same for containers. A daemon of our own needs root; without a registry in reach the image
/// is made from the bootstrapped tree.
pub const FOR_DOCKER: &[&str] =
    &["root", "ip", "debootstrap", "ssh", "docker", "docker daemon", "compose"];

impl Nodes {
    pub fn up(name: &'static str, subnet: u8, ipv6: bool) -> Option<Nodes> {
        let text = format!("subnet = \"10.{subnet}.0.0/24\"\nipv6 = {ipv6}\n");
        Nodes::declared(name, "local", &text, FOR_LOCAL)
    }

    pub fn declared(
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

    /// The words of `perjury test` on this cluster, with these, between spaces, at the end.
    pub fn arguments<'a>(&'a self, results: &'a str, rest: &'a str) -> Vec<&'a str> {
        let mut all = vec!["test", "--cluster", &self.declaration, "--results", results];
        all.extend(rest.split(' '));
        all
    }

    pub fn test(&self, rest: &str) -> Ended {
        let results = self.bench.results();
        self.bench.perjury(&self.arguments(results.to_str().unwrap(), rest))
    }

    /// Runs a shell command on a node and answers what it printed.
    pub fn on(&self, node: &str, command: &str) -> String {
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

pub fn impossible(needed: &[&str]) -> Option<String> {
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
pub const LEFT: &str = "nft list tables | grep perjury; pgrep -x 'etcd|postgres'; ls -A /var/tmp; \
     ls -A /tmp /run | grep perjury-; ls /dev/shm; tail -n +2 /proc/sysvipc/shm";

/// How many faults took effect.
pub fn installed(object: &serde_json::Value) -> u64 {
    let findings = object["judgement"]["findings"].as_array().unwrap();
    let coverage = findings.iter().find(|finding| finding["checker"] == "coverage").unwrap();
    coverage["stats"]["faults-installed"].as_u64().unwrap()
}

pub fn kinds(object: &serde_json::Value) -> Vec<String> {
    let findings = object["judgement"]["findings"].as_array().unwrap();
    let anomalies = findings.iter().filter_map(|finding| finding["anomalies"].as_array()).flatten();
    anomalies.map(|anomaly| anomaly["kind"].as_str().unwrap().to_owned()).collect()
}

/// Every value came back from the real database as it was written, and was read of every node.
pub fn all_values_are_seals(run: &std::path::Path) {
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

/// The records of a ledger in the last run.
pub fn ledger<T: DeserializeOwned>(nodes: &Nodes, name: &str) -> Vec<T> {
    let text = std::fs::read_to_string(nodes.bench.latest().join(name)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Who is accused of anything, by name.
pub fn accused(ended: &Ended) -> BTreeSet<NodeName> {
    let object = ended.json();
    let findings = object["judgement"]["findings"].as_array().unwrap().clone();
    let anomalies = findings.iter().filter_map(|finding| finding["anomalies"].as_array()).flatten();
    let accused = anomalies.filter_map(|anomaly| anomaly["accused"].as_array()).flatten();
    let blamed = accused.filter(|one| one["confidence"] != "unknown");
    blamed.map(|one| NodeName::from(one["node"].as_str().unwrap())).collect()
}
