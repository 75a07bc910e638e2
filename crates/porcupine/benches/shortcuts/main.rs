//! Times the shortcuts on one thread, in CPU time, each load in a process of its own so that its
//! memory can be told: `cargo bench -p perjury-porcupine --bench shortcuts [LARGEST [paths]]`, the
//! second word for the table of all paths alone. Standard library and Linux only.

#![allow(clippy::unwrap_used, reason = "a bench may stop at anything unexpected")]
#![allow(dead_code, reason = "the loads are shared with tests that use others")]

#[path = "../../tests/load/mod.rs"]
mod load;
mod loads;
mod paths;
#[path = "../../tests/load/stream.rs"]
mod stream;

use std::num::NonZeroUsize;
use std::process::Command;
use std::time::{Duration, Instant};

use load::register::make_stale;
use perjury_porcupine::models::Register;
use perjury_porcupine::{Budget, Path, decide, verify};
use stream::stream;

/// Clients, operations, how many of a thousand get no answer, whether one read is stale: what the
/// search takes minutes or gigabytes for.
const HARD: [(u64, u64, u64, bool); 14] = [
    (5, 10_000, 0, false),
    (5, 200_000, 0, false),
    (10, 20_000, 0, false),
    (10, 50_000, 0, false),
    (15, 5_000, 0, false),
    (15, 10_000, 0, false),
    (20, 100, 0, false),
    (20, 1_000, 0, false),
    (20, 1_500, 10, false),
    (10, 5_000, 0, true),
    (10, 5_000, 10, true),
    (5, 5_000, 10, true),
    (30, 200_000, 50, false),
    (30, 200_000, 50, true),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let numbers: Vec<u64> = arguments.iter().filter_map(|text| text.parse().ok()).collect();
    if let [clients, count, lost, stale] = numbers[..] {
        return measure(clients, count, lost, stale == 1);
    }
    if let [number, count] = numbers[..] {
        return paths::measure(number as usize, count);
    }
    let largest = numbers.first().copied().unwrap_or(10_000_000);
    every_path(largest);
    if arguments.iter().any(|word| word == "paths") {
        return;
    }
    println!("one register, 20 clients, 5 % indeterminate, legal");
    let mut points = Vec::new();
    let mut count = 1_000;
    while count <= largest {
        points.push((count as f64, report(20, count, 50, false)));
        count *= 10;
    }
    if let ([(small, fast), ..], [.., (large, slow)]) = (&points[..], &points[..]) {
        let exponent = (slow / fast).ln() / (large / small).ln();
        println!("scaling exponent from {small:.0e} to {large:.0e}: {exponent:.3}");
    }
    println!("what a search takes exponential time for");
    for (clients, count, lost, stale) in HARD {
        report(clients, count, lost, stale);
    }
}

/// A line for each path and size, and each path's scaling exponent from 10^3 operations on.
fn every_path(largest: u64) {
    println!("20 clients, 5 % in doubt where nothing else is said, legal");
    for (number, (name, path, most)) in paths::PATHS.into_iter().enumerate() {
        let (mut first, mut count) = (None, 1_000u64);
        while count <= largest.min(most) {
            let numbers = child(&[number as u64, count]);
            let [seconds, held, peak, others] = numbers[..] else { panic!("four numbers") };
            let per = |amount: f64| amount / count as f64;
            let small = *first.get_or_insert((count as f64, seconds));
            let exponent = (seconds / small.1).ln() / (count as f64 / small.0).ln();
            println!(
                "{name:<22} {path:<10} {count:>9}: {:>9.3} ms, {:>5.0} ns and {:>4.0} bytes an \
                 operation, exponent {exponent:.3}{}",
                seconds * 1e3,
                per(seconds) * 1e9,
                per(peak - held),
                if others > 0.0 { ", NOT BY THIS PATH" } else { "" },
            );
            count *= 10;
        }
    }
}

/// The numbers that another process prints.
fn child(numbers: &[u64]) -> Vec<f64> {
    let arguments = numbers.iter().map(|number| number.to_string());
    let output = Command::new(std::env::current_exe().unwrap()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(|number| number.parse().unwrap()).collect()
}

/// Runs [`measure`] in another process, prints what it says, and returns the seconds.
fn report(clients: u64, count: u64, lost: u64, stale: bool) -> f64 {
    let numbers = child(&[clients, count, lost, u64::from(stale)]);
    let [seconds, verifying, held, peak] = numbers[..] else { panic!("four numbers") };
    let kind = if stale { ", one stale read" } else { "" };
    println!(
        "{clients:>3} clients {count:>9} operations {lost:>3} permille lost{kind}: {:.2?} \
         ({:.0} ns, {:.0} + {:.0} bytes an operation; {:.0} MB in all), verified in {:.2?}",
        Duration::from_secs_f64(seconds),
        seconds / count as f64 * 1e9,
        held / count as f64,
        (peak - held) / count as f64,
        peak / 1e6,
        Duration::from_secs_f64(verifying),
    );
    seconds
}

/// Prints seconds to judge and to verify, and bytes before and at most while judging.
fn measure(clients: u64, count: u64, lost: u64, stale: bool) {
    let load = |seed| {
        let mut history = stream(seed, clients, count, lost);
        if stale {
            make_stale(&mut history);
        }
        history
    };
    let history = load(1);
    let budget = Budget { threads: NonZeroUsize::new(1), ..Budget::default() };
    // Writing 5 makes the kernel forget the peak so far.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let held = status("VmRSS:");
    let mut seconds = cpu();
    let decision = decide(&Register(0), &history, &budget);
    seconds = cpu() - seconds;
    let peak = status("VmHWM:");
    // Other histories each time: the processor learns to predict a short one by heart.
    let rounds = (4_000_000 / count).clamp(1, 5_000);
    let others: Vec<_> = (2..=rounds).map(load).collect();
    let before = cpu();
    for history in &others {
        std::hint::black_box(decide(&Register(0), history, &budget).paths);
    }
    if rounds > 1 {
        seconds = (cpu() - before) / (rounds - 1) as f64;
    }
    assert_eq!(decision.paths, [Path::Shortcut("zones")]);
    assert_eq!(decision.answer.is_illegal(), stale);
    let before = Instant::now();
    if let perjury_porcupine::Search::Linearizable(proof) = &decision.answer {
        assert_eq!(verify(&Register(0), &history, proof), Ok(()));
    }
    println!("{seconds} {} {held} {peak}", before.elapsed().as_secs_f64());
}

/// Seconds that this thread was on a processor.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// A line of `/proc/self/status`, in bytes.
fn status(name: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}
