//! Bags, queues, stacks and priority queues.

use perjury_porcupine::models::{
    FifoQueue, PriorityQueue, QueueInput, QueueOutput, Seen, Stack, UnorderedQueue,
};
use perjury_porcupine::{Model, Operation, PowerSet};

use crate::agree::{Tally, judge, sample};
use crate::everything::everything;
use crate::prng::Prng;
use crate::simulate::{maybe_lie, simulate};
use crate::words::{Alphabet, Letter, Renaming, letter, often};

type Op = Operation<QueueInput<u8>, QueueOutput<u8>>;

const ENQUEUE: u8 = 0;
const DEQUEUE: u8 = 1;
const EMPTY: u8 = 2;
const UNKNOWN: u8 = 3;

fn write(letter: Letter) -> (QueueInput<u8>, QueueOutput<u8>) {
    let dequeued = |seen| (QueueInput::Dequeue, QueueOutput::Dequeued(seen));
    match (letter.kind, letter.values[0]) {
        (ENQUEUE, element) => (QueueInput::Enqueue(element), QueueOutput::Enqueued),
        (DEQUEUE, element) => dequeued(Seen::Value(Some(element))),
        (EMPTY, _) => dequeued(Seen::Value(None)),
        _ => dequeued(Seen::Unknown),
    }
}

fn alphabet<M>(renaming: Renaming) -> Alphabet<M>
where
    M: Model<Input = QueueInput<u8>, Output = QueueOutput<u8>>,
    M::State: Send + Sync,
{
    let one_each = |kind: u8| (1..=5).map(move |value| letter(kind, value));
    let mut answered: Vec<Letter> = one_each(ENQUEUE).chain(one_each(DEQUEUE)).collect();
    answered.extend([letter(EMPTY, 0), letter(UNKNOWN, 0)]);
    let unanswered = one_each(ENQUEUE).chain([letter(UNKNOWN, 0)]).collect();
    Alphabet { renaming, answered, unanswered, once: often, write }
}

/// What a dequeue can have got.
fn answers() -> Vec<Letter> {
    let each = |kind: u8| (1..=5).map(move |value| letter(kind, value));
    each(ENQUEUE).chain(each(DEQUEUE)).chain([letter(EMPTY, 0)]).collect()
}

/// Elements are enqueued once, and what is dequeued was: anything else is a question of one element
/// alone, or for the search; and every dequeue that was answered is known.
fn is_plain(word: &[Letter]) -> bool {
    let count =
        |kind: u8, value: u8| word.iter().filter(|other| **other == letter(kind, value)).count();
    word.iter().all(|letter| match letter.kind {
        ENQUEUE => count(ENQUEUE, letter.values[0]) == 1,
        DEQUEUE => count(ENQUEUE, letter.values[0]) == 1 && count(DEQUEUE, letter.values[0]) == 1,
        _ => true,
    })
}

fn dequeued(operation: &Op) -> Option<u8> {
    match operation.output {
        Some(QueueOutput::Dequeued(Seen::Value(element))) => element,
        _ => None,
    }
}

/// The enqueues of all that was dequeued.
fn add_enqueues(history: &[Op], core: &mut Vec<usize>) {
    let got: Vec<u8> = core.iter().filter_map(|&index| dequeued(&history[index])).collect();
    let is_put = |op: &Op| matches!(op.input, QueueInput::Enqueue(it) if got.contains(&it));
    core.extend((0..history.len()).filter(|&at| is_put(&history[at])));
}

fn all<M>(model: &M, renaming: Renaming, most: usize, fits: impl Fn(&[Letter]) -> bool) -> Tally
where
    M: Model<Input = QueueInput<u8>, Output = QueueOutput<u8>> + Sync,
    M::State: Send + Sync,
{
    everything(model, &alphabet(renaming), most, &answers(), fits, add_enqueues)
}

fn bag() -> PowerSet<UnorderedQueue<u8>> {
    PowerSet(UnorderedQueue::default())
}

#[test]
fn all_histories_of_four_operations() {
    for tally in [
        all(&bag(), Renaming::Any, 4, |_| true),
        all(&FifoQueue::default(), Renaming::Any, 4, |_| true),
        all(&Stack::default(), Renaming::Any, 4, |_| true),
        all(&PriorityQueue::default(), Renaming::Order, 4, |_| true),
    ] {
        tally.assert_telling();
    }
}

#[test]
fn all_bags_of_five_operations() {
    all(&bag(), Renaming::Any, 5, is_plain).assert_telling();
}

#[test]
fn all_queues_of_five_operations() {
    all(&FifoQueue::default(), Renaming::Any, 5, is_plain).assert_telling();
}

#[test]
fn all_stacks_of_five_operations() {
    all(&Stack::default(), Renaming::Any, 5, is_plain).assert_telling();
}

#[test]
fn all_priority_queues_of_five_operations() {
    all(&PriorityQueue::default(), Renaming::Order, 5, is_plain).assert_telling();
}

#[test]
#[ignore = "three million histories: make exhaustive"]
fn all_collections_of_five_operations_whatever_was_seen() {
    all(&bag(), Renaming::Any, 5, |_| true);
    all(&FifoQueue::default(), Renaming::Any, 5, |_| true);
    all(&Stack::default(), Renaming::Any, 5, |_| true);
    all(&PriorityQueue::default(), Renaming::Order, 5, |_| true);
}

/// What clients of a correct object see; `answer` gives what a dequeue finds.
fn truth<M>(model: &M, prng: &mut Prng, answer: impl Fn(&M::State) -> Option<u8>) -> Vec<Op>
where
    M: Model<Input = QueueInput<u8>, Output = QueueOutput<u8>>,
    M::State: Send + Sync,
{
    let count = 1 + prng.below(12);
    // Elements in an order that is not that of their enqueues.
    let mut elements: Vec<u8> = (1..20).collect();
    let question = |prng: &mut Prng| {
        if prng.below(9) < 4 {
            return QueueInput::Dequeue;
        }
        let at = prng.below(elements.len() as u64) as usize;
        QueueInput::Enqueue(elements.swap_remove(at))
    };
    let answer = |state: &M::State, input: &QueueInput<u8>| match input {
        QueueInput::Enqueue(_) => QueueOutput::Enqueued,
        QueueInput::Dequeue => QueueOutput::Dequeued(Seen::Value(answer(state))),
    };
    let mut history = simulate(model, prng, count, question, answer);
    if prng.below(2) > 0 {
        let is_empty = |op: &Op| {
            op.input == QueueInput::Dequeue && op.output.is_some() && dequeued(op).is_none()
        };
        history.retain(|op| !is_empty(op));
    }
    history
}

fn draw<M>(model: &M, prng: &mut Prng, answer: impl Fn(&M::State) -> Option<u8>) -> Vec<Op>
where
    M: Model<Input = QueueInput<u8>, Output = QueueOutput<u8>>,
    M::State: Send + Sync,
{
    let mut history = truth(model, prng, answer);
    if !history.is_empty() {
        maybe_lie(prng, &mut history, |a, b| {
            a.output.is_some() == b.output.is_some() && a.input == b.input
        });
    }
    history
}

/// What is legal because it happened, and illegal because of these at its end, one after the other:
/// no search is asked.
fn known<M>(model: &M, answer: impl Fn(&M::State) -> Option<u8>, lies: &[Letter])
where
    M: Model<Input = QueueInput<u8>, Output = QueueOutput<u8>> + Sync,
    M::State: Send + Sync,
{
    let mut prng = Prng(31);
    let mut tally = Tally::default();
    for _ in 0..ROUNDS {
        let mut history = truth(model, &mut prng, &answer);
        judge(model, &history, true, &mut tally, add_enqueues);
        for (number, &lie) in (0..).zip(lies) {
            let (input, output) = write(lie);
            let call = 10_000 + 2 * number;
            history.push(Operation::completed(0, input, output, call, call + 1));
        }
        judge(model, &history, false, &mut tally, add_enqueues);
    }
    assert!(tally.searched < ROUNDS / 50, "{tally:?}");
}

#[test]
fn what_happened_is_legal_and_a_lie_at_its_end_is_not() {
    let (put, got) = (|value| letter(ENQUEUE, value), |value| letter(DEQUEUE, value));
    let both = [put(101), put(102)];
    // Whatever unanswered dequeues removed, it was not these elements.
    let first = |states: &perjury_porcupine::States<Vec<u8>>| {
        states.iter().next().and_then(|state| state.first().copied())
    };
    known(&bag(), first, &[put(101), letter(EMPTY, 0), got(101)]);
    let later_first = [&both[..], &[got(102), got(101)]].concat();
    let front = |state: &std::collections::VecDeque<u8>| state.front().copied();
    known(&FifoQueue::default(), front, &later_first);
    let last = |state: &Vec<u8>| state.last().copied();
    known(&PriorityQueue::default(), last, &later_first);
    let earlier_first = [&both[..], &[got(101), got(102)]].concat();
    known(&Stack::default(), last, &earlier_first);
}

const ROUNDS: u64 = 10_000;

#[test]
fn random_bags_agree_with_the_search() {
    let first = |states: &perjury_porcupine::States<Vec<u8>>| {
        states.iter().next().and_then(|state| state.first().copied())
    };
    let tally = sample(&bag(), ROUNDS, |prng| draw(&bag(), prng, first), add_enqueues);
    tally.assert_telling();
    assert_eq!(tally.searched, 0);
}

#[test]
fn random_queues_agree_with_the_search() {
    let model = FifoQueue::default();
    let answer = |state: &std::collections::VecDeque<u8>| state.front().copied();
    let tally = sample(&model, ROUNDS, |prng| draw(&model, prng, answer), add_enqueues);
    tally.assert_telling();
    assert_eq!(tally.searched, 0);
}

#[test]
fn random_stacks_agree_with_the_search() {
    let model = Stack::default();
    let answer = |state: &Vec<u8>| state.last().copied();
    let tally = sample(&model, ROUNDS, |prng| draw(&model, prng, answer), add_enqueues);
    tally.assert_telling();
    assert!(tally.searched < ROUNDS / 100, "{tally:?}");
}

#[test]
fn random_priority_queues_agree_with_the_search() {
    let model = PriorityQueue::default();
    let answer = |state: &Vec<u8>| state.last().copied();
    let tally = sample(&model, ROUNDS, |prng| draw(&model, prng, answer), add_enqueues);
    tally.assert_telling();
    assert!(tally.searched < ROUNDS / 100, "{tally:?}");
}
