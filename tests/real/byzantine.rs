//! Nodes that lie or are confused, for real: found, named, and not held against a database that
//! never claimed to withstand them.

use std::collections::BTreeSet;

use perjury_history::{CorruptionMade, LieTold, NodeName};

use super::common::Ended;
use super::nodes::{Nodes, accused, kinds, ledger};

fn is_beyond_the_bound(ended: &Ended) {
    let outside = ended.json()["judgement"]["outside-claim"].as_str().unwrap_or("").to_owned();
    assert!(outside.contains("beyond the bound"), "{outside:?}");
}

#[test]
fn a_bit_that_turns_over_in_redis_memory_is_served_as_truth_and_convicted() {
    let Some(nodes) = Nodes::up("real-memory", 87, false) else { return };
    let ended = nodes.test(
        "--database redis --workload register --nemesis memory --time-limit 12s --seed 7 --json",
    );
    ended.expect(1, &["invalid"]);
    let made: Vec<CorruptionMade> = ledger(&nodes, "corruptions.jsonl");
    let confused: BTreeSet<NodeName> = made.into_iter().map(|one| one.node).collect();
    assert!(!confused.is_empty());
    assert!(kinds(&ended.json()).contains(&"corrupted-value".to_owned()), "{}", ended.stdout);
    // Replicas had their copies before; who is named is the one whose memory it is.
    assert!(accused(&ended).is_subset(&confused), "{:?} {confused:?}", accused(&ended));
    is_beyond_the_bound(&ended);
}

#[test]
fn one_lying_link_to_a_follower_of_etcd_makes_it_speak_falsely_and_is_convicted() {
    let Some(nodes) = Nodes::up("real-liar", 86, false) else { return };
    let ended = nodes.test(
        "--database etcd --workload register --nemesis equivocation \
         --time-limit 12s --seed 7 --json",
    );
    ended.expect(1, &["invalid"]);
    let lies: Vec<LieTold> = ledger(&nodes, "lies.jsonl");
    assert!(!lies.is_empty());
    let found = kinds(&ended.json());
    assert!(found.contains(&"fabricated-value".to_owned()), "{found:?}");
    assert!(found.contains(&"equivocation".to_owned()), "{found:?}");
    is_beyond_the_bound(&ended);
}
