//! All small histories of transactions: no path knows them, so the search alone.

use std::collections::BTreeMap;

use perjury_porcupine::models::{Access, MultiRegister, Seen};

use crate::agree::Tally;
use crate::everything::everything;
use crate::words::{Alphabet, Letter, Renaming, letter, often};

type Transaction = (Vec<Access<u8, u8>>, Vec<Seen<Option<u8>>>);

/// Two registers, of which the first holds 0 and the second is not there.
fn write_transaction(letter: Letter) -> Transaction {
    use Access::{Read, Write};
    let both = |x, y| (vec![Read(0), Read(1)], vec![Seen::Value(x), Seen::Value(y)]);
    match letter.kind {
        0 => (vec![Write(0, 1)], vec![]),
        1 => (vec![Write(0, 1), Write(1, 1)], vec![]),
        2 => (vec![Write(1, 2)], vec![]),
        // Without an answer: whatever it would have read.
        3 => (vec![Read(0), Write(1, 1)], vec![Seen::Value(Some(0))]),
        4 => (vec![Read(0), Write(1, 1)], vec![Seen::Value(Some(1))]),
        // It sees its own write.
        5 => (vec![Write(0, 0), Read(0), Read(1)], vec![Seen::Value(Some(0)), Seen::Unknown]),
        6 => both(Some(0), None),
        7 => both(Some(1), None),
        8 => both(Some(1), Some(1)),
        9 => both(Some(0), Some(1)),
        _ => both(Some(0), Some(2)),
    }
}

fn all_transactions(most: usize) -> Tally {
    let letters = |kinds: &[u8]| kinds.iter().map(|kind| letter(*kind, 0)).collect::<Vec<_>>();
    let alphabet = Alphabet {
        renaming: Renaming::None,
        answered: letters(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        unanswered: letters(&[0, 1, 2, 3, 5]),
        once: often,
        write: write_transaction,
    };
    let model = MultiRegister(BTreeMap::from([(0, 0)]));
    let answers = letters(&[0, 1, 2, 3, 4, 5]);
    everything(&model, &alphabet, most, &answers, |_| true, |_, _| {})
}

#[test]
fn all_transactions_of_three_operations() {
    all_transactions(3).assert_decided();
}

#[test]
#[ignore = "make exhaustive"]
fn all_transactions_of_five_operations() {
    all_transactions(5).assert_decided();
}
