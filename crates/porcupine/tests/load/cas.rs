//! Legal histories of one compare-and-set register: a third each of reads, writes and swaps.

use perjury_porcupine::Operation;
use perjury_porcupine::models::{CasInput, CasOutput, Seen};

use crate::load::prng::Prng;

/// One operation on a compare-and-set register whose initial value is 0.
pub type CasOp = Operation<CasInput<u64>, CasOutput<u64>>;

/// What the clients of a load ask.
#[derive(Clone, Copy)]
pub struct Mix {
    /// How many.
    pub clients: u64,
    /// Operations in all.
    pub count: u64,
    /// Of a thousand operations so many get no answer; half of those take effect all the same.
    pub lost: u64,
    /// Written values are below this; 0 makes every written value a new one.
    pub values: u64,
}

/// What clients see of a correct register. A compare-and-set expects the value that was there when
/// it was called, or one of the values of the load, so that many succeed and many fail.
pub fn cas(seed: u64, mix: Mix) -> Vec<CasOp> {
    let mut prng = Prng(seed);
    let mut clocks: Vec<u64> = (0..mix.clients).map(|_| prng.below(1000)).collect();
    let mut plans: Vec<(Option<u64>, u64, CasOp)> = Vec::new();
    for number in 1..=mix.count {
        let client = number % mix.clients;
        let clock = &mut clocks[client as usize];
        let call = *clock + 1 + prng.below(100);
        let point = call + prng.below(1000);
        let ret = point + prng.below(1000);
        *clock = ret;
        let new = if mix.values == 0 { number } else { prng.below(mix.values) };
        let input = match prng.below(3) {
            0 => CasInput::Read,
            1 => CasInput::Write(new),
            // What it expects is filled in where the value is known.
            _ => CasInput::Cas { from: u64::MAX, to: new },
        };
        let lost = prng.below(1000) < mix.lost;
        let operation = if lost {
            Operation::indeterminate(client, input, call)
        } else {
            Operation::completed(client, input, CasOutput::Written, call, ret)
        };
        let guess = point - prng.below(point - call + 1) / 4;
        plans.push(((!lost || prng.below(2) == 0).then_some(point), guess, operation));
    }
    play(&mut prng, mix, plans)
}

/// Carries out the plans in the order of their points; those without never happen.
fn play(prng: &mut Prng, mix: Mix, mut plans: Vec<(Option<u64>, u64, CasOp)>) -> Vec<CasOp> {
    plans.sort_by_key(|(point, ..)| *point);
    let mut value = 0;
    // The values that there were, with the times from which they were there.
    let mut values = vec![(0, 0)];
    for (point, guess, operation) in &mut plans {
        if let CasInput::Cas { from, .. } = &mut operation.input {
            let seen = values.partition_point(|(time, _)| time <= guess);
            let any = prng.below(4) == 0 && mix.values > 0;
            *from = if any { prng.below(mix.values) } else { values[seen - 1].1 };
        }
        let output = match operation.input {
            CasInput::Read => CasOutput::Read(Seen::Value(value)),
            CasInput::Write(_) => CasOutput::Written,
            CasInput::Cas { from, .. } => CasOutput::Cas(from == value),
        };
        if let (CasInput::Write(new) | CasInput::Cas { to: new, .. }, Some(point)) =
            (operation.input, *point)
            && output != CasOutput::Cas(false)
        {
            value = new;
            values.push((point, new));
        }
        if !operation.is_indeterminate() {
            operation.output = Some(output);
        }
    }
    plans.into_iter().map(|(.., operation)| operation).collect()
}

/// Makes the first answered read of the second half see a value that was overwritten long before.
/// Returns its index.
pub fn make_stale(history: &mut [CasOp], value: u64) -> usize {
    let half = history.len() / 2;
    let is_read =
        |operation: &CasOp| operation.input == CasInput::Read && !operation.is_indeterminate();
    let index = half + history[half..].iter().position(is_read).expect("a third of them are reads");
    history[index].output = Some(CasOutput::Read(Seen::Value(value)));
    index
}
