//! How many operations a second the interpreter can record: a client that answers at once, 100
//! workers, the history on disk; also while another thread judges it. Compared with Jepsen's
//! published 45,000 a second, and its memory at two lengths of the run, which should not differ.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use perjury::databases::{Boxed, Client, Refusal};
use perjury::generators::{FromFn, Limit};
use perjury::runner::{Clock, Connect, Follower, Interpreter, Seen};
use perjury::seed::{Seed, Stream};
use perjury_history::{Call, Cause, Header, Reply, Topology, Value, Writer};

const WORKERS: usize = 100;
const JEPSEN: f64 = 45_000.0;

/// A register that answers at once.
struct Register(Arc<Mutex<Value>>);

impl Client for Register {
    fn invoke<'a>(&'a mut self, call: &'a Call) -> Boxed<'a, Result<Reply, Refusal>> {
        let mut state = self.0.lock().expect("nobody panics");
        let reply = match call {
            Call::Write { value, .. } => {
                *state = value.clone();
                Reply::Done
            }
            _ => Reply::Value(state.clone()),
        };
        Box::pin(async move { Ok(reply) })
    }
}

fn main() {
    for (operations, online) in [(500_000, false), (2_000_000, false), (2_000_000, true)] {
        let (seconds, bytes) = run(operations, online);
        let rate = operations as f64 / seconds;
        println!(
            "interpreter{}: {operations} ops in {seconds:.2} s = {rate:.0} ops/s, {:.1} times \
             Jepsen's {JEPSEN:.0}; {} MB history; peak memory {} MB",
            if online { ", judged meanwhile" } else { "" },
            rate / JEPSEN,
            bytes / 1_000_000,
            peak_kb() / 1000
        );
    }
}

fn run(operations: u64, online: bool) -> (f64, u64) {
    let path = std::env::temp_dir().join(format!("perjury-bench-{}.jsonl", std::process::id()));
    let header = Header::new("bench", "register", Topology::default());
    let writer = Writer::create(&path, &header).expect("the history can be created");
    let state = Arc::new(Mutex::new(Value::Nil));
    let connect: Connect = Arc::new(move |_| {
        let client = Register(Arc::clone(&state));
        Box::pin(async { Ok::<Box<dyn Client>, Cause>(Box::new(client)) })
    });
    // In a thread of its own, which reads what is written.
    let follower = online.then(|| Follower::start(&path).expect("the history can be read"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let begin = Instant::now();
    runtime.expect("a runtime").block_on(async {
        let homes = (0..WORKERS).map(|at| format!("n{}", at % 5 + 1).into()).collect();
        let stream = Seed(1).stream("clients");
        let limit = Duration::from_secs(5);
        let (mut interpreter, _tell) =
            Interpreter::new(writer, Clock::start(), stream, homes, &connect, limit);
        let mut load = Limit::new(FromFn(draw), operations);
        let (_keep, mut stop) = tokio::sync::watch::channel(false);
        interpreter.run(&mut load, &mut stop).await.expect("the load runs");
    });
    let seconds = begin.elapsed().as_secs_f64();
    let seen = follower.as_ref().map(Follower::seen);
    assert!(matches!(seen, None | Some(Seen::Nothing)), "a right history is right: {seen:?}");
    drop(follower);
    let bytes = std::fs::metadata(&path).map_or(0, |meta| meta.len());
    std::fs::remove_file(&path).expect("the history can be removed");
    (seconds, bytes)
}

fn draw(stream: &mut Stream) -> Call {
    let key = "k1".into();
    if stream.one_in(2) {
        Call::Read { key }
    } else {
        // As good as distinct.
        let value = Value::Int(stream.below(1 << 62) as i64);
        Call::Write { key, value }
    }
}

/// The most memory that this process ever held, in kB.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
