//! Linearizability of a register by its definition: try every order of every choice.
//!
//! Shares nothing with the checkers but the plain data.

use perjury_history::{Call, Operation, Outcome, Reply, Value};

/// Is there a legal order of the operations on one register?
pub fn linearizable(operations: &[&Operation], initial: &Value) -> bool {
    // What failed never happened. What is in doubt is tried as absent and as present.
    let (mut certain, mut doubtful) = (Vec::new(), Vec::new());
    for operation in operations {
        match operation.outcome() {
            Some(Outcome::Ok(_)) => certain.push(*operation),
            Some(Outcome::Fail(_)) => {}
            Some(Outcome::Info(_)) | None => doubtful.push(*operation),
        }
    }
    (0..1_u32 << doubtful.len()).any(|choice| {
        let mut chosen = certain.clone();
        chosen
            .extend((0..doubtful.len()).filter(|at| choice >> at & 1 == 1).map(|at| doubtful[at]));
        arrange(&mut vec![false; chosen.len()], &chosen, initial)
    })
}

fn arrange(placed: &mut [bool], chosen: &[&Operation], state: &Value) -> bool {
    if placed.iter().all(|placed| *placed) {
        return true;
    }
    for next in 0..chosen.len() {
        let waits = |other: usize| {
            !placed[other] && chosen[other].end().is_some_and(|end| end < chosen[next].start)
        };
        if placed[next] || (0..chosen.len()).any(waits) {
            continue;
        }
        let Some(after) = apply(chosen[next], state) else { continue };
        placed[next] = true;
        let found = arrange(placed, chosen, &after);
        placed[next] = false;
        if found {
            return true;
        }
    }
    false
}

fn apply(operation: &Operation, state: &Value) -> Option<Value> {
    let reply = match operation.outcome() {
        Some(Outcome::Ok(reply)) => Some(reply),
        _ => None,
    };
    match (&operation.call, reply) {
        (Call::Read { .. }, Some(Reply::Value(seen))) => (seen == state).then(|| state.clone()),
        (Call::Read { .. }, _) => Some(state.clone()),
        (Call::Write { value, .. }, _) => Some(value.clone()),
        (Call::Cas { from, to, .. }, Some(Reply::Swapped(swapped))) => {
            ((from == state) == *swapped).then(|| if *swapped { to.clone() } else { state.clone() })
        }
        (Call::Cas { from, to, .. }, _) => {
            Some(if from == state { to.clone() } else { state.clone() })
        }
        (call, reply) => panic!("{call} {reply:?}"),
    }
}
