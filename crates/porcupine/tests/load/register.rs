//! Long legal histories of one register: distinct written values, reads and writes half and half.

use perjury_porcupine::Operation;
use perjury_porcupine::models::{RegisterInput, RegisterOutput, Seen};

use super::prng::Prng;

/// One operation on a register whose initial value is 0.
pub type RegisterOp = Operation<RegisterInput<u64>, RegisterOutput<u64>>;

/// What clients see of a correct register, `count` operations in all. Of a thousand operations
/// `lost` get no answer; half of those take effect all the same, some time after their call.
pub fn register(seed: u64, clients: u64, count: u64, lost: u64) -> Vec<RegisterOp> {
    let mut prng = Prng(seed);
    let mut clocks: Vec<u64> = (0..clients).map(|_| prng.below(1000)).collect();
    // Operations with the instant at which they take effect, if they do.
    let mut history: Vec<(Option<u64>, RegisterOp)> = Vec::new();
    for number in 1..=count {
        let client = number % clients;
        let clock = &mut clocks[client as usize];
        let call = *clock + 1 + prng.below(100);
        let point = call + prng.below(1000);
        let ret = point + prng.below(1000);
        *clock = ret;
        let read = prng.below(2) == 0;
        let input = if read { RegisterInput::Read } else { RegisterInput::Write(number) };
        let operation = if prng.below(1000) < lost {
            Operation::indeterminate(client, input, call)
        } else {
            Operation::completed(client, input, RegisterOutput::Written, call, ret)
        };
        let takes_effect = !operation.is_indeterminate() || prng.below(2) == 0;
        history.push((takes_effect.then_some(point), operation));
    }
    history.sort_by_key(|(point, _)| *point);
    let mut value = 0;
    for (point, operation) in &mut history {
        match operation.input {
            RegisterInput::Write(new) if point.is_some() => value = new,
            RegisterInput::Read if !operation.is_indeterminate() => {
                operation.output = Some(RegisterOutput::Read(Seen::Value(value)));
            }
            _ => {}
        }
    }
    history.into_iter().map(|(_, operation)| operation).collect()
}

/// Makes the first answered read of the second half see the initial value, long after it was
/// overwritten. Returns its index.
pub fn make_stale(history: &mut [RegisterOp]) -> usize {
    let half = history.len() / 2;
    let is_read = |operation: &RegisterOp| {
        operation.input == RegisterInput::Read && !operation.is_indeterminate()
    };
    let index = half + history[half..].iter().position(is_read).expect("half of them are reads");
    history[index].output = Some(RegisterOutput::Read(Seen::Value(0)));
    index
}
