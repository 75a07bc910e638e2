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
    let mut seen = line_up(history, reads, &mut placed)?;
    let last = 2 * seen.representatives.len();
    for (element, index) in adds {
        let operation = &history[index];
        let step = match seen.elements.get_mut(element) {
            Some(found) if found.was_added => return Err(Halt::Unfit),
            Some(found) => {
                found.was_added = true;
                found.step
            }
            None if operation.is_indeterminate() => continue,
            None => last,
        };
        placed.push(Placed { step, span: Span::of(operation)?, index });
    }
    if let Some(found) = seen.elements.values().find(|found| !found.was_added) {
        return illegal(Kind::NobodyWrote, [found.reader]);
    }
    let order = respect_time(placed, &seen.representatives, &watch)?;
    glances::merge(history, order, free)
}

/// An element that was read: the step in which it was added, and a read that saw it.
struct Found {
    step: usize,
    reader: usize,
    was_added: bool,
}

/// What the reads saw.
struct SeenSets<'a, V> {
    elements: HashMap<&'a V, Found, BuildHasherDefault<Mixer>>,
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
    let mut seen = SeenSets { elements: HashMap::default(), representatives: Vec::new() };
    seen.elements.reserve(reads.last().map_or(0, |(set, _)| set.len()));
    let nothing = BTreeSet::new();
    let mut before: (&BTreeSet<V>, Option<usize>) = (&nothing, None);
    for (set, index) in reads {
        let step = 2 * seen.representatives.len();
        let is_new = before.1.is_none() || before.0.len() < set.len();
        // One walk along both: what is in one of them only.
        let mut smaller = before.0.iter().peekable();
        for element in set {
            if smaller.next_if(|other| *other == element).is_none() {
                seen.elements.insert(element, Found { step, reader: index, was_added: false });
            }
        }
        if smaller.next().is_some() {
            return illegal(Kind::Incomparable, before.1.into_iter().chain([index]));
        }
        if is_new {
            seen.representatives.push(index);
            before = (set, Some(index));
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
