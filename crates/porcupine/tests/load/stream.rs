//! Very long histories of one register, written operation by operation in one piece of memory.

use perjury_porcupine::Operation;
use perjury_porcupine::models::{RegisterInput, RegisterOutput, Seen};

use crate::load::prng::Prng;
use crate::load::register::RegisterOp;

/// As `register` of the module beside, in the order in which operations take effect, without
/// sorting: a client calls again when it was answered, the next event is the earliest of all.
pub fn stream(seed: u64, clients: u64, count: u64, lost: u64) -> Vec<RegisterOp> {
    let mut prng = Prng(seed);
    let mut history = Vec::with_capacity(count as usize);
    let mut value = 0;
    // For each client when its next operation is called, and when that takes effect.
    let mut plans: Vec<(u64, u64)> = (0..clients)
        .map(|_| {
            let call = prng.below(1000);
            (call + prng.below(1000), call)
        })
        .collect();
    for number in 1..=count {
        let (client, &(point, call)) =
            plans.iter().enumerate().min_by_key(|(_, plan)| **plan).expect("there are clients");
        let ret = point + prng.below(1000);
        let read = prng.below(2) == 0;
        let input = if read { RegisterInput::Read } else { RegisterInput::Write(number) };
        let is_lost = prng.below(1000) < lost;
        if !read && (!is_lost || prng.below(2) == 0) {
            value = number;
        }
        let output =
            if read { RegisterOutput::Read(Seen::Value(value)) } else { RegisterOutput::Written };
        history.push(if is_lost {
            Operation::indeterminate(client as u64, input, call)
        } else {
            Operation::completed(client as u64, input, output, call, ret)
        });
        let call = ret + 1 + prng.below(100);
        plans[client] = (call + prng.below(1000), call);
    }
    history
}
