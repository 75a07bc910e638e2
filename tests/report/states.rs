//! Every state of a run's folder has a report that says what is there and what is not.

use std::fs;

use perjury::store::Environment;
use perjury_history::{Judgement, Verdict};

use crate::run::{Run, environment, hostile, usual};

#[test]
fn the_report_of_a_run_says_what_happened() {
    let page = usual(Verdict::Invalid).page();
    for text in [
        "This is the sentence.",
        "✗",
        "toy · register · partitions",
        "Every read sees the last acknowledged write.",
        "<a href=\"https://toy.example/guarantees\"",
        "Process 5 saw 3 although 7 was there.",
        "write 7",
        "read → 3",
        "◀ in question",
        "3 not shown here",
        "partition (isolate-one): n1 does not hear n2, n3",
        "6 of 6 probes were lost",
        "a majority would be down",
        "connection-refused",
        "exited with 1, by itself",
        "12\u{2009}345",
        "clock skew",
        "0000000000005eed",
        "perjury check results/",
        "/run.toml",
        "1 of 2 took effect",
        "Judged by <bdi>perjury 0.1.0</bdi>.",
    ] {
        assert!(page.contains(text), "{text:?} is missing");
    }
    // The skipped kill has no band; the partition has one in each plot and in the timeline: an old
    // answer makes a plot of ages.
    assert_eq!(page.matches("<g class=\"band f0\"").count(), 5);
    assert_eq!(page.matches("<g class=\"band").count(), 5);
    let sums = "SHA-256 of history.jsonl.zst";
    assert!(page.contains(sums));
}

#[test]
fn every_verdict_has_a_report() {
    let rejudge = |run: &Run, change: fn(&mut Judgement)| {
        let mut judgement = run.folder.judgement().unwrap();
        change(&mut judgement);
        run.folder.write_judgement(&judgement).unwrap();
    };
    for verdict in [Verdict::Valid, Verdict::Unknown, Verdict::Invalid] {
        let page = usual(verdict).page();
        assert!(page.contains(&format!("verdict v-{verdict}")), "{verdict}");
        let compromised = usual(verdict);
        rejudge(&compromised, |all| all.compromised = Some("the agent was lost".into()));
        let page = compromised.page();
        assert!(page.contains("the agent was lost"));
        let class = if verdict == Verdict::Invalid { "invalid" } else { "compromised" };
        assert!(page.contains(&format!("verdict v-{class}")), "{verdict}");
    }
    let outside = usual(Verdict::Invalid);
    rejudge(&outside, |all| all.outside_claim = Some("two of three were down".into()));
    assert!(outside.page().contains("two of three were down"));
}

/// What is done to the folder of a usual run, and what its report then says.
type Case = (&'static str, fn(&mut Run), &'static [&'static str]);

const CASES: [Case; 8] = [
    ("no verdict", |run| drop(fs::remove_file(run.file("verdict.json"))), &["not judged"]),
    (
        "no environment",
        |run| drop(fs::remove_file(run.file("environment.json"))),
        &["Environment unknown", "environment.json is missing"],
    ),
    (
        "no declaration",
        |run| fs::remove_file(run.file("run.toml")).unwrap(),
        &["Declaration unknown", "no readable run.toml"],
    ),
    (
        "broken declaration",
        |run| fs::write(run.file("run.toml"), hostile()).unwrap(),
        &["Declaration unknown"],
    ),
    (
        "changed history",
        |run| fs::write(run.file("history.jsonl.zst"), hostile()).unwrap(),
        &["History unreadable", "SHA-256 is"],
    ),
    (
        "cut history",
        |run| {
            fs::remove_file(run.file("SHA256SUMS")).unwrap();
            let path = run.file("history.jsonl.zst");
            let text = perjury_history::read_bytes(&path).unwrap().0;
            fs::remove_file(path).unwrap();
            fs::write(run.file("history.jsonl"), &text[..text.len() - 9]).unwrap();
        },
        &["Truncated history", "the run was not sealed"],
    ),
    (
        "interrupted",
        |run| {
            let mut environment = environment();
            environment.ended.as_mut().unwrap().interrupted = true;
            run.folder.write_environment(&environment).unwrap();
        },
        &["Interrupted"],
    ),
    (
        "killed",
        |run| {
            let environment = Environment { ended: None, ..environment() };
            run.folder.write_environment(&environment).unwrap();
        },
        &["Not finished"],
    ),
];

#[test]
fn every_state_of_a_folder_has_a_report() {
    for (name, change, expected) in CASES {
        let mut run = usual(Verdict::Valid);
        change(&mut run);
        let page = run.page();
        for text in expected {
            assert!(page.contains(text), "{name}: {text:?} is missing");
        }
        // A published report does not tell where it was made.
        assert!(!page.contains(run.results.path().to_str().unwrap()), "{name}");
    }
    let empty = Run::new();
    assert!(empty.page().contains("No operation ended"));
}
