//! Locks that know their holders, where each client does one thing at a time: O(n log n).
//!
//! Not for what was refused, nor for a client that goes on after something that was not answered or
//! that asks twice at once: those are left to the search.
//!
//! *Sections.* Nobody but the holder changes a lock that is held. So from a client's own
//! operations, which real time puts in order, follows when it holds the lock and how many times:
//! they fall into sections, from the acquire that finds it free to the release that leaves it free.
//! A history is legal if and only if no section contradicts itself and the sections can be put one
//! after the other. What was not answered is the last that its client did. An acquire of that kind
//! may be left out. So may a release that would leave the lock held; after the one that would free
//! it, nothing else of the client follows, so it may as well take effect, if only at the end. A
//! section without an end has nothing after it.
//!
//! *Without tokens* a section is what a written value and its reads are to a register: operations
//! that nothing may come between, the first of them first. So its [zones](super::register) decide.
//! *With tokens* the order of the sections is given: by token, as all that count were answered.
//!
//! Source: the argument above, on Gibbons and Korach's zones.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash};

use super::register::{Act, decide_register};
use super::{Halt, Judged, Span, Watch, concluded, illegal};
use crate::hash::Mixer;
use crate::{Kind, Meter, Operation, Shortcut, Witness};

/// What an operation does to a lock with owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold<C> {
    /// The client took it; with this token, if there are tokens and it was answered.
    Take(C, Option<u64>),
    /// The client gave it back.
    Free(C),
    /// Something else.
    Other,
}

/// In place of the end of what was not answered and of an instant after everything.
const END: u64 = u64::MAX - 1;

/// An operation that takes effect.
#[derive(Debug, Clone, Copy)]
struct Done {
    index: usize,
    span: Span,
    token: Option<u64>,
}

/// What a client did while it held the lock once, in order.
struct Section {
    operations: Vec<Done>,
    /// It never gave it back.
    is_open: bool,
}

/// Judges a lock that is free at first and can be taken `most` times by its holder.
pub(crate) fn decide_owned_mutex<'a, I, O, C: Copy + Eq + Hash>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    most: u32,
    classify: impl Fn(&'a I, Option<&'a O>) -> Hold<C>,
    meter: &Meter,
) -> Option<Shortcut> {
    let judged = gather(history, part, most, classify, meter)
        .and_then(|sections| in_any_order(&sections, meter));
    concluded("sections", judged)
}

/// The same for one that gives tokens.
pub(crate) fn decide_owned_fenced_lock<'a, I, O, C: Copy + Eq + Hash>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    most: u32,
    classify: impl Fn(&'a I, Option<&'a O>) -> Hold<C>,
    meter: &Meter,
) -> Option<Shortcut> {
    let judged = gather(history, part, most, classify, meter).and_then(by_token);
    concluded("sections", judged)
}

fn gather<'a, I, O, C: Copy + Eq + Hash>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    most: u32,
    classify: impl Fn(&'a I, Option<&'a O>) -> Hold<C>,
    meter: &Meter,
) -> Judged<Vec<Section>> {
    let watch = Watch::new(meter, part.len())?;
    let mut numbers: HashMap<C, usize, BuildHasherDefault<Mixer>> = HashMap::default();
    let mut clients: Vec<Vec<(Done, bool)>> = Vec::new();
    for (at, &index) in part.iter().enumerate() {
        watch.step(at)?;
        let operation = &history[index];
        let (client, takes, token) = match classify(&operation.input, operation.output.as_ref()) {
            Hold::Take(client, token) => (client, true, token),
            Hold::Free(client) => (client, false, None),
            Hold::Other => return Err(Halt::Unfit),
        };
        let span = Span::of(operation)?;
        if span.start >= END || (span.end >= END && !operation.is_indeterminate()) {
            return Err(Halt::Unfit);
        }
        let number = *numbers.entry(client).or_insert(clients.len());
        if number == clients.len() {
            clients.push(Vec::new());
        }
        clients[number].push((Done { index, span, token }, takes));
    }
    let mut sections = Vec::new();
    for mut all in clients {
        all.sort_unstable_by_key(|(done, _)| (done.span.start, done.span.end));
        if all.windows(2).any(|pair| pair[1].0.span.start < pair[0].0.span.end) {
            return Err(Halt::Unfit);
        }
        divide(&all, most, &mut sections)?;
    }
    Ok(sections)
}

/// Divides what one client did into sections.
fn divide(all: &[(Done, bool)], most: u32, sections: &mut Vec<Section>) -> Judged<()> {
    let mut section = Section { operations: Vec::new(), is_open: false };
    let mut holds = 0;
    for &(mut done, takes) in all {
        let is_answered = done.span.end < END;
        if !is_answered && (takes || holds != 1) {
            break;
        }
        done.span.end = done.span.end.min(END);
        let token = section.operations.first().and_then(|first| first.token);
        let fits = match takes {
            true => holds < most && (holds == 0 || done.token == token),
            false => holds > 0,
        };
        section.operations.push(done);
        if !fits {
            return illegal(Kind::Together, section.operations.iter().map(|done| done.index));
        }
        holds = if takes { holds + 1 } else { holds - 1 };
        if holds == 0 {
            let operations = std::mem::take(&mut section.operations);
            sections.push(Section { operations, is_open: false });
        }
    }
    if holds > 0 {
        section.is_open = true;
        sections.push(section);
    }
    Ok(())
}

/// What a section is to a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    First(u32),
    Next(u32),
}

fn in_any_order(sections: &[Section], meter: &Meter) -> Judged<Vec<usize>> {
    let mut history: Vec<Operation<Role, ()>> = Vec::new();
    let mut indices = Vec::new();
    for (number, section) in (0u32..).zip(sections) {
        for (at, done) in section.operations.iter().enumerate() {
            let role = if at == 0 { Role::First(number) } else { Role::Next(number) };
            let Span { start, end } = done.span;
            history.push(Operation::completed(0, role, (), start, end.saturating_sub(1)));
            indices.push(Some(done.index));
        }
        if section.is_open {
            history.push(Operation::completed(0, Role::Next(number), (), END, END));
            indices.push(None);
        }
    }
    let part: Vec<usize> = (0..history.len()).collect();
    let act = |role: &Role, _: Option<&()>| match *role {
        Role::First(section) => Act::Write(section),
        Role::Next(section) => Act::Read(section),
    };
    let decided = decide_register(&history, &part, u32::MAX, act, meter).ok_or(Halt::Unfit)?;
    match decided.order {
        Ok(order) => Ok(order.into_iter().filter_map(|at| indices[at]).collect()),
        Err(Witness { kind, operations }) => {
            // What ends a section that has no end is no operation.
            let all_real = operations.iter().all(|at| indices[*at].is_some());
            let kind = if all_real { kind } else { Kind::NoPlace };
            illegal(kind, operations.iter().filter_map(|at| indices[*at]))
        }
    }
}

fn by_token(mut sections: Vec<Section>) -> Judged<Vec<usize>> {
    sections.sort_by_key(|section| section.operations[0].token);
    let mut order = Vec::new();
    let mut latest: Option<Done> = None;
    let mut before: Option<&Section> = None;
    for section in &sections {
        let first = section.operations[0];
        if let Some(before) = before {
            let last = before.operations[0];
            if last.token == first.token {
                return illegal(Kind::GivenTwice, [last.index, first.index]);
            }
            if before.is_open {
                return illegal(Kind::NoPlace, [first.index, last.index]);
            }
        }
        for late in &section.operations {
            if let Some(early) = latest.filter(|early| late.span.end <= early.span.start) {
                return illegal(Kind::AgainstTime, [early.index, late.index]);
            }
        }
        for done in &section.operations {
            if latest.is_none_or(|early| early.span.start < done.span.start) {
                latest = Some(*done);
            }
            order.push(done.index);
        }
        before = Some(section);
    }
    Ok(order)
}
