//! Grow-only sets with reads of all elements: O(n log n) in the number of operations, where these
//! are not in time order yet, and linear in the size of the answers.
//!
//! The sets that were read must contain each other, and then they say where everything belongs:
//! first the adds of the elements of the smallest set, the reads of that set, the adds of what the
//! next set has more, and so on; last the adds of what no read saw, since a read after such an add
//! would have seen it. This order of *steps* is the only one; within a step, operations may be in
//! any order that respects real time, such as that of their starts. So the history is legal if and
//! only if no operation of a later step ended before one of an earlier step began. An indeterminate
//! add whose element was read took effect; one whose element was not would come after all reads,
//! and may as well be left out.
//!
//! *Elements that were read and added several times.* One of the adds has to be in the element's
//! step. All of them have to end after all operations of earlier steps began; so the one that
//! starts first is never the worse choice for the step. The others change nothing once it has taken
//! effect: those that were not answered are left out, and the answered ones take effect at their
//! start, or when the last operation of the earlier steps has begun, whichever is later. In a step
//! the order is that of the starts then, so the chosen add has taken effect by that instant.
//!
//! Source: the argument above. Jepsen's `set-full` checker looks for a part of these
//! contradictions, element by element.

mod adds;
mod chain;
mod steps;

use std::collections::BTreeSet;
use std::hash::Hash;

use super::source::Source;
use super::{Judged, Watch, concluded, glances};
use crate::{Kind, Meter, Operation, Shortcut};
use adds::Adds;
use steps::Steps;

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

/// Judges a set that is empty at first.
pub(crate) fn decide_set<'a, I, O, V: Ord + Hash + 'a>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    classify: impl Fn(&'a I, Option<&'a O>) -> Grow<'a, V>,
    meter: &Meter,
) -> Option<Shortcut> {
    concluded("inclusion", judge(&Source { history, part, classify }, meter))
}

fn judge<'a, I, O, V, F>(source: &Source<'a, I, O, F>, meter: &Meter) -> Judged<Vec<usize>>
where
    V: Ord + Hash + 'a,
    F: Fn(&'a I, Option<&'a O>) -> Grow<'a, V>,
{
    let watch = Watch::new(meter, source.part.len())?;
    let mut steps = Steps::new(source.part.len());
    let (mut added, mut reads, mut free) = (0, Vec::new(), Vec::new());
    for at in 0..source.part.len() as u32 {
        watch.step(at as usize)?;
        let answered = !source.operation(at).is_indeterminate();
        match source.word(at) {
            Grow::Add(_) => {
                added += 1;
                if answered {
                    steps.put_last(at);
                }
            }
            Grow::Read(set) if answered => reads.push((set, at)),
            Grow::Glance if answered => free.push((source.span(at)?.start, source.index(at))),
            Grow::Never if answered => return source.illegal(Kind::Misanswered, [at]),
            _ => {}
        }
    }
    if !reads.is_empty() {
        let adds = Adds::index(source, added, &watch)?;
        chain::line_up(source, reads, &adds, &mut steps, &watch)?;
    }
    let order = steps.order(source, &watch)?;
    free.extend(steps.respect_time(source, &order, &watch)?);
    let order = order.into_iter().map(|at| source.index(at)).collect();
    glances::merge_at(source.history, order, free)
}
