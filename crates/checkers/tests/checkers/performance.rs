//! How long a judgement takes; printed, not asserted. Run with `--nocapture`.

use std::time::Instant;

use perjury_checkers::{ModelName, Options, judge, worst};
use perjury_history::{Cause, Event, History, Outcome, Reply, Value, Verdict};

use crate::histories::{Made, read, write};
use crate::prng::Prng;

/// Calls of 20 clients on these registers, each taking effect when it is called; one in a thousand
/// is never answered.
fn load(operations: u64, keys: u64) -> History {
    let mut prng = Prng(3);
    let mut made = Made::default();
    let mut states = vec![Value::Nil; keys as usize];
    let mut open: Vec<Option<(u64, perjury_history::Index, Reply)>> =
        (0..20).map(|_| None).collect();
    let (mut time, mut process, mut issued) = (0, 20, 0);
    while issued < operations || open.iter().any(Option::is_some) {
        time += 10_000;
        let client = prng.below(20) as usize;
        if let Some((process, index, reply)) = open[client].take() {
            made.complete(time, process, index, Outcome::Ok(reply));
            continue;
        }
        if issued == operations {
            continue;
        }
        issued += 1;
        let key = prng.below(keys);
        let state = &mut states[key as usize];
        let (call, reply) = match prng.below(2) {
            0 => (read(&key.to_string()), Reply::Value(state.clone())),
            _ => {
                *state = Value::Int(issued as i64);
                (write(&key.to_string(), state.clone()), Reply::Done)
            }
        };
        process += 1;
        let index = made.invoke(time, process, call);
        if prng.below(1000) == 0 {
            let cause = Cause::new("timeout", "");
            made.complete(time, process, index, Outcome::Info(cause));
        } else {
            open[client] = Some((process, index, reply));
        }
    }
    made.history
}

fn timed(name: &str, history: &History, wanted: Verdict) {
    let begin = Instant::now();
    let findings = judge(history, &Options::new(ModelName::Register));
    println!("{name}: {:.2} s, {} entries", begin.elapsed().as_secs_f64(), history.entries.len());
    assert_eq!(worst(&findings), wanted, "{findings:#?}");
}

#[test]
fn two_hundred_thousand_operations() {
    let mut many = load(200_000, 1000);
    timed("1000 registers, legal", &many, Verdict::Valid);
    let mut one = load(20_000, 1);
    timed("1 register of 20000 operations, legal", &one, Verdict::Valid);
    for (history, name) in
        [(&mut many, "1000 registers, illegal"), (&mut one, "1 register, illegal")]
    {
        let late = history.entries.len() * 9 / 10;
        for entry in &mut history.entries[late..] {
            if let Event::Complete { outcome: Outcome::Ok(Reply::Value(value)), .. } =
                &mut entry.event
            {
                *value = Value::Nil;
            }
        }
        timed(name, history, Verdict::Invalid);
    }
}
