//! The search agrees with the definition, tried by brute force, on all small register histories and
//! on many random small ones of every model; and every certificate verifies.

mod histories;
mod naive;
#[path = "../load/prng.rs"]
mod prng;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use perjury_porcupine::models::{
    Access, CasInput, CasOutput, CasRegister, Counter, CounterInput, CounterOutput, FifoQueue, Kv,
    KvAppend, KvAppendInput, KvAppendOutput, KvInput, KvOutput, MultiRegister, Mutex, MutexInput,
    MutexOutput, QueueInput, QueueOutput, Register, RegisterInput, RegisterOutput, Seen, Set,
    SetInput, SetOutput, UnorderedQueue,
};
use perjury_porcupine::{
    Budget, Evidence, Linearization, Model, NondeterministicModel, Operation, PowerSet, Search,
    check, verify,
};
use prng::Prng;

/// Small checks are not worth threads.
fn one_thread() -> Budget {
    Budget { threads: std::num::NonZeroUsize::new(1), ..Budget::default() }
}

/// Checks one history both ways; returns whether it is linearizable.
fn agree<M, S: Clone>(
    model: &M,
    init: &S,
    step: naive::Step<'_, S, M::Input, M::Output>,
    asked: &[(M::Input, M::Output)],
    history: &[Operation<M::Input, M::Output>],
) -> bool
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync + Clone + PartialEq + Debug,
    M::Output: Sync + Clone + Debug,
{
    let answers = |input: &M::Input| -> Vec<M::Output> {
        asked.iter().filter(|(other, _)| other == input).map(|(_, o)| o.clone()).collect()
    };
    let expected = naive::linearizable(init, step, &answers, history);
    match check(model, history, &one_thread()) {
        Search::Linearizable(proof) => {
            assert!(expected, "wrongly legal: {history:#?}");
            assert_eq!(verify(model, history, &proof), Ok(()), "{history:#?}");
        }
        Search::Illegal(evidence) => {
            assert!(!expected, "wrongly illegal: {history:#?}");
            let illegal = |history: &[_]| !naive::linearizable(init, step, &answers, history);
            assert_evidence(model, history, &evidence, illegal);
        }
        Search::Exhausted { .. } => panic!("nothing to exhaust"),
    }
    expected
}

/// Evidence of illegality says the truth: see the documentation of `PartitionEvidence`.
fn assert_evidence<M>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    evidence: &Evidence,
    illegal: impl Fn(&[Operation<M::Input, M::Output>]) -> bool,
) where
    M: Model,
    M::State: Send + Sync,
    M::Input: Clone,
    M::Output: Clone,
{
    let [blocked] = evidence.blocked().collect::<Vec<_>>()[..] else {
        panic!("one thread finds one illegal partition");
    };
    let end = history[blocked].ret;
    let clash = |operation: &Operation<_, _>| operation.output.is_some() && operation.ret == end;
    if history.iter().filter(|operation| clash(operation)).count() == 1 {
        assert!(with_open_operations(history, end).iter().all(|history| illegal(history)));
        assert!(evidence.partitions.len() > 1 || !illegal(&seen_before(history, end)));
    }
    let part = evidence.partitions.iter().find(|part| part.blocked == Some(blocked));
    for partial in &part.expect("it is blocked somewhere").partials {
        // What the partial order leaves out had not returned; as if it had not been called then.
        let left_out = |index| {
            let operation: &Operation<_, _> = &history[index];
            !partial.contains(&index) && operation.output.is_some()
        };
        let mut rest = history.to_vec();
        for index in (0..history.len()).filter(|index| left_out(*index)) {
            assert!(evidence.partitions.len() > 1 || history[index].ret >= end);
            rest[index].output = None;
        }
        if evidence.partitions.len() == 1 {
            let order = Linearization { partitions: vec![partial.clone()] };
            assert_eq!(verify(model, &rest, &order), Ok(()));
        }
    }
}

/// The history as it stood just before `end`: what had not returned has no answer.
fn seen_before<I: Clone, O: Clone>(history: &[Operation<I, O>], end: u64) -> Vec<Operation<I, O>> {
    let mut seen = history.to_vec();
    seen.iter_mut().filter(|operation| operation.ret >= end).for_each(|open| open.output = None);
    seen
}

/// The operations that returned until `end`, with each choice of those that were open then (with
/// the answers that they got in the end, but without the bound of their returns).
fn with_open_operations<I: Clone, O: Clone>(
    history: &[Operation<I, O>],
    end: u64,
) -> Vec<Vec<Operation<I, O>>> {
    let mut choices = vec![Vec::new()];
    for operation in history.iter().filter(|operation| operation.call <= end) {
        let open = operation.output.is_some() && operation.ret > end;
        let without = if open { choices.clone() } else { Vec::new() };
        let mut operation = operation.clone();
        if open {
            operation.ret = u64::MAX;
        }
        choices.iter_mut().for_each(|choice| choice.push(operation.clone()));
        choices.extend(without);
    }
    choices
}

/// A deterministic model as the brute force wants it.
fn stepper<M: Model>(model: &M) -> impl Fn(&M::State, &M::Input, &M::Output) -> Vec<M::State> {
    |state, input, output| model.step(state, input, Some(output)).into_iter().collect()
}

fn agree_on_random<M>(model: &M, asked: &[(M::Input, M::Output)], most: u64, rounds: u64)
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync + Clone + PartialEq + Debug,
    M::Output: Sync + Clone + Debug,
{
    let mut prng = Prng(7);
    let mut legal = 0;
    for _ in 0..rounds {
        let history = histories::random(&mut prng, most, asked);
        legal += u64::from(agree(model, &model.init(), &stepper(model), asked, &history));
    }
    // Neither verdict may be so rare that the test says little.
    assert!(legal > rounds / 20 && legal < rounds - rounds / 20, "{legal} of {rounds} legal");
}

fn agree_on_all<M>(model: &M, asked: &[(M::Input, M::Output)], most: usize, processes: usize)
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync + Clone + PartialEq + Debug,
    M::Output: Sync + Clone + Debug,
{
    for count in 1..=most {
        for intervals in histories::all_intervals(count, processes) {
            histories::each_history(&intervals, asked, |history| {
                agree(model, &model.init(), &stepper(model), asked, history);
            });
        }
    }
}

const READS: [u8; 3] = [0, 1, 2];

fn register_questions() -> Vec<(RegisterInput<u8>, RegisterOutput<u8>)> {
    let read = |value| (RegisterInput::Read, RegisterOutput::Read(Seen::Value(value)));
    let write = |value| (RegisterInput::Write(value), RegisterOutput::Written);
    READS.map(read).into_iter().chain([write(1), write(2)]).collect()
}

fn cas_questions() -> Vec<(CasInput<u8>, CasOutput<u8>)> {
    let cas = |from, to, done| (CasInput::Cas { from, to }, CasOutput::Cas(done));
    vec![
        (CasInput::Read, CasOutput::Read(Seen::Value(0))),
        (CasInput::Read, CasOutput::Read(Seen::Value(1))),
        (CasInput::Read, CasOutput::Read(Seen::Unknown)),
        (CasInput::Write(1), CasOutput::Written),
        cas(0, 1, true),
        cas(0, 1, false),
        cas(1, 0, true),
        cas(1, 0, false),
    ]
}

#[test]
fn all_register_histories_of_four_operations_on_three_processes() {
    agree_on_all(&Register(0), &register_questions(), 4, 3);
}

#[test]
fn all_cas_histories_of_four_operations_on_three_processes() {
    agree_on_all(&CasRegister(0), &cas_questions(), 4, 3);
}

#[test]
fn random_registers() {
    agree_on_random(&Register(0), &register_questions(), 7, 20_000);
    agree_on_random(&CasRegister(0), &cas_questions(), 7, 20_000);
}

#[test]
fn random_key_value_stores() {
    let mut asked = Vec::new();
    for key in [0u8, 1] {
        for value in [None, Some(1), Some(2)] {
            asked.push((KvInput::Get(key), KvOutput::Got(Seen::Value(value))));
        }
        for value in [1, 2] {
            asked.push((KvInput::Put(key, value), KvOutput::Put));
        }
    }
    let model = Kv::default();
    // The model's state is one key, so the brute force gets a step of its own, for both at once.
    let step = |state: &BTreeMap<u8, i32>, input: &KvInput<u8, i32>, output: &KvOutput<i32>| {
        let mut next = state.clone();
        let fits = match (input, output) {
            (KvInput::Put(key, value), _) => {
                next.insert(*key, *value);
                true
            }
            (KvInput::Get(key), KvOutput::Got(seen)) => seen.fits(&state.get(key).copied()),
            _ => false,
        };
        fits.then_some(next).into_iter().collect()
    };
    let mut prng = Prng(11);
    for _ in 0..20_000 {
        let history = histories::random(&mut prng, 6, &asked);
        agree(&model, &BTreeMap::new(), &step, &asked, &history);
    }
}

#[test]
fn random_appends() {
    let got = |s: &str| (KvAppendInput::Get(0), KvAppendOutput::Got(Seen::Value(s.to_string())));
    let mut asked: Vec<_> = ["", "a", "ab", "ba", "b"].into_iter().map(got).collect();
    for text in ["a", "b"] {
        asked.push((KvAppendInput::Append(0, text.to_string()), KvAppendOutput::Done));
    }
    asked.push((KvAppendInput::Put(0, "a".to_string()), KvAppendOutput::Done));
    agree_on_random(&KvAppend::default(), &asked, 6, 20_000);
}

#[test]
fn random_sets() {
    let read = |elements: &[u8]| {
        let elements: BTreeSet<u8> = elements.iter().copied().collect();
        (SetInput::Read, SetOutput::Read(Seen::Value(elements)))
    };
    let add = |element| (SetInput::Add(element), SetOutput::Added);
    let asked = [read(&[]), read(&[1]), read(&[2]), read(&[1, 2]), add(1), add(2)];
    agree_on_random(&Set::default(), &asked, 7, 20_000);
}

#[test]
fn random_mutexes() {
    let mut asked = Vec::new();
    for input in [MutexInput::Acquire, MutexInput::Release] {
        asked.extend([MutexOutput::Done, MutexOutput::Refused].map(|output| (input, output)));
    }
    agree_on_random(&Mutex, &asked, 7, 20_000);
}

#[test]
fn random_transactions() {
    use Access::{Read, Write};
    let read = |x, y| (vec![Read("x"), Read("y")], vec![Seen::Value(x), Seen::Value(y)]);
    let asked = [
        read(Some(0), None),
        read(Some(1), None),
        read(Some(1), Some(1)),
        read(Some(0), Some(1)),
        (vec![Write("x", 1)], vec![]),
        (vec![Write("x", 1), Write("y", 1)], vec![]),
        (vec![Read("x"), Write("x", 0)], vec![Seen::Value(Some(1))]),
        (vec![Write("x", 0), Read("x"), Read("y")], vec![Seen::Value(Some(0)), Seen::Unknown]),
        // An answer of the wrong shape fits nowhere.
        (vec![Read("y")], vec![]),
    ];
    let model = MultiRegister(BTreeMap::from([("x", 0)]));
    agree_on_random(&model, &asked[..8], 6, 20_000);
    agree_on_random(&model, &asked, 3, 5_000);
}

fn queue_questions() -> Vec<(QueueInput<u8>, QueueOutput<u8>)> {
    let dequeue = |seen| (QueueInput::Dequeue, QueueOutput::Dequeued(seen));
    let enqueue = |element| (QueueInput::Enqueue(element), QueueOutput::Enqueued);
    vec![
        enqueue(1),
        enqueue(2),
        enqueue(1),
        enqueue(2),
        dequeue(Seen::Value(Some(1))),
        dequeue(Seen::Value(Some(2))),
        dequeue(Seen::Value(None)),
        dequeue(Seen::Unknown),
    ]
}

#[test]
fn random_fifo_queues() {
    agree_on_random(&FifoQueue::default(), &queue_questions(), 7, 20_000);
}

#[test]
fn random_unordered_queues() {
    let model = PowerSet(UnorderedQueue::default());
    let asked = queue_questions();
    let step = |state: &Vec<u8>, input: &_, output: &_| model.0.step(state, input, Some(output));
    let mut prng = Prng(13);
    let mut legal = 0;
    for _ in 0..20_000 {
        let history = histories::random(&mut prng, 6, &asked);
        legal += u64::from(agree(&model, &Vec::new(), &step, &asked, &history));
    }
    assert!(legal > 1_000 && legal < 19_000, "{legal} legal");
}

#[test]
fn random_counters() {
    let read = |sum| (CounterInput::Read, CounterOutput::Read(Seen::Value(sum)));
    let add = |number| (CounterInput::Add(number), CounterOutput::Added);
    let asked = [read(0), read(1), read(-1), read(2), add(1), add(-1), add(2)];
    agree_on_random(&Counter, &asked, 7, 20_000);
}
