//! The two violations of a register that have names and need no search: a value that nobody wrote,
//! and a read of a value that had been replaced before the read began.
//!
//! Both are proved from *all* operations on the object, so no write elsewhere can make them false,
//! and both are illegal by themselves. Not found here does not mean legal: see `linearizable`.

use perjury_history::{AnomalyKind, Call, Operation, Outcome, Reply, Value};

/// How many reads are tried. What is wrong is most often the one that the search got stuck at.
const MOST_READS: usize = 64;

/// What proves that a read (or the read within a compare-and-set) is wrong.
pub(crate) enum Pattern<'a> {
    /// No operation may have written the value before the read ended.
    Phantom {
        read: &'a Operation,
        /// Those that would have written it, but were answered with a failure.
        failed: Vec<&'a Operation>,
        /// One that wrote it, but was called only after the read.
        later: Option<&'a Operation>,
    },
    /// The value had been replaced.
    Stale {
        read: &'a Operation,
        /// What wrote or read a newer value, and ended before the read began.
        newer: &'a Operation,
        /// What wrote the value that `newer` read.
        newer_source: Option<&'a Operation>,
        /// The last write of the value that was read; `None` for the initial value.
        source: Option<&'a Operation>,
    },
}

impl<'a> Pattern<'a> {
    pub(crate) fn kind(&self) -> AnomalyKind {
        match self {
            Pattern::Phantom { .. } => AnomalyKind::PhantomValue,
            Pattern::Stale { .. } => AnomalyKind::StaleRead,
        }
    }

    /// The operation that gave the wrong answer.
    pub(crate) fn accused(&self) -> &'a Operation {
        match self {
            Pattern::Phantom { read, .. } | Pattern::Stale { read, .. } => read,
        }
    }

    /// The operations that prove it, in the order of their invocations.
    pub(crate) fn witnesses(&self) -> Vec<&'a Operation> {
        let mut witnesses = match self {
            Pattern::Phantom { read, failed, later } => {
                let mut all = vec![*read];
                all.extend(failed.first().copied().into_iter().chain(*later));
                all
            }
            Pattern::Stale { read, newer, newer_source, source } => {
                let mut all = vec![*read, *newer];
                all.extend(newer_source.iter().chain(source).copied());
                all
            }
        };
        witnesses.sort_by_key(|operation| operation.invoked);
        witnesses.dedup_by_key(|operation| operation.invoked);
        witnesses
    }
}

/// Looks for a pattern among these operations on one object, the likeliest read first: `blocked`,
/// then those that ended before it.
pub(crate) fn find<'a>(
    part: &[&'a Operation],
    blocked: Option<&'a Operation>,
    object: &[&'a Operation],
    initial: &Value,
) -> Option<Pattern<'a>> {
    let mut reads: Vec<&Operation> =
        part.iter().copied().filter(|operation| seen(operation).is_some()).collect();
    let last = blocked.and_then(Operation::end).unwrap_or(u64::MAX);
    let is_blocked =
        |read: &Operation| blocked.is_some_and(|blocked| blocked.invoked == read.invoked);
    reads.retain(|read| read.end().is_some_and(|end| end <= last));
    reads.sort_by_key(|read| (!is_blocked(read), std::cmp::Reverse(read.end())));
    reads.truncate(MOST_READS);
    let phantom = reads.iter().find_map(|read| phantom(read, object, initial));
    phantom.or_else(|| reads.iter().find_map(|read| stale(read, part, object, initial)))
}

/// The value that an operation saw, if it saw one.
pub(crate) fn seen(operation: &Operation) -> Option<&Value> {
    match (&operation.call, operation.outcome()) {
        (Call::Read { .. }, Some(Outcome::Ok(Reply::Value(value)))) => Some(value),
        (Call::Cas { from, .. }, Some(Outcome::Ok(Reply::Swapped(true)))) => Some(from),
        _ => None,
    }
}

/// The value that an operation would leave behind.
fn meant(operation: &Operation) -> Option<&Value> {
    match &operation.call {
        Call::Write { value, .. } => Some(value),
        Call::Delete { .. } => Some(&Value::Nil),
        Call::Cas { to, .. } => Some(to),
        _ => None,
    }
}

/// The value that an operation leaves behind, if it may.
fn left(operation: &Operation) -> Option<&Value> {
    match operation.outcome() {
        Some(Outcome::Fail(_) | Outcome::Ok(Reply::Swapped(false))) => None,
        _ => meant(operation),
    }
}

/// Operations other than `read` that may have written the value that it saw.
fn sources<'a, 'o>(
    read: &'o Operation,
    value: &'o Value,
    object: &'o [&'a Operation],
) -> impl Iterator<Item = &'a Operation> + 'o {
    let wrote = move |other: &&Operation| left(other) == Some(value);
    object.iter().copied().filter(wrote).filter(move |other| other.invoked != read.invoked)
}

fn phantom<'a>(
    read: &'a Operation,
    object: &[&'a Operation],
    initial: &Value,
) -> Option<Pattern<'a>> {
    let value = seen(read).filter(|value| *value != initial)?;
    let end = read.end()?;
    if sources(read, value, object).any(|source| source.start <= end) {
        return None;
    }
    let later = sources(read, value, object).next();
    let failed = object
        .iter()
        .copied()
        .filter(|other| meant(other) == Some(value) && left(other).is_none())
        .collect();
    Some(Pattern::Phantom { read, failed, later })
}

/// Why this is a proof. Let `old` be the value that was read, and let every operation that may have
/// written it before the read ended have itself ended before some other operation began (if `old`
/// is the initial value, there may be none). If that other one wrote another value, or read one
/// that can only have been written after all those ends, then `old` was gone at its end at the
/// latest. Nothing could bring it back, and the read began still later. "Before" is strict: at
/// equal times operations may have overlapped.
fn stale<'a>(
    read: &'a Operation,
    part: &[&'a Operation],
    object: &[&'a Operation],
    initial: &Value,
) -> Option<Pattern<'a>> {
    let old = seen(read)?;
    let end = read.end()?;
    let ended: Vec<(&Operation, u64)> = sources(read, old, object)
        .filter(|source| source.start <= end)
        .map(|source| Some((source, source.end()?)))
        .collect::<Option<_>>()?;
    let last = ended.into_iter().max_by_key(|(_, end)| *end);
    if last.is_none() && old != initial {
        return None;
    }
    let after = |operation: &Operation| last.is_none_or(|(_, end)| operation.start > end);
    let in_between =
        |other: &&&Operation| after(other) && other.end().is_some_and(|end| end < read.start);
    let wrote = |other: &&&Operation| left(other).is_some_and(|value| value != old);
    // A value that was read is newer only if all that can have written it came later.
    let showed = |other: &&&Operation| {
        let value = seen(other).filter(|value| *value != old && *value != initial);
        value.is_some_and(|value| {
            let mut sources = sources(other, value, object).peekable();
            sources.peek().is_some() && sources.all(after)
        })
    };
    let between = || part.iter().filter(in_between);
    let source = last.map(|(source, _)| source);
    if let Some(newer) = between().filter(wrote).max_by_key(|other| other.end()) {
        return Some(Pattern::Stale { read, newer, newer_source: None, source });
    }
    let newer = *between().find(showed)?;
    let newer_source = sources(newer, seen(newer)?, object).next();
    Some(Pattern::Stale { read, newer, newer_source, source })
}
