//! Real replicas, as processes on loopback addresses: what they agree on, and what a crash does.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

#[path = "../../replica/tests/loopback/mod.rs"]
mod loopback;

use std::time::{Duration, Instant};

use loopback::{Cluster, assert_agreement, var, write};
use serde_json::json;

fn start(net: u8, count: usize) -> Cluster {
    let protocol = json!({ "timeout-ms": var("TIMEOUT").unwrap_or(1000) });
    let net = format!("127.98.{net}");
    Cluster::start(env!("CARGO_BIN_EXE_malachite-node"), &net, count, &protocol)
}

#[test]
fn four_replicas_agree() {
    let cluster = start(10, 4);
    assert_agreement(&cluster);
}

/// A dead proposer costs a timeout in every fourth height, and no more.
#[test]
fn four_replicas_less_one_go_on_and_the_one_that_was_away_catches_up() {
    let mut cluster = start(11, 4);
    let written = cluster.done(0, &write("before"));
    cluster.kill(3);
    let (begin, height) = (Instant::now(), cluster.height(0));
    let (mut done, mut slowest) = (0, Duration::ZERO);
    while begin.elapsed() < Duration::from_secs(var("SECONDS").unwrap_or(10)) {
        let asked = Instant::now();
        cluster.done(0, &write("during"));
        slowest = slowest.max(asked.elapsed());
        done += 1;
    }
    let heights = cluster.height(0) - height;
    println!("{done} writes in {heights} heights and {:?}, {slowest:?} at most", begin.elapsed());
    assert!(done > 3, "{done} writes");
    let last = cluster.done(0, &write("last"));
    cluster.run(3);
    let end = Instant::now() + Duration::from_secs(30);
    while cluster.status(3).is_null() {
        assert!(Instant::now() < end, "no answer: {}", cluster.log(3));
        std::thread::sleep(Duration::from_millis(100));
    }
    // It has all, and forgot nothing.
    for known in [&written, &last] {
        let outcome = json!({ "outcome": { "id": known["id"] } });
        assert_eq!(cluster.done(3, &outcome), *known);
    }
    // And it takes part: with another one dead, its vote is needed.
    cluster.kill(0);
    cluster.done(1, &write("without the first"));
    cluster.done(3, &write("by the one that was away"));
}

#[test]
fn two_dead_of_four_stop_everything_and_all_killed_at_once_forget_nothing() {
    let mut cluster = start(12, 4);
    let written = cluster.done(0, &write("before"));
    cluster.kill(2);
    cluster.kill(3);
    let waiting = cluster.ask(0, &write("during"), Duration::from_secs(20));
    assert!(waiting["undecided"].is_string(), "{waiting}");
    cluster.kill(0);
    cluster.kill(1);
    (0..4).for_each(|at| cluster.run(at));
    cluster.wait_until_healthy();
    for at in 0..4 {
        let outcome = json!({ "outcome": { "id": written["id"] } });
        assert_eq!(cluster.done(at, &outcome), written, "replica {at}");
    }
    let again = cluster.done(2, &write("after"));
    assert!(again["at"].as_u64() > written["at"].as_u64());
}
