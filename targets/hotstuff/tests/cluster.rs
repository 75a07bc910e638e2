//! Real replicas, as processes on loopback addresses: what they agree on, and what a crash does.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

#[path = "../../replica/tests/loopback/mod.rs"]
mod loopback;

use std::time::{Duration, Instant};

use loopback::{Cluster, assert_agreement, var, write};
use serde_json::json;

fn start(net: u8, count: usize, epoch: u64) -> Cluster {
    let protocol = json!({
        "epoch": var("EPOCH").unwrap_or(epoch), "view-seconds": var("VIEW").unwrap_or(1),
        "pace-ms": var("PACE").unwrap_or(20),
        "mend-block-sync": var("MEND").unwrap_or(1) == 1,
    });
    let net = format!("127.97.{net}");
    Cluster::start(env!("CARGO_BIN_EXE_hotstuff-node"), &net, count, &protocol)
}

#[test]
fn four_replicas_agree() {
    let cluster = start(10, 4, 1);
    assert_agreement(&cluster);
}

/// hotstuff_rs commits a block after three consecutive views with a certificate, and a dead leader
/// takes two views of a round with it: of four, too few are left.
///
/// With an epoch of one view, every view ends in timeout votes, and a replica that comes back is
/// likely to be killed by one of them (README.md, "A vote that kills").
#[test]
fn four_replicas_less_one_commit_nothing_and_go_on_when_it_is_back() {
    let mut cluster = start(11, 4, 8);
    let written = cluster.done(0, &write("before"));
    cluster.kill(3);
    std::thread::sleep(Duration::from_secs(2));
    let height = cluster.height(0);
    let waiting = cluster.ask(0, &write("during"), Duration::from_secs(20));
    assert!(waiting["undecided"].is_string(), "{waiting}");
    let later = cluster.height(0);
    assert_eq!(height, later, "nothing is committed");
    assert_eq!(cluster.status(0)["healthy"], false);
    cluster.run(3);
    let seen = cluster.done(0, &json!({ "read": { "key": "k" } }));
    assert_eq!(
        seen["output"]["register"]["value"], "during",
        "what was undecided is committed after all"
    );
    // The one that was away has both, and forgot nothing.
    let outcome = json!({ "outcome": { "id": written["id"] } });
    assert_eq!(cluster.done(3, &outcome), written);
    let id = json!({ "outcome": { "id": seen["id"] } });
    assert_eq!(cluster.done(3, &id), seen);
}

#[test]
fn seven_replicas_less_one_go_on() {
    let mut cluster = start(12, 7, 1);
    cluster.done(0, &write("before"));
    cluster.kill(6);
    let begin = Instant::now();
    let height = cluster.height(0);
    while begin.elapsed() < Duration::from_secs(var("SECONDS").unwrap_or(20)) {
        let asked = Instant::now();
        let answer = cluster.ask(1, &write("during"), Duration::from_secs(20));
        println!("{:?} {}", asked.elapsed(), answer);
    }
    let blocks = cluster.height(0) - height;
    println!("{blocks} blocks in {:?}", begin.elapsed());
    assert!(blocks > 3, "{blocks} blocks");
    cluster.done(1, &write("after"));
}
