//! Operations that change nothing and fit several values: refused compare-and-sets, and reads of
//! which the value is not known.
//!
//! Not exact in one direction: an order of the rest is given, and where they do not fit into it, the
//! search must say whether they fit into another. The invariant: what is inserted respects real time
//! and finds what it must; what is refused is impossible in every order.
//!
//! Why greedily: an operation that changes nothing may be taken as soon as it fits, as in the
//! search: moving it to the front breaks nothing. So if the given order can be completed at all, it
//! is found here.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::Hash;

use super::super::{Halt, Judged, Span, Watch, illegal};
use super::chains::Chains;
use super::clusters::{Clusters, Floater};
use super::values::Writer;
use super::zones::Zones;
use super::{Act, Source};
use crate::Kind;

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

/// Puts the floaters into an order of the other operations, or leaves them to the search.
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
    let mut floaters: Vec<(u64, Floater)> = Vec::with_capacity(clusters.floaters.len());
    for floater in &clusters.floaters {
        floaters.push((source.span(floater.at)?.start, *floater));
    }
    floaters.sort_unstable_by_key(|(start, floater)| (*start, floater.at));
    let mut waiting = Waiting {
        ready: BinaryHeap::new(),
        held: Vec::new(),
        held_end: u64::MAX,
        spans: Vec::with_capacity(floaters.len()),
    };
    for (_, floater) in &floaters {
        let avoids = match source.act(floater.at) {
            Act::Differs(value) => Some(value),
            _ => None,
        };
        waiting.spans.push((source.span(floater.at)?, avoids));
    }
    // For each place in the order, the first `end` of the operations from there on: what starts
    // later has to wait for them.
    let mut ends = vec![u64::MAX; order.len() + 1];
    for (place, &index) in order.iter().enumerate().rev() {
        ends[place] = ends[place + 1].min(Span::of(&source.history[index])?.end);
    }
    let mut all = Vec::with_capacity(order.len() + floaters.len());
    let mut value = initial;
    let mut arrived = 0;
    for (place, &end) in ends.iter().enumerate() {
        watch.step(place)?;
        while arrived < floaters.len() && floaters[arrived].0 < end {
            waiting.ready.push(Reverse((floaters[arrived].0, arrived as u32)));
            arrived += 1;
        }
        waiting.take(value, |floater| all.push(source.index(floaters[floater as usize].1.at)));
        let Some(&index) = order.get(place) else { break };
        let operation = &source.history[index];
        // Whatever waits, waits for one that is held and ends no later.
        if waiting.held_end <= Span::of(operation)?.start {
            return Err(Halt::Unfit);
        }
        all.push(index);
        let act = (source.classify)(&operation.input, operation.output.as_ref());
        if let Act::Write(new) | Act::Swap(_, new) = act
            && new != value
        {
            value = new;
            waiting.release();
        }
    }
    if waiting.held.is_empty() { Ok(all) } else { Err(Halt::Unfit) }
}
