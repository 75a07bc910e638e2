//! `perjury scorecard` over the toy as processes: real runs, real cells, none made twice; and the
//! track record, with one seed for each lie.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::Bench;
use serde_json::Value as Json;

fn agent_is_there() -> bool {
    let there = perjury::remote::agent_binary().is_ok();
    if !there {
        eprintln!("SKIPPED: the agent is not built; run `make agent`");
    }
    there
}

fn runs(out: &Path) -> usize {
    let entries = std::fs::read_dir(out.join("runs")).unwrap().flatten();
    entries.filter(|entry| entry.file_type().unwrap().is_dir()).count()
}

#[test]
fn a_lie_that_cannot_be_told_is_not_tested_a_crash_is_and_no_run_is_made_twice() {
    if !agent_is_there() {
        return;
    }
    let bench = Bench::new();
    let out = bench.path().join("card");
    let arguments = ["--cluster", "processes", "--max-f", "1", "--time-limit", "3s", "--out"];
    let arguments = [&["scorecard", "toy"], &arguments[..], &[out.to_str().unwrap()]].concat();
    let crash = [&arguments[..], &["--lies", "crash"]].concat();
    bench.perjury(&crash).expect(0, &["# Scorecard: toy", "| crash"]);
    assert_eq!(runs(&out), 2, "nobody, and one");
    let both = [&arguments[..], &["--lies", "crash,forge"]].concat();
    // Nodes that share the loopback interface cannot be lied to.
    bench.perjury(&both).expect(0, &["| forge", "not tested"]);
    assert_eq!(runs(&out), 3);
    let card: Json = serde_json::from_slice(&std::fs::read(out.join("toy.json")).unwrap()).unwrap();
    assert_eq!((card["nodes"].as_u64(), card["claimed"].as_u64()), (Some(5), Some(0)));
    let cells: BTreeMap<&str, &Json> = card["cells"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cell| (cell["name"]["lie"].as_str().unwrap(), cell))
        .collect();
    assert_eq!(cells.keys().copied().collect::<Vec<_>>(), ["crash", "forge", "none"]);
    assert_eq!(cells["none"]["broken"], serde_json::json!({}));
    assert!(cells["none"]["not-tested"].is_null() && cells["crash"]["not-tested"].is_null());
    assert!(cells["forge"]["not-tested"].as_str().unwrap().contains("loopback"));
    for cell in cells.values() {
        let report = out.join("runs").join(cell["run"].as_str().unwrap()).join("report.html");
        assert!(report.is_file(), "{report:?}");
    }
    // The toy's only primary is down: nobody is served, and that is a property of its own.
    assert!(cells["crash"]["broken"]["liveness"].as_u64().unwrap() > 0, "{}", cells["crash"]);
    bench.perjury(&both).expect(0, &["| forge"]);
    assert_eq!(runs(&out), 3);
    let other = [&both[..], &["--workload", "set"]].concat();
    bench.perjury(&other).expect(64, &["name another folder with --out"]);
    bench
        .perjury(&[&arguments[..], &["--lies", "lie"]].concat())
        .expect(64, &["\"lie\" is no lie"]);
}

#[test]
fn every_lie_of_the_toy_is_found_no_innocent_is_named_and_without_a_lie_nothing_is() {
    if !agent_is_there() {
        return;
    }
    let bench = Bench::new();
    let out = bench.path().join("track");
    let out = out.to_str().unwrap();
    let options = ["--time-limit", "2s", "--parallel", "3", "--out", out];
    bench.perjury(&[&["scorecard", "--track-record", "1"], &options[..]].concat());
    let text = std::fs::read_to_string(format!("{out}/track-record.jsonl")).unwrap();
    let outcomes: Vec<Json> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(outcomes.len(), 11, "{text}");
    let mut told = 0;
    for outcome in &outcomes {
        let lies = outcome["told"].as_u64().unwrap();
        let named = outcome["named"].as_array().unwrap();
        let liar = format!("n{}", outcome["liar"].as_u64().unwrap() + 1);
        assert!(named.iter().all(|node| lies > 0 && *node == liar), "{outcome}");
        assert_eq!(outcome["verdict"] == "invalid", lies > 0, "{outcome}");
        assert!(lies == 0 || !outcome["lie"].is_null(), "{outcome}");
        told += u64::from(lies > 0);
    }
    assert!(told >= 8, "{text}");
    let page = std::fs::read_to_string(format!("{out}/track-record.md")).unwrap();
    assert!(page.contains("| none ") && page.contains("| false-copy "), "{page}");
}
