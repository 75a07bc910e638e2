//! Damage to what a node holds, for real: which is served as truth, and which is refused.

use std::collections::BTreeSet;

use perjury_history::{CorruptionMade, Event, LieTold, NodeName, Outcome};

use super::nodes::{Nodes, accused, kinds, ledger};

/// The nodes of which files below this folder, or ending so, were corrupted.
fn corrupted(nodes: &Nodes, part: &str) -> BTreeSet<NodeName> {
    let made: Vec<CorruptionMade> = ledger(nodes, "corruptions.jsonl");
    made.into_iter().filter(|one| one.at.contains(part)).map(|one| one.node).collect()
}

/// How many calls failed for sure with that code.
fn failed(nodes: &Nodes, code: &str) -> usize {
    let file = nodes.bench.latest().join("history.jsonl.zst");
    let history = perjury_history::read_file(&file).unwrap();
    let is_it = |event: &Event| match event {
        Event::Complete { outcome: Outcome::Fail(cause), .. } => cause.code == code,
        _ => false,
    };
    history.entries.iter().filter(|entry| is_it(&entry.event)).count()
}

#[test]
fn a_bit_that_rots_in_etcds_database_file_is_served_as_truth_and_convicted() {
    let Some(nodes) = Nodes::up("real-rot", 83, false) else { return };
    let ended = nodes.test("--database etcd --nemesis etcd-db-rot --time-limit 9s --seed 7 --json");
    ended.expect(1, &["invalid", "beyond the bound"]);
    let confused = corrupted(&nodes, "/data/member/snap/db ");
    assert!(!confused.is_empty());
    let found = kinds(&ended.json());
    assert!(found.contains(&"corrupted-value".to_owned()), "{found:?}");
    assert!(accused(&ended).is_subset(&confused), "{:?} {confused:?}", accused(&ended));
}

#[test]
fn a_bit_that_rots_in_etcds_log_is_refused_by_etcd_and_no_lie_comes_of_it() {
    let Some(nodes) = Nodes::up("real-wal", 80, false) else { return };
    let ended =
        nodes.test("--database etcd --nemesis etcd-wal-rot --time-limit 9s --seed 7 --json");
    ended.expect(
        0,
        &["valid: No anomaly", "rejected, refused", "noticed by the database in no answer"],
    );
    let confused = corrupted(&nodes, ".wal ");
    assert_eq!(confused.len(), 1, "{confused:?}");
    let node = confused.first().unwrap();
    let log = nodes.bench.latest().join(format!("nodes/{node}/etcd.log"));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.lines().any(|line| line.contains("crc mismatch")), "{log}");
    for lie in ended.json()["judgement"]["accounting"]["lies"].as_array().unwrap() {
        assert_eq!((&lie["node"], &lie["fate"]), (&node.as_str().into(), &"rejected".into()));
        let signs = lie["noticed"].as_array().unwrap();
        assert!(signs.iter().all(|sign| sign["node"] == node.as_str()), "{signs:?}");
    }
}

#[test]
fn an_old_answer_of_redis_is_convicted_as_stale() {
    let Some(nodes) = Nodes::up("real-replay", 82, false) else { return };
    let ended = nodes.test("--database redis --nemesis replays --time-limit 9s --seed 7 --json");
    ended.expect(1, &["invalid", "beyond the bound"]);
    let lies: Vec<LieTold> = ledger(&nodes, "lies.jsonl");
    assert!(lies.iter().all(|lie| lie.lie == "replay"), "{lies:?}");
    let found = kinds(&ended.json());
    assert!(found.contains(&"stale-read".to_owned()), "{found:?}");
}

#[test]
fn a_bit_that_rots_in_a_table_of_postgres_is_truth_without_checksums_and_an_error_with_them() {
    let Some(nodes) = Nodes::up("real-heap", 81, false) else { return };
    let n1 = BTreeSet::from([NodeName::from("n1")]);
    let run = |database: &str| {
        nodes.test(&format!(
            "--database {database} --nemesis cold-rot --time-limit 9s --seed 7 --json"
        ))
    };
    let ended = run("postgres");
    ended.expect(1, &["invalid", "beyond the bound"]);
    assert_eq!(corrupted(&nodes, "/data/base/"), n1);
    assert!(kinds(&ended.json()).contains(&"corrupted-value".to_owned()), "{}", ended.stdout);
    assert_eq!(accused(&ended), n1);
    assert_eq!(failed(&nodes, "data-corrupted"), 0);
    let ended = run("postgres-checksums");
    assert_eq!(corrupted(&nodes, "/data/base/"), n1);
    ended.expect(0, &["valid: No anomaly"]);
    assert!(failed(&nodes, "data-corrupted") > 0);
    let log = std::fs::read_to_string(nodes.bench.latest().join("nodes/n1/postgres.log")).unwrap();
    let signs = perjury::databases::Spec::Postgres(Default::default()).build().signs();
    assert!(log.lines().any(|line| signs.iter().any(|sign| sign.is_in(line))), "{log}");
}
