//! Who added an element.
//!
//! Not whether it was in time: see [`steps`](super::steps). The invariant: the index knows every
//! add, also those that were not answered.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash};

use super::Grow;
use crate::hash::Mixer;
use crate::paths::source::Source;
use crate::paths::values::{Touched, Values, Writer};
use crate::paths::{Judged, Watch};

/// How many elements are looked up together, so that memory is waited for once.
pub(super) const BATCH: usize = 16;

/// The adds by their elements.
pub(super) struct Adds<'a, V> {
    values: Values,
    /// All adds of the elements that were added several times, in the order of the part.
    repeated: HashMap<&'a V, Vec<u32>, BuildHasherDefault<Mixer>>,
}

/// The adds of one element.
pub(super) enum Adders<'a> {
    Nobody,
    One(u32),
    Several(&'a [u32]),
}

impl<'a, V: Eq + Hash> Adds<'a, V> {
    /// Indexes the adds of a part, of which there are `count`.
    pub(super) fn index<I, O, F>(
        source: &Source<'a, I, O, F>,
        count: usize,
        watch: &Watch<'_>,
    ) -> Judged<Self>
    where
        F: Fn(&'a I, Option<&'a O>) -> Grow<'a, V>,
    {
        let mut adds = Self { values: Values::new(count), repeated: HashMap::default() };
        let mut batch = Vec::with_capacity(BATCH);
        let count = source.part.len() as u32;
        for begin in (0..count).step_by(BATCH) {
            watch.step(begin as usize + BATCH - 1)?;
            for at in begin..count.min(begin + BATCH as u32) {
                if let Grow::Add(element) = source.word(at) {
                    batch.push((at, element, adds.values.touch(element)));
                }
            }
            for (at, element, touched) in batch.drain(..) {
                let earlier = adds.values.insert(element, touched, at, |at| element_of(source, at));
                if let Some(earlier) = earlier {
                    adds.repeated.entry(element).or_insert_with(|| vec![earlier]).push(at);
                }
            }
        }
        Ok(adds)
    }

    /// See [`Values::touch`].
    pub(super) fn touch(&self, element: &'a V) -> Touched {
        self.values.touch(element)
    }

    /// Who added `element`.
    pub(super) fn find<I, O, F>(
        &self,
        source: &Source<'a, I, O, F>,
        element: &'a V,
        touched: Touched,
    ) -> Adders<'_>
    where
        F: Fn(&'a I, Option<&'a O>) -> Grow<'a, V>,
    {
        match self.values.find(element, touched, |at| element_of(source, at)) {
            Writer::Nobody => Adders::Nobody,
            Writer::Cluster(at) => Adders::One(at),
            Writer::Several => Adders::Several(self.repeated.get(element).map_or(&[], |it| it)),
        }
    }
}

fn element_of<'a, I, O, V: 'a, F>(source: &Source<'a, I, O, F>, at: u32) -> Option<&'a V>
where
    F: Fn(&'a I, Option<&'a O>) -> Grow<'a, V>,
{
    match source.word(at) {
        Grow::Add(element) => Some(element),
        _ => None,
    }
}
