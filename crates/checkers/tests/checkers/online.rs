//! The judgement while the history is made is that of the whole history, and no later than need be.

use perjury_checkers::{ModelName, Online, Options, Proof, judge, worst};
use perjury_history::{
    AnomalyKind, Call, Cause, Entry, Event, Finding, History, Index, Operation, Outcome, Reply,
    Value, Verdict, pair,
};

use crate::every_model::kinds;
use crate::histories::{Made, key, read, write};
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

fn offline(history: &History, model: ModelName) -> Verdict {
    worst(&judge(history, &Options::new(model)))
}

/// The history as far as it was known before this time, or at it.
fn known(history: &History, within: impl Fn(u64) -> bool) -> History {
    let mut history = history.clone();
    history.entries.retain(|entry| within(entry.time));
    history
}

/// The history is illegal since this time. More of it is not more legal, so two judgements tell.
#[track_caller]
fn assert_since(history: &History, model: ModelName, first: u64, shown: &dyn Fn() -> String) {
    let at = offline(&known(history, |time| time <= first), model);
    assert_eq!(at, Verdict::Invalid, "{}", shown());
    let before = offline(&known(history, |time| time < first), model);
    assert_ne!(before, Verdict::Invalid, "{}", shown());
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
    let findings = judge(history, &Options::new(model));
    let wanted = worst(&findings);
    let told = online(history, model);
    let lines: Vec<String> = history.entries.iter().map(|entry| format!("{entry:?}")).collect();
    let shown = || format!("{model}:\n{}\n{:#?}", lines.join("\n"), told.proof);
    assert_eq!(told.verdict, wanted, "{}", shown());
    if let Some(proof) = &told.proof {
        let time = |at: Index| history.entries[at.0 as usize].time;
        // That takes many judgements, so not of every history.
        if history.entries.len() > 16 || history.entries.len().is_multiple_of(4) {
            let first = time(proof.at);
            assert_since(history, model, first, &shown);
            if model != ModelName::Set {
                let until = |one: &Finding| one.stats.get("explained-before")?.as_u64();
                assert_eq!(findings.iter().find_map(until), Some(first), "{}", shown());
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
        if proof.anomaly.kind == AnomalyKind::PhantomValue {
            assert!(!was_written(history, proof), "{}", shown());
        }
    }
    wanted
}

/// Was the value that a register is said to be read with written to it by then, for all that is
/// known? Of a set or a collection nothing is said here.
fn was_written(history: &History, proof: &Proof) -> bool {
    let operations = pair(&history.entries).unwrap();
    let cited = |one: &&Operation| proof.anomaly.witnesses.contains(&one.invoked);
    let read = operations.iter().filter(cited).find_map(|one| match one.outcome() {
        Some(Outcome::Ok(Reply::Value(value))) => Some((one, value)),
        _ => None,
    });
    let Some((read, value)) = read else { return false };
    let (key, end) = (read.call.key(), read.end().unwrap_or(u64::MAX));
    operations.iter().filter(|one| one.start <= end).any(|one| match &one.call {
        Call::Write { value: to, .. } | Call::Cas { to, .. } => {
            one.call.key() == key
                && to == value
                && !matches!(
                    one.outcome(),
                    Some(Outcome::Fail(_) | Outcome::Ok(Reply::Swapped(false)))
                )
        }
        _ => false,
    })
}

/// As it is when the file of a run breaks off anywhere.
fn cut(history: &mut History, prng: &mut Prng) {
    if prng.below(2) == 0 {
        history.entries.truncate(prng.below(history.entries.len() as u64 + 1) as usize);
    }
}

/// Those that are judged entry by entry. A bank is judged as a whole.
fn models() -> impl Iterator<Item = ModelName> {
    ModelName::ALL.into_iter().filter(|model| *model != ModelName::Bank)
}

/// The models that are simulated here. Of the others all is kept and judged at the end.
fn simulated() -> impl Iterator<Item = ModelName> {
    models().filter(|model| *model != ModelName::MutableSet && !model.has_owners())
}

#[test]
fn ten_thousand_random_histories_of_every_model_are_judged_as_a_whole_is() {
    for model in models() {
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
        for round in 0..40 {
            let mut object = Simulated::new(model);
            let history = object.history(&mut prng, 60 + 5 * (round % 20), round % 2 == 0);
            let verdict = assert_agrees(&history, model);
            legal += u64::from(verdict != Verdict::Invalid);
            if verdict == Verdict::Valid {
                most = most.max(online(&history, model).most_held);
            }
        }
        println!("{model}: {legal} legal, {most} were held");
        assert!((20..39).contains(&legal), "{model}: {legal}");
        // What a dequeue in doubt took can be anything, and of sets and logs everything is kept.
        use ModelName::{Log, PriorityQueue, Queue, Set, Stack, UnorderedQueue};
        let bounded = !matches!(model, Set | Log | Queue | UnorderedQueue | Stack | PriorityQueue);
        assert!(!bounded || most < 60, "{model}: {most} were held");
    }
}

/// Objects of three clients on which nothing is ever quiet: every model forgets all the same.
#[test]
fn what_is_settled_is_forgotten_though_nothing_is_ever_quiet() {
    use ModelName::{FencedLock, Kv, Log, PriorityQueue, Queue, Set, Stack, UnorderedQueue};
    for model in simulated() {
        // Elements that come again take a search of any length, here and of the whole.
        let size = match model {
            UnorderedQueue => 120,
            Queue | Stack | PriorityQueue | Log | FencedLock => 200,
            _ => 600,
        };
        let is_queue = matches!(model, Queue | UnorderedQueue | Stack | PriorityQueue);
        let mut prng = Prng(23);
        let (mut most, mut illegal) = (0, 0);
        for round in 0..12 {
            let wrong = round % 2 == 0;
            let history = Simulated::busy(model).history(&mut prng, size, wrong);
            let told = online(&history, model);
            let wanted = match (wrong, is_queue) {
                // Each call took effect in between.
                (false, _) => Verdict::Valid,
                // What was dequeued had never been enqueued.
                (true, true) => Verdict::Invalid,
                (true, false) => offline(&history, model),
            };
            assert_eq!(told.verdict, wanted, "{model} {round}");
            illegal += u32::from(wanted == Verdict::Invalid);
            most = most.max(told.most_held);
        }
        println!("{model}: at most {most} of {size} operations were held, {illegal} were illegal");
        assert!(illegal > 0, "{model}");
        // Elements and entries are kept; what a dequeue in doubt took can be anything.
        let bound = match model {
            Set | Log => size as usize,
            Stack => 160,
            Kv => 240,
            _ => 100,
        };
        assert!(most < bound, "{model}: {most} were held");
    }
}

/// Gives a call of the second half the answer of another one of its kind, which may even be right.
fn exchange(history: &mut History, prng: &mut Prng) {
    let kind = |at: Index| match &history.entries[at.0 as usize].event {
        Event::Invoke { call: call @ Call::Txn { .. }, .. } => format!("{call:?}"),
        Event::Invoke { call, .. } => format!("{:?}", std::mem::discriminant(call)),
        _ => panic!("{at} is no call"),
    };
    let answered = |(place, entry): (usize, &Entry)| match &entry.event {
        Event::Complete { call, outcome: Outcome::Ok(reply), .. } => {
            Some((place, kind(*call), reply.clone()))
        }
        _ => None,
    };
    let answered: Vec<_> = history.entries.iter().enumerate().filter_map(answered).collect();
    let half = answered.len() / 2;
    let (place, kind, own) = &answered[half + prng.below(half as u64) as usize];
    let others = answered.iter().filter(|(_, other, reply)| other == kind && reply != own);
    let others: Vec<&Reply> = others.map(|(.., reply)| reply).collect();
    if others.is_empty() {
        return;
    }
    let other = others[prng.below(others.len() as u64) as usize].clone();
    if let Event::Complete { outcome, .. } = &mut history.entries[*place].event {
        *outcome = Outcome::Ok(other);
    }
}

/// Long enough for moments in the past to be looked for, and wrong in ways that only the state
/// tells.
#[test]
fn busy_histories_with_an_answer_of_another_call_are_judged_as_a_whole_is() {
    for model in simulated() {
        let mut prng = Prng(59);
        let mut illegal = 0;
        for round in 0..50 {
            let granted = model == ModelName::Mutex;
            let mut history = Simulated::busy(model).history(&mut prng, 40 + round % 50, granted);
            exchange(&mut history, &mut prng);
            let wanted = offline(&history, model);
            let told = online(&history, model);
            assert_eq!(told.verdict, wanted, "{model} {round}: {:#?}", told.proof);
            illegal += u32::from(wanted == Verdict::Invalid);
        }
        println!("{model}: {illegal} of 50 were illegal");
        assert!((3..=47).contains(&illegal), "{model}: {illegal}");
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

/// Left out, the acquire would make its release look wrong.
#[test]
fn an_acquire_that_was_answered_without_a_token_is_not_judged() {
    let mut made = Made::default();
    for (time, call) in
        [Call::Acquire { key: key("l") }, Call::Release { key: key("l") }].into_iter().enumerate()
    {
        let at = made.invoke(2 * time as u64, 0, call);
        made.complete(2 * time as u64 + 1, 0, at, Outcome::Ok(Reply::Done));
    }
    assert_eq!(offline(&made.history, ModelName::FencedLock), Verdict::Unknown);
    assert_eq!(offline(&made.history, ModelName::Mutex), Verdict::Valid);
    let mut online = Online::new(Options::new(ModelName::FencedLock));
    let refused = made.history.entries.iter().find_map(|entry| online.push(entry).err());
    assert_eq!(refused.as_deref(), Some("#1 is no answer to #0"));
}
