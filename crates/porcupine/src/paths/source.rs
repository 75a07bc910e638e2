//! The operations of a part, by their positions in it, in the words of a path.
//!
//! Not a copy of them: positions are half as long as indices, and what an operation does is asked
//! anew each time. What a path's words mean is told where they are defined.

use super::{Judged, Span, illegal};
use crate::{Kind, Operation};

/// In place of a position: none.
pub(super) const NONE: u32 = u32::MAX;

/// A part of a history, and what its operations do.
pub(super) struct Source<'a, I, O, F> {
    pub(super) history: &'a [Operation<I, O>],
    pub(super) part: &'a [usize],
    pub(super) classify: F,
}

impl<'a, I, O, F> Source<'a, I, O, F> {
    pub(super) fn operation(&self, at: u32) -> &'a Operation<I, O> {
        &self.history[self.index(at)]
    }

    /// The operation's index into the history.
    pub(super) fn index(&self, at: u32) -> usize {
        self.part[at as usize]
    }

    pub(super) fn span(&self, at: u32) -> Judged<Span> {
        Span::of(self.operation(at))
    }

    /// What the operation does.
    pub(super) fn word<W>(&self, at: u32) -> W
    where
        F: Fn(&'a I, Option<&'a O>) -> W,
    {
        self.word_of(self.index(at))
    }

    /// As [`Source::word`], by the index into the history.
    pub(super) fn word_of<W>(&self, index: usize) -> W
    where
        F: Fn(&'a I, Option<&'a O>) -> W,
    {
        let operation = &self.history[index];
        (self.classify)(&operation.input, operation.output.as_ref())
    }

    /// A witness of the operations at these positions, as far as they are any.
    pub(super) fn illegal<T>(
        &self,
        kind: Kind,
        positions: impl IntoIterator<Item = u32>,
    ) -> Judged<T> {
        let positions = positions.into_iter().filter(|at| *at != NONE);
        illegal(kind, positions.map(|at| self.index(at)))
    }
}
