//! Times the search on one thread: `cargo bench -p perjury-porcupine --bench search [FOLDER...]`
//! takes the histories of a folder with an `EXPECTED.tsv`; without arguments those in `tests/data`,
//! and generated ones of one register. Standard library only.

#![allow(clippy::unwrap_used, reason = "a test may stop at anything unexpected")]

#[path = "../tests/load/mod.rs"]
mod load;
#[path = "../tests/corpus/parse.rs"]
mod parse;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use perjury_porcupine::models::{CasRegister, KvAppend, Register};
use perjury_porcupine::{Budget, Search, check_within};

/// Clients, operations, and how many of a thousand get no answer.
const LOADS: [(u64, u64, u64); 12] = [
    (5, 10_000, 0),
    (5, 200_000, 0),
    (10, 10_000, 0),
    (10, 50_000, 0),
    (15, 1_000, 0),
    (15, 10_000, 0),
    (20, 100, 0),
    (20, 1_000, 0),
    (20, 1_000, 10),
    (10, 5_000, 0),
    (10, 5_000, 10),
    (5, 5_000, 10),
];

fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let folders = if given.is_empty() {
        for (clients, operations, lost) in LOADS {
            measure_load(clients, operations, lost);
        }
        vec![own.join("etcd"), own.join("kv")]
    } else {
        given.iter().map(PathBuf::from).collect()
    };
    for folder in folders {
        let mut total = Duration::ZERO;
        let mut slowest = Vec::new();
        for (file, legal) in parse::expected(&folder) {
            let (time, states, found) = measure(&file);
            assert_eq!(found, legal, "{}", file.display());
            total += time;
            slowest.push((time, states, file));
        }
        slowest.sort_by(|a, b| b.cmp(a));
        println!("{}: {} files, {total:.2?}", folder.display(), slowest.len());
        for (time, states, file) in slowest.iter().take(5) {
            println!("  {time:>10.2?} {states:>9} configurations  {}", file.display());
        }
        println!("  {:>10.2?} median", slowest[slowest.len() / 2].0);
    }
}

/// Prints what generated histories of one register take, with ten seconds for each.
fn measure_load(clients: u64, operations: u64, lost: u64) {
    // The last loads are judged with a lie in them.
    let lie = operations == 5_000;
    let kind = if lie { ", one stale read" } else { "" };
    print!("{clients} clients, {operations} operations, {lost} permille lost{kind}:");
    for seed in 1..=5 {
        let mut history = load::register::register(seed, clients, operations, lost);
        if lie {
            load::register::make_stale(&mut history);
        }
        let meter = Budget {
            bytes: Some(8 << 30),
            threads: NonZeroUsize::new(1),
            ..Budget::time(Duration::from_secs(10))
        }
        .start();
        let start = Instant::now();
        let answer = check_within(&Register(0), &history, &meter);
        let time = start.elapsed();
        assert!(!answer.is_illegal() || lie);
        let known = matches!(answer, Search::Linearizable(_) | Search::Illegal(_));
        let known = if known { "" } else { " gave up" };
        print!("  {time:.2?} ({}){known}", meter.states());
    }
    println!();
}

/// Time, configurations visited, and whether the history is linearizable.
fn measure(file: &Path) -> (Duration, u64, bool) {
    let text = std::fs::read_to_string(file).unwrap();
    let budget = Budget { threads: NonZeroUsize::new(1), ..Budget::default() };
    let meter = budget.start();
    let is_log = file.extension().is_some_and(|extension| extension == "log");
    let (start, answer);
    if is_log {
        let history = parse::jepsen_log(&text);
        start = Instant::now();
        answer = check_within(&CasRegister(None), &history, &meter);
    } else {
        let history = parse::kv_log(&text);
        start = Instant::now();
        answer = check_within(&KvAppend::default(), &history, &meter);
    }
    let time = start.elapsed();
    assert!(!matches!(answer, Search::Exhausted { .. }));
    (time, meter.states(), answer.is_linearizable())
}
