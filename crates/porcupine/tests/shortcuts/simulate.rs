//! What clients of a correct object would see, and lies about it.

use perjury_porcupine::{Model, Operation};

use crate::prng::Prng;

/// A history of `count` operations with random inputs, answered as the model allows at a random
/// instant in each interval; ties are frequent, and some answers are lost. `answer` gives the
/// answer of the object in its present state.
pub fn simulate<M: Model>(
    model: &M,
    prng: &mut Prng,
    count: u64,
    mut question: impl FnMut(&mut Prng) -> M::Input,
    answer: impl Fn(&M::State, &M::Input) -> M::Output,
) -> Vec<Operation<M::Input, M::Output>> {
    let width = 1 + prng.below(8);
    let span = 1 + prng.below(3 * count);
    let lost = prng.below(4);
    let mut drafts: Vec<(u64, u64, u64)> = (0..count)
        .map(|_| {
            let call = prng.below(span);
            let point = call + prng.below(width);
            (point, call, point + prng.below(width))
        })
        .collect();
    drafts.sort_unstable();
    let mut state = model.init();
    let mut history = Vec::new();
    for (client, (_, call, ret)) in drafts.into_iter().enumerate() {
        let input = question(prng);
        let output = answer(&state, &input);
        let is_lost = prng.below(10) < lost;
        if !is_lost || prng.below(2) == 0 {
            state = model.step(&state, &input, Some(&output)).unwrap_or(state);
        }
        let client = client as u64;
        history.push(if is_lost {
            Operation::indeterminate(client, input, call)
        } else {
            Operation::completed(client, input, output, call, ret)
        });
    }
    shuffle(prng, &mut history);
    history
}

fn shuffle<T>(prng: &mut Prng, items: &mut [T]) {
    for at in (1..items.len()).rev() {
        items.swap(at, prng.below(at as u64 + 1) as usize);
    }
}

/// Half of the time, makes a lie of it: swaps two answers that `compatible` allows to be swapped,
/// or moves an interval.
pub fn maybe_lie<I, O>(
    prng: &mut Prng,
    history: &mut [Operation<I, O>],
    compatible: impl Fn(&Operation<I, O>, &Operation<I, O>) -> bool,
) {
    let count = history.len() as u64;
    for _ in 0..prng.below(3) {
        let (a, b) = (prng.below(count) as usize, prng.below(count) as usize);
        if a == b {
            continue;
        }
        if prng.below(3) == 0 {
            let operation = &mut history[a];
            let length = operation.ret.saturating_sub(operation.call);
            operation.call = prng.below(20);
            operation.ret = operation.call.saturating_add(length);
        } else if compatible(&history[a], &history[b]) {
            let first = a.min(b);
            let (left, right) = history.split_at_mut(a.max(b));
            std::mem::swap(&mut left[first].output, &mut right[0].output);
        }
    }
}
