//! The entries of a log that can change no more, kept once and not with every state.
//!
//! Not the log: what the possible states have in common stands here, and the operations that are
//! still judged are written down as those of a log that begins behind it. The invariant: whatever
//! is judged from now on comes after all of these entries, so an answer that does not agree with
//! them is wrong whatever else is true.

use perjury_history::{Call, Key, Operation, Outcome, Reply, Value};

use super::starts::Start;
use crate::translate::number;

/// The entries from the first one on.
#[derive(Default)]
pub(super) struct Settled {
    entries: Vec<Value>,
}

impl Settled {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes an operation to the log behind. False if its answer contradicts the entries.
    pub(super) fn shift(&self, operation: &mut Operation) -> bool {
        shift(&self.entries, operation)
    }

    /// Takes up what all states begin with, and shifts what is left of the operations. Nothing
    /// happens where that would contradict an answer: the judgement has to say so.
    pub(super) fn absorb(&mut self, starts: &mut Vec<Start>, operations: &mut Vec<Operation>) {
        let first = starts.first().map(|start| start.calls.as_slice()).unwrap_or_default();
        let common = starts.iter().fold(first.len(), |common, start| {
            start
                .calls
                .iter()
                .zip(first)
                .take(common)
                .take_while(|(one, other)| one == other)
                .count()
        });
        if common == 0 {
            return;
        }
        let appended = |(call, _): &(Call, Reply)| match call {
            Call::Append { value, .. } => Some(value.clone()),
            _ => None,
        };
        let Some(new) = first[..common].iter().map(appended).collect::<Option<Vec<Value>>>() else {
            return;
        };
        let mut shifted = starts.clone();
        for start in &mut shifted {
            start.calls.drain(..common);
            if !start.pending.iter_mut().all(|operation| shift(&new, operation)) {
                return;
            }
        }
        let mut rest = operations.clone();
        if rest.iter_mut().all(|operation| shift(&new, operation)) {
            (*starts, *operations) = (shifted, rest);
            self.entries.extend(new);
        }
    }

    /// "Before them x had 12 entries, which are not counted here."
    pub(super) fn told(&self, key: Option<&Key>) -> Option<String> {
        let what = key.map_or("the log", Key::as_str);
        match self.entries.len() {
            0 => None,
            1 => Some(format!("Before them {what} had 1 entry, which is not counted here.")),
            more => {
                Some(format!("Before them {what} had {more} entries, which are not counted here."))
            }
        }
    }
}

fn shift(entries: &[Value], operation: &mut Operation) -> bool {
    let Some((_, _, Outcome::Ok(reply))) = &mut operation.completion else { return true };
    match (&mut operation.call, &mut *reply) {
        // It is answered by what is settled, so nothing else explains it.
        (Call::ReadAt { position, .. }, Reply::Value(_) | Reply::Empty) => {
            let behind = position.checked_sub(entries.len() as u64);
            let settled = usize::try_from(*position).ok().and_then(|at| entries.get(at));
            match (behind, settled) {
                (Some(behind), _) => {
                    *position = behind;
                    true
                }
                (None, Some(entry)) if *reply == Reply::Value(entry.clone()) => {
                    *reply = Reply::Unknown;
                    true
                }
                _ => false,
            }
        }
        (Call::Append { .. }, Reply::Value(_)) => {
            let behind = number(reply).and_then(|at| at.checked_sub(entries.len() as u64));
            let behind = behind.and_then(|behind| i64::try_from(behind).ok());
            if let Some(behind) = behind {
                *reply = Reply::Value(Value::Int(behind));
            }
            behind.is_some()
        }
        (Call::ReadAll { .. }, Reply::Elements(elements)) => {
            let agrees = elements.starts_with(entries);
            if agrees {
                elements.drain(..entries.len());
            }
            agrees
        }
        _ => true,
    }
}
