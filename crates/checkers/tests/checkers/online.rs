//! The judgement while the history is made is that of the whole history.

use perjury_checkers::{ModelName, Online, Options, judge, worst};
use perjury_history::{Cause, History, Outcome, Reply, Value, Verdict};

use crate::histories::{Made, cas, read, write};
use crate::prng::Prng;

fn options() -> Options {
    Options::new(ModelName::CasRegister)
}

/// The verdict, and how many operations were kept.
fn online(history: &History) -> (Verdict, usize) {
    let mut online = Online::new(options()).unwrap();
    for entry in &history.entries {
        if online.push(entry).unwrap().is_some() {
            return (Verdict::Invalid, 0);
        }
    }
    let ended = online.finish();
    assert_eq!(ended.anomaly.is_some(), ended.verdict == Verdict::Invalid);
    (ended.verdict, ended.most_held)
}

/// Two registers, three processes, few values.
fn random(prng: &mut Prng, size: u64) -> History {
    let mut made = Made::default();
    let mut open = [None, None, None];
    let (mut issued, mut process, mut time) = (0, 0, 0);
    while issued < size || open.iter().any(Option::is_some) {
        time += u64::from(prng.below(4) > 0);
        let at = prng.below(3) as usize;
        if let Some((process, index, outcome)) = open[at].take() {
            made.complete(time, process, index, outcome);
        } else if issued < size && (prng.below(3) == 0 || open.iter().all(Option::is_none)) {
            let name = ["x", "y"][prng.below(2) as usize];
            let value = |prng: &mut Prng| match prng.below(3) as i64 {
                0 => Value::Nil,
                other => Value::Int(other),
            };
            let (call, reply) = match prng.below(3) {
                0 => (read(name), Reply::Value(value(prng))),
                1 => (write(name, 1 + prng.below(2) as i64), Reply::Done),
                _ => (cas(name, value(prng), 1), Reply::Swapped(prng.below(2) == 0)),
            };
            let outcome = match prng.below(12) {
                0 => Outcome::Info(Cause::new("timeout", "")),
                1 => Outcome::Fail(Cause::new("refused", "")),
                _ => Outcome::Ok(reply),
            };
            open[at] = Some((process, made.invoke(time, process, call), outcome));
            (issued, process) = (issued + 1, process + 1);
        }
    }
    made.history
}

#[test]
fn the_verdict_is_that_of_the_whole_history() {
    let mut prng = Prng(41);
    let mut legal = 0;
    for round in 0..6_000 {
        let history = random(&mut prng, 1 + round % 9);
        let wanted = worst(&judge(&history, &options()));
        assert_eq!(online(&history).0, wanted, "{:#?}", history.entries);
        legal += usize::from(wanted == Verdict::Valid);
    }
    assert!(legal > 1_000 && legal < 5_000, "{legal}");
}

#[test]
fn memory_is_bounded_and_the_first_anomaly_ends_it() {
    let mut made = Made::default();
    for round in 0..20_000_u64 {
        let time = 10 * round;
        let first = made.invoke(time, 0, write("x", round as i64));
        let second = made.invoke(time + 1, 1, read("x"));
        made.complete(time + 2, 0, first, Outcome::Ok(Reply::Done));
        let seen = Value::Int(round as i64);
        made.complete(time + 3, 1, second, Outcome::Ok(Reply::Value(seen)));
    }
    let (verdict, held) = online(&made.history);
    assert_eq!(verdict, Verdict::Valid);
    assert!(held <= 2, "{held}");
    let entry = &mut made.history.entries[4 * 100 + 3];
    let perjury_history::Event::Complete { outcome, .. } = &mut entry.event else { panic!() };
    *outcome = Outcome::Ok(Reply::Value(3.into()));
    let mut online = Online::new(options()).unwrap();
    let found = made.history.entries.iter().position(|entry| online.push(entry).unwrap().is_some());
    assert_eq!(found, Some(4 * 101), "the first call after the lie");
}
