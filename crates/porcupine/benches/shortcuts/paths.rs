//! Every path on its load.

use std::num::NonZeroUsize;

use perjury_porcupine::models::{
    CasRegister, Counter, FencedLock, FencedLockOutput, FifoQueue, Kv, KvAppend, Log, MutableSet,
    Mutex, MutexOutput, OwnedFencedLock, OwnedInput, OwnedMutex, PriorityQueue, Set, Stack,
    UnorderedQueue,
};
use perjury_porcupine::{Budget, Model, Operation, Path, PowerSet, Search, decide, verify};

use crate::loads::{self, First};
use crate::{cpu, status};

/// Name, path that must be taken, the most operations that fit into memory.
pub const PATHS: [(&str, &str, u64); 16] = [
    ("swaps", "zones", 10_000_000),
    ("deletes", "gaps", 10_000_000),
    ("lock", "turns", 10_000_000),
    ("fenced lock", "tokens", 10_000_000),
    ("counter, equal steps", "count", 10_000_000),
    ("counter, 5 steps", "count", 10_000_000),
    ("grow-only set", "inclusion", 10_000_000),
    ("mutable set", "turns", 10_000_000),
    ("log", "entries", 10_000_000),
    ("bag", "stays", 10_000_000),
    ("queue", "pairs", 10_000_000),
    ("stack", "nests", 10_000_000),
    ("priority queue", "ranks", 10_000_000),
    ("owned lock", "sections", 10_000_000),
    ("owned fenced lock", "sections", 10_000_000),
    ("strings", "spelling", 10_000_000),
];

/// Measures the path of this number; see [`judge`].
pub fn measure(number: usize, count: u64) {
    let expected = PATHS[number].1;
    let collection = |first, lost| move |seed| loads::collection(seed, count, first, lost);
    let (oldest, latest) = (collection(First::Oldest, (50, 10)), First::Latest);
    match number {
        0 => judge(&CasRegister(0), expected, count, |seed| loads::swaps(seed, count)),
        1 => judge(&Kv::default(), expected, count, |seed| loads::deletes(seed, count)),
        2 => judge(&Mutex, expected, count, |seed| loads::turns(seed, count)),
        3 => judge(&FencedLock, expected, count, |seed| loads::tokens(seed, count)),
        4 => judge(&Counter, expected, count, |seed| loads::adds(seed, count, true)),
        5 => judge(&Counter, expected, count, |seed| loads::adds(seed, count, false)),
        6 => judge(&Set::default(), expected, count, |seed| loads::inclusion(seed, count)),
        7 => judge(&MutableSet::default(), expected, count, |seed| loads::members(seed, count)),
        8 => judge(&Log::default(), expected, count, |seed| loads::entries(seed, count)),
        9 => judge(&PowerSet(UnorderedQueue::default()), expected, count, oldest),
        10 => judge(&FifoQueue::default(), expected, count, oldest),
        11 => judge(&Stack::default(), expected, count, collection(latest, (50, 0))),
        13 => judge(&OwnedMutex::default(), expected, count, |seed| {
            loads::sections(seed, count, |_| MutexOutput::Done)
        }),
        14 => judge(&OwnedFencedLock::default(), expected, count, |seed| {
            let mut token = 0;
            loads::sections(seed, count, |input| match input {
                OwnedInput::Acquire(_) => {
                    token += 1;
                    FencedLockOutput::Granted(token)
                }
                OwnedInput::Release(_) => FencedLockOutput::Released,
            })
        }),
        15 => judge(&KvAppend::default(), expected, count, |seed| loads::texts(seed, count)),
        _ => {
            let least = collection(First::Least, (50, 0));
            judge(&PriorityQueue::default(), expected, count, least);
        }
    }
}

/// Prints seconds to judge, bytes before and at most while judging, and how many of a hundred
/// partitions the search had to judge.
fn judge<M>(
    model: &M,
    expected: &str,
    count: u64,
    load: impl Fn(u64) -> Vec<Operation<M::Input, M::Output>>,
) where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync,
    M::Output: Sync,
{
    let history = load(1);
    let budget = Budget {
        threads: NonZeroUsize::new(1),
        ..Budget::time(std::time::Duration::from_secs(60))
    };
    // Writing 5 makes the kernel forget the peak so far.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let held = status("VmRSS:");
    let mut seconds = cpu();
    let decision = decide(model, &history, &budget);
    seconds = cpu() - seconds;
    let peak = status("VmHWM:");
    let searched = decision.paths.iter().filter(|path| **path == Path::Search).count();
    let others = |path: &&Path| !matches!(path, Path::Shortcut(name) if *name == expected);
    let others = decision.paths.iter().filter(others).count();
    if searched == 0 && others == 0 {
        let Search::Linearizable(proof) = &decision.answer else { panic!("legal") };
        // A step of a log or set copies all of it, one of a bag all that it may hold.
        if count <= 10_000 && expected != "stays" {
            assert_eq!(verify(model, &history, proof), Ok(()));
        }
    }
    drop((decision, history));
    // Other histories each time: the processor learns to predict a short one by heart.
    let rounds = (1_000_000 / count).clamp(1, 300);
    if rounds > 1 {
        seconds = 0.0;
        for seed in 2..=rounds {
            let history = load(seed);
            let before = cpu();
            std::hint::black_box(decide(model, &history, &budget).paths);
            seconds += cpu() - before;
        }
        seconds /= (rounds - 1) as f64;
    }
    println!("{seconds} {held} {peak} {others}");
}
