//! First-in first-out queues.

use std::collections::VecDeque;

use perjury_porcupine::Operation;
use perjury_porcupine::models::{FifoQueue, QueueInput, QueueOutput, Seen};

use crate::agree::{exhaust, sample};
use crate::prng::Prng;
use crate::simulate::{maybe_lie, simulate};

type Op = Operation<QueueInput<u8>, QueueOutput<u8>>;

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

#[test]
fn all_queue_histories_of_five_operations_on_three_processes() {
    let mut asked: Vec<_> = [1, 2, 3]
        .into_iter()
        .map(|element| (QueueInput::Enqueue(element), QueueOutput::Enqueued))
        .collect();
    asked.extend(
        [1, 2].map(|element| {
            (QueueInput::Dequeue, QueueOutput::Dequeued(Seen::Value(Some(element))))
        }),
    );
    // For the brute force, what an unanswered dequeue may have got.
    asked.push((QueueInput::Dequeue, QueueOutput::Dequeued(Seen::Value(Some(3)))));
    let useful = |history: &[Op]| {
        let puts: Vec<u8> = history
            .iter()
            .filter_map(|op| match op.input {
                QueueInput::Enqueue(element) => Some(element),
                QueueInput::Dequeue => None,
            })
            .collect();
        puts.iter().zip(1..).all(|(element, next)| *element == next)
    };
    let tally = exhaust(&FifoQueue::default(), &asked, (5, 3), useful, add_enqueues);
    tally.assert_telling();
}

fn draw(prng: &mut Prng) -> Vec<Op> {
    let count = 1 + prng.below(10);
    let mut next = 0;
    let question = |prng: &mut Prng| {
        if prng.below(9) < 4 {
            return QueueInput::Dequeue;
        }
        next += 1;
        QueueInput::Enqueue(next)
    };
    let answer = |state: &VecDeque<u8>, input: &QueueInput<u8>| match input {
        QueueInput::Enqueue(_) => QueueOutput::Enqueued,
        QueueInput::Dequeue => QueueOutput::Dequeued(Seen::Value(state.front().copied())),
    };
    let mut history = simulate(&FifoQueue::default(), prng, count, question, answer);
    // Dequeues of nothing go to the search: most of the time there are none.
    if prng.below(5) > 0 {
        let is_empty = |op: &Op| {
            op.input == QueueInput::Dequeue && op.output.is_some() && dequeued(op).is_none()
        };
        history.retain(|op| !is_empty(op));
    }
    if !history.is_empty() {
        maybe_lie(prng, &mut history, |a, b| {
            a.output.is_some() == b.output.is_some() && a.input == b.input
        });
    }
    history
}

#[test]
fn random_queues_agree_with_the_search() {
    sample(&FifoQueue::default(), 10_000, draw, add_enqueues).assert_telling();
}
