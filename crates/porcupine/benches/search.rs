//! Times the search: `cargo bench -p perjury-porcupine --bench search [FOLDER...]` takes the
//! histories of folders with an `EXPECTED.tsv`; without arguments those in `tests/data` and
//! generated ones. CPU time of one thread, wall-clock time on two. Standard library only.

#![allow(clippy::unwrap_used, reason = "a test may stop at anything unexpected")]

#[path = "../tests/load/cas.rs"]
mod cas;
#[path = "../tests/load/mod.rs"]
mod load;
#[path = "../tests/corpus/parse.rs"]
mod parse;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cas::{CasOp, Mix, cas};
use load::register::{RegisterOp, make_stale, register};
use perjury_porcupine::models::{CasRegister, Kv, KvAppend, KvInput, KvOutput, Register};
use perjury_porcupine::models::{RegisterInput, RegisterOutput, Seen};
use perjury_porcupine::{Budget, Model, Operation, Search, check_within, decide};

/// Clients, operations, and how many of a thousand get no answer.
const REGISTERS: [(u64, u64, u64); 16] = [
    (5, 10_000, 0),
    (5, 50_000, 0),
    (5, 100_000, 0),
    (5, 200_000, 0),
    (10, 1_000, 0),
    (10, 10_000, 0),
    (10, 20_000, 0),
    (10, 50_000, 0),
    (15, 1_000, 0),
    (15, 5_000, 0),
    (15, 10_000, 0),
    (20, 100, 0),
    (20, 1_000, 0),
    (20, 1_000, 10),
    (20, 1_500, 10),
    (30, 20_000, 50),
];

/// As above, judged with a stale read in the middle.
const STALE: [(u64, u64, u64); 7] = [
    (10, 5_000, 0),
    (10, 5_000, 10),
    (5, 5_000, 10),
    (10, 5_000, 100),
    (5, 20_000, 100),
    (15, 5_000, 10),
    (20, 1_000, 10),
];

const SEEDS: std::ops::RangeInclusive<u64> = 1..=5;

fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    if !given.is_empty() {
        return given.iter().for_each(|folder| measure_folder(Path::new(folder)));
    }
    measure_folder(&own.join("etcd"));
    measure_folder(&own.join("kv"));
    for (clients, count, lost) in REGISTERS {
        let name = format!("register, {clients} clients, {count} ops, {lost} permille lost");
        row(&name, &Register(0), |seed| register(seed, clients, count, lost), Some(true));
    }
    for (clients, count, lost) in STALE {
        let name = format!("  with a stale read, {clients} clients, {count} ops, {lost} permille");
        let made = |seed| {
            let mut history = register(seed, clients, count, lost);
            make_stale(&mut history);
            history
        };
        row(&name, &Register(0), made, Some(false));
    }
    for count in [50, 100, 200, 1_000, 5_000] {
        for (values, lost) in [(0, 0), (5, 0), (5, 50)] {
            measure_cas(Mix { clients: 20, count, lost, values });
        }
    }
    measure_cas(Mix { clients: 10, count: 5_000, lost: 10, values: 0 });
    measure_cas(Mix { clients: 10, count: 5_000, lost: 100, values: 0 });
    measure_cas(Mix { clients: 10, count: 5_000, lost: 10, values: 5 });
    row("map, 20 clients, 1000 keys, 100000 ops, 10 permille", &Kv::default(), keys, Some(true));
}

fn measure_cas(mix: Mix) {
    let Mix { clients, count, lost, values } = mix;
    let name = format!("CAS mix, {clients} clients, {count} ops, {values} values, {lost} permille");
    row(&name, &CasRegister(0), |seed| cas(seed, mix), Some(true));
    let stale = |seed| -> Vec<CasOp> {
        let mut history = cas(seed, mix);
        cas::make_stale(&mut history, 77_777);
        history
    };
    row("  with a stale read", &CasRegister(0), stale, Some(false));
}

/// A register's history with each operation on one of a thousand keys.
fn keys(seed: u64) -> Vec<Operation<KvInput<u64, u64>, KvOutput<u64>>> {
    let mut values = vec![None; 1_000];
    let mut prng = load::prng::Prng(seed);
    let mut begun = false;
    let on_a_key = |operation: RegisterOp| {
        let key = prng.below(1_000);
        let value = &mut values[key as usize];
        let (input, output) = match operation.input {
            RegisterInput::Read => (KvInput::Get(key), KvOutput::Got(Seen::Value(*value))),
            RegisterInput::Write(new) => {
                // Lost ones that never take effect come first, before everything else.
                begun |= !operation.is_indeterminate();
                if begun {
                    *value = Some(new);
                }
                (KvInput::Put(key, new), KvOutput::Put)
            }
        };
        let Operation { client, call, ret, output: answered, .. } = operation;
        match answered {
            Some(RegisterOutput::Read(_) | RegisterOutput::Written) => {
                Operation::completed(client, input, output, call, ret)
            }
            None => Operation::indeterminate(client, input, call),
        }
    };
    register(seed, 20, 100_000, 10).into_iter().map(on_a_key).collect()
}

struct Run {
    cpu: Duration,
    wall: Duration,
    states: u64,
    peak: u64,
    legal: Option<bool>,
}

fn budget(threads: usize) -> Budget {
    Budget {
        bytes: Some(1 << 30),
        threads: NonZeroUsize::new(threads),
        ..Budget::time(Duration::from_secs(10))
    }
}

/// The fastest of several runs, of as many as take a tenth of a second; the machine is shared.
fn run<M>(model: &M, history: &[Operation<M::Input, M::Output>], threads: usize) -> Run
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync,
    M::Output: Sync,
{
    let start = Instant::now();
    let mut best = run_once(model, history, threads);
    for _ in 1..20 {
        if start.elapsed() > Duration::from_millis(100) {
            break;
        }
        let again = run_once(model, history, threads);
        best.cpu = best.cpu.min(again.cpu);
        best.wall = best.wall.min(again.wall);
    }
    // The system counts CPU time in ticks; a run that is shorter was hardly interrupted.
    if best.wall < Duration::from_millis(20) {
        best.cpu = best.wall;
    }
    best
}

fn run_once<M>(model: &M, history: &[Operation<M::Input, M::Output>], threads: usize) -> Run
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync,
    M::Output: Sync,
{
    let meter = budget(threads).start();
    let (cpu, start) = (cpu_time(), Instant::now());
    let answer = check_within(model, history, &meter);
    let (wall, cpu) = (start.elapsed(), cpu_time() - cpu);
    let legal = match answer {
        Search::Linearizable(_) => Some(true),
        Search::Illegal(_) => Some(false),
        Search::Exhausted { .. } => None,
    };
    Run { cpu, wall, states: meter.states(), peak: meter.peak_bytes(), legal }
}

/// CPU time of this thread, where the system tells.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split_whitespace().next().and_then(|word| word.parse().ok());
    Duration::from_nanos(first.unwrap_or(0))
}

/// Prints what histories of one kind take: for each seed CPU time on one thread; of the worst also
/// wall-clock time on two, and the most configurations and bytes.
fn row<M>(
    name: &str,
    model: &M,
    make: impl Fn(u64) -> Vec<Operation<M::Input, M::Output>>,
    legal: Option<bool>,
) where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync,
    M::Output: Sync,
{
    let only = std::env::var("ONLY").unwrap_or_default();
    if !name.contains(&only) {
        return;
    }
    let mut runs = Vec::new();
    for seed in SEEDS {
        let history = make(seed);
        let one = run(model, &history, 1);
        let two = run(model, &history, 2);
        for found in [one.legal, two.legal] {
            assert!(found.is_none() || found == legal, "{name}, seed {seed}");
        }
        if std::env::var_os("DETAIL").is_some() {
            println!(
                "  seed {seed}: {:?} {} / {:?} {}",
                one.wall, one.states, two.wall, two.states
            );
        }
        runs.push((one, two));
    }
    let gave_up = runs.iter().filter(|(one, two)| one.legal.is_none() || two.legal.is_none());
    let gave_up = match gave_up.count() {
        0 => String::new(),
        some => format!("  GAVE UP {some}"),
    };
    runs.sort_by_key(|(one, _)| one.cpu);
    let wall = runs.iter().map(|(_, two)| two.wall).max().unwrap();
    let states = runs.iter().map(|(one, _)| one.states).max().unwrap();
    let peak = runs.iter().map(|(one, two)| one.peak.max(two.peak)).max().unwrap();
    let (median, worst) = (runs[runs.len() / 2].0.cpu, runs[runs.len() - 1].0.cpu);
    println!(
        "{name}: {median:.2?}, worst {worst:.2?}, two threads {wall:.2?}, {states} states, \
         {:.1} MB{gave_up}",
        peak as f64 / 1e6
    );
}

fn measure_folder(folder: &Path) {
    let (mut total, mut total_decided) = (Duration::ZERO, Duration::ZERO);
    let mut slowest: Vec<(Duration, Duration, u64, PathBuf)> = Vec::new();
    for (file, legal) in parse::expected(folder) {
        let (run, decided) = measure_file(&file);
        assert_eq!(run.legal, Some(legal), "{}", file.display());
        total += run.cpu;
        total_decided += decided;
        slowest.push((run.cpu, decided, run.states, file));
    }
    slowest.sort_by(|a, b| b.cmp(a));
    let (folder, files) = (folder.display(), slowest.len());
    println!("{folder}: {files} files, search {total:.2?}, with paths {total_decided:.2?}");
    for (time, decided, states, file) in slowest.iter().take(5) {
        let file = file.display();
        println!("  {time:>10.2?} {states:>9} configurations {decided:>10.2?} with paths  {file}");
    }
    println!("  {:>10.2?} median", slowest[slowest.len() / 2].0);
}

/// The search alone, and what the front door takes, which has the polynomial paths too.
fn measure_file(file: &Path) -> (Run, Duration) {
    let text = std::fs::read_to_string(file).unwrap();
    let is_log = file.extension().is_some_and(|extension| extension == "log");
    if is_log {
        let history = parse::jepsen_log(&text);
        (run(&CasRegister(None), &history, 1), front_door(&CasRegister(None), &history))
    } else {
        let history = parse::kv_log(&text);
        (run(&KvAppend::default(), &history, 1), front_door(&KvAppend::default(), &history))
    }
}

/// The fastest of twenty, by the clock: these are short.
fn front_door<M>(model: &M, history: &[Operation<M::Input, M::Output>]) -> Duration
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync,
    M::Output: Sync,
{
    let once = |_| {
        let start = Instant::now();
        let decision = decide(model, history, &budget(1));
        let time = start.elapsed();
        assert!(!matches!(decision.answer, Search::Exhausted { .. }));
        time
    };
    (0..20).map(once).min().unwrap()
}
