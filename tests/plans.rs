//! What each database wants done on a node, against golden files: a plan is pure, so it is tested
//! without any node.
//!
//! `PERJURY_GOLDEN=write cargo test --test plans` writes the files again; look at the difference.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::path::Path;

use perjury::databases::{Database, Spec, etcd, hotstuff, malachite, postgres, redis};
use perjury_agent::protocol::Write;
use perjury_history::{Node, Topology};

fn topology(prefix: &str) -> Topology {
    let node = |at| Node {
        name: format!("n{at}").into(),
        address: format!("{prefix}{at}").parse().unwrap(),
    };
    Topology { nodes: (1..=5).map(node).collect() }
}

/// The plans of the first and of the third node.
fn golden(name: &str, spec: &Spec, topology: &Topology) {
    golden_of(name, spec.build().as_ref(), topology);
}

fn golden_of(name: &str, database: &dyn Database, topology: &Topology) {
    let plans = [0, 2].map(|at| database.plan(&topology.nodes[at], topology, "/var/tmp/run"));
    let mut text = serde_json::to_string_pretty(&plans).unwrap();
    // Files are carried in base64; their text is what a reader wants to see.
    let files = plans.iter().flat_map(|plan| &plan.files).map(|file| &file.bytes);
    let inputs = plans.iter().flat_map(|plan| &plan.prepare).map(|step| &step.run.stdin);
    for bytes in files.chain(inputs) {
        let encoded = serde_json::to_string(bytes).unwrap();
        let plain = serde_json::to_string(&String::from_utf8_lossy(&bytes.0)).unwrap();
        text = text.replace(&encoded, &plain);
    }
    text.push('\n');
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/plans/{name}.json"));
    if std::env::var_os("PERJURY_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{} differs", path.display());
}

#[test]
fn etcd_on_five_nodes() {
    golden("etcd", &Spec::Etcd(etcd::Options::default()), &topology("10.0.0."));
}

#[test]
fn etcd_on_five_nodes_with_ipv6() {
    golden("etcd-ipv6", &Spec::Etcd(etcd::Options::default()), &topology("fd77::1"));
}

#[test]
fn hotstuff_on_five_nodes() {
    let database = hotstuff::Options::default().build_with("/built/hotstuff-node".into());
    golden_of("hotstuff", &database, &topology("10.0.0."));
    // A replica has its own secret, and nobody else's is in any of its files.
    let nodes = topology("10.0.0.");
    let files = |at: usize| {
        let plan = database.plan(&nodes.nodes[at], &nodes, "/run");
        let text = |file: &Write| String::from_utf8(file.bytes.0.clone()).unwrap();
        plan.files.iter().map(|file| (file.mode, text(file))).collect::<Vec<_>>()
    };
    let secret = |at: usize| files(at).into_iter().find(|(mode, _)| *mode == 0o600).unwrap().1;
    for (at, other) in (0..5).flat_map(|at| (0..5).map(move |other| (at, other))) {
        let known = files(at).iter().any(|(_, text)| text.contains(&secret(other)));
        assert_eq!(known, at == other, "{at} {other}");
    }
}

#[test]
fn malachite_on_five_nodes() {
    let database = malachite::Options::default().build_with("/built/malachite-node".into());
    golden_of("malachite", &database, &topology("10.0.0."));
}

#[test]
fn postgres_on_five_nodes() {
    golden("postgres", &Spec::Postgres(postgres::Options::default()), &topology("10.0.0."));
}

#[test]
fn postgres_on_five_nodes_with_ipv6_and_two_synchronous_standbys() {
    let options = postgres::Options {
        synchronous: 2,
        synchronous_commit: postgres::SynchronousCommit::RemoteApply,
        ..Default::default()
    };
    golden("postgres-ipv6", &Spec::Postgres(options), &topology("fd77::1"));
}

#[test]
fn postgres_on_the_first_node_alone_with_checksums() {
    let options = postgres::Options { standbys: Some(0), checksums: true, ..Default::default() };
    golden("postgres-alone", &Spec::Postgres(options), &topology("10.0.0."));
}

#[test]
fn redis_on_five_nodes() {
    golden("redis", &Spec::Redis(redis::Options::default()), &topology("10.0.0."));
}
