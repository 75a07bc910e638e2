//! The relaxed specifications against their definitions, on small random histories: every order of
//! every choice of what is in doubt is tried.

use perjury_checkers::relaxed::{Answer, Specification, Strength, strength};
use perjury_checkers::{ModelName, Options, judge, worst};
use perjury_history::{Cause, History, Index, Outcome, Reply, Value, Verdict, pair};

use crate::histories::{Made, read, write};
use crate::prng::Prng;

/// One operation; the value 0 is the initial one.
#[derive(Clone, Debug)]
struct Op {
    process: u64,
    key: usize,
    start: u64,
    end: Option<u64>,
    writes: bool,
    value: i64,
}

/// A history of up to three processes on so many registers, with distinct written values.
fn history(prng: &mut Prng, size: u64, registers: u64) -> History {
    let mut made = Made::default();
    let mut open: Vec<Option<(Index, Outcome)>> = vec![None, None, None];
    let mut processes = [0, 1, 2];
    let (mut issued, mut time, mut next) = (0, 0, 3);
    while issued < size || open.iter().any(Option::is_some) {
        time += u64::from(prng.below(5) > 0);
        let at = prng.below(3) as usize;
        if let Some((index, outcome)) = open[at].take() {
            let doubt = matches!(outcome, Outcome::Info(_));
            made.complete(time, processes[at], index, outcome);
            if doubt {
                (processes[at], next) = (next, next + 1);
            }
        } else if issued < size {
            issued += 1;
            let name = ["x", "y"][prng.below(registers) as usize];
            let (call, outcome) = if prng.below(2) == 0 {
                let doubt = prng.below(6) == 0;
                let info = Outcome::Info(Cause::new("timeout", ""));
                let outcome = if doubt { info } else { Outcome::Ok(Reply::Done) };
                (write(name, issued as i64), outcome)
            } else {
                let seen = match prng.below(size + 1) as i64 {
                    0 => Value::Nil,
                    value => Value::Int(value),
                };
                (read(name), Outcome::Ok(Reply::Value(seen)))
            };
            open[at] = Some((made.invoke(time, processes[at], call), outcome));
        }
    }
    made.history
}

fn ops(history: &History) -> Vec<Op> {
    let number = |value: &Value| if let Value::Int(number) = value { *number } else { 0 };
    let operations = pair(&history.entries).unwrap();
    let op = |operation: &perjury_history::Operation| {
        let value = match (&operation.call, operation.outcome()) {
            (perjury_history::Call::Write { value, .. }, _) => number(value),
            (_, Some(Outcome::Ok(Reply::Value(value)))) => number(value),
            other => panic!("{other:?}"),
        };
        Op {
            process: operation.process,
            key: usize::from(operation.call.key().unwrap().as_str() == "y"),
            start: operation.start,
            end: operation.end(),
            writes: matches!(operation.call, perjury_history::Call::Write { .. }),
            value,
        }
    };
    operations.iter().map(op).collect()
}

/// Is there an order of these, each after all that `before` says and with any choice of those in
/// doubt, of which `good` holds?
fn exists(all: &[Op], before: &dyn Fn(&Op, &Op) -> bool, good: &dyn Fn(&[&Op]) -> bool) -> bool {
    fn extend<'a>(
        order: &mut Vec<&'a Op>,
        rest: &mut Vec<&'a Op>,
        before: &dyn Fn(&Op, &Op) -> bool,
        good: &dyn Fn(&[&Op]) -> bool,
    ) -> bool {
        if rest.iter().all(|op| op.end.is_none()) && good(order) {
            return true;
        }
        for at in 0..rest.len() {
            let next = rest[at];
            let waits = |other: &&&Op| other.end.is_some() && before(other, next);
            if rest.iter().any(|other| waits(&other)) || order.iter().any(|done| before(next, done))
            {
                continue;
            }
            rest.remove(at);
            order.push(next);
            if extend(order, rest, before, good) {
                return true;
            }
            order.pop();
            rest.insert(at, next);
        }
        false
    }
    extend(&mut Vec::new(), &mut all.iter().collect(), before, good)
}

fn real_time(first: &Op, second: &Op) -> bool {
    first.end.is_some_and(|end| end < second.start)
}

/// Does each read see one of the last `k` values of its register?
fn fresh(order: &[&Op], k: usize) -> bool {
    order.iter().enumerate().all(|(at, read)| {
        if read.writes {
            return true;
        }
        let past = order[..at].iter().rev().filter(|op| op.writes && op.key == read.key);
        past.map(|op| op.value).chain([0]).take(k).any(|value| value == read.value)
    })
}

fn atomic(all: &[Op], k: usize, late: u64) -> bool {
    let mut all = all.to_vec();
    for op in all.iter_mut().filter(|op| !op.writes) {
        op.start = op.start.saturating_sub(late);
    }
    exists(&all, &real_time, &|order| fresh(order, k))
}

fn sequential(all: &[Op]) -> bool {
    let program = |a: &Op, b: &Op| a.process == b.process && a.start < b.start;
    // Two operations of one process may have one start only if they are at one instant.
    let ties = all
        .iter()
        .enumerate()
        .any(|(at, a)| all[at + 1..].iter().any(|b| a.process == b.process && a.start == b.start));
    assert!(!ties);
    exists(all, &program, &|order| fresh(order, 1))
}

/// MWR1: each read alone; and of a safe register only those that overlap no write.
fn regular(all: &[Op], safe: bool) -> bool {
    all.iter().filter(|op| !op.writes).all(|read| {
        let of = |op: &&Op| op.writes && op.key == read.key;
        let overlaps = |write: &Op| !real_time(write, read) && !real_time(read, write);
        if safe && all.iter().filter(of).any(overlaps) {
            return true;
        }
        let mut part: Vec<Op> = all.iter().filter(of).cloned().collect();
        part.push(read.clone());
        exists(&part, &real_time, &|order| fresh(order, 1))
    })
}

/// Which guarantees: read your writes, monotonic reads, monotonic writes, writes follow reads.
fn sessions(all: &[Op], asked: [bool; 4]) -> bool {
    (0..2).all(|key| {
        let part: Vec<&Op> = all.iter().filter(|op| op.key == key).collect();
        let writes: Vec<Op> = part
            .iter()
            .filter(|op| op.writes)
            .map(|op| Op { end: Some(0), ..(*op).clone() })
            .collect();
        exists(&writes, &|_, _| false, &|order| {
            let place = |op: &Op| match op.value {
                0 => Some(0),
                value => order.iter().position(|write| write.value == value).map(|at| at + 1),
            };
            part.iter().all(|second| {
                let Some(later) = place(second) else { return false };
                let earlier = part
                    .iter()
                    .filter(|op| op.process == second.process && op.start < second.start);
                earlier.into_iter().all(|first| {
                    let matters = match (first.writes, second.writes) {
                        (true, false) => asked[0],
                        (false, false) => asked[1],
                        (true, true) => asked[2],
                        (false, true) => asked[3],
                    };
                    !matters || place(first).is_some_and(|place| place <= later)
                })
            })
        })
    })
}

fn by_definition(all: &[Op], of: Specification) -> bool {
    match of {
        Specification::Linearizable => atomic(all, 1, 0),
        Specification::TwoAtomic => (0..2).all(|key| {
            let part: Vec<Op> = all.iter().filter(|op| op.key == key).cloned().collect();
            atomic(&part, 2, 0)
        }),
        Specification::Regular => regular(all, false),
        Specification::Safe => regular(all, true),
        Specification::Sequential => sequential(all),
        Specification::AllSessions => sessions(all, [true; 4]),
        Specification::MonotonicWrites => sessions(all, [false, true, true, false]),
        Specification::WritesFollowReads => sessions(all, [false, true, false, true]),
        Specification::ReadYourWrites => sessions(all, [true, false, false, false]),
        Specification::MonotonicReads => sessions(all, [false, true, false, false]),
    }
}

fn found(history: &History) -> Strength {
    strength(history, &Options::new(ModelName::Register)).unwrap()
}

#[test]
fn every_specification_is_judged_by_its_definition() {
    let mut prng = Prng(23);
    let mut counts = [[0_u32; 2]; 10];
    for round in 0..9_000 {
        let registers = 1 + u64::from(round % 3 == 0);
        let history = history(&mut prng, 2 + round % 5, registers);
        let all = ops(&history);
        if all.iter().any(|a| all.iter().any(|b| a.process == b.process && a.end == Some(b.start)))
        {
            continue;
        }
        let strength = found(&history);
        for (at, (of, answer)) in strength.answers.iter().enumerate() {
            let expected = by_definition(&all, *of);
            counts[at][usize::from(expected)] += 1;
            let right = match answer {
                Answer::Holds => expected,
                Answer::Broken(_) => !expected,
                Answer::Unknown(_) => false,
            };
            assert!(right, "{} {expected} {answer:?} {all:#?}", of.name());
        }
        let linear = judge(&history, &Options::new(ModelName::Register));
        let holds = strength.answer(Specification::Linearizable) == Some(&Answer::Holds);
        assert_eq!(worst(&linear) == Verdict::Valid, holds, "{all:#?}");
    }
    assert!(counts.iter().all(|[broken, holds]| *broken > 300 && *holds > 300), "{counts:?}");
}

#[test]
fn the_least_delay_and_the_versions_are_those_of_the_definitions() {
    let mut prng = Prng(29);
    let mut late = 0;
    for round in 0..4_000 {
        let history = history(&mut prng, 2 + round % 5, 1);
        let all = ops(&history);
        let strength = found(&history);
        let expected = (0..40).find(|late| atomic(&all, 1, *late));
        assert_eq!(strength.delay, expected, "{all:#?}");
        late += usize::from(expected.is_some_and(|late| late > 0));
        let least = (1..8).find(|k| atomic(&all, *k, 0));
        match (strength.versions, least) {
            (Some((low, high)), Some(least)) => {
                assert!(low <= least && least <= high, "{low} {least} {high} {all:#?}");
                assert!(least > 2 || low == high, "{all:#?}");
            }
            (versions, least) => assert_eq!(versions.is_none(), least.is_none(), "{all:#?}"),
        }
    }
    assert!(late > 100, "{late}");
}

#[test]
fn the_strongest_are_named_and_what_cannot_be_judged_is_said() {
    let mut made = Made::default();
    let done = || Outcome::Ok(Reply::Done);
    let first = made.invoke(0, 0, write("x", 1));
    made.complete(1, 0, first, done());
    let second = made.invoke(2, 1, read("x"));
    made.complete(3, 1, second, Outcome::Ok(Reply::Value(Value::Nil)));
    let strength = found(&made.history);
    let strongest = strength.strongest();
    assert_eq!(strongest, [Specification::TwoAtomic, Specification::Sequential]);
    assert_eq!((strength.delay, strength.versions), (Some(1), Some((2, 2))));
    let third = made.invoke(4, 2, write("x", 1));
    made.complete(5, 2, third, done());
    let options = Options::new(ModelName::Register);
    let error = super::relaxed::strength(&made.history, &options).unwrap_err();
    assert_eq!(error, "1 was written twice, or is the initial value");
}
