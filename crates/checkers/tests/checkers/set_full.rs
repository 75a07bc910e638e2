//! The judgement of sets against the definition, on random histories with lies.

use std::collections::BTreeMap;

use perjury_checkers::{ModelName, Options, judge};
use perjury_history::{
    Call, Cause, Finding, History, Operation, Outcome, Reply, Value, Verdict, pair,
};

use crate::histories::{Made, key};
use crate::prng::Prng;

fn random(prng: &mut Prng) -> History {
    let mut made = Made::default();
    let mut open: Vec<(u64, perjury_history::Index, Call)> = Vec::new();
    let (mut time, mut process) = (0, 0);
    let mut held: Vec<Value> = Vec::new();
    for _ in 0..6 + prng.below(20) {
        time += prng.below(2);
        if open.is_empty() || (open.len() < 3 && prng.below(2) == 0) {
            let call = match prng.below(2) {
                0 => Call::ReadAll { key: key("s") },
                _ => Call::Add { key: key("s"), element: Value::Int(prng.below(6) as i64) },
            };
            if let Call::Add { element, .. } = &call
                && prng.below(8) != 0
                && !held.contains(element)
            {
                held.push(element.clone());
            }
            process += 1;
            open.push((process, made.invoke(time, process, call.clone()), call));
            continue;
        }
        let (process, index, call) = open.swap_remove(prng.below(open.len() as u64) as usize);
        let cause = || Cause::new("c", "");
        let outcome = match (&call, prng.below(12)) {
            (_, 0) => Outcome::Info(cause()),
            (_, 1) => Outcome::Fail(cause()),
            (Call::Add { .. }, _) => Outcome::Ok(Reply::Done),
            (_, 2) => Outcome::Ok(Reply::Unknown),
            _ => {
                let mut elements = held.clone();
                match prng.below(9) {
                    0 => drop(elements.pop()),
                    1 if !elements.is_empty() => elements.push(elements[0].clone()),
                    2 => elements.push(Value::Int(prng.below(7) as i64)),
                    _ => {}
                }
                Outcome::Ok(Reply::Elements(elements))
            }
        };
        made.complete(time, process, index, outcome);
    }
    made.history
}

#[derive(Debug, Default, PartialEq)]
struct Counts {
    lost: u64,
    stale: u64,
    duplicated: u64,
    phantom: u64,
    acknowledged: u64,
    never_read: u64,
}

/// Word for word what the checker promises, with no regard to speed.
fn naive(operations: &[Operation]) -> Counts {
    let mut counts = Counts::default();
    for element in (0..7).map(Value::Int) {
        let adds: Vec<&Operation> = operations
            .iter()
            .filter(|operation| {
                matches!(&operation.call, Call::Add { element: added, .. } if *added == element)
            })
            .collect();
        let reads: Vec<(u64, u64, usize)> = operations
            .iter()
            .filter_map(|operation| match operation.outcome() {
                Some(Outcome::Ok(Reply::Elements(list))) => {
                    let shown = list.iter().filter(|shown| **shown == element).count();
                    Some((operation.start, operation.end().unwrap(), shown))
                }
                _ => None,
            })
            .collect();
        let may = |end: u64| {
            let possible = |add: &&&Operation| {
                add.start <= end && !matches!(add.outcome(), Some(Outcome::Fail(_)))
            };
            adds.iter().filter(possible).count()
        };
        let done = |add: &&&Operation| matches!(add.outcome(), Some(Outcome::Ok(_)));
        let acknowledged = adds.iter().any(|add| done(&add));
        counts.acknowledged += u64::from(acknowledged);
        if reads.iter().any(|(_, end, shown)| *shown > 0 && may(*end) == 0) {
            counts.phantom += 1;
            continue;
        }
        counts.duplicated += u64::from(reads.iter().any(|(_, end, shown)| *shown > may(*end)));
        let must = |start: u64| {
            adds.iter().filter(done).any(|add| add.end().unwrap() < start)
                || reads.iter().any(|(_, end, shown)| *shown > 0 && *end < start)
        };
        let missing = |read: &&(u64, u64, usize)| read.2 == 0 && must(read.0);
        let back = |from: u64| {
            reads.iter().any(|(start, _, shown)| *shown > 0 && *start > from && must(*start))
        };
        if reads.iter().filter(missing).any(|read| !back(read.0)) {
            counts.lost += 1;
        } else if reads.iter().any(|read| missing(&read)) {
            counts.stale += 1;
        }
        counts.never_read += u64::from(acknowledged && !reads.iter().any(|read| must(read.0)));
    }
    counts
}

fn counted(finding: &Finding) -> Counts {
    let stats: &BTreeMap<_, _> = &finding.stats;
    let of = |name: &str| stats[name].as_u64().unwrap();
    Counts {
        lost: of("lost"),
        stale: of("stale"),
        duplicated: of("duplicated"),
        phantom: of("phantom"),
        acknowledged: of("acknowledged"),
        never_read: of("never-read"),
    }
}

#[test]
fn random_histories_are_judged_by_the_definition() {
    let mut seen = Counts::default();
    for seed in 0..20_000 {
        let history = random(&mut Prng(seed));
        let operations = pair(&history.entries).unwrap();
        let findings = judge(&history, &Options::new(ModelName::Set));
        let finding = findings.last().unwrap();
        let wanted = naive(&operations);
        assert_eq!(counted(finding), wanted, "seed {seed}: {:#?}", history.entries);
        let wrong = wanted.lost + wanted.stale + wanted.duplicated + wanted.phantom;
        assert_eq!(finding.verdict == Verdict::Invalid, wrong > 0, "seed {seed}: {finding:?}");
        assert_eq!(finding.anomaly_count, wrong);
        assert_eq!(finding.anomalies.len() as u64, wrong);
        for anomaly in &finding.anomalies {
            assert!(anomaly.witnesses.is_sorted() && !anomaly.witnesses.is_empty());
            assert!(anomaly.nodes.len() == 1, "{anomaly:?}");
        }
        seen.lost += wanted.lost;
        seen.stale += wanted.stale;
        seen.duplicated += wanted.duplicated;
        seen.phantom += wanted.phantom;
        seen.never_read += wanted.never_read;
    }
    let Counts { lost, stale, duplicated, phantom, never_read, .. } = seen;
    assert!([lost, stale, duplicated, phantom, never_read].iter().all(|n| *n > 500), "{seen:?}");
}
