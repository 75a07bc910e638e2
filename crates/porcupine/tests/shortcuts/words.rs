//! What is asked and answered in a small history: a letter for each operation.
//!
//! *Why not all words are needed.* Objects that only compare their values for equality cannot tell
//! a history from one with other values in the same places; those that compare their order cannot
//! tell it from one in which the values are 1, 2, 3 and so on in the same order. And a symmetry of
//! the shape only exchanges the names of operations. So of all words that become each other by such
//! changes, one is visited: the least.

use perjury_porcupine::{Model, Operation};

use crate::histories::Interval;
use crate::shapes::{Shape, shapes};

/// What an operation asked and was answered: a kind, and the values that it names. 0 is no value,
/// or one that must not be renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letter {
    pub kind: u8,
    pub values: [u8; 3],
}

/// A letter of one value.
pub fn letter(kind: u8, value: u8) -> Letter {
    Letter { kind, values: [value, 0, 0] }
}

/// Which values can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renaming {
    /// All.
    None,
    /// Those in other orders.
    Order,
    /// None.
    Any,
    /// None, and the values of one letter have no order among themselves: they are sorted.
    Unordered,
}

/// For [`Alphabet::once`]: any value may be written again.
pub fn often(_: Letter) -> u8 {
    0
}

/// What can be asked of a model.
pub struct Alphabet<M: Model> {
    pub renaming: Renaming,
    /// With answers.
    pub answered: Vec<Letter>,
    /// Without: what is asked counts, so each question once. What only reads may be left out: it is
    /// dropped by everyone.
    pub unanswered: Vec<Letter>,
    /// The value that a letter writes, or 0: words that write a value twice are left out.
    pub once: fn(Letter) -> u8,
    pub write: fn(Letter) -> (M::Input, M::Output),
}

impl<M: Model> Alphabet<M>
where
    M::Input: Clone,
    M::Output: Clone,
{
    /// The history of a word, at these times.
    pub fn history(
        &self,
        intervals: &[Interval],
        word: &[Letter],
    ) -> Vec<Operation<M::Input, M::Output>> {
        let operation = |(&(call, ret), &letter): (&Interval, &Letter)| {
            let (input, output) = (self.write)(letter);
            match ret {
                Some(ret) => Operation::completed(0, input, output, call, ret),
                None => Operation::indeterminate(0, input, call),
            }
        };
        intervals.iter().zip(word).map(operation).collect()
    }

    /// Calls `visit` with every shape of `count` operations of at most `processes` processes, and
    /// every word on it that `fits`.
    pub fn each(
        &self,
        (count, processes): (usize, usize),
        fits: impl Fn(&[Letter]) -> bool,
        mut visit: impl FnMut(&Shape, &[Letter]),
    ) {
        for shape in shapes(count, processes) {
            self.extend(&shape, &mut Vec::new(), 0, &fits, &mut visit);
        }
    }

    fn extend(
        &self,
        shape: &Shape,
        word: &mut Vec<Letter>,
        named: u8,
        fits: &impl Fn(&[Letter]) -> bool,
        visit: &mut impl FnMut(&Shape, &[Letter]),
    ) {
        if word.len() == shape.apart.len() {
            if fits(word) && self.is_least(shape, word) {
                visit(shape, word);
            }
            return;
        }
        let letters = match shape.is_answered(word.len()) {
            true => &self.answered,
            false => &self.unanswered,
        };
        for &letter in letters {
            let mut named = named;
            // A value that is new has the next name.
            let is_next = |value: &u8| {
                let fits = *value <= named + 1;
                named = named.max(*value);
                fits
            };
            let is_any = matches!(self.renaming, Renaming::Any | Renaming::Unordered);
            if is_any && !letter.values.iter().all(is_next) {
                continue;
            }
            let written = (self.once)(letter);
            if written != 0 && word.iter().any(|other| (self.once)(*other) == written) {
                continue;
            }
            word.push(letter);
            self.extend(shape, word, named, fits, visit);
            word.pop();
        }
    }

    /// No symmetry and no other names make it less.
    fn is_least(&self, shape: &Shape, word: &[Letter]) -> bool {
        if self.renaming == Renaming::Order && self.renamed(word) != word {
            return false;
        }
        shape.symmetries.iter().all(|symmetry| {
            let image: Vec<Letter> = symmetry.iter().map(|&at| word[at]).collect();
            self.renamed(&image)[..] >= *word
        })
    }

    fn renamed(&self, word: &[Letter]) -> Vec<Letter> {
        let values = word.iter().flat_map(|letter| letter.values).filter(|value| *value != 0);
        let mut names: Vec<u8> = Vec::new();
        for value in values {
            if !names.contains(&value) {
                names.push(value);
            }
        }
        match self.renaming {
            Renaming::None => return word.to_vec(),
            Renaming::Order => names.sort_unstable(),
            Renaming::Any | Renaming::Unordered => {}
        }
        let name = |value: u8| match names.iter().position(|name| *name == value) {
            Some(at) => at as u8 + 1,
            None => 0,
        };
        let letter = |letter: &Letter| {
            let mut values = letter.values.map(name);
            if self.renaming == Renaming::Unordered {
                // No value comes after all values.
                values.sort_unstable_by_key(|value| value.wrapping_sub(1));
            }
            Letter { values, ..*letter }
        };
        word.iter().map(letter).collect()
    }
}
