//! Linearizability by its definition: try every order.
//!
//! Shares nothing with the crate but the operation type. In particular it never asks a model about
//! a missing answer: an indeterminate operation is tried as absent, and as answered with each
//! answer that there is, at any time. So it checks the models' handling of missing answers too.

use perjury_porcupine::Operation;

/// A specification as a function to all possible next states.
pub type Step<'a, S, I, O> = &'a dyn Fn(&S, &I, &O) -> Vec<S>;

pub fn linearizable<S: Clone, I, O: Clone>(
    init: &S,
    step: Step<'_, S, I, O>,
    answers: &dyn Fn(&I) -> Vec<O>,
    history: &[Operation<I, O>],
) -> bool {
    let mut chosen: Vec<Choice<'_, I, O>> = Vec::new();
    choose(init, step, answers, history, &mut chosen)
}

/// An operation that took effect: last possible instant, and the answer.
struct Choice<'a, I, O> {
    operation: &'a Operation<I, O>,
    end: u64,
    output: O,
}

fn choose<'a, S: Clone, I, O: Clone>(
    init: &S,
    step: Step<'_, S, I, O>,
    answers: &dyn Fn(&I) -> Vec<O>,
    rest: &'a [Operation<I, O>],
    chosen: &mut Vec<Choice<'a, I, O>>,
) -> bool {
    let Some((operation, rest)) = rest.split_first() else {
        return arrange(init, step, chosen, &mut vec![false; chosen.len()]);
    };
    if let Some(output) = operation.output.clone() {
        chosen.push(Choice { operation, end: operation.ret, output });
        let found = choose(init, step, answers, rest, chosen);
        chosen.pop();
        return found;
    }
    if choose(init, step, answers, rest, chosen) {
        return true;
    }
    answers(&operation.input).into_iter().any(|output| {
        chosen.push(Choice { operation, end: u64::MAX, output });
        let found = choose(init, step, answers, rest, chosen);
        chosen.pop();
        found
    })
}

fn arrange<S: Clone, I, O: Clone>(
    state: &S,
    step: Step<'_, S, I, O>,
    chosen: &[Choice<'_, I, O>],
    placed: &mut Vec<bool>,
) -> bool {
    if placed.iter().all(|placed| *placed) {
        return true;
    }
    for next in 0..chosen.len() {
        let call = chosen[next].operation.call;
        let waits = |other: usize| !placed[other] && chosen[other].end < call;
        if placed[next] || (0..chosen.len()).any(waits) {
            continue;
        }
        placed[next] = true;
        for after in step(state, &chosen[next].operation.input, &chosen[next].output) {
            if arrange(&after, step, chosen, placed) {
                placed[next] = false;
                return true;
            }
        }
        placed[next] = false;
    }
    false
}
