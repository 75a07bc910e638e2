//! A shortcut against the brute force, the search and the verifier.

use std::fmt::Debug;
use std::num::NonZeroUsize;

use perjury_porcupine::{
    Budget, Decision, Kind, Model, Operation, Path, Search, check, decide, verify,
};

use crate::naive;
use crate::prng::Prng;

/// Small checks are not worth threads.
pub fn one_thread() -> Budget {
    Budget { threads: NonZeroUsize::new(1), ..Budget::default() }
}

/// How histories were judged.
#[derive(Debug, Default)]
pub struct Tally {
    pub legal: u64,
    pub illegal: u64,
    /// Sent to the search.
    pub searched: u64,
}

impl Tally {
    /// Every kind of answer came up, and most answers came from the shortcut.
    pub fn assert_telling(&self) {
        self.assert_decided();
        assert!(self.searched < (self.legal + self.illegal) / 2, "{self:?}");
    }

    /// Every kind of answer came up.
    pub fn assert_decided(&self) {
        let all = self.legal + self.illegal;
        assert!(self.legal > all / 50 && self.illegal > all / 50, "{self:?}");
    }
}

/// Judges by the front door and compares with `expected`; a legal order must verify, and a witness
/// must be illegal by itself once `complete` has added what it refers to.
pub fn judge<M>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    expected: bool,
    tally: &mut Tally,
    complete: impl Fn(&[Operation<M::Input, M::Output>], &mut Vec<usize>),
) where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync + Clone + Debug,
    M::Output: Sync + Clone + Debug,
{
    let Decision { answer, paths } = decide(model, history, &one_thread());
    let known = paths.iter().all(|path| *path != Path::Search);
    tally.searched += u64::from(!known);
    match answer {
        Search::Linearizable(proof) => {
            assert!(expected, "wrongly legal: {history:#?}");
            assert_eq!(verify(model, history, &proof), Ok(()), "{proof:?} {history:#?}");
            tally.legal += 1;
        }
        Search::Illegal(evidence) => {
            assert!(!expected, "wrongly illegal: {evidence:?} {history:#?}");
            tally.illegal += 1;
            for witness in evidence.witnesses() {
                let mut core = witness.operations.clone();
                match witness.kind {
                    // All operations have a part in these.
                    Kind::NoPlace | Kind::NeverDeleted => core.extend(0..history.len()),
                    _ => complete(history, &mut core),
                }
                core.sort_unstable();
                core.dedup();
                let core: Vec<_> = core.iter().map(|&index| history[index].clone()).collect();
                let answer = check(model, &core, &one_thread());
                assert!(answer.is_illegal(), "{witness:?} proves nothing: {history:#?}");
            }
        }
        Search::Exhausted { .. } => panic!("nothing to exhaust"),
    }
}

/// The brute force on a deterministic model.
pub fn brute<M>(
    model: &M,
    asked: &[(M::Input, M::Output)],
    history: &[Operation<M::Input, M::Output>],
) -> bool
where
    M: Model,
    M::State: Send + Sync,
    M::Input: Clone + PartialEq,
    M::Output: Clone,
{
    let step = |state: &M::State, input: &M::Input, output: &M::Output| -> Vec<M::State> {
        model.step(state, input, Some(output)).into_iter().collect()
    };
    let answers = |input: &M::Input| -> Vec<M::Output> {
        asked.iter().filter(|(other, _)| other == input).map(|(_, o)| o.clone()).collect()
    };
    naive::linearizable(&model.init(), &step, &answers, history)
}

/// Random histories with ties and missing answers, against the search.
pub fn sample<M>(
    model: &M,
    rounds: u64,
    mut draw: impl FnMut(&mut Prng) -> Vec<Operation<M::Input, M::Output>>,
    complete: impl Fn(&[Operation<M::Input, M::Output>], &mut Vec<usize>),
) -> Tally
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync + Clone + Debug,
    M::Output: Sync + Clone + Debug,
{
    let mut tally = Tally::default();
    let mut prng = Prng(29);
    for _ in 0..rounds {
        let history = draw(&mut prng);
        let searched = check(model, &history, &one_thread());
        let expected = searched.is_linearizable();
        if let Search::Linearizable(proof) = searched {
            assert_eq!(verify(model, &history, &proof), Ok(()), "{proof:?} {history:#?}");
        }
        judge(model, &history, expected, &mut tally, &complete);
    }
    tally
}
