//! A lock that gives rising tokens: takes in the order of their tokens, and releases. O(n log n).
//!
//! Lazy as the path of the [lock](super::lock), and for the same reasons: nothing takes effect
//! before it must, and of the releases the one that returns first. But which acquire comes next is
//! given by the tokens. One that was not answered, whose token is not known, is taken where the
//! next by token has not arrived: in an order that takes it although the next has arrived, the two
//! can be exchanged, as no other token lies between. That would need tokens between any two. They
//! are whole numbers, so there may be none between; where the order that was found has too few, the
//! search has to say. Where no order is found, there is none even with tokens between.
//!
//! Acquires whose tokens contradict their times are told apart at first. So if an operation is
//! stuck afterwards, it is so because of acquires that come later and have smaller tokens, or for
//! want of any: all operations may have a part in it.
//!
//! Source: the argument above.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::sweep::Sweep;
use super::{Halt, Judged, Span, Watch, concluded, illegal};
use crate::{Kind, Meter, Operation, Shortcut};

/// What an operation does to a lock with tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fenced {
    /// Takes it, with this token if it is known.
    Take(Option<u64>),
    Free,
    /// Finds it held, or free.
    Sees(bool),
    /// Fits nowhere.
    Never,
}

struct Lock {
    held: bool,
    /// The acquires by token: token, position; how many of them took effect; who has arrived.
    tokens: Vec<(u64, u32)>,
    next: usize,
    arrived: Vec<bool>,
    /// Acquires without an answer that have arrived.
    unknown: Vec<u32>,
    /// Releases that have arrived, by the end.
    releases: BinaryHeap<Reverse<(u64, u32)>>,
    /// What waits to see it free, to see it held.
    waiting: [Vec<u32>; 2],
    taken: Vec<bool>,
    order: Vec<u32>,
}

/// Judges a lock that is free at first and has given no token.
pub(crate) fn decide_fenced_lock<'a, I, O>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    classify: impl Fn(&I, Option<&O>) -> Fenced,
    meter: &Meter,
) -> Option<Shortcut> {
    concluded("tokens", judge(history, part, classify, meter))
}

fn judge<I, O>(
    history: &[Operation<I, O>],
    part: &[usize],
    classify: impl Fn(&I, Option<&O>) -> Fenced,
    meter: &Meter,
) -> Judged<Vec<usize>> {
    let watch = Watch::new(meter, part.len())?;
    let act = |at: u32| {
        let operation = &history[part[at as usize]];
        classify(&operation.input, operation.output.as_ref())
    };
    let span = |at: u32| Span::of(&history[part[at as usize]]);
    let mut tokens: Vec<(u64, u32)> = Vec::new();
    for at in 0..part.len() as u32 {
        match act(at) {
            Fenced::Take(Some(token)) => tokens.push((token, at)),
            Fenced::Never => return illegal(Kind::Misanswered, [part[at as usize]]),
            _ => {}
        }
    }
    tokens.sort_unstable();
    respect_time(&tokens, part, span)?;
    let mut sweep = Sweep::new(history, part, |_| true)?;
    let mut lock = Lock::new(part.len(), tokens);
    for number in 0..sweep.returns() {
        watch.step(number)?;
        let returning = sweep.pass(number, |at| match act(at) {
            Fenced::Take(Some(_)) => lock.arrived[at as usize] = true,
            Fenced::Take(None) => lock.unknown.push(at),
            Fenced::Free => {
                let end = span(at).map_or(u64::MAX, |span| span.end);
                lock.releases.push(Reverse((end, at)));
            }
            Fenced::Sees(held) if held == lock.held => lock.take(at),
            Fenced::Sees(held) => lock.waiting[usize::from(held)].push(at),
            Fenced::Never => {}
        });
        while !lock.taken[returning as usize] {
            let Some(at) = lock.turn() else {
                return illegal(Kind::NoPlace, [part[returning as usize]]);
            };
            lock.take(at);
            lock.held = !lock.held;
            for seeing in std::mem::take(&mut lock.waiting[usize::from(lock.held)]) {
                lock.take(seeing);
            }
        }
    }
    let acquires = lock.order.iter().filter_map(|&at| match act(at) {
        Fenced::Take(token) => Some(token),
        _ => None,
    });
    if !have_room(acquires) {
        return Err(Halt::Unfit);
    }
    Ok(lock.order.into_iter().map(|at| part[at as usize]).collect())
}

/// No token is given twice, and none after a greater one.
fn respect_time(
    tokens: &[(u64, u32)],
    part: &[usize],
    span: impl Fn(u32) -> Judged<Span>,
) -> Judged<()> {
    let mut latest: Option<(u64, u32)> = None;
    for (number, &(token, at)) in tokens.iter().enumerate() {
        if let Some(before) = number.checked_sub(1).map(|before| tokens[before])
            && before.0 == token
        {
            return illegal(Kind::GivenTwice, [before.1, at].map(|at| part[at as usize]));
        }
        let Span { start, end } = span(at)?;
        if let Some((_, early)) = latest.filter(|(start, _)| end <= *start) {
            return illegal(Kind::AgainstTime, [early, at].map(|at| part[at as usize]));
        }
        latest = latest.max(Some((start, at)));
    }
    Ok(())
}

/// Whether there is a token for each acquire, between those before and behind it.
fn have_room(acquires: impl Iterator<Item = Option<u64>>) -> bool {
    let mut least = 0u128;
    for token in acquires {
        match token.map(u128::from) {
            Some(token) if token < least => return false,
            Some(token) => least = token + 1,
            None => least += 1,
        }
    }
    true
}

impl Lock {
    fn new(count: usize, tokens: Vec<(u64, u32)>) -> Self {
        Self {
            held: false,
            tokens,
            next: 0,
            arrived: vec![false; count],
            unknown: Vec::new(),
            releases: BinaryHeap::new(),
            waiting: [Vec::new(), Vec::new()],
            taken: vec![false; count],
            order: Vec::with_capacity(count),
        }
    }

    fn take(&mut self, at: u32) {
        self.taken[at as usize] = true;
        self.order.push(at);
    }

    /// What takes effect next.
    fn turn(&mut self) -> Option<u32> {
        if self.held {
            return self.releases.pop().map(|Reverse((_, at))| at);
        }
        match self.tokens.get(self.next) {
            Some(&(_, at)) if self.arrived[at as usize] => {
                self.next += 1;
                Some(at)
            }
            _ => self.unknown.pop(),
        }
    }
}
