//! The harness on trial: every planted bug of the toy database is found, and the clean toy passes.
//!
//! Plain processes of this machine: no root, no SSH, no cluster. Skipped only where the static
//! agent was not built (`make agent`), and then loudly.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use common::Bench;
use perjury_history::seal::Seal;
use perjury_history::{Call, CorruptionMade, Judgement, Value, Verdict};

fn agent_is_there() -> bool {
    let there = perjury::remote::agent_binary().is_ok();
    if !there {
        eprintln!("SKIPPED: the agent is not built; run `make agent`");
    }
    there
}

/// Runs the toy and answers its judgement.
fn judge(bench: &Bench, database: &str, workload: &str, nemesis: &str, seed: &str) -> Judgement {
    let results = bench.results();
    let ended = bench.perjury(&[
        "test",
        "--cluster",
        "processes",
        "--database",
        database,
        "--workload",
        workload,
        "--nemesis",
        nemesis,
        "--time-limit",
        "6s",
        "--seed",
        seed,
        "--json",
        "--results",
        results.to_str().unwrap(),
    ]);
    let object = ended.json();
    let judgement: Judgement = serde_json::from_value(object["judgement"].clone()).unwrap();
    assert_eq!(judgement.compromised, None, "{}", ended.stderr);
    let code = if judgement.verdict == Verdict::Invalid { 1 } else { 0 };
    ended.expect(code, &["report"]);
    judgement
}

#[track_caller]
fn finds(database: &str, workload: &str, nemesis: &str, kinds: &[&str]) {
    if !agent_is_there() {
        return;
    }
    let bench = Bench::new();
    let judgement = judge(&bench, database, workload, nemesis, "5");
    assert_eq!(judgement.verdict, Verdict::Invalid, "{}", judgement.sentence);
    let found: Vec<&str> = judgement
        .findings
        .iter()
        .flat_map(|finding| &finding.anomalies)
        .map(|anomaly| anomaly.kind.name())
        .collect();
    assert!(kinds.iter().any(|kind| found.contains(kind)), "{found:?}");
    for anomaly in judgement.findings.iter().flat_map(|finding| &finding.anomalies) {
        assert!(!anomaly.witnesses.is_empty());
    }
}

#[test]
fn the_clean_toy_passes_under_crashes_and_pauses() {
    if !agent_is_there() {
        return;
    }
    let bench = Bench::new();
    for (workload, nemesis) in [
        ("register", "crashes"),
        ("set", "pauses"),
        ("register", "none"),
        ("register-deletes", "pauses"),
        ("bank", "crashes"),
        ("pairs", "pauses"),
    ] {
        let judgement = judge(&bench, "toy", workload, nemesis, "5");
        assert_eq!(judgement.verdict, Verdict::Valid, "{}", judgement.sentence);
    }
}

#[test]
fn stale_reads_are_found() {
    finds("toy-stale-reads", "register", "none", &["stale-read"]);
}

#[test]
fn lost_writes_are_found_in_a_set() {
    finds("toy-lost-writes", "set", "none", &["lost-write"]);
}

#[test]
fn lost_writes_are_found_in_registers() {
    finds("toy-lost-writes", "register", "none", &["stale-read", "non-linearizable"]);
}

#[test]
fn a_split_brain_is_found() {
    finds("toy-split-brain", "register", "pauses", &["stale-read", "non-linearizable"]);
}

#[test]
fn duplicate_application_is_found_in_a_set() {
    finds("toy-duplicate-apply", "set", "none", &["duplicate-element"]);
}

#[test]
fn duplicate_application_is_found_in_registers() {
    finds("toy-duplicate-apply", "register", "none", &["stale-read", "non-linearizable"]);
}

#[test]
fn half_transfers_are_found_in_a_bank() {
    finds("toy-partial-transfers", "bank", "none", &["partial-write"]);
}

#[test]
fn half_transactions_are_found_in_pairs() {
    finds("toy-partial-transfers", "pairs", "none", &["partial-write"]);
}

#[test]
fn deletes_that_are_taken_back_are_found() {
    finds("toy-resurrected-deletes", "register-deletes", "none", &["resurrected-delete"]);
}

/// A run of a minute that is judged while it goes on: its judgement, its notes, and how long it
/// took.
fn followed(database: &str, workload: &str, nemesis: &str, limit: &str) -> Option<Followed> {
    if !agent_is_there() {
        return None;
    }
    let bench = Bench::new();
    let results = bench.results();
    let begin = Instant::now();
    let names = ["--database", database, "--workload", workload, "--nemesis", nemesis];
    let mut words = vec!["test", "--online", "--cluster", "processes", "--seed", "5", "--json"];
    words.extend(names);
    words.extend(["--time-limit", limit, "--results", results.to_str().unwrap()]);
    let ended = bench.perjury(&words);
    let took = begin.elapsed();
    let judgement: Judgement = serde_json::from_value(ended.json()["judgement"].clone()).unwrap();
    assert_eq!(judgement.compromised, None, "{}", ended.stderr);
    let code = if judgement.verdict == Verdict::Invalid { 1 } else { 0 };
    ended.expect(code, &["report"]);
    let run = bench.latest();
    assert!(run.join("report.html").is_file() && run.join("nodes/n1/toy.log").is_file());
    let spec = std::fs::read_to_string(run.join("run.toml")).unwrap();
    assert!(spec.contains("online = true"), "{spec}");
    let history = perjury_history::read_file(&run.join("history.jsonl.zst")).unwrap();
    let notes = history.entries.into_iter().filter_map(|entry| match entry.event {
        perjury_history::Event::Note(note) => Some(note),
        _ => None,
    });
    Some(Followed { judgement, notes: notes.collect(), took })
}

struct Followed {
    judgement: Judgement,
    notes: Vec<String>,
    took: Duration,
}

#[test]
fn a_run_that_is_judged_while_it_goes_on_ends_with_the_first_anomaly() {
    for (database, workload, nemesis) in [
        ("toy-stale-reads", "register", "none"),
        ("toy-lost-writes", "set", "none"),
        ("toy-lost-writes", "register", "none"),
        ("toy-duplicate-apply", "set", "none"),
        ("toy-split-brain", "register", "pauses"),
    ] {
        let Some(run) = followed(database, workload, nemesis, "60s") else { return };
        assert_eq!(run.judgement.verdict, Verdict::Invalid, "{database}");
        let ended = run.notes.iter().any(|note| note.starts_with("the load was ended: "));
        assert!(ended, "{database}: {:?}", run.notes);
        assert!(run.took < Duration::from_secs(40), "{database}: {:?}", run.took);
    }
}

#[test]
fn a_clean_run_that_is_judged_while_it_goes_on_comes_to_its_end() {
    for (workload, nemesis) in [("register", "crashes"), ("set", "pauses")] {
        let Some(run) = followed("toy", workload, nemesis, "6s") else { return };
        assert_eq!(run.judgement.verdict, Verdict::Valid, "{}", run.judgement.sentence);
        assert!(run.took >= Duration::from_secs(6));
        let spoke = run.notes.iter().any(|note| note.contains("the load was ended"));
        let failed = run.notes.iter().any(|note| note.contains("not judged"));
        assert!(!spoke && !failed, "{:?}", run.notes);
    }
}

#[test]
fn the_same_seed_asks_the_same_of_the_clients() {
    if !agent_is_there() {
        return;
    }
    let bench = Bench::new();
    let first_calls = |_| {
        judge(&bench, "toy", "set", "none", "77");
        let history =
            perjury_history::read_file(&bench.latest().join("history.jsonl.zst")).unwrap();
        let calls = history.entries.into_iter().filter_map(|entry| match entry.event {
            perjury_history::Event::Invoke { call, .. } => Some(without_run(call)),
            _ => None,
        });
        calls.take(200).collect::<Vec<_>>()
    };
    assert_eq!(first_calls(1), first_calls(2));
}

/// A seal is of one run; what the seed decides is which write it is of.
fn without_run(call: Call) -> Call {
    match call {
        Call::Add { key, element: Value::Text(text) } => {
            let write = Seal::parse(&text).unwrap().write;
            Call::Add { key, element: Value::Int(i64::try_from(write).unwrap()) }
        }
        other => other,
    }
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The toy nodes that run with a configuration below the temporary folder of this user.
fn toy_nodes() -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let text = String::from_utf8_lossy(&line).replace('\0', " ");
        count += usize::from(text.contains("toy-node") && text.contains("perjury-processes-"));
    }
    count
}

fn start(bench: &Bench) -> std::process::Child {
    let results = bench.results();
    let child = bench
        .command(&[
            "test",
            "--cluster",
            "processes",
            "--database",
            "toy",
            "--workload",
            "register",
            "--nemesis",
            "pauses",
            "--time-limit",
            "60s",
            "--results",
            results.to_str().unwrap(),
        ])
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_for("a load", || {
        let history = results.join("latest/history.jsonl");
        std::fs::metadata(history).is_ok_and(|meta| meta.len() > 50_000)
    });
    child
}

/// Somebody else has the port of a node.
#[test]
fn a_toy_that_does_not_start_is_recorded_and_reported() {
    if !agent_is_there() {
        return;
    }
    let bench = Bench::new();
    let taken = std::net::TcpListener::bind("127.77.0.2:7077").unwrap();
    let results = bench.results();
    let words = ["test", "--cluster", "processes", "--database", "toy", "--time-limit", "2s"];
    let more = ["--json", "--results", results.to_str().unwrap()];
    let ended = bench.perjury(&[&words[..], &more].concat());
    drop(taken);
    let why = ["toy did not come up", "n2: toy exited with", "Address already in use"];
    ended.expect(3, &why).expect(3, &["report", "repeat with"]);
    assert_eq!(ended.json()["exit"], 3);
    let report = bench.failed_before_its_load(&why);
    let logs = &report[report.find("id=\"logs\"").unwrap()..];
    assert!(logs.contains("toy.log") && logs.contains("Address already in use"));
    assert_eq!(toy_nodes(), 0);
}

#[test]
fn ctrl_c_heals_collects_judges_and_reports() {
    if !agent_is_there() {
        return;
    }
    let bench = Bench::new();
    let mut child = start(&bench);
    let pid = child.id().to_string();
    std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let run = bench.latest();
    for file in
        ["report.html", "verdict.json", "history.jsonl.zst", "SHA256SUMS", "nodes/n1/toy.log"]
    {
        assert!(run.join(file).is_file(), "{file}");
    }
    assert_eq!(toy_nodes(), 0);
}

#[test]
fn after_kill_9_of_the_controller_the_nodes_heal_and_the_rest_is_judged() {
    if !agent_is_there() {
        return;
    }
    let bench = Bench::new();
    let mut child = start(&bench);
    assert!(toy_nodes() > 0);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("the nodes to be gone", || toy_nodes() == 0);
    let run = bench.latest();
    assert!(run.join("history.jsonl").is_file());
    let ended = bench.perjury(&["check", run.to_str().unwrap()]);
    // Compromised, since the controller did not live to the end; never a pass.
    ended.expect(3, &["compromised: the controller did not live"]);
    assert!(run.join("report.html").is_file());
}

#[test]
fn bits_turn_over_in_every_second_and_each_is_on_record() {
    if !agent_is_there() {
        return;
    }
    let bench = Bench::new();
    let results = bench.results();
    let words = "test --cluster processes --database toy --nemesis upsets --time-limit 8s --seed 5";
    let mut words: Vec<&str> = words.split(' ').collect();
    words.extend(["--results", results.to_str().unwrap()]);
    // What becomes of the toy with wrong bits in it is not asked here.
    let ended = bench.perjury(&words);
    let text = std::fs::read_to_string(bench.latest().join("corruptions.jsonl"));
    let text = text.unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
    let made: Vec<CorruptionMade> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let times: BTreeSet<u64> = made.iter().map(|one| one.time).collect();
    assert!(times.len() >= 3, "{text}");
    let gaps = times.iter().zip(times.iter().skip(1)).map(|(one, next)| next - one);
    assert!(gaps.clone().all(|gap| gap > 900_000_000), "{:?}", gaps.collect::<Vec<_>>());
    assert_eq!(made.len(), 2 * times.len(), "two in each second");
    assert!(made.iter().all(|one| one.length == 1 && one.before != one.after));
    let places: BTreeSet<&str> = made.iter().map(|one| one.at.as_str()).collect();
    assert!(places.len() > times.len(), "other places each time: {places:?}");
}
