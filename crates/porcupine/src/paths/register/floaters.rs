//! Operations that change nothing and fit several values: refused compare-and-sets, and reads of
//! which the value is not known.
//!
//! An order of the rest is given, and where they do not fit into it, a stretch of it is arranged
//! anew ([`windows`](super::windows)), at last all that bears upon the place
//! ([`cuts`](super::cuts)): if that has no order by itself, nothing has. Only where that is too
//! much, or there is an order that does not fit to the rest, the search has to say. The invariant:
//! what is inserted respects real time and finds what it must; what is refused is impossible in
//! every order.
//!
//! Why greedily: an operation that changes nothing may be taken as soon as it fits, as in the
//! search: moving it to the front breaks nothing. So if the given order can be completed at all, it
//! is found here.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::hash::Hash;

use super::super::values::Writer;
use super::super::{Halt, Judged, Span, Watch, illegal};
use super::chains::Chains;
use super::clusters::{Clusters, NONE};
use super::cuts::Cuts;
use super::zones::Zones;
use super::{Act, Source, windows};
use crate::{Kind, Operation};

/// Refutes what is impossible in every order: a compare-and-set from `a` that was refused after one
/// operation on `a` had ended, and before another began. `a` was written once, so it was there all
/// the time. (The compare-and-set that replaced `a` found it there too.)
pub(crate) fn refuse<I, O, F>(
    source: &Source<'_, I, O, F>,
    clusters: &Clusters,
    chains: &Chains,
    zones: &Zones,
) -> Judged<()> {
    for floater in &clusters.floaters {
        let Some(Writer::Cluster(cluster)) = floater.avoids else { continue };
        if !clusters.is_present(cluster) {
            continue;
        }
        let span = source.span(floater.at)?;
        let replaced = chains.replaced_by(cluster).map(|next| clusters.writer[next as usize]);
        let is_after = |at: u32| source.span(at).is_ok_and(|other| span.end <= other.start);
        let before = zones.end[cluster as usize] <= span.start;
        let after = zones.start[cluster as usize] >= span.end;
        if !before || !(after || replaced.is_some_and(is_after)) {
            continue;
        }
        let sees = |at: &u32| clusters.home[*at as usize] == cluster || Some(*at) == replaced;
        let is_before = |at: &u32| source.span(*at).is_ok_and(|other| other.end <= span.start);
        // The initial value is there before everything, with no operation to say so.
        let first = source.positions().filter(sees).find(is_before);
        let last = source.positions().filter(sees).find(|at| is_after(*at));
        let shows = chains.replaced_by(cluster).map(|next| clusters.evidence(source, next));
        let all = first.into_iter().chain([floater.at]).chain(last).map(|at| source.index(at));
        return illegal(Kind::RefusedInside, all.chain(shows.into_iter().flatten()));
    }
    Ok(())
}

/// Floaters on their way into an order.
struct Waiting<T> {
    /// By start; those whose turn has come and that were not tried at this value.
    ready: BinaryHeap<Reverse<(u64, u32)>>,
    /// Those that do not fit the present value, and the first `end` of them.
    held: Vec<(u64, u32)>,
    held_end: u64,
    spans: Vec<(Span, Option<T>)>,
}

impl<T: Copy + Eq> Waiting<T> {
    /// Takes what fits `value`. One that is held keeps back those that began after its end.
    fn take(&mut self, value: T, mut insert: impl FnMut(u32)) {
        while let Some(&Reverse((start, floater))) = self.ready.peek() {
            if self.held_end <= start {
                return;
            }
            self.ready.pop();
            let (span, avoids) = self.spans[floater as usize];
            if avoids == Some(value) {
                self.held.push((start, floater));
                self.held_end = self.held_end.min(span.end);
            } else {
                insert(floater);
            }
        }
    }

    fn release(&mut self) {
        self.ready.extend(self.held.drain(..).map(Reverse));
        self.held_end = u64::MAX;
    }
}

/// Puts the floaters into an order of the other operations. Where one does not fit, the stretch
/// around it is arranged anew; where that fails too, everything is left to the search.
pub(crate) fn insert<'a, I, O, T, F>(
    source: &Source<'a, I, O, F>,
    clusters: &Clusters,
    initial: T,
    order: Vec<usize>,
    watch: &Watch<'_>,
) -> Judged<Vec<usize>>
where
    T: Copy + Eq + Hash,
    F: Fn(&'a I, Option<&'a O>) -> Act<T>,
{
    let mut floaters: Vec<(u64, usize)> = Vec::with_capacity(clusters.floaters.len());
    for floater in &clusters.floaters {
        floaters.push((source.span(floater.at)?.start, source.index(floater.at)));
    }
    floaters.sort_unstable();
    let mut waiting = Waiting {
        ready: BinaryHeap::new(),
        held: Vec::new(),
        held_end: u64::MAX,
        spans: Vec::with_capacity(floaters.len()),
    };
    for (_, index) in &floaters {
        let avoids = match source.act_of(*index) {
            Act::Differs(value) => Some(value),
            _ => None,
        };
        waiting.spans.push((Span::of(&source.history[*index])?, avoids));
    }
    let mut ends = vec![u64::MAX; order.len() + 1];
    for (place, &index) in order.iter().enumerate().rev() {
        ends[place] = ends[place + 1].min(Span::of(&source.history[index])?.end);
    }
    let all = Vec::with_capacity(order.len() + floaters.len());
    let starts = vec![(0, initial)];
    let mut spare = Vec::new();
    for at in source.positions() {
        if clusters.home[at as usize] == NONE && source.written(at).is_some() {
            spare.push((source.span(at)?.start, source.index(at)));
        }
    }
    spare.sort_unstable();
    let used = HashSet::new();
    let (value, arrived, cuts) = (initial, 0, None);
    Merge {
        source,
        initial,
        order,
        ends,
        floaters,
        arrived,
        waiting,
        all,
        starts,
        value,
        spare,
        used,
        cuts,
    }
    .run(watch)
}

struct Merge<'s, 'a, I, O, F, T> {
    source: &'s Source<'a, I, O, F>,
    initial: T,
    order: Vec<usize>,
    /// For each place in the order, the first `end` of the operations from there on: what starts
    /// later has to wait for them.
    ends: Vec<u64>,
    /// By start, with their indices.
    floaters: Vec<(u64, usize)>,
    arrived: usize,
    waiting: Waiting<T>,
    /// What was put in order so far, where plain writes are in it, and the values before them.
    all: Vec<usize>,
    starts: Vec<(usize, T)>,
    value: T,
    /// Indeterminate writes that nobody needed, by start, and which of them were used after all: a
    /// refused compare-and-set may be all that tells of them.
    spare: Vec<(u64, usize)>,
    used: HashSet<usize>,
    /// Made when first asked for.
    cuts: Option<Cuts>,
}

/// How many indeterminate writes that nobody needed may help where something does not fit.
const MOST_SPARE: usize = 8;

/// How many operations may bear upon one place.
const MOST_ISOLATED: usize = 400;

/// How many plain writes before and after the place where something does not fit are moved.
const STRETCHES: [usize; 3] = [2, 6, 20];

impl<'a, I, O, F, T> Merge<'_, 'a, I, O, F, T>
where
    T: Copy + Eq + Hash,
    F: Fn(&'a I, Option<&'a O>) -> Act<T>,
{
    fn run(mut self, watch: &Watch<'_>) -> Judged<Vec<usize>> {
        let mut place = 0;
        loop {
            watch.step(place)?;
            self.arrive(place);
            let (all, floaters) = (&mut self.all, &self.floaters);
            self.waiting.take(self.value, |floater| all.push(floaters[floater as usize].1));
            let next = self.order.get(place).copied();
            if next.is_none() && self.waiting.held.is_empty() {
                return Ok(self.all);
            }
            let start = match next {
                Some(index) => Span::of(&self.source.history[index])?.start,
                None => u64::MAX,
            };
            // Whatever waits, waits for one that is held and ends no later.
            match next {
                Some(index) if self.waiting.held_end > start => {
                    self.push(index);
                    place += 1;
                }
                _ => place = self.rearrange(place)?,
            }
        }
    }

    fn arrive(&mut self, place: usize) {
        while let Some(&(start, _)) = self.floaters.get(self.arrived)
            && start < self.ends[place]
        {
            self.waiting.ready.push(Reverse((start, self.arrived as u32)));
            self.arrived += 1;
        }
    }

    fn push(&mut self, index: usize) {
        let act = self.source.act_of(index);
        if let Act::Write(_) = act {
            self.starts.push((self.all.len(), self.value));
        }
        self.all.push(index);
        if let Act::Write(new) | Act::Swap(_, new) = act {
            self.value = new;
            self.waiting.release();
        }
    }

    /// The last indeterminate writes that began before `end`, the first end of what comes later.
    fn spare_before(&self, end: u64) -> Vec<usize> {
        let until = self.spare.partition_point(|(start, _)| *start < end);
        let indices = self.spare[..until].iter().rev().map(|(_, index)| *index);
        indices.take(2 * MOST_SPARE).filter(|it| !self.used.contains(it)).take(MOST_SPARE).collect()
    }

    /// Arranges what is around `place` anew, everything that waits included, and gives the place
    /// where the order goes on.
    ///
    /// Real time is respected across the borders. To the left: what was put there began before the
    /// end of everything that waits, and comes before the stretch in an order that respects it. To
    /// the right: a floater that arrives later starts after the end of some operation that also
    /// comes later in the order, and nothing in the stretch starts after that, neither what was in
    /// the order nor what was added.
    fn rearrange(&mut self, place: usize) -> Judged<usize> {
        for size in STRETCHES {
            let back = self.starts.len().saturating_sub(size);
            let is_write =
                |at: &usize| matches!(self.source.act_of(self.order[*at]), Act::Write(_));
            let end = (place..self.order.len()).filter(is_write).nth(size);
            let end = end.unwrap_or(self.order.len());
            if let Some(end) = self.arrange_between(back, place, end, windows::FEW_STATES) {
                return Ok(end);
            }
        }
        self.isolate(place)
    }

    /// Arranges all that bears upon what does not fit, or finds that it has no order.
    fn isolate(&mut self, place: usize) -> Judged<usize> {
        let stuck = self.waiting.held.iter().map(|(_, floater)| *floater);
        let Some(stuck) = stuck.min_by_key(|it| self.waiting.spans[*it as usize].0.end) else {
            return Err(Halt::Unfit);
        };
        if self.cuts.is_none() {
            let spans = self.waiting.spans.iter().copied();
            self.cuts = Some(Cuts::new(self.source, self.initial, &self.order, spans)?);
        }
        let Some(cuts) = &self.cuts else { return Err(Halt::Unfit) };
        let stretch = cuts.around(self.waiting.spans[stuck as usize].0);
        let is_inside = |it: &&(Span, Option<T>)| stretch.contains(it.0);
        let inside: Vec<(Span, Option<T>)> =
            self.waiting.spans.iter().filter(is_inside).copied().collect();
        // What any other value would do as well, and who could write it.
        let is_avoided = |value: T| inside.iter().any(|(_, avoids)| *avoids == Some(value));
        let (mut helps, mut others) = (Vec::new(), Vec::new());
        for &(start, index) in self.spare.iter().filter(|(start, _)| stretch.reaches(*start)) {
            match self.source.act_of(index) {
                Act::Write(value) if !is_avoided(value) => others.push((start, index)),
                _ => helps.push(index),
            }
        }
        // One for each is enough, and the one that begins first is as good as any.
        helps.extend(others.into_iter().take(inside.len()).map(|(_, index)| index));
        let mut part: Vec<usize> = self.order[stretch.places.clone()].to_vec();
        let inside = self.floaters.iter().zip(&self.waiting.spans);
        part.extend(inside.filter(|(_, it)| stretch.contains(it.0)).map(|((_, index), _)| *index));
        let certain = part.len();
        part.extend(helps);
        if part.len() > MOST_ISOLATED {
            return Err(Halt::Unfit);
        }
        let all = self.operations(&part, certain);
        if windows::arrange(self.initial, all, windows::MANY_STATES).is_err() {
            return illegal(Kind::Together, part);
        }
        // There is an order: one that fits to what was put in order before, if it can be found.
        let places = stretch.places;
        let begin = match places.start {
            0 => 0,
            first => self.all.iter().position(|it| *it == self.order[first]).unwrap_or(0),
        };
        let back = self.starts.iter().rposition(|(start, _)| *start <= begin).unwrap_or(0);
        let end = places.end.max(place);
        self.arrange_between(back, place, end, windows::MANY_STATES).ok_or(Halt::Unfit)
    }

    fn operations(&self, part: &[usize], certain: usize) -> Vec<Operation<Act<T>, ()>> {
        let operation = |(number, index): (usize, &usize)| {
            let operation = &self.source.history[*index];
            let (call, last) = operation.interval();
            let act = self.source.act_of(*index);
            match number < certain {
                true => Operation::completed(0, act, (), call, last.unwrap_or(u64::MAX)),
                false => Operation::indeterminate(0, act, call),
            }
        };
        part.iter().enumerate().map(operation).collect()
    }

    /// Arranges what was put in order from a plain write on, all that waits, and what comes before
    /// `end`: if the search finds a way.
    fn arrange_between(
        &mut self,
        back: usize,
        place: usize,
        end: usize,
        states: u64,
    ) -> Option<usize> {
        let (begin, value) = self.starts[back];
        let mut stretch = self.all[begin..].to_vec();
        self.arrive(end);
        let held = self.waiting.held.iter().map(|(_, floater)| *floater);
        let ready = self.waiting.ready.iter().map(|Reverse((_, floater))| *floater);
        stretch.extend(held.chain(ready).map(|floater| self.floaters[floater as usize].1));
        stretch.extend(&self.order[place..end]);
        let certain = stretch.len();
        stretch.extend(self.spare_before(self.ends[end]));
        let all = self.operations(&stretch, certain);
        let Ok(Some(found)) = windows::arrange(value, all, states) else { return None };
        self.all.truncate(begin);
        self.starts.truncate(back.max(1));
        self.value = value;
        self.waiting.ready.clear();
        self.waiting.held.clear();
        self.waiting.release();
        self.used.extend(found.iter().filter(|at| **at >= certain).map(|at| stretch[*at]));
        found.into_iter().for_each(|number| self.push(stretch[number]));
        Some(end)
    }
}
