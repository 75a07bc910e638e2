//! Small histories: all of a size, or random ones.

use perjury_porcupine::Operation;

use crate::prng::Prng;

/// When an operation is open; without an end it is indeterminate.
pub type Interval = (u64, Option<u64>);

/// All ways in which `count` operations of at most `processes` processes can overlap, with any of
/// them indeterminate. Times are all different; operations are in the order of their calls.
pub fn all_intervals(count: usize, processes: usize) -> Vec<Vec<Interval>> {
    let mut found = Vec::new();
    extend(count, processes, &mut Vec::new(), &mut Vec::new(), 0, &mut found);
    found
}

fn extend(
    count: usize,
    processes: usize,
    intervals: &mut Vec<Interval>,
    open: &mut Vec<usize>,
    time: u64,
    found: &mut Vec<Vec<Interval>>,
) {
    if intervals.len() == count && open.is_empty() {
        found.push(intervals.clone());
        return;
    }
    if intervals.len() < count && open.len() < processes {
        intervals.push((time, None));
        // Indeterminate: the process is gone, another one takes its place.
        extend(count, processes, intervals, open, time + 1, found);
        open.push(intervals.len() - 1);
        extend(count, processes, intervals, open, time + 1, found);
        open.pop();
        intervals.pop();
    }
    for at in 0..open.len() {
        let op = open.remove(at);
        intervals[op].1 = Some(time);
        extend(count, processes, intervals, open, time + 1, found);
        intervals[op].1 = None;
        open.insert(at, op);
    }
}

/// Calls `visit` with every history of these intervals whose questions and answers are from
/// `asked`.
pub fn each_history<I: Clone, O: Clone>(
    intervals: &[Interval],
    asked: &[(I, O)],
    mut visit: impl FnMut(&[Operation<I, O>]),
) {
    let mut digits = vec![0; intervals.len()];
    loop {
        let history: Vec<_> = intervals
            .iter()
            .zip(&digits)
            .map(|(interval, digit)| operation(*interval, asked[*digit].clone()))
            .collect();
        visit(&history);
        let Some(at) = digits.iter().position(|digit| *digit + 1 < asked.len()) else { return };
        digits[at] += 1;
        digits[..at].fill(0);
    }
}

fn operation<I, O>((call, ret): Interval, (input, output): (I, O)) -> Operation<I, O> {
    match ret {
        Some(ret) => Operation::completed(0, input, output, call, ret),
        None => Operation::indeterminate(0, input, call),
    }
}

/// A history of at most `most` operations with random, often equal times.
pub fn random<I: Clone, O: Clone>(
    prng: &mut Prng,
    most: u64,
    asked: &[(I, O)],
) -> Vec<Operation<I, O>> {
    let span = 2 + prng.below(14);
    (0..=prng.below(most))
        .map(|_| {
            let call = prng.below(span);
            let ret = (prng.below(5) > 0).then(|| call + prng.below(5));
            operation((call, ret), asked[prng.below(asked.len() as u64) as usize].clone())
        })
        .collect()
}
