//! A counter to which different numbers of one sign are added, and reads of its sum.
//!
//! Which adds make up a sum is subset sum in general. This path is exact where there is no choice:
//! it goes through the sums that were read, from the least to the greatest, and stops, for the
//! search to go on, where some of the adds that may come before the next sum make it up in more
//! than one way (adds of the same number are alike), or where it would have to try many.
//!
//! *Why this decides.* All numbers are positive (or all negative, which is the same), so sums only
//! grow and the reads are ordered by what they saw. The adds between two sums that follow each
//! other are a *gap*. An add belongs to a gap after all reads that ended before it began, and
//! before all that began after it ended: bounds that depend on nothing else. The path fills the
//! gaps in order, so that what is before a gap is known. Adds that have this gap as their last must
//! be in it. What is missing then is made up of the others that may be: none of them, or all, or
//! so many of each number. Of those that add the same number the ones that end first are taken.
//!
//! Why those: let S be an order that fills the gaps before as the path did, and this one with as
//! many of each number, D what the path takes, and no add outside of D precede one in D (else it is
//! left to the search; with one number it cannot happen). For each x that S takes and D does not,
//! let S exchange it with a y of the same number in D that it takes in a later gap; y ends no later
//! than x. What precedes y is in D or before; what follows x follows y, so it is in y's gap or
//! later, or is exchanged as well: not to an earlier gap, as it would be in D and x too; and not
//! from the same gap to one later but before y's, as then y precedes it and yet comes after it. The
//! bounds of y allow this gap, those of x that of y, as it ends later.
//!
//! Within a gap, and among reads of one sum, operations are in the order of their starts; as none
//! of a later gap ends before one of an earlier begins, that is an order. What was not answered
//! and is not needed is left out.
//!
//! Source: the argument above; the bounds are those of Jepsen's counter checker.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::counter::Tick;
use super::{Halt, Judged, Span, Watch, glances, illegal};
use crate::{Kind, Operation};

/// How many different numbers may be open at once where a sum is to be made up.
const MOST_NUMBERS: usize = 32;

/// How many ways are tried to make up a sum.
const MOST_TRIES: u32 = 10_000;

struct Add {
    span: Span,
    index: usize,
    number: u64,
    /// The first and the last gap that it may be in.
    first: usize,
    last: usize,
    done: bool,
}

/// Reads of one sum: their spans and indices.
type Reads = Vec<(Span, usize)>;

/// Judges a counter that is 0 at first.
pub(super) fn judge<I, O>(
    history: &[Operation<I, O>],
    part: &[usize],
    tick: impl Fn(&Operation<I, O>) -> Tick,
    watch: &Watch<'_>,
) -> Judged<Vec<usize>> {
    let (mut adds, mut reads, mut free) = (Vec::new(), BTreeMap::<u64, Reads>::new(), Vec::new());
    let is_negative = part.iter().any(|&at| matches!(tick(&history[at]), Tick::Add(..=-1)));
    let is_positive = part.iter().any(|&at| matches!(tick(&history[at]), Tick::Add(1..)));
    if is_negative && is_positive {
        return Err(Halt::Unfit);
    }
    let mut total = 0u64;
    for (at, &index) in part.iter().enumerate() {
        watch.step(at)?;
        let operation = &history[index];
        let answered = !operation.is_indeterminate();
        match tick(operation) {
            Tick::Add(number) => {
                let (span, number) = (Span::of(operation)?, number.unsigned_abs());
                total = total.checked_add(number).ok_or(Halt::Unfit)?;
                adds.push(Add { span, index, number, first: 0, last: 0, done: false });
            }
            Tick::Read(sum) if answered => {
                if sum != 0 && (sum < 0) != is_negative {
                    return illegal(Kind::NoPlace, [index]);
                }
                reads.entry(sum.unsigned_abs()).or_default().push((Span::of(operation)?, index));
            }
            Tick::Glance if answered => free.push(index),
            Tick::Never if answered => return illegal(Kind::Misanswered, [index]),
            _ => {}
        }
    }
    // Else sums could wrap around.
    if total > i64::MAX as u64 {
        return Err(Halt::Unfit);
    }
    for reads in reads.values_mut() {
        reads.sort_unstable_by_key(|(span, index)| (span.start, *index));
    }
    bound(&mut adds, &reads)?;
    let gaps = fill(&mut adds, &reads, watch)?;
    let mut order = Vec::with_capacity(part.len());
    for (gap, reads) in gaps.into_iter().zip(reads.into_values().chain([Vec::new()])) {
        order.extend(gap.into_iter().map(|add| adds[add].index));
        order.extend(reads.into_iter().map(|(_, index)| index));
    }
    glances::merge(history, order, free)
}

/// Which gaps each add may be in: gap g lies before the sum number g.
fn bound(adds: &mut [Add], sums: &BTreeMap<u64, Reads>) -> Judged<()> {
    // The latest start of a read up to each sum; the earliest end of one from each sum on.
    let mut starts: Vec<(u64, usize)> = Vec::with_capacity(sums.len());
    let mut ends: Vec<u64> = Vec::with_capacity(sums.len());
    for reads in sums.values() {
        let early = starts.last().copied().unwrap_or((0, usize::MAX));
        let first = reads.iter().min_by_key(|(span, _)| span.end);
        if let Some((span, index)) = first {
            if early.1 != usize::MAX && span.end <= early.0 {
                return illegal(Kind::AgainstTime, [early.1, *index]);
            }
            ends.push(span.end);
        }
        starts.push(reads.iter().fold(early, |late, (span, index)| match late.1 {
            usize::MAX => (span.start, *index),
            _ => late.max((span.start, *index)),
        }));
    }
    for at in (1..ends.len()).rev() {
        ends[at - 1] = ends[at - 1].min(ends[at]);
    }
    for add in adds {
        add.first = ends.partition_point(|end| *end <= add.span.start);
        add.last = starts.partition_point(|(start, _)| *start < add.span.end);
        if add.last < add.first {
            return illegal(Kind::NoPlace, [add.index]);
        }
    }
    Ok(())
}

/// The adds that may be in a gap and are not in one yet, by their numbers; of each those that end
/// first are first.
#[derive(Default)]
struct Open {
    classes: BTreeMap<u64, BinaryHeap<Reverse<(u64, usize)>>>,
    sum: u64,
}

impl Open {
    fn push(&mut self, adds: &[Add], add: usize) {
        let Add { number, span, .. } = adds[add];
        self.classes.entry(number).or_default().push(Reverse((span.end, add)));
        self.sum += number;
    }

    fn first(&self, number: u64) -> Option<usize> {
        self.classes.get(&number)?.peek().map(|Reverse((_, add))| *add)
    }

    fn pop(&mut self, number: u64) -> Option<usize> {
        let class = self.classes.get_mut(&number)?;
        let Reverse((_, add)) = class.pop()?;
        if class.is_empty() {
            self.classes.remove(&number);
        }
        self.sum -= number;
        Some(add)
    }

    /// How many of each number make up the sum, if there is just one way.
    fn make_up(&self, sum: u64) -> Result<Vec<(u64, u64)>, Ways> {
        let numbers: Vec<(u64, u64)> = self
            .classes
            .iter()
            .rev()
            .map(|(number, class)| (*number, class.len() as u64))
            .collect();
        if sum == self.sum {
            return Ok(numbers);
        }
        if let [(number, count)] = numbers[..] {
            let fits = sum.is_multiple_of(number) && sum / number <= count;
            return if fits { Ok(vec![(number, sum / number)]) } else { Err(Ways::None) };
        }
        if sum > self.sum {
            return Err(Ways::None);
        }
        if numbers.len() > MOST_NUMBERS {
            return Err(Ways::Many);
        }
        let mut found = None;
        let mut tries = 0;
        try_all(&numbers, (sum, self.sum), &mut Vec::new(), &mut found, &mut tries)?;
        found.ok_or(Ways::None)
    }
}

/// In how many ways a sum can be made up, where it is not one.
enum Ways {
    None,
    Many,
}

/// With the numbers that are left, and their sum.
fn try_all(
    numbers: &[(u64, u64)],
    (sum, most): (u64, u64),
    chosen: &mut Vec<(u64, u64)>,
    found: &mut Option<Vec<(u64, u64)>>,
    tries: &mut u32,
) -> Result<(), Ways> {
    *tries += 1;
    if *tries > MOST_TRIES {
        return Err(Ways::Many);
    }
    if sum == 0 {
        // The same way with other numbers of zeros does not come up: this ends it.
        return match found.replace(chosen.clone()) {
            None => Ok(()),
            Some(_) => Err(Ways::Many),
        };
    }
    let Some(((number, count), rest)) = numbers.split_first() else { return Ok(()) };
    let most = most - count * number;
    for times in 0..=(*count).min(sum / number) {
        // The others have to make up what is left.
        if sum - times * number <= most {
            chosen.push((*number, times));
            try_all(rest, (sum - times * number, most), chosen, found, tries)?;
            chosen.pop();
        }
    }
    Ok(())
}

/// The adds in each gap, by start.
fn fill(
    adds: &mut [Add],
    sums: &BTreeMap<u64, Reads>,
    watch: &Watch<'_>,
) -> Judged<Vec<Vec<usize>>> {
    let mut by_first: Vec<usize> = (0..adds.len()).collect();
    by_first.sort_unstable_by_key(|&add| adds[add].first);
    let mut by_last: Vec<usize> =
        (0..adds.len()).filter(|&add| adds[add].span.end != u64::MAX).collect();
    by_last.sort_unstable_by_key(|&add| adds[add].last);
    let mut by_first = by_first.into_iter().peekable();
    let mut by_last = by_last.into_iter().peekable();
    let mut open = Open::default();
    let mut gaps: Vec<Vec<usize>> = Vec::with_capacity(sums.len() + 1);
    let mut before = 0;
    for (gap, (&sum, reads)) in sums.iter().enumerate() {
        watch.step(gap)?;
        while let Some(add) = by_first.next_if(|&add| adds[add].first <= gap) {
            open.push(adds, add);
        }
        let mut chosen = Vec::new();
        while let Some(add) = by_last.next_if(|&add| adds[add].last <= gap) {
            // Those that end sooner have no later gap.
            while let Some(first) = open.first(adds[add].number)
                && adds[first].last <= gap
            {
                chosen.extend(open.pop(adds[add].number));
            }
        }
        let made: u64 = chosen.iter().map(|&add| adds[add].number).sum();
        let missing = (sum - before).checked_sub(made);
        let ways = match missing {
            Some(0) => Ok(Vec::new()),
            Some(missing) => open.make_up(missing),
            None => Err(Ways::None),
        };
        let ways = match ways {
            Ok(ways) => ways,
            Err(Ways::None) => return illegal(Kind::NoPlace, [reads[0].1]),
            Err(Ways::Many) => return Err(Halt::Unfit),
        };
        let is_certain = ways.is_empty();
        for (number, times) in ways {
            for _ in 0..times {
                chosen.extend(open.pop(number));
            }
        }
        chosen.iter().for_each(|&add| adds[add].done = true);
        // What is left open must not precede what was chosen.
        let latest = chosen.iter().map(|&add| adds[add].span.start).max().unwrap_or(0);
        let mut tops = open.classes.values().filter_map(|class| class.peek());
        if !is_certain && tops.any(|Reverse((end, _))| *end <= latest) {
            return Err(Halt::Unfit);
        }
        chosen.sort_unstable_by_key(|&add| adds[add].span.start);
        gaps.push(chosen);
        before = sum;
    }
    let answered = |add: &usize| !adds[*add].done && adds[*add].span.end != u64::MAX;
    let mut rest: Vec<usize> = (0..adds.len()).filter(answered).collect();
    rest.sort_unstable_by_key(|&add| adds[add].span.start);
    gaps.push(rest);
    Ok(gaps)
}
