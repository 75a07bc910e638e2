//! Grow-only sets with reads of all elements: O(n log n) in the size of the answers.
//!
//! Not for elements that were read and have several possible adds: those go to the search. The sets
//! that were read must contain each other, and then they say where everything belongs: first the
//! adds of the elements of the smallest set, the reads of that set, the adds of what the next set
//! has more, and so on; last the adds of what no read saw, since a read after such an add would
//! have seen it. This order of *steps* is the only one; within a step, operations may be in the
//! order of their starts. So the history is legal if and only if no operation of a later step ended
//! before one of an earlier step began. An indeterminate add whose element was read took effect;
//! one whose element was not would come after all reads, and may as well be left out.
//!
//! Source: the argument above. Jepsen's `set-full` checker looks for a part of these
//! contradictions, element by element.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hash};

use super::{Halt, Judged, Span, Watch, concluded, glances, illegal};
use crate::hash::Mixer;
use crate::{Kind, Meter, Operation, Shortcut};

/// What an operation does to a set.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Grow<'a, V> {
    Add(&'a V),
    /// Found exactly these elements.
    Read(&'a BTreeSet<V>),
    /// Found anything.
    Glance,
    /// Fits nowhere.
    Never,
}

/// An operation with its step: twice the number of different sets that were read before it, and one
/// more for a read.
struct Placed {
    step: usize,
    span: Span,
    index: usize,
}

/// Judges a set that is empty at first.
pub(crate) fn decide_set<'a, I, O, V: Ord + Hash + 'a>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    classify: impl Fn(&'a I, Option<&'a O>) -> Grow<'a, V>,
    meter: &Meter,
) -> Option<Shortcut> {
    concluded("inclusion", judge(history, part, classify, meter))
}

fn judge<'a, I, O, V: Ord + Hash + 'a>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    classify: impl Fn(&'a I, Option<&'a O>) -> Grow<'a, V>,
    meter: &Meter,
) -> Judged<Vec<usize>> {
    let watch = Watch::new(meter, part.len())?;
    let (mut adds, mut reads, mut free) = (Vec::new(), Vec::new(), Vec::new());
    for (at, &index) in part.iter().enumerate() {
        watch.step(at)?;
        let operation = &history[index];
        let answered = !operation.is_indeterminate();
        match classify(&operation.input, operation.output.as_ref()) {
            Grow::Add(element) => adds.push((element, index)),
            Grow::Read(set) if answered => reads.push((set, index)),
            Grow::Glance if answered => free.push(index),
            Grow::Never if answered => return illegal(Kind::Misanswered, [index]),
            _ => {}
        }
    }
    let mut placed = Vec::with_capacity(part.len());
    let seen = line_up(history, reads, &mut placed)?;
    let mut adders: ByElement<'_, V, usize> = HashMap::default();
    adders.reserve(seen.steps.len());
    for (element, index) in adds {
        let operation = &history[index];
        let step = seen.steps.get(element).map(|(step, _)| *step);
        if step.is_some() && adders.insert(element, index).is_some() {
            return Err(Halt::Unfit);
        }
        if step.is_none() && operation.is_indeterminate() {
            continue;
        }
        placed.push(Placed {
            step: step.unwrap_or(2 * seen.representatives.len()),
            span: Span::of(operation)?,
            index,
        });
    }
    for (element, (_, reader)) in &seen.steps {
        if !adders.contains_key(*element) {
            return illegal(Kind::NobodyWrote, [*reader]);
        }
    }
    let order = respect_time(placed, &seen.representatives, &watch)?;
    glances::merge(history, order, free)
}

/// By elements that were read.
type ByElement<'a, V, T> = HashMap<&'a V, T, BuildHasherDefault<Mixer>>;

/// What the reads saw.
struct SeenSets<'a, V> {
    /// For each element the step in which it was added, and a read that saw it.
    steps: ByElement<'a, V, (usize, usize)>,
    /// For each set, from the smallest on, a read that saw it.
    representatives: Vec<usize>,
}

/// Sorts the reads by what they saw, and places them.
fn line_up<'a, I, O, V: Ord + Hash + 'a>(
    history: &[Operation<I, O>],
    mut reads: Vec<(&'a BTreeSet<V>, usize)>,
    placed: &mut Vec<Placed>,
) -> Judged<SeenSets<'a, V>> {
    reads.sort_by_key(|(set, _)| set.len());
    let mut seen = SeenSets { steps: HashMap::default(), representatives: Vec::new() };
    let mut before: Option<(&BTreeSet<V>, usize)> = None;
    for (set, index) in reads {
        let is_new = before.is_none_or(|(smaller, _)| smaller.len() < set.len());
        if let Some((smaller, other)) = before
            && !(if is_new { smaller.is_subset(set) } else { smaller == set })
        {
            return illegal(Kind::Incomparable, [other, index]);
        }
        if is_new {
            let step = 2 * seen.representatives.len();
            // Only what is new: most of an answer is in those before.
            let fresh = before.map(|(smaller, _)| set.difference(smaller));
            match fresh {
                Some(fresh) => seen.steps.extend(fresh.map(|element| (element, (step, index)))),
                None => seen.steps.extend(set.iter().map(|element| (element, (step, index)))),
            }
            seen.representatives.push(index);
            before = Some((set, index));
        }
        let step = 2 * seen.representatives.len() - 1;
        placed.push(Placed { step, span: Span::of(&history[index])?, index });
    }
    Ok(seen)
}

/// The order of the steps, or two operations that it has the wrong way round.
fn respect_time(
    mut placed: Vec<Placed>,
    representatives: &[usize],
    watch: &Watch<'_>,
) -> Judged<Vec<usize>> {
    placed.sort_unstable_by_key(|it| (it.step, it.span.start, it.index));
    let mut latest: Option<&Placed> = None;
    for (at, late) in placed.iter().enumerate() {
        watch.step(at)?;
        if let Some(early) = latest
            && late.span.end <= early.span.start
        {
            // Two adds: what shows their order is a read that saw the one and not the other.
            let adds = early.step % 2 == 0 && late.step % 2 == 0;
            let between = representatives.get(early.step / 2).filter(|_| adds);
            let all = [early.index].into_iter().chain(between.copied()).chain([late.index]);
            return illegal(Kind::AgainstTime, all);
        }
        if latest.is_none_or(|early| early.span.start < late.span.start) {
            latest = Some(late);
        }
    }
    Ok(placed.into_iter().map(|it| it.index).collect())
}
