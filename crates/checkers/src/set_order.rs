//! An order of the operations on one grow-only set, by sorting: no search.
//!
//! Only a maker of certificates: what it makes is checked by [`verify`](crate::verify), so a
//! mistake here could lose a certificate and never forge one.
//!
//! Why nothing is lost. In a linearization the sets that reads show grow, so the reads fall into
//! levels by what they show, smallest first, and the order of the levels is forced. Every add that
//! took effect comes after all reads that do not show its element; one add of each element that is
//! shown comes before the first read that does. So each add has a level before whose reads it can
//! stand earliest, an element's earliest add *must* stand there, and the others go as early as the
//! reads that ended before them allow. Inside one level adds stand before reads, both sorted by the
//! start of their calls, which is an order that respects real time whenever there is one.

use std::collections::{BTreeSet, HashMap};

use perjury_history::{Call, Index, Operation, Outcome, Reply, Value};

/// Invocations in an order to be verified; `None` if the reads do not form a chain.
pub(crate) fn order(operations: &[&Operation]) -> Option<Vec<Index>> {
    let mut reads: Vec<(BTreeSet<&Value>, &Operation)> = operations
        .iter()
        .filter_map(|operation| Some((elements(operation)?, *operation)))
        .collect();
    reads.sort_by_key(|(shown, read)| (shown.len(), read.start));
    let mut level = 0;
    let mut levels = Vec::with_capacity(reads.len());
    // At which level each element is shown for the first time.
    let mut first_shown: HashMap<&Value, usize> = HashMap::new();
    for (at, (shown, _)) in reads.iter().enumerate() {
        if at > 0 && *shown != reads[at - 1].0 {
            if !reads[at - 1].0.is_subset(shown) {
                return None;
            }
            level += 1;
        }
        levels.push(level);
        for value in shown {
            first_shown.entry(value).or_insert(level);
        }
    }
    let past = level + 1;
    // Reads by their end, each with the highest level among those that ended no later.
    let mut ended: Vec<(u64, usize)> = reads
        .iter()
        .zip(&levels)
        .filter_map(|((_, read), level)| Some((read.end()?, *level)))
        .collect();
    ended.sort_unstable();
    for at in 1..ended.len() {
        ended[at].1 = ended[at].1.max(ended[at - 1].1);
    }
    // (level, read after add, start, invocation)
    let mut placed: Vec<(usize, bool, u64, Index)> = reads
        .iter()
        .zip(&levels)
        .map(|((_, read), level)| (*level, true, read.start, read.invoked))
        .collect();
    for (element, adds) in adds(operations) {
        let shown = first_shown.get(element).copied();
        for (rank, add) in adds.iter().enumerate() {
            let answered = matches!(add.outcome(), Some(Outcome::Ok(_)));
            let level = match shown {
                // Not seen by any read: it may have had no effect.
                None if !answered => continue,
                None => past,
                // What is in doubt is needed only to explain the first read.
                Some(_) if rank > 0 && !answered => continue,
                Some(level) if rank == 0 => level,
                Some(level) => {
                    let before = ended.partition_point(|(end, _)| *end < add.start);
                    before.checked_sub(1).map_or(level, |at| level.max(ended[at].1 + 1))
                }
            };
            placed.push((level, false, add.start, add.invoked));
        }
    }
    placed.sort_unstable();
    Some(placed.into_iter().map(|(_, _, _, invoked)| invoked).collect())
}

/// The adds of each element that may have taken effect, the one that was called first in front.
fn adds<'a>(operations: &[&'a Operation]) -> Vec<(&'a Value, Vec<&'a Operation>)> {
    let mut adds: HashMap<&Value, Vec<&Operation>> = HashMap::new();
    for operation in operations {
        if let Call::Add { element, .. } = &operation.call
            && !matches!(operation.outcome(), Some(Outcome::Fail(_)))
        {
            adds.entry(element).or_default().push(operation);
        }
    }
    let mut adds: Vec<_> = adds.into_iter().collect();
    for (_, calls) in &mut adds {
        calls.sort_by_key(|add| (add.start, add.invoked));
    }
    adds
}

fn elements(operation: &Operation) -> Option<BTreeSet<&Value>> {
    match (&operation.call, operation.outcome()) {
        (Call::ReadAll { .. }, Some(Outcome::Ok(Reply::Elements(elements)))) => {
            Some(elements.iter().collect())
        }
        _ => None,
    }
}
