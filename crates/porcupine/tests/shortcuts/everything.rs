//! All histories to five operations of three processes: each path, and the search, against the
//! definition.
//!
//! Why the histories visited stand for all is told in `shapes` and `words`. Those of five
//! operations take minutes for some models: there, the ordinary tests leave out what `fits` says,
//! and `make exhaustive` has them all.

use std::fmt::Debug;

use perjury_porcupine::{Model, Operation, check, verify};

use crate::agree::{Tally, brute, judge, one_thread};
use crate::words::{Alphabet, Letter};

/// Judges all histories to `most` operations whose words fit in three ways. `answers` is what an
/// operation without an answer may have been answered.
pub fn everything<M>(
    model: &M,
    alphabet: &Alphabet<M>,
    most: usize,
    answers: &[Letter],
    fits: impl Fn(&[Letter]) -> bool,
    complete: impl Fn(&[Operation<M::Input, M::Output>], &mut Vec<usize>),
) -> Tally
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync + Clone + PartialEq + Debug,
    M::Output: Sync + Clone + Debug,
{
    let answers: Vec<_> = answers.iter().map(|letter| (alphabet.write)(*letter)).collect();
    let mut tally = Tally::default();
    for count in 1..=most {
        alphabet.each((count, 3), &fits, |shape, word| {
            let history = alphabet.history(&shape.apart, word);
            let expected = brute(model, &answers, &history);
            match check(model, &history, &one_thread()) {
                perjury_porcupine::Search::Linearizable(proof) => {
                    assert!(expected, "the search is wrong: legal? {history:#?}");
                    assert_eq!(verify(model, &history, &proof), Ok(()));
                }
                answer => {
                    assert!(answer.is_illegal() && !expected, "the search: {history:#?}");
                }
            }
            judge(model, &history, expected, &mut tally, &complete);
            let tied = alphabet.history(&shape.tied, word);
            judge(model, &tied, expected, &mut Tally::default(), &complete);
        });
    }
    // `make exhaustive` shows it.
    println!("{}: {most} operations: {tally:?}", std::any::type_name::<M>());
    tally
}
