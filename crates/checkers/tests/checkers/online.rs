//! The judgement while the history is made is that of the whole history, and no later than need be.

use perjury_checkers::{ModelName, Online, Options, Proof, judge, worst};
use perjury_history::{Call, Cause, Event, History, Index, Outcome, Reply, Value, Verdict};

use crate::every_model::kinds;
use crate::histories::{Made, read, write};
use crate::prng::Prng;
use crate::simulated::Simulated;

struct Told {
    verdict: Verdict,
    proof: Option<Proof>,
    most_held: usize,
}

fn online(history: &History, model: ModelName) -> Told {
    let mut online = Online::new(Options::new(model));
    for entry in &history.entries {
        if let Some(proof) = online.push(entry).unwrap() {
            let proof = Some(proof.clone());
            return Told { verdict: Verdict::Invalid, proof, most_held: 0 };
        }
    }
    let ended = online.finish();
    assert_eq!(ended.proof.is_some(), ended.verdict == Verdict::Invalid);
    Told { verdict: ended.verdict, proof: ended.proof, most_held: ended.most_held }
}

/// Until when the answers have an order, as a judgement of the whole says.
fn explained(history: &History, model: ModelName) -> Option<u64> {
    let findings = judge(history, &Options::new(model));
    findings.iter().find_map(|finding| finding.stats.get("explained-before")?.as_u64())
}

fn offline(history: &History, model: ModelName) -> Verdict {
    worst(&judge(history, &Options::new(model)))
}

/// The history as far as it was known at this time.
fn until(history: &History, time: u64) -> History {
    let mut history = history.clone();
    history.entries.retain(|entry| entry.time <= time);
    history
}

/// The earliest time at which the history is illegal. More of it is not more legal.
fn earliest(history: &History, model: ModelName) -> u64 {
    let mut times: Vec<u64> = history.entries.iter().map(|entry| entry.time).collect();
    times.dedup();
    let legal = |time: &u64| offline(&until(history, *time), model) != Verdict::Invalid;
    times[times.partition_point(legal)]
}

/// A history of so many operations by up to three processes at a time, in which instants may
/// coincide and in which now and then nothing is open.
fn random(
    prng: &mut Prng,
    size: u64,
    mut draw: impl FnMut(&mut Prng) -> (Call, Option<Outcome>),
) -> History {
    let mut made = Made::default();
    let mut open: [Option<(u64, Index, Option<Outcome>)>; 3] = [None, None, None];
    let (mut issued, mut process, mut time) = (0, 0, 0);
    let calm = 1 + prng.below(4);
    while issued < size || open.iter().any(Option::is_some) {
        time += u64::from(prng.below(4) > 0);
        let at = prng.below(3) as usize;
        if let Some((process, index, outcome)) = open[at].take() {
            if let Some(outcome) = outcome {
                made.complete(time, process, index, outcome);
            }
        } else if issued < size && (prng.below(calm) == 0 || open.iter().all(Option::is_none)) {
            let (call, outcome) = draw(prng);
            let index = made.invoke(time, process, call);
            open[at] = Some((process, index, outcome));
            (issued, process) = (issued + 1, process + 1);
        }
    }
    made.history
}

/// Any calls with any answers, of which some fail.
fn anything(model: ModelName) -> impl FnMut(&mut Prng) -> (Call, Option<Outcome>) {
    let kinds = kinds(model);
    move |prng| {
        let (call, outcome) = kinds[prng.below(kinds.len() as u64) as usize].clone();
        match prng.below(12) {
            0 => (call, Some(Outcome::Fail(Cause::new("refused", "")))),
            1 => (call, None),
            _ => (call, outcome),
        }
    }
}

/// Reads and writes of distinct values, most of them right.
fn distinct() -> impl FnMut(&mut Prng) -> (Call, Option<Outcome>) {
    let mut written = 0;
    move |prng| {
        if prng.below(2) == 0 {
            let seen = match written - prng.below(4) as i64 {
                value if value > 0 => Value::Int(value),
                _ => Value::Nil,
            };
            return (read("x"), Some(Outcome::Ok(Reply::Value(seen))));
        }
        written += 1;
        let outcome = match prng.below(6) {
            0 => Outcome::Info(Cause::new("timeout", "")),
            1 => Outcome::Fail(Cause::new("refused", "")),
            _ => Outcome::Ok(Reply::Done),
        };
        (write("x", written), Some(outcome))
    }
}

#[track_caller]
fn assert_agrees(history: &History, model: ModelName) -> Verdict {
    let wanted = offline(history, model);
    let told = online(history, model);
    let lines: Vec<String> = history.entries.iter().map(|entry| format!("{entry:?}")).collect();
    let shown = || format!("{model}:\n{}\n{:#?}", lines.join("\n"), told.proof);
    assert_eq!(told.verdict, wanted, "{}", shown());
    if let Some(proof) = &told.proof {
        let time = |at: Index| history.entries[at.0 as usize].time;
        // That takes many judgements, so not of every history.
        if history.entries.len() > 16 || history.entries.len().is_multiple_of(4) {
            let first = earliest(history, model);
            assert_eq!(time(proof.at), first, "{}", shown());
            if model != ModelName::Set {
                assert_eq!(explained(history, model), Some(first), "{}", shown());
            }
        }
        assert!(!proof.anomaly.witnesses.is_empty(), "{}", shown());
        let known = |at: &Index| time(*at) <= time(proof.at);
        assert!(proof.anomaly.witnesses.iter().all(known), "{}", shown());
        // What is cited was there.
        let calls =
            history.entries.iter().filter(|entry| matches!(entry.event, Event::Invoke { .. }));
        let calls: Vec<Index> = calls.map(|entry| entry.index).collect();
        assert!(proof.anomaly.witnesses.iter().all(|at| calls.contains(at)), "{}", shown());
    }
    wanted
}

/// As it is when the file of a run breaks off anywhere.
fn cut(history: &mut History, prng: &mut Prng) {
    if prng.below(2) == 0 {
        history.entries.truncate(prng.below(history.entries.len() as u64 + 1) as usize);
    }
}

/// The models that are simulated here. Of the others all is kept and judged at the end.
fn simulated() -> impl Iterator<Item = ModelName> {
    use ModelName::{Bank, FencedLock, Log, MutableSet, PriorityQueue, Stack};
    let kept = |model: &ModelName| {
        let named = matches!(model, Stack | PriorityQueue | Log | FencedLock | MutableSet | Bank);
        named || model.has_owners()
    };
    ModelName::ALL.into_iter().filter(move |model| !kept(model))
}

#[test]
fn ten_thousand_random_histories_of_every_model_are_judged_as_a_whole_is() {
    for model in simulated() {
        let mut prng = Prng(41);
        let mut draw = anything(model);
        let mut legal = 0;
        for round in 0..10_000 {
            let mut history = random(&mut prng, 1 + round % 8, &mut draw);
            cut(&mut history, &mut prng);
            legal += u64::from(assert_agrees(&history, model) != Verdict::Invalid);
        }
        assert!(legal > 1_000 && legal < 9_000, "{model}: {legal}");
    }
}

#[test]
fn registers_of_distinct_values_are_judged_without_a_window() {
    let mut prng = Prng(7);
    let mut legal = 0;
    for round in 0..10_000 {
        let mut history = random(&mut prng, 1 + round % 30, distinct());
        cut(&mut history, &mut prng);
        legal += u64::from(assert_agrees(&history, ModelName::Register) == Verdict::Valid);
    }
    assert!(legal > 1_000 && legal < 9_000, "{legal}");
}

/// Long histories of an object that is right but for one answer, with calls in doubt and moments
/// at which nothing is open.
#[test]
fn one_wrong_answer_in_a_long_history_is_found_when_it_is_given() {
    for model in simulated() {
        let mut prng = Prng(3);
        let (mut legal, mut most) = (0, 0);
        for round in 0..120 {
            let mut object = Simulated::new(model);
            let history = object.history(&mut prng, 60 + round % 100, round % 2 == 0);
            let verdict = assert_agrees(&history, model);
            legal += u64::from(verdict != Verdict::Invalid);
            if verdict == Verdict::Valid {
                most = most.max(online(&history, model).most_held);
            }
        }
        println!("{model}: {legal} legal, {most} were held");
        assert!((60..115).contains(&legal), "{model}: {legal}");
        // What a dequeue in doubt took can be anything, and of a set every element is kept.
        let bounded =
            !matches!(model, ModelName::Set | ModelName::Queue | ModelName::UnorderedQueue);
        assert!(!bounded || most < 60, "{model}: {most} were held");
    }
}

#[test]
fn memory_is_bounded_by_what_is_open_though_nothing_is_ever_quiet() {
    let mut made = Made::default();
    let mut open = Vec::new();
    let mut state = Value::Nil;
    let mut prng = Prng(9);
    for round in 0..30_000_u64 {
        if open.len() == 20 {
            let at = prng.below(20) as usize;
            let (process, call, outcome) = open.swap_remove(at);
            made.complete(10 * round, process, call, outcome);
        }
        let doubtful = prng.below(200) == 0;
        let (call, reply) = match round % 2 {
            0 => (read("x"), Reply::Value(state.clone())),
            _ => {
                if !doubtful {
                    state = Value::Int(round as i64);
                }
                (write("x", round as i64), Reply::Done)
            }
        };
        let outcome = match doubtful {
            true => Outcome::Info(Cause::new("timeout", "")),
            false => Outcome::Ok(reply),
        };
        let index = made.invoke(10 * round + 1, round, call);
        open.push((round, index, outcome));
    }
    let told = online(&made.history, ModelName::Register);
    assert_eq!(told.verdict, Verdict::Valid);
    // 75 writes in doubt, 20 open operations, and twice what is needed of the rest.
    assert!(told.most_held < 400, "{}", told.most_held);
}
