//! On small histories of every model: the verdict is the definition's, every core is a proof, every
//! legal answer has a certificate that is verified, and nothing illegal has one that is.

use perjury_checkers::{
    Certificate, ModelName, Options, Order, judge_with_certificate, verify, worst,
};
use perjury_history::{
    Call, Cause, History, Index, Key, Micro, Operation, Outcome, Reply, Value, Verdict, pair,
};

use crate::histories::{Made, cas, key, read, write};
use crate::objects;
use crate::prng::Prng;

pub type Kind = (Call, Option<Outcome>);

fn ok(reply: Reply) -> Option<Outcome> {
    Some(Outcome::Ok(reply))
}

fn info() -> Option<Outcome> {
    Some(Outcome::Info(Cause::new("timeout", "")))
}

fn saw(value: impl Into<Value>) -> Option<Outcome> {
    ok(Reply::Value(value.into()))
}

/// Calls that change something: answered, and in doubt.
fn both(call: Call, reply: Reply) -> Vec<Kind> {
    vec![(call.clone(), ok(reply)), (call, info())]
}

/// The models whose verdict is that of the definition: a bank's is not, as nothing is searched.
pub fn searched() -> impl Iterator<Item = ModelName> {
    let limited = ["owned-mutex:2", "owned-fenced-lock:2", "semaphore:2"];
    let limited = limited.map(|word| word.parse().unwrap());
    ModelName::ALL.into_iter().filter(|model| *model != ModelName::Bank).chain(limited)
}

/// What may be asked and answered.
pub fn kinds(model: ModelName) -> Vec<Kind> {
    let x = || key("x");
    let done = || Reply::Done;
    let mut kinds = Vec::new();
    match model {
        ModelName::Register => {
            kinds.extend([(read("x"), saw(Value::Nil)), (read("x"), saw(1)), (read("x"), saw(2))]);
            kinds.extend(both(write("x", 1), done()));
            kinds.extend(both(write("x", 2), done()));
        }
        ModelName::Kv => {
            kinds = self::kinds(ModelName::CasRegister);
            kinds.extend(both(Call::Delete { key: x() }, done()));
        }
        ModelName::CasRegister => {
            kinds = self::kinds(ModelName::Register);
            kinds.extend(both(cas("x", 1, 2), Reply::Swapped(true)));
            kinds.push((cas("x", 2, 1), ok(Reply::Swapped(false))));
        }
        ModelName::KvAppend => {
            let append = |text: &str| Call::Append { key: x(), value: text.into() };
            for text in ["", "a", "b", "ab", "aa"] {
                kinds.push((read("x"), saw(text)));
            }
            kinds.extend(both(append("a"), done()));
            kinds.extend(both(append("b"), done()));
            kinds.extend(both(write("x", "a"), done()));
        }
        ModelName::Set => {
            for shown in [vec![], vec![1], vec![2], vec![2, 1]] {
                let elements = shown.into_iter().map(Value::Int).collect();
                kinds.push((Call::ReadAll { key: x() }, ok(Reply::Elements(elements))));
            }
            for element in [1, 2] {
                kinds.extend(both(Call::Add { key: x(), element: element.into() }, done()));
            }
        }
        ModelName::Counter => {
            for sum in [0, 1, 2, 3, -1] {
                kinds.push((read("x"), saw(sum)));
            }
            kinds.push((read("x"), saw(Value::Nil)));
            for by in [1, 2, -1] {
                kinds.extend(both(Call::Increment { key: x(), by }, done()));
            }
        }
        ModelName::Queue
        | ModelName::UnorderedQueue
        | ModelName::Stack
        | ModelName::PriorityQueue => kinds = queued(),
        ModelName::MutableSet => kinds = members(),
        ModelName::Mutex | ModelName::OwnedMutex(_) | ModelName::Semaphore(_) => {
            kinds.extend(both(Call::Acquire { key: x() }, done()));
            kinds.extend(both(Call::Release { key: x() }, done()));
        }
        ModelName::FencedLock | ModelName::OwnedFencedLock(_) | ModelName::Log => {
            kinds = numbered(model);
        }
        ModelName::MultiRegister => kinds = transactions(),
        ModelName::Bank => {}
    }
    kinds
}

fn queued() -> Vec<Kind> {
    let x = || key("x");
    let dequeue = || Call::Dequeue { key: x() };
    let mut kinds = vec![
        (dequeue(), saw(1)),
        (dequeue(), saw(2)),
        (dequeue(), ok(Reply::Empty)),
        (dequeue(), ok(Reply::Unknown)),
        (dequeue(), info()),
    ];
    for element in [1, 2] {
        kinds.extend(both(Call::Enqueue { key: x(), element: element.into() }, Reply::Done));
    }
    kinds
}

fn members() -> Vec<Kind> {
    let mut kinds = Vec::new();
    for element in [1, 2] {
        let element = || Value::Int(element);
        let add = || Call::Add { key: key("x"), element: element() };
        let remove = || Call::Remove { key: key("x"), element: element() };
        kinds.extend(both(add(), Reply::Done));
        kinds.extend(both(remove(), Reply::Done));
        for truth in [true, false] {
            kinds.push((add(), ok(Reply::Changed(truth))));
            kinds.push((remove(), ok(Reply::Changed(truth))));
            let call = Call::Contains { key: key("x"), element: element() };
            kinds.push((call, ok(Reply::Contains(truth))));
        }
    }
    kinds
}

/// What is answered with tokens or positions.
fn numbered(model: ModelName) -> Vec<Kind> {
    let x = || key("x");
    let mut kinds = Vec::new();
    if model != ModelName::Log {
        for token in 0..4 {
            kinds.push((Call::Acquire { key: x() }, saw(token)));
        }
        kinds.push((Call::Acquire { key: x() }, info()));
        for _ in 0..2 {
            kinds.extend(both(Call::Release { key: x() }, Reply::Done));
        }
        return kinds;
    }
    for element in [7, 8] {
        let append = || Call::Append { key: x(), value: element.into() };
        kinds.extend(both(append(), Reply::Done));
        kinds.extend([0, 1].map(|position| (append(), saw(position))));
    }
    for shown in [vec![], vec![7], vec![8], vec![7, 8], vec![8, 7]] {
        let elements = shown.into_iter().map(Value::Int).collect();
        kinds.push((Call::ReadAll { key: x() }, ok(Reply::Elements(elements))));
    }
    let at = |position| Call::ReadAt { key: x(), position };
    kinds.extend([(at(0), saw(7)), (at(1), saw(8)), (at(0), ok(Reply::Empty))]);
    kinds.push((at(1), ok(Reply::Empty)));
    kinds
}

fn transactions() -> Vec<Kind> {
    let mut kinds = Vec::new();
    let reads = |values: [Option<Value>; 2]| -> Vec<Micro> {
        ["x", "y"]
            .into_iter()
            .zip(values)
            .map(|(name, value)| Micro::Read(key(name), value))
            .collect()
    };
    for seen in [[Value::Nil, 1.into()], [1.into(), Value::Nil], [1.into(), 1.into()]] {
        let call = Call::Txn { steps: reads([None, None]) };
        kinds.push((call, ok(Reply::Txn(reads(seen.map(Some))))));
    }
    for (name, other) in [("x", "y"), ("y", "x")] {
        let steps = vec![Micro::Write(key(name), 1.into())];
        kinds.extend(both(Call::Txn { steps: steps.clone() }, Reply::Txn(steps)));
        let moved =
            |seen| vec![Micro::Read(key(other), seen), Micro::Write(key(name), Value::Int(1))];
        let answer = Reply::Txn(moved(Some(Value::Nil)));
        kinds.extend(both(Call::Txn { steps: moved(None) }, answer));
    }
    kinds
}

/// A random history of up to three processes at a time, in which instants may coincide.
fn history(prng: &mut Prng, kinds: &[Kind], size: u64) -> History {
    let mut made = Made::default();
    let mut open: Vec<Option<(u64, Index, Option<Outcome>)>> = vec![None, None, None];
    let (mut issued, mut process, mut time) = (0, 3, 0);
    let mut speakers = [0, 1, 2];
    while issued < size || open.iter().any(Option::is_some) {
        time += u64::from(prng.below(4) > 0);
        let at = prng.below(3) as usize;
        if let Some((process, index, outcome)) = open[at].take() {
            if let Some(outcome) = outcome {
                made.complete(time, process, index, outcome);
            }
        } else if issued < size {
            let (call, outcome) = &kinds[prng.below(kinds.len() as u64) as usize];
            let index = made.invoke(time, speakers[at], call.clone());
            open[at] = Some((speakers[at], index, outcome.clone()));
            issued += 1;
            // Who is in doubt never speaks again.
            if !matches!(outcome, Some(Outcome::Ok(_))) {
                (speakers[at], process) = (process, process + 1);
            }
        }
    }
    made.history
}

/// Certificates that somebody might make up.
fn forged(prng: &mut Prng, operations: &[Operation], key: Option<&Key>) -> Order {
    let mut order: Vec<Index> = operations
        .iter()
        .filter(|operation| operation.end().is_some() || prng.below(2) == 0)
        .map(|operation| operation.invoked)
        .collect();
    for at in (1..order.len()).rev() {
        order.swap(at, prng.below(at as u64 + 1) as usize);
    }
    Order { key: key.cloned(), operations: order }
}

fn assert_agrees(model: ModelName, history: &History, prng: &mut Prng) -> bool {
    let operations = pair(&history.entries).unwrap();
    let expected = objects::linearizable(model, &operations.iter().collect::<Vec<_>>());
    let (findings, certificate) = judge_with_certificate(history, &Options::new(model));
    let shown = || format!("{model}: {:#?}\n{findings:#?}", history.entries);
    if model == ModelName::Set {
        // Each element alone may be right where no order explains all, or be unread.
        assert!(!expected || worst(&findings) != Verdict::Invalid, "{}", shown());
    } else {
        let wanted = if expected { Verdict::Valid } else { Verdict::Invalid };
        assert_eq!(worst(&findings), wanted, "{}", shown());
    }
    let checked = |certificate: &Certificate| verify(history, model, &Value::Nil, certificate);
    if let (true, Some(certificate)) = (expected, &certificate) {
        assert_eq!(checked(certificate), Ok(()), "{certificate:?} {}", shown());
    }
    assert!(!expected || certificate.is_some(), "{}", shown());
    if !expected {
        // A set's order is only a proposal: then it has to be refused.
        let refused = certificate.is_none_or(|certificate| checked(&certificate).is_err());
        assert!(refused, "{}", shown());
        let key = operations.first().and_then(|operation| operation.call.key().cloned());
        for _ in 0..20 {
            let objects = vec![forged(prng, &operations, key.as_ref())];
            let forged = Certificate { model, initial: Value::Nil, objects };
            assert!(checked(&forged).is_err(), "{forged:?} {}", shown());
        }
    }
    for anomaly in findings.iter().flat_map(|finding| &finding.anomalies) {
        if model != ModelName::Set {
            let core: Vec<_> = operations
                .iter()
                .filter(|operation| anomaly.witnesses.contains(&operation.invoked))
                .collect();
            assert!(!objects::linearizable(model, &core), "{}", shown());
        }
    }
    expected
}

#[test]
fn small_histories_of_every_model_are_judged_by_the_definition() {
    for model in searched() {
        let kinds = kinds(model);
        let mut prng = Prng(11);
        let (mut legal, mut illegal) = (0, 0);
        for round in 0..5_000 {
            let history = history(&mut prng, &kinds, 1 + round % 5);
            match assert_agrees(model, &history, &mut prng) {
                true => legal += 1,
                false => illegal += 1,
            }
        }
        assert!(legal > 500 && illegal > 500, "{model}: {legal} {illegal}");
    }
}

#[test]
fn larger_cores_are_proofs_as_well() {
    for model in searched() {
        let kinds = kinds(model);
        let mut prng = Prng(5);
        for _ in 0..500 {
            let history = history(&mut prng, &kinds, 8);
            assert_agrees(model, &history, &mut prng);
        }
    }
}
