//! Maps with deletes.

use std::collections::BTreeSet;

use perjury_porcupine::models::{Kv, KvInput, KvOutput, Seen};
use perjury_porcupine::{Model, Operation};

use crate::agree::{exhaust, sample};
use crate::prng::Prng;
use crate::simulate::{maybe_lie, simulate};

type Op = Operation<KvInput<u8, u8>, KvOutput<u8>>;

/// Deletes have a part in everything, so all operations do.
fn add_all(history: &[Op], core: &mut Vec<usize>) {
    core.extend(0..history.len());
}

fn got(value: Option<u8>) -> (KvInput<u8, u8>, KvOutput<u8>) {
    (KvInput::Get(0), KvOutput::Got(Seen::Value(value)))
}

/// What is put is put once, and unanswered gets are of no interest.
fn is_useful(history: &[Op]) -> bool {
    let puts = history.iter().filter_map(|op| match op.input {
        KvInput::Put(_, value) => Some(value),
        _ => None,
    });
    let puts: Vec<u8> = puts.collect();
    let ordered = puts.iter().zip(1..).all(|(value, next)| *value == next);
    ordered && history.iter().all(|op| !op.is_indeterminate() || op.input != KvInput::Get(0))
}

#[test]
fn all_map_histories_of_five_operations_on_three_processes() {
    let mut asked = [None, Some(1), Some(2)].map(got).to_vec();
    asked.extend([1, 2].map(|value| (KvInput::Put(0, value), KvOutput::Put)));
    asked.push((KvInput::Delete(0), KvOutput::Deleted));
    let tally = exhaust(&Kv::default(), &asked, (5, 3), is_useful, add_all);
    tally.assert_telling();
    assert_eq!(tally.searched, 0);
}

fn draw(prng: &mut Prng) -> Vec<Op> {
    let count = 1 + prng.below(14);
    let mut next = 0;
    let question = |prng: &mut Prng| match prng.below(5) {
        0 => KvInput::Delete(0),
        1 => {
            next += 1;
            KvInput::Put(0, next)
        }
        _ => KvInput::Get(0),
    };
    let answer = |state: &Option<u8>, input: &KvInput<u8, u8>| match input {
        KvInput::Get(_) => KvOutput::Got(Seen::Value(*state)),
        KvInput::Put(..) => KvOutput::Put,
        KvInput::Delete(_) => KvOutput::Deleted,
    };
    let model: Kv<u8, u8> = Kv::default();
    assert_eq!(model.init(), None);
    let mut history = simulate(&model, prng, count, question, answer);
    for operation in &mut history {
        if operation.input == KvInput::Get(0) && operation.output.is_some() {
            match prng.below(12) {
                0 => operation.output = Some(KvOutput::Got(Seen::Unknown)),
                1 => operation.output = Some(KvOutput::Got(Seen::Value(None))),
                _ => {}
            }
        }
    }
    maybe_lie(prng, &mut history, |a, b| {
        let kinds: BTreeSet<_> = [a, b].map(|op| op.input == KvInput::Get(0)).into();
        a.output.is_some() == b.output.is_some() && kinds == BTreeSet::from([true])
    });
    history
}

#[test]
fn random_maps_agree_with_the_search() {
    let tally = sample(&Kv::default(), 30_000, draw, add_all);
    tally.assert_telling();
    assert_eq!(tally.searched, 0);
}
