//! The steps in which operations take effect: twice the number of different sets that were read
//! before, and one more for a read.

use crate::Kind;
use crate::paths::source::Source;
use crate::paths::{Judged, Span, Watch};

/// In place of a step: needs no place among the steps.
const NOWHERE: u32 = u32::MAX;
/// In place of a step: after all reads.
const LAST: u32 = NOWHERE - 1;

pub(super) struct Steps {
    /// By position.
    of: Vec<u32>,
    /// For each set, from the smallest on, a read that saw it.
    readers: Vec<u32>,
    /// Answered adds of what another add in this step has added.
    repeats: Vec<(u32, u32)>,
}

impl Steps {
    pub(super) fn new(operations: usize) -> Self {
        Self { of: vec![NOWHERE; operations], readers: Vec::new(), repeats: Vec::new() }
    }

    fn positions(&self) -> std::ops::Range<u32> {
        0..self.of.len() as u32
    }

    /// What is put from now on belongs to a new set, which the read at `reader` saw.
    pub(super) fn begin_set(&mut self, reader: u32) {
        self.readers.push(reader);
    }

    pub(super) fn put_last(&mut self, add: u32) {
        self.of[add as usize] = LAST;
    }

    pub(super) fn put_read(&mut self, read: u32) {
        self.of[read as usize] = 2 * self.readers.len() as u32 - 1;
    }

    pub(super) fn put_add(&mut self, add: u32) {
        self.of[add as usize] = 2 * self.readers.len() as u32 - 2;
    }

    /// All adds of one element.
    pub(super) fn put_adds<I, O, F>(
        &mut self,
        source: &Source<'_, I, O, F>,
        all: &[u32],
    ) -> Judged<()> {
        let mut first: Option<(u64, u32)> = None;
        for &at in all {
            let start = source.span(at)?.start;
            if first.is_none_or(|first| (start, at) < first) {
                first = Some((start, at));
            }
        }
        for &at in all {
            self.put_add(at);
            if first.is_some_and(|(_, first)| first != at) {
                let step = std::mem::replace(&mut self.of[at as usize], NOWHERE);
                if !source.operation(at).is_indeterminate() {
                    self.repeats.push((step, at));
                }
            }
        }
        Ok(())
    }

    /// The positions by step, and in a step in an order that respects real time.
    pub(super) fn order<I, O, F>(
        &self,
        source: &Source<'_, I, O, F>,
        watch: &Watch<'_>,
    ) -> Judged<Vec<u32>> {
        let last = 2 * self.readers.len();
        let mut next = vec![0u32; last + 2];
        let step = |at: u32| match self.of[at as usize] {
            NOWHERE => None,
            step => Some((step as usize).min(last)),
        };
        for step in self.positions().filter_map(step) {
            next[step + 1] += 1;
        }
        for step in 1..next.len() {
            next[step] += next[step - 1];
        }
        let mut order = vec![0; next[last + 1] as usize];
        let mut put = |at: u32| {
            if let Some(step) = step(at) {
                order[next[step] as usize] = at;
                next[step] += 1;
            }
        };
        // Most histories are in such an order as they come.
        if self.repeats.is_empty() && self.is_in_time(source, watch)? {
            self.positions().for_each(put);
        } else {
            let mut starts = Vec::with_capacity(self.of.len());
            for at in self.positions() {
                starts.push((source.span(at)?.start, at));
            }
            starts.sort_unstable();
            watch.look()?;
            starts.into_iter().for_each(|(_, at)| put(at));
        }
        Ok(order)
    }

    /// Whether the part is in an order that respects real time.
    fn is_in_time<I, O, F>(&self, source: &Source<'_, I, O, F>, watch: &Watch<'_>) -> Judged<bool> {
        let mut latest = 0;
        for at in self.positions() {
            watch.step(at as usize)?;
            let span = source.span(at)?;
            if span.end <= latest {
                return Ok(false);
            }
            latest = latest.max(span.start);
        }
        Ok(true)
    }

    /// Instants for the repeated adds with their indices, or two operations that `order` has the
    /// wrong way round.
    pub(super) fn respect_time<I, O, F>(
        mut self,
        source: &Source<'_, I, O, F>,
        order: &[u32],
        watch: &Watch<'_>,
    ) -> Judged<Vec<(u64, usize)>> {
        self.repeats.sort_unstable();
        let mut repeats = self.repeats.iter().peekable();
        let mut instants = Vec::with_capacity(repeats.len());
        let mut latest: Option<(Span, u32)> = None;
        for (number, &at) in order.iter().enumerate() {
            watch.step(number)?;
            // The first operation of its step: one of these adds is the chosen one.
            while let Some(&(step, repeat)) =
                repeats.next_if(|(step, _)| *step <= self.of[at as usize])
            {
                let span = source.span(repeat)?;
                self.compare(source, latest, (span, step, repeat))?;
                let begun = latest.map_or(0, |(early, _)| early.start);
                instants.push((span.start.max(begun), source.index(repeat)));
            }
            let span = source.span(at)?;
            self.compare(source, latest, (span, self.of[at as usize], at))?;
            if latest.is_none_or(|(early, _)| early.start < span.start) {
                latest = Some((span, at));
            }
        }
        Ok(instants)
    }

    /// Whether `late` may follow `latest`.
    fn compare<I, O, F>(
        &self,
        source: &Source<'_, I, O, F>,
        latest: Option<(Span, u32)>,
        (late, step, at): (Span, u32, u32),
    ) -> Judged<()> {
        let Some((_, early)) = latest.filter(|(early, _)| late.end <= early.start) else {
            return Ok(());
        };
        // Two adds: what shows their order is a read that saw the one and not the other.
        let before = self.of[early as usize];
        let adds = (before | step) & 1 == 0;
        let between = self.readers.get(before as usize / 2).filter(|_| adds);
        let all = [early].into_iter().chain(between.copied()).chain([at]);
        source.illegal(Kind::AgainstTime, all)
    }
}
