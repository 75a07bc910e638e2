//! What the reads saw: sets that contain each other, from the smallest on.
//!
//! Not yet about time. Each set is walked along with the one before it, once as the larger and once
//! as the smaller, so no element is looked up but those that are new in a set.

use std::collections::BTreeSet;
use std::hash::Hash;

use super::Grow;
use super::adds::{Adders, Adds, BATCH};
use super::steps::Steps;
use crate::Kind;
use crate::paths::source::Source;
use crate::paths::{Judged, Watch};

/// Gives the reads and the adds of what they saw their steps.
pub(super) fn line_up<'a, I, O, V, F>(
    source: &Source<'a, I, O, F>,
    mut reads: Vec<(&'a BTreeSet<V>, u32)>,
    adds: &Adds<'a, V>,
    steps: &mut Steps,
    watch: &Watch<'_>,
) -> Judged<()>
where
    V: Ord + Hash + 'a,
    F: Fn(&'a I, Option<&'a O>) -> Grow<'a, V>,
{
    reads.sort_by_key(|(set, _)| set.len());
    let nothing = BTreeSet::new();
    let mut before: (&BTreeSet<V>, Option<u32>) = (&nothing, None);
    let mut fresh = Vec::with_capacity(BATCH);
    let mut walked = 0;
    for (set, at) in reads {
        if before.1.is_none() || before.0.len() < set.len() {
            steps.begin_set(at);
        }
        // One walk along both: what is in one of them only.
        let mut smaller = before.0.iter().peekable();
        for element in set {
            walked += 1;
            watch.step(walked)?;
            if smaller.next_if(|other| *other == element).is_none() {
                fresh.push(element);
                if fresh.len() == BATCH {
                    place(source, &mut fresh, at, adds, steps)?;
                }
            }
        }
        if smaller.next().is_some() {
            let both = before.1.into_iter().chain([at]);
            return source.illegal(Kind::Incomparable, both);
        }
        place(source, &mut fresh, at, adds, steps)?;
        steps.put_read(at);
        before = (set, Some(before.1.filter(|_| before.0.len() == set.len()).unwrap_or(at)));
    }
    Ok(())
}

/// Puts the adds of elements that the read at `reader` is the first to have seen into its step.
fn place<'a, I, O, V, F>(
    source: &Source<'a, I, O, F>,
    fresh: &mut Vec<&'a V>,
    reader: u32,
    adds: &Adds<'a, V>,
    steps: &mut Steps,
) -> Judged<()>
where
    V: Ord + Hash + 'a,
    F: Fn(&'a I, Option<&'a O>) -> Grow<'a, V>,
{
    let mut touched = [None; BATCH];
    for (element, touched) in fresh.iter().zip(&mut touched) {
        *touched = Some(adds.touch(element));
    }
    for (element, touched) in fresh.drain(..).zip(touched.into_iter().flatten()) {
        match adds.find(source, element, touched) {
            Adders::Nobody => return source.illegal(Kind::NobodyWrote, [reader]),
            Adders::One(at) => steps.put_add(at),
            Adders::Several(all) => steps.put_adds(source, all)?,
        }
    }
    Ok(())
}
