//! The contrast of the README: one lying link before a database that withstands crashes, and before
//! one that withstands lies.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use perjury::databases::replicas::{self, Server};
use perjury::databases::{hotstuff, malachite};
use perjury_history::{Call, Event, LieTold, NodeName, Outcome, Reply};

use super::common::Ended;
use super::nodes::{Nodes, kinds, ledger};

const WORDS: &str = "--workload register --nemesis lying-link --time-limit 12s --seed 7 --json";

/// A copy differs in the end where the last write of a register was altered, one in ten: of the
/// dozen registers of the usual workload now and then none was.
const MANY_REGISTERS: &str = "\
rate = 200
concurrency = 10
timeout = \"2s\"
values = \"seal\"
[load.register]
workers-per-key = 5
ops-per-key = 20
reads = 2
writes = 1
cas = 1
";

/// The names of the only two nodes between which lies were told.
fn the_one_link(lies: &[LieTold]) -> BTreeSet<String> {
    let name =
        |end: &SocketAddr| format!("n{}", end.ip().to_string().split_once(".0.1").unwrap().1);
    let ends = |lie: &LieTold| BTreeSet::from([name(&lie.dialler), name(&lie.listener)]);
    let links: BTreeSet<BTreeSet<String>> = lies.iter().map(ends).collect();
    assert!(links.len() == 1 && links.iter().all(|ends| ends.len() == 2), "{links:?}");
    links.into_iter().next().unwrap()
}

/// What the load's linearizable reads said that each key held at each version, and who said it.
type Said = BTreeMap<(String, u64), BTreeMap<String, BTreeSet<NodeName>>>;

fn said(nodes: &Nodes) -> Said {
    let file = nodes.bench.latest().join("history.jsonl.zst");
    let history = perjury_history::read_file(&file).unwrap();
    let mut said = Said::new();
    for operation in perjury_history::pair(&history.entries).unwrap() {
        let (Call::Read { key }, Some(Outcome::Ok(Reply::Value(value)))) =
            (&operation.call, operation.outcome())
        else {
            continue;
        };
        let Some(version) = operation.token().and_then(|token| token.version) else { continue };
        assert!(!operation.is_local());
        let at = said.entry((key.to_string(), version)).or_default();
        at.entry(format!("{value:?}")).or_default().insert(operation.answerer().clone());
    }
    said
}

/// Did every probe of every node say that it is healthy?
fn all_say_that_they_are_healthy(nodes: &Nodes) -> bool {
    let file = nodes.bench.latest().join("history.jsonl.zst");
    let history = perjury_history::read_file(&file).unwrap();
    let healthy = |event: &Event| match event {
        Event::Probe { healthy, .. } => Some(*healthy),
        _ => None,
    };
    let mut probes = history.entries.iter().filter_map(|entry| healthy(&entry.event)).peekable();
    assert!(probes.peek().is_some());
    probes.all(|healthy| healthy)
}

/// Is a node proved to have answered falsely?
fn is_proved(ended: &Ended, kind: &str, name: &str) -> bool {
    let object = ended.json();
    let findings = object["judgement"]["findings"].as_array().unwrap().clone();
    let anomalies = findings.iter().filter_map(|finding| finding["anomalies"].as_array()).flatten();
    let of_kind = anomalies.filter(|anomaly| anomaly["kind"] == kind);
    let mut accused = of_kind.filter_map(|anomaly| anomaly["accused"].as_array()).flatten();
    accused.any(|one| one["node"] == name && one["confidence"] == "proved")
}

#[test]
fn one_lying_link_makes_healthy_nodes_of_etcd_answer_two_values_at_one_revision() {
    let Some(nodes) = Nodes::up("real-link", 84, false) else { return };
    let workload = nodes.bench.declare("many-registers", MANY_REGISTERS);
    let words = WORDS.replace("register", &workload);
    let ended = nodes.test(&format!("--database etcd {words}"));
    ended.expect(1, &["invalid"]);
    let lies: Vec<LieTold> = ledger(&nodes, "lies.jsonl");
    let link = the_one_link(&lies);
    let found = kinds(&ended.json());
    for kind in ["fabricated-value", "equivocation", "divergence", "dishonest-health"] {
        assert!(found.contains(&kind.to_owned()), "{kind} is not in {found:?}");
    }
    let two = said(&nodes).values().any(|values| values.len() > 1);
    assert!(two, "linearizable reads agree at each revision");
    assert!(all_say_that_they_are_healthy(&nodes));
    // One end of the link leads; the other one speaks falsely, and is the only one that does.
    let proved: Vec<_> = ["n1", "n2", "n3", "n4", "n5"]
        .into_iter()
        .filter(|name| is_proved(&ended, "equivocation", name))
        .collect();
    assert_eq!(proved.len(), 1, "{proved:?}");
    assert!(link.contains(proved[0]), "{proved:?} {link:?}");
    assert!(is_proved(&ended, "divergence", proved[0]));
}

/// The same link before a server of a library that claims to bear lies.
fn the_link_is_noticed_and_nothing_false_is_answered(
    server: &'static Server,
    cluster: &'static str,
    net: u8,
) {
    let built = replicas::program(server);
    if !built.is_file() {
        eprintln!("SKIPPED: {} is not there; run `make {}`", built.display(), server.name);
        return;
    }
    let Some(nodes) = Nodes::up(cluster, net, false) else { return };
    let ended = nodes.test(&format!("--database {} {WORDS}", server.name));
    ended.expect(0, &["valid: No anomaly"]);
    let lies: Vec<LieTold> = ledger(&nodes, "lies.jsonl");
    the_one_link(&lies);
    assert!(said(&nodes).values().all(|values| values.len() == 1));
    // Whoever was lied to wrote it down.
    let run = nodes.bench.latest();
    let logs = ["n1", "n2", "n3", "n4", "n5"].map(|name| {
        let log = format!("nodes/{name}/{}.log", server.name);
        std::fs::read_to_string(run.join(log)).unwrap()
    });
    let mut lines = logs.iter().flat_map(|log| log.lines());
    let noticed = lines.any(|line| server.signs.iter().any(|sign| sign.is_in(line)));
    assert!(noticed, "{} lies", lies.len());
}

#[test]
fn the_same_link_before_hotstuff_is_noticed_and_nothing_false_is_answered() {
    the_link_is_noticed_and_nothing_false_is_answered(&hotstuff::SERVER, "real-bft", 85);
}

#[test]
fn the_same_link_before_malachite_is_noticed_and_nothing_false_is_answered() {
    the_link_is_noticed_and_nothing_false_is_answered(&malachite::SERVER, "real-tendermint", 79);
}
