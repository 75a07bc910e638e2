//! An order of the operations on one grow-only set, by sorting: no search.
//!
//! Only a maker of certificates: what it makes is checked by [`verify`](crate::verify), so a
//! mistake here could lose a certificate and never forge one.
//!
//! Why nothing is lost. In a linearization the sets that reads show grow, so sorting the reads by
//! size, and those of equal sets by their start, gives their order; each read is a level. Every add
//! that took effect comes after all reads that do not show its element, and one add of each element
//! that is shown comes before the first read that does: the one that was called first can do that
//! if any can. The others change nothing and go as early as what ended before them allows. Adds
//! before the same read are sorted by the start of their calls. That is an order that respects real
//! time whenever there is one.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use perjury_history::{Call, Index, Operation, Outcome, Reply, Value};

/// Invocations in an order to be verified; `None` if the reads do not form a chain.
pub(crate) fn order<'a>(operations: &[&'a Operation]) -> Option<Vec<Index>> {
    let mut reads: Vec<(BTreeSet<&Value>, &'a Operation)> = operations
        .iter()
        .filter_map(|operation| Some((elements(operation)?, *operation)))
        .collect();
    reads.sort_by_key(|(shown, read)| (shown.len(), read.start));
    // At which level each element is shown for the first time.
    let mut first_shown: HashMap<&Value, usize> = HashMap::new();
    for (level, (shown, _)) in reads.iter().enumerate() {
        if level > 0 && !reads[level - 1].0.is_subset(shown) {
            return None;
        }
        for value in shown {
            first_shown.entry(value).or_insert(level);
        }
    }
    let read = |(level, (_, of)): (usize, &(_, &'a Operation))| Place { level, reads: true, of };
    let mut places: Vec<Place<'a>> = reads.iter().enumerate().map(read).collect();
    let mut repeated = Vec::new();
    for (element, adds) in adds(operations) {
        let answered = |add: &&Operation| matches!(add.outcome(), Some(Outcome::Ok(_)));
        match (first_shown.get(element), adds.split_first()) {
            (Some(level), Some((first, others))) => {
                places.push(Place { level: *level, reads: false, of: first });
                // What is in doubt is needed only to explain the first read.
                repeated.extend(others.iter().copied().filter(answered).map(|add| (*level, add)));
            }
            // Not seen by any read: an add in doubt may have had no effect.
            _ => {
                let unseen = adds.into_iter().filter(answered);
                places.extend(unseen.map(|of| Place { level: reads.len(), reads: false, of }));
            }
        }
    }
    place_repeated(repeated, &mut places);
    places.sort_by_key(|place| (place.level, place.reads, place.of.start, place.of.invoked));
    Some(places.into_iter().map(|place| place.of.invoked).collect())
}

/// Where an operation stands: at which level, and there before or among its reads.
struct Place<'a> {
    level: usize,
    reads: bool,
    of: &'a Operation,
}

impl Place<'_> {
    /// The lowest level of whatever begins after this has ended, and when that is.
    fn bound(&self) -> Option<Reverse<(u64, usize)>> {
        Some(Reverse((self.of.end()?, self.level + usize::from(self.reads))))
    }
}

/// Gives every further add of an element the lowest level at which it can stand, from the one where
/// the element is there: that of whatever ended before it began.
fn place_repeated<'a>(mut repeated: Vec<(usize, &'a Operation)>, places: &mut Vec<Place<'a>>) {
    repeated.sort_by_key(|(_, add)| add.start);
    let mut ends: BinaryHeap<Reverse<(u64, usize)>> =
        places.iter().filter_map(Place::bound).collect();
    let mut lowest = 0;
    for (level, of) in repeated {
        while ends.peek().is_some_and(|Reverse((end, _))| *end < of.start) {
            lowest = lowest.max(ends.pop().map_or(0, |Reverse((_, level))| level));
        }
        let place = Place { level: level.max(lowest), reads: false, of };
        ends.extend(place.bound());
        places.push(place);
    }
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
