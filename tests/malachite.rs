//! A real run of the server around Malachite's consensus, if it is built. What its client does
//! before replicas that lie is in `hotstuff.rs`: it is the same client.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use common::Bench;
use perjury::databases::malachite::SERVER;
use perjury::databases::replicas::program;

/// Plain processes of this machine, with addresses of the backend: skipped while they are in use.
fn on_processes(bench: &Bench, server: &str) -> common::Ended {
    let results = bench.results();
    let words = "test --cluster processes --database malachite --workload register --nemesis none \
                 --time-limit 5s --seed 5 --json --results";
    let mut words: Vec<&str> = words.split_whitespace().collect();
    words.push(results.to_str().unwrap());
    let mut command = bench.command(&words);
    common::Ended::of(command.env(SERVER.variable, server).output().unwrap())
}

#[test]
fn a_server_that_is_not_built_is_named_with_the_way_to_build_it() {
    if perjury::remote::agent_binary().is_err() {
        eprintln!("SKIPPED: the agent is not built; run `make agent`");
        return;
    }
    let ended = on_processes(&Bench::new(), "/nowhere/malachite-node");
    let said = "/nowhere/malachite-node is not there on this machine: run `make malachite`";
    ended.expect(3, &[said]);
}

#[test]
fn five_replicas_without_faults_are_linearizable() {
    let built = program(&SERVER);
    if !built.is_file() || perjury::remote::agent_binary().is_err() {
        eprintln!("SKIPPED: the server or the agent is not built; run `make agent malachite`");
        return;
    }
    let ended = on_processes(&Bench::new(), built.to_str().unwrap());
    let object = ended.json();
    assert_eq!(object["judgement"]["verdict"], "valid", "{object}\n{}", ended.stderr);
    assert_eq!(object["judgement"]["compromised"], serde_json::Value::Null, "{object}");
}
