//! Maps with deletes.

use std::collections::BTreeSet;

use perjury_porcupine::models::{Kv, KvInput, KvOutput, Seen};
use perjury_porcupine::{Model, Operation};

use crate::agree::sample;
use crate::prng::Prng;
use crate::simulate::{maybe_lie, simulate};

type Op = Operation<KvInput<u8, u8>, KvOutput<u8>>;

/// Deletes have a part in everything, so all operations do.
fn add_all(history: &[Op], core: &mut Vec<usize>) {
    core.extend(0..history.len());
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
