//! All ways in which a few operations can overlap, each once.
//!
//! *Why these are all.* Whether a history is legal depends on what precedes what in real time, on
//! which operations have no answer, and on what was asked and answered: the definition knows times
//! only by "returned before it was called". `all_intervals` lists every order of calls and returns;
//! of those with the same precedence and the same missing answers, up to the names of the
//! operations, one is kept. Which operation has which name is the business of the words that are
//! written on a shape (see `words`): all are, but for those that a symmetry of the shape makes of
//! another.
//!
//! A path could depend on more than it may, such as ties. So each shape comes with two sets of
//! times: one in which no two are equal, and the one with the fewest different times that there is.

use std::collections::HashMap;

use crate::histories::{self, Interval};

/// Operations by their intervals.
pub struct Shape {
    pub apart: Vec<Interval>,
    pub tied: Vec<Interval>,
    /// The ways to exchange operations that change nothing: who takes the place of each.
    pub symmetries: Vec<Vec<usize>>,
}

impl Shape {
    pub fn is_answered(&self, at: usize) -> bool {
        self.apart[at].1.is_some()
    }
}

/// All shapes of `count` operations of at most `processes` processes.
pub fn shapes(count: usize, processes: usize) -> Vec<Shape> {
    let permutations = permutations(count);
    let mut raw: HashMap<u64, Vec<Interval>> = HashMap::new();
    for intervals in histories::all_intervals(count, processes) {
        raw.entry(code(&intervals, &permutations[0])).or_insert(intervals);
    }
    let mut found: HashMap<u64, Vec<Interval>> = HashMap::new();
    for intervals in raw.into_values() {
        let least = permutations.iter().map(|order| code(&intervals, order)).min().unwrap();
        found.entry(least).or_insert(intervals);
    }
    let mut found: Vec<(u64, Vec<Interval>)> = found.into_iter().collect();
    found.sort_unstable();
    let shape = |(_, apart): (u64, Vec<Interval>)| {
        let own = code(&apart, &permutations[0]);
        let same = |order: &&Vec<usize>| code(&apart, order) == own;
        let symmetries = permutations.iter().filter(same).cloned().collect();
        Shape { tied: tied(&apart), symmetries, apart }
    };
    found.into_iter().map(shape).collect()
}

fn precedes(one: Interval, other: Interval) -> bool {
    one.1.is_some_and(|end| end < other.0)
}

/// Precedence and missing answers, when the operations are taken in this order.
fn code(intervals: &[Interval], order: &[usize]) -> u64 {
    let mut code = 0;
    for &one in order {
        code = code << 1 | u64::from(intervals[one].1.is_none());
        for &other in order {
            code = code << 1 | u64::from(precedes(intervals[one], intervals[other]));
        }
    }
    code
}

/// The same precedence with as few times as there can be: an operation starts at the number of
/// different sets of predecessors that are smaller than its own (they contain each other, as
/// intervals are on a line), and ends just before the first that it precedes starts.
fn tied(intervals: &[Interval]) -> Vec<Interval> {
    let before =
        |at: usize| intervals.iter().filter(|other| precedes(**other, intervals[at])).count();
    let mut sizes: Vec<usize> = (0..intervals.len()).map(before).collect();
    let starts = sizes.clone();
    sizes.sort_unstable();
    sizes.dedup();
    let start = |at: usize| sizes.binary_search(&starts[at]).unwrap() as u64;
    let end = |at: usize| {
        let after = |other: &usize| precedes(intervals[at], intervals[*other]);
        let first = (0..intervals.len()).filter(after).map(start).min();
        first.map_or(sizes.len() as u64, |first| first - 1)
    };
    let interval = |at: usize| (start(at), intervals[at].1.map(|_| end(at)));
    let tied: Vec<Interval> = (0..intervals.len()).map(interval).collect();
    let identity: Vec<usize> = (0..intervals.len()).collect();
    assert_eq!(code(&tied, &identity), code(intervals, &identity));
    tied
}

/// All orders of so many, the identity first.
fn permutations(count: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for _ in 0..count {
        let longer = |order: Vec<usize>| {
            let fresh: Vec<usize> = (0..count).filter(|it| !order.contains(it)).collect();
            fresh.into_iter().map(move |it| [&order[..], &[it]].concat())
        };
        all = all.into_iter().flat_map(longer).collect();
    }
    all
}

#[test]
fn there_are_as_many_shapes_as_interval_orders() {
    // Interval orders up to isomorphism (OEIS A022493, the Fishburn numbers).
    for (count, orders) in [(1, 1), (2, 2), (3, 5), (4, 15), (5, 53)] {
        let answered = |shape: &Shape| (0..count).all(|at| shape.is_answered(at));
        assert_eq!(shapes(count, count).into_iter().filter(answered).count(), orders);
    }
}
