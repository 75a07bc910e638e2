//! Which operations may be left out of a history one by one, so that every legal history stays
//! legal. Take a linearization of the whole; the rest of it has to be one of the rest.
//!
//! - **What changes nothing** (a read, a compare-and-set that did not swap, a dequeue that found
//!   nothing): every state stays what it was.
//! - **What comes last**: an operation that is legal in every state, or in doubt, and that began
//!   after every answer ended that depends on a state. It comes after all of those.
//! - **A register's value that nobody saw**: a write (or swap) whose value no remaining operation
//!   saw or asked for, once no unswapped compare-and-set remains. Nothing stands between it and the
//!   next change except operations that see its value, and there are none. For transactions the
//!   same holds if nobody saw any of the values that it wrote.
//! - **A string's part that nobody saw**: an append whose text is part of no string that was read,
//!   or a write whose text begins none. Until the next write every string contains it, so nothing
//!   was read in between.
//! - **A queue's value as a whole**: all enqueues and dequeues of it, unless an answered dequeue of
//!   unknown value remains. The other elements stay in the same order, and what was empty stays
//!   empty. A dequeue in doubt that took such an element is taken to have had no effect.
//!
//! - **A process as a whole**: all that one process asked of a lock with owners or of a semaphore.
//!   What it held is then free; the others hold what they held, and tokens still rise.
//! - **A section**: an acquire of such an object and the release that its process asked for next,
//!   both answered. In between the process asked for nothing more, so it holds afterwards what it
//!   held before, and in between less than it did. What it had left in doubt before may take effect
//!   in between all the same: a release of it found another hold, as the section's own is given
//!   back by its own release.
//!
//! Not here: a counter's increments. Each of them moves every sum after it.

use std::collections::{HashMap, HashSet};

use perjury_history::{Call, Key, Micro, Operation, Outcome, Process, Reply, Value};

use crate::ModelName;

/// Which operations may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    ChangesNothing,
    Last,
    UnseenValue,
    UnseenText,
    UnseenWrites,
    WholeValue,
    WholeProcess,
    Section,
}

impl Rule {
    /// Those that hold for a model.
    pub(super) fn of(model: ModelName) -> &'static [Rule] {
        match model {
            ModelName::Register | ModelName::CasRegister | ModelName::Kv => {
                &[Rule::ChangesNothing, Rule::UnseenValue, Rule::Last]
            }
            ModelName::KvAppend => &[Rule::ChangesNothing, Rule::UnseenText, Rule::Last],
            ModelName::MultiRegister => &[Rule::ChangesNothing, Rule::UnseenWrites, Rule::Last],
            ModelName::Queue
            | ModelName::UnorderedQueue
            | ModelName::Stack
            | ModelName::PriorityQueue => &[Rule::WholeValue, Rule::ChangesNothing, Rule::Last],
            ModelName::OwnedMutex(_) | ModelName::OwnedFencedLock(_) | ModelName::Semaphore(_) => {
                &[Rule::WholeProcess, Rule::Section, Rule::Last]
            }
            ModelName::Counter
            | ModelName::Set
            | ModelName::MutableSet
            | ModelName::Mutex
            | ModelName::FencedLock
            | ModelName::Bank
            | ModelName::Log => &[Rule::ChangesNothing, Rule::Last],
        }
    }
}

/// What may go from this piece of the core, all of it at once.
pub(super) fn removable(
    rule: Rule,
    core: &[usize],
    piece: &[usize],
    operations: &[Operation],
) -> HashSet<usize> {
    let all = || core.iter().map(|at| &operations[*at]);
    let latest_first = piece.iter().rev().copied();
    let keep = |test: &mut dyn FnMut(&Operation) -> bool| -> HashSet<usize> {
        latest_first.clone().filter(|at| test(&operations[*at])).collect()
    };
    match rule {
        Rule::ChangesNothing => keep(&mut changes_nothing),
        Rule::Last => {
            let depends = |operation: &&Operation| !is_blind(operation);
            let last = all().filter(depends).filter_map(Operation::end).max();
            keep(&mut |operation| {
                let free = operation.end().is_none() || is_blind(operation);
                free && last.is_some_and(|last| operation.start > last)
            })
        }
        Rule::UnseenValue => {
            let mut census = Census::of(all());
            // One after the other: it depends on what is still there.
            let unseen = latest_first.filter(|at| census.remove_if_unseen(&operations[*at]));
            unseen.collect()
        }
        Rule::UnseenText => {
            let read: Vec<String> = all().filter_map(sees).filter_map(text).collect();
            keep(&mut |operation| is_unseen_text(operation, &read))
        }
        Rule::UnseenWrites => {
            let mut seen = HashMap::new();
            for read in all().flat_map(reads) {
                *seen.entry(read).or_insert(0_usize) += 1;
            }
            keep(&mut |operation| is_unseen_transaction(operation, &seen))
        }
        Rule::WholeValue => {
            let unknown = |operation: &Operation| {
                matches!(operation.call, Call::Dequeue { .. })
                    && matches!(operation.outcome(), Some(Outcome::Ok(Reply::Unknown)))
            };
            if all().any(unknown) {
                return HashSet::new();
            }
            let values: HashSet<&Value> =
                piece.iter().filter_map(|at| element(&operations[*at])).collect();
            let of_these =
                |at: &usize| element(&operations[*at]).is_some_and(|value| values.contains(value));
            core.iter().copied().filter(of_these).collect()
        }
        Rule::WholeProcess => {
            let of = |at: &usize| operations[*at].process;
            let processes: HashSet<Process> = piece.iter().map(of).collect();
            core.iter().copied().filter(|at| processes.contains(&of(at))).collect()
        }
        Rule::Section => sections(core, piece, operations),
    }
}

/// How often each value is seen by what remains.
struct Census<'a> {
    unswapped: usize,
    seen: HashMap<&'a Value, usize>,
}

impl<'a> Census<'a> {
    fn of(operations: impl Iterator<Item = &'a Operation>) -> Census<'a> {
        let mut census = Census { unswapped: 0, seen: HashMap::new() };
        for operation in operations {
            census.unswapped += usize::from(is_unswapped(operation));
            if let Some(value) = sees(operation) {
                *census.seen.entry(value).or_default() += 1;
            }
        }
        census
    }

    /// Takes a change out of the census if nothing else saw what it left.
    fn remove_if_unseen(&mut self, operation: &'a Operation) -> bool {
        let Some(value) = leaves(operation) else { return false };
        let own = sees(operation);
        let by_itself = usize::from(own == Some(value));
        let seen = self.seen.get(value).copied().unwrap_or_default();
        if self.unswapped > 0 || seen > by_itself {
            return false;
        }
        if let Some(count) = own.and_then(|own| self.seen.get_mut(own)) {
            *count -= 1;
        }
        true
    }
}

/// Legal in every state, whatever it was answered.
pub(super) fn is_blind(operation: &Operation) -> bool {
    match &operation.call {
        // One that was told whether it changed anything fits only where it does.
        Call::Add { .. } | Call::Remove { .. } => {
            !matches!(operation.outcome(), Some(Outcome::Ok(Reply::Changed(_))))
        }
        // One that was told its position fits only there.
        Call::Append { .. } => !matches!(operation.outcome(), Some(Outcome::Ok(Reply::Value(_)))),
        Call::Write { .. }
        | Call::Delete { .. }
        | Call::Increment { .. }
        | Call::Enqueue { .. } => true,
        Call::Txn { steps } => !steps.iter().any(Micro::is_read),
        _ => false,
    }
}

pub(super) fn changes_nothing(operation: &Operation) -> bool {
    operation.call.is_read_only()
        || is_unswapped(operation)
        || matches!(operation.outcome(), Some(Outcome::Ok(Reply::Empty | Reply::Changed(false))))
}

fn is_unswapped(operation: &Operation) -> bool {
    matches!(operation.outcome(), Some(Outcome::Ok(Reply::Swapped(false))))
}

/// The value that a change leaves behind.
pub(super) fn leaves(operation: &Operation) -> Option<&Value> {
    match &operation.call {
        Call::Write { value, .. } => Some(value),
        Call::Delete { .. } => Some(&Value::Nil),
        Call::Cas { to, .. } if !is_unswapped(operation) => Some(to),
        _ => None,
    }
}

/// The value that an operation saw, or has to find.
pub(crate) fn sees(operation: &Operation) -> Option<&Value> {
    match (&operation.call, operation.outcome()) {
        (Call::Read { .. }, Some(Outcome::Ok(Reply::Value(seen)))) => Some(seen),
        (Call::Cas { from, .. }, _) => Some(from),
        _ => None,
    }
}

/// What a value looks like inside of a string; `None` for bytes that are no text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Nil => Some(String::new()),
        Value::Int(number) => Some(number.to_string()),
        Value::Text(text) => Some(text.to_string()),
        Value::Raw(_) => None,
    }
}

fn is_unseen_text(operation: &Operation, read: &[String]) -> bool {
    match &operation.call {
        Call::Append { value, .. } => {
            text(value).is_some_and(|text| !read.iter().any(|read| read.contains(&text)))
        }
        Call::Write { value, .. } => {
            text(value).is_some_and(|text| !read.iter().any(|read| read.starts_with(&text)))
        }
        _ => false,
    }
}

/// What the reads of a transaction saw.
fn reads(operation: &Operation) -> impl Iterator<Item = (&Key, &Value)> {
    let steps = match operation.outcome() {
        Some(Outcome::Ok(Reply::Txn(steps))) => steps.as_slice(),
        _ => &[],
    };
    steps.iter().filter_map(|step| match step {
        Micro::Read(key, Some(value)) => Some((key, value)),
        _ => None,
    })
}

fn is_unseen_transaction(operation: &Operation, seen: &HashMap<(&Key, &Value), usize>) -> bool {
    let Call::Txn { steps } = &operation.call else { return false };
    let mut own: HashMap<(&Key, &Value), usize> = HashMap::new();
    for read in reads(operation) {
        *own.entry(read).or_insert(0) += 1;
    }
    steps.iter().all(|step| match step {
        Micro::Write(key, value) => {
            let pair = (key, value);
            seen.get(&pair).copied().unwrap_or(0) <= own.get(&pair).copied().unwrap_or(0)
        }
        Micro::Read(..) => true,
        Micro::ReadList(..) | Micro::Append(..) => false,
    })
}

/// The sections of which a part is in the piece.
fn sections(core: &[usize], piece: &[usize], operations: &[Operation]) -> HashSet<usize> {
    let mut latest: HashMap<Process, usize> = HashMap::new();
    let mut order: Vec<usize> = core.to_vec();
    order.sort_by_key(|at| operations[*at].invoked);
    let piece: HashSet<usize> = piece.iter().copied().collect();
    let mut gone = HashSet::new();
    for at in order {
        let operation = &operations[at];
        let answered = |at: usize| operations[at].end().is_some();
        let before = latest.insert(operation.process, at).filter(|before| {
            matches!(operations[*before].call, Call::Acquire { .. })
                && matches!(operation.call, Call::Release { .. })
                && answered(*before)
                && answered(at)
        });
        if let Some(before) = before.filter(|before| piece.contains(before) || piece.contains(&at))
        {
            gone.extend([before, at]);
        }
    }
    gone
}

/// The element that an operation on a queue puts in or has taken.
fn element(operation: &Operation) -> Option<&Value> {
    match (&operation.call, operation.outcome()) {
        (Call::Enqueue { element, .. }, _) => Some(element),
        (Call::Dequeue { .. }, Some(Outcome::Ok(Reply::Value(value)))) => Some(value),
        _ => None,
    }
}
