//! What it costs to judge a history while it is made: time, and the memory that is kept, for one
//! register with 20 busy clients, distinct values and 5 % of the operations in doubt. The entries
//! are made on the way, so that the peak memory is the checker's own; each length in a process of
//! its own: `cargo bench -p perjury-checkers --bench online [LARGEST]`.

#![allow(clippy::unwrap_used, reason = "a bench may stop at anything unexpected")]

use std::process::Command;
use std::time::Instant;

use perjury_checkers::{ModelName, Online, Options};
use perjury_history::Verdict;
use perjury_history::{Call, Cause, Entry, Event, Index, Key, NodeName, Outcome, Reply, Value};

const CLIENTS: usize = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [operations, kind] = arguments.as_slice() {
        return measure(operations.parse().unwrap(), kind);
    }
    let largest = arguments.first().map_or(10_000_000, |text| text.parse().unwrap());
    let program = std::env::current_exe().unwrap();
    for kind in ["legal", "stale"] {
        let mut operations: u64 = 10_000;
        while operations <= largest {
            let child = Command::new(&program).args([&operations.to_string(), kind]).status();
            assert!(child.unwrap().success());
            operations *= 10;
        }
    }
}

/// Numbers that look random: splitmix64 (Steele, Lea and Flood 2014).
struct Prng(u64);

impl Prng {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// A register that takes effect at the call, and 20 clients that are always busy.
struct Load {
    prng: Prng,
    key: Key,
    node: NodeName,
    state: Value,
    open: Vec<(u64, Index, Outcome)>,
    process: u64,
    written: i64,
    next: u64,
}

impl Load {
    fn entry(&mut self, event: Event) -> Entry {
        let index = Index(self.next);
        self.next += 1;
        Entry { index, time: 100 * index.0, event }
    }

    fn invoke(&mut self, stale: bool) -> Entry {
        let doubtful = self.prng.below(1000) < 50;
        let (call, reply) = if self.prng.below(2) == 0 {
            let seen = if stale { Value::Int(1) } else { self.state.clone() };
            (Call::Read { key: self.key.clone() }, Reply::Value(seen))
        } else {
            self.written += 1;
            let value = Value::Int(self.written);
            if !doubtful || self.prng.below(2) == 0 {
                self.state = value.clone();
            }
            (Call::Write { key: self.key.clone(), value }, Reply::Done)
        };
        let outcome = match doubtful && !stale {
            true => Outcome::Info(Cause::new("timeout", "")),
            false => Outcome::Ok(reply),
        };
        self.process += 1;
        let (process, node) = (self.process, self.node.clone());
        let entry = self.entry(Event::Invoke { process, node, call });
        self.open.push((process, entry.index, outcome));
        entry
    }

    fn complete(&mut self) -> Entry {
        let at = self.prng.below(self.open.len() as u64) as usize;
        let (process, call, outcome) = self.open.swap_remove(at);
        self.entry(Event::Complete { process, call, outcome, said: None })
    }
}

fn measure(operations: u64, kind: &str) {
    let mut load = Load {
        prng: Prng(1),
        key: Key::from("x"),
        node: NodeName::from("n1"),
        state: Value::Nil,
        open: Vec::new(),
        process: 0,
        written: 0,
        next: 0,
    };
    let mut online = Online::new(Options::new(ModelName::Register));
    let before = peak_kb();
    let begin = Instant::now();
    let mut proved = None;
    for at in 0..operations {
        // From the middle on, every read is stale.
        let entry = load.invoke(kind == "stale" && at >= operations / 2);
        proved = online.push(&entry).unwrap().map(|proof| proof.at);
        if load.open.len() == CLIENTS && proved.is_none() {
            proved = online.push(&load.complete()).unwrap().map(|proof| proof.at);
        }
        if proved.is_some() {
            break;
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    let bytes = (peak_kb() - before) * 1024;
    let ended = online.finish();
    assert_eq!(ended.verdict == Verdict::Invalid, kind == "stale");
    let what = match proved {
        Some(at) => format!("proved at {at} of {}", load.next),
        None => "legal".to_owned(),
    };
    let rate = load.next as f64 / 2.0 / seconds;
    println!(
        "online: {operations} operations, {what}: {seconds:.2} s, {rate:.0} ops/s, {} MB more at \
         the peak, {:.1} bytes an operation; at most {} kept",
        bytes / 1_000_000,
        bytes as f64 / operations as f64,
        ended.most_held
    );
}

/// The most memory that this process ever held, in kB.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
