//! A budget ends a search in time, with evidence, and never in a verdict that was not proven.

#![allow(clippy::unwrap_used, reason = "a test may stop at anything unexpected")]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use perjury_porcupine::models::{
    Kv, KvInput, KvOutput, Register, RegisterInput, RegisterOutput, Seen,
};
use perjury_porcupine::{
    Budget, Evidence, Meter, Model, Operation, Progress, Reason, Search, check, check_within,
};

type RegisterOp = Operation<RegisterInput<u64>, RegisterOutput<u64>>;

fn write(value: u64, call: u64, ret: u64) -> RegisterOp {
    Operation::completed(0, RegisterInput::Write(value), RegisterOutput::Written, call, ret)
}

/// A register that does not tell the search what its writes are.
struct Taciturn;

impl Model for Taciturn {
    type State = u64;
    type Input = RegisterInput<u64>;
    type Output = RegisterOutput<u64>;
    fn init(&self) -> u64 {
        0
    }
    fn step(&self, state: &u64, input: &Self::Input, output: Option<&Self::Output>) -> Option<u64> {
        Register(0).step(state, input, output)
    }
}

/// Writes that all overlap, then a read of a value that nobody wrote: the search has to try every
/// set of them, which takes longer than any budget here.
fn hopeless() -> Vec<RegisterOp> {
    let read = RegisterOutput::Read(Seen::Value(999));
    (1..=30)
        .map(|i| write(i, 0, 100))
        .chain([Operation::completed(0, RegisterInput::Read, read, 200, 300)])
        .collect()
}

fn exhausted(answer: Search) -> (Reason, Evidence) {
    match answer {
        Search::Exhausted { reason, evidence } => (reason, evidence),
        other => panic!("not exhausted: {other:?}"),
    }
}

#[test]
fn time_is_obeyed() {
    let start = Instant::now();
    let budget = Budget::time(Duration::from_millis(100));
    let (reason, evidence) = exhausted(check(&Taciturn, &hopeless(), &budget));
    let elapsed = start.elapsed();
    assert_eq!(reason, Reason::Time);
    assert_eq!(evidence.partitions[0].progress, Progress::Unfinished);
    assert!(elapsed >= Duration::from_millis(100));
    // 50 ms are promised; machines that run tests stall for longer.
    assert!(elapsed < Duration::from_secs(1), "{elapsed:?}");
}

#[test]
fn states_are_obeyed_and_evidence_is_kept() {
    let budget = Budget { states: Some(10_000), ..Budget::default() };
    let meter = budget.start();
    let history = hopeless();
    let (reason, evidence) = exhausted(check_within(&Taciturn, &history, &meter));
    assert_eq!(reason, Reason::States);
    assert!((10_000..10_600).contains(&meter.states()), "{}", meter.states());
    let part = &evidence.partitions[0];
    assert_eq!(part.operations.len(), history.len());
    // All writes in some order, and then the read that nothing allows.
    assert_eq!(part.partials[0].len(), 30);
    assert_eq!(part.blocked, Some(30));
    assert_eq!(evidence.blocked().count(), 0, "nobody is accused without a proof");
}

#[test]
fn the_cache_forgets_rather_than_give_up() {
    // Of 15 writes that overlap, 15 * 2^14 configurations; in the least budget, a few thousand.
    let mut history = hopeless();
    history.drain(15..30);
    let states = |bytes| {
        let meter = Budget { bytes, threads: NonZeroUsize::new(1), ..Budget::default() }.start();
        assert!(check_within(&Taciturn, &history, &meter).is_illegal());
        assert_eq!(meter.bytes(), 0, "what the search held is given back");
        assert!(bytes.is_none_or(|bytes| meter.peak_bytes() <= bytes), "{}", meter.peak_bytes());
        meter.states()
    };
    let enough = states(None);
    assert_eq!(enough, 15 << 14);
    assert_eq!(states(Some(64 << 20)), enough);
    let forgetful = states(Some(4 << 20));
    assert!(forgetful > enough, "it had to enter configurations twice: {forgetful}");
}

#[test]
fn the_heap_of_states_counts() {
    /// A register whose states claim to be large.
    struct Large;
    impl Model for Large {
        type State = u64;
        type Input = RegisterInput<u64>;
        type Output = RegisterOutput<u64>;
        fn init(&self) -> u64 {
            0
        }
        fn step(
            &self,
            state: &u64,
            input: &Self::Input,
            output: Option<&Self::Output>,
        ) -> Option<u64> {
            Register(0).step(state, input, output)
        }
        fn heap_bytes(&self, _: &u64) -> usize {
            1 << 20
        }
    }
    let history: Vec<_> = (0..1_000).map(|i| write(i, 2 * i, 2 * i + 1)).collect();
    let budget = Budget { bytes: Some(100 << 20), ..Budget::default() };
    assert_eq!(exhausted(check(&Large, &history, &budget)).0, Reason::Bytes);
    assert!(check(&Register(0), &history, &budget).is_linearizable());
}

#[test]
fn another_thread_can_cancel() {
    let cancel = Arc::new(AtomicBool::new(false));
    let budget = Budget { cancel: cancel.clone(), ..Budget::default() };
    let searcher = thread::spawn(move || check(&Taciturn, &hopeless(), &budget));
    thread::sleep(Duration::from_millis(50));
    cancel.store(true, Relaxed);
    let start = Instant::now();
    assert_eq!(exhausted(searcher.join().unwrap()).0, Reason::Cancelled);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_cancelled_check_does_not_start() {
    let budget = Budget { cancel: Arc::new(AtomicBool::new(true)), ..Budget::default() };
    let (reason, evidence) = exhausted(check(&Taciturn, &hopeless(), &budget));
    assert_eq!(reason, Reason::Cancelled);
    assert_eq!(evidence.partitions[0].progress, Progress::NotStarted);
}

/// A model whose steps take for ever, and which gives up with a wrong answer when it is told to.
struct Slow(Meter, Option<u64>);

impl Model for Slow {
    type State = u64;
    type Input = ();
    type Output = ();
    fn init(&self) -> u64 {
        0
    }
    fn step(&self, _: &u64, (): &(), _: Option<&()>) -> Option<u64> {
        while !self.0.exceeded() {
            thread::sleep(Duration::from_millis(1));
        }
        self.1
    }
}

#[test]
fn a_slow_model_may_give_up_with_any_answer() {
    let history = [Operation::completed(0, (), (), 0, 1)];
    for wrong in [None, Some(7)] {
        let meter = Budget::time(Duration::from_millis(20)).start();
        let model = Slow(meter.clone(), wrong);
        assert_eq!(exhausted(check_within(&model, &history, &meter)).0, Reason::Time);
    }
}

type KvOp = Operation<KvInput<u64, u64>, KvOutput<u64>>;

/// A store that does not tell the search what its puts are.
struct TaciturnKv;

impl Model for TaciturnKv {
    type State = Option<u64>;
    type Input = KvInput<u64, u64>;
    type Output = KvOutput<u64>;
    fn init(&self) -> Option<u64> {
        None
    }
    fn step(
        &self,
        state: &Option<u64>,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Option<u64>> {
        Kv::default().step(state, input, output)
    }
    fn partition(&self, history: &[KvOp]) -> Vec<Vec<usize>> {
        Kv::default().partition(history)
    }
}

fn key_with_hopeless_search(key: u64) -> Vec<KvOp> {
    let put = |i| Operation::completed(i, KvInput::Put(key, i), KvOutput::Put, 0, 100);
    let got = KvOutput::Got(Seen::Value(Some(999)));
    let get = Operation::completed(0, KvInput::Get(key), got, 200, 300);
    (1..=30).map(put).chain([get]).collect()
}

#[test]
fn an_illegal_partition_stops_the_others() {
    let mut history = key_with_hopeless_search(1);
    let got = KvOutput::Got(Seen::Value(Some(5)));
    history.push(Operation::completed(0, KvInput::Get(2), got, 0, 1));
    let budget = Budget { threads: NonZeroUsize::new(2), ..Budget::default() };
    let Search::Illegal(evidence) = check(&TaciturnKv, &history, &budget) else {
        panic!("nobody put 5");
    };
    assert_eq!(evidence.blocked().collect::<Vec<_>>(), [31]);
    assert_eq!(evidence.partitions[1].progress, Progress::Illegal);
    assert_ne!(evidence.partitions[0].progress, Progress::Linearizable);
}

#[test]
fn an_illegal_partition_is_illegal_although_the_budget_ran_out() {
    let mut history = key_with_hopeless_search(1);
    let got = KvOutput::Got(Seen::Value(Some(5)));
    history.insert(0, Operation::completed(0, KvInput::Get(2), got, 0, 1));
    let one = Budget { threads: NonZeroUsize::new(1), states: Some(1_000), ..Budget::default() };
    assert!(check(&TaciturnKv, &history, &one).is_illegal());
}

struct Broken;

impl Model for Broken {
    type State = ();
    type Input = u64;
    type Output = ();
    fn init(&self) {}
    fn step(&self, (): &(), input: &u64, _: Option<&()>) -> Option<()> {
        assert!(*input != 3, "a bug in the model");
        Some(())
    }
    fn partition(&self, history: &[Operation<u64, ()>]) -> Vec<Vec<usize>> {
        (0..history.len()).map(|index| vec![index]).collect()
    }
}

#[test]
#[should_panic(expected = "a bug in the model")]
fn a_panic_of_the_model_reaches_the_caller() {
    let history: Vec<_> = (0..8).map(|i| Operation::completed(i, i, (), 0, 1)).collect();
    let budget = Budget { threads: NonZeroUsize::new(2), ..Budget::default() };
    let _ = check(&Broken, &history, &budget);
}

/// A model whose partition is what a test says.
struct Parts(Vec<Vec<usize>>);

impl Model for Parts {
    type State = ();
    type Input = ();
    type Output = ();
    fn init(&self) {}
    fn step(&self, (): &(), (): &(), _: Option<&()>) -> Option<()> {
        Some(())
    }
    fn partition(&self, _: &[Operation<(), ()>]) -> Vec<Vec<usize>> {
        self.0.clone()
    }
}

#[test]
fn a_partition_that_is_none_is_a_bug_of_the_model() {
    let history = [Operation::completed(0, (), (), 0, 1), Operation::completed(0, (), (), 2, 3)];
    let run = |parts: &[&[usize]]| {
        let model = Parts(parts.iter().map(|part| part.to_vec()).collect());
        thread::spawn(move || check(&model, &history, &Budget::default())).join()
    };
    assert!(run(&[&[0], &[1]]).unwrap().is_linearizable());
    assert!(run(&[&[0]]).is_err(), "loses 1");
    assert!(run(&[&[0, 1], &[1]]).is_err(), "repeats 1");
    assert!(run(&[&[0, 1, 2]]).is_err(), "invents 2");
}

#[test]
fn a_millisecond_is_enough_to_give_up_ten_million_operations() {
    let operation = |i: u64| {
        // Not in order, so that there is something to sort.
        let call = 10 * (i ^ 0x2_aaaa);
        Operation::completed(
            i % 20,
            RegisterInput::Write(i),
            RegisterOutput::Written,
            call,
            call + 50,
        )
    };
    let history: Vec<RegisterOp> = (0..10_000_000).map(operation).collect();
    let keyed: Vec<KvOp> = history
        .iter()
        .map(|op| {
            Operation::completed(0, KvInput::Put(op.call % 1000, 1), KvOutput::Put, op.call, op.ret)
        })
        .collect();
    for limit in [1, 30, 100, 300] {
        let budget = Budget::time(Duration::from_millis(limit));
        let within = |judge: &dyn Fn() -> Search| {
            let start = Instant::now();
            assert_eq!(exhausted(judge()).0, Reason::Time);
            let elapsed = start.elapsed();
            eprintln!("{limit} ms: {elapsed:?}");
            // 50 ms are promised; machines that run tests stall for longer.
            assert!(elapsed < Duration::from_millis(limit + 1_000), "{limit} ms: {elapsed:?}");
        };
        within(&|| check(&Register(0), &history, &budget));
        within(&|| check(&Kv::default(), &keyed, &budget));
    }
}
