//! Which operations were given a lie: from a lie's record to the answers that show it.
//!
//! What nobody wrote is in an answer only because somebody said it. A value that was written, such
//! as one that was replayed, may be there for good reasons; so it counts as seen only in an answer
//! of the node that lied, asked for before the lie and given after it. The number of operations
//! that are cited for a lie is limited, never their count in a group.

use perjury_history::{LieTold, Nanos, Operation, Outcome, Value};

use super::values::{self, Values};

/// A value of fewer bytes is in answers by chance.
const FEWEST_BYTES: usize = 8;
/// The length of a seal and its beginning.
const SEAL: usize = 43;
const SEAL_BEGINS: &[u8] = b"pj1";

/// The operations that were given what a lie said; `told_clients` if it was told to one.
pub fn of_lie(
    lie: &LieTold,
    told_clients: bool,
    values: &Values<'_>,
    operations: &[Operation],
) -> Vec<usize> {
    let said = lie.seal_after.as_deref().map(str::as_bytes);
    let Some(said) = said.or_else(|| values::bytes(&lie.after)) else { return Vec::new() };
    let Some(write) = values.writer(said) else {
        return of_bytes(said, lie.time, values, operations);
    };
    let until = lie.time.saturating_add(lie.within);
    let seen = |at: &&usize| {
        let read = &operations[**at];
        let elsewhere = write.call.key() != read.call.key();
        let meanwhile = read.start <= until && read.end().is_some_and(|end| end >= lie.time);
        elsewhere && read.end().is_some_and(|end| end >= lie.time)
            || told_clients && meanwhile && *read.answerer() == lie.node
    };
    values.readers(said).iter().filter(seen).copied().collect()
}

/// The operation that was given a false acknowledgement: the one that it is about, if it was
/// answered.
pub fn of_acknowledgement(about: Option<usize>, operations: &[Operation]) -> Vec<usize> {
    let answered = |at: &usize| matches!(operations[*at].outcome(), Some(Outcome::Ok(_)));
    about.filter(answered).into_iter().collect()
}

/// The operations that were given a value that was never written, from that moment on.
pub fn of_value(
    value: &Value,
    from: Nanos,
    values: &Values<'_>,
    operations: &[Operation],
) -> Vec<usize> {
    match values::bytes(value) {
        Some(bytes) if values.writer(bytes).is_none() => of_bytes(bytes, from, values, operations),
        _ => Vec::new(),
    }
}

fn of_bytes(
    bytes: &[u8],
    from: Nanos,
    values: &Values<'_>,
    operations: &[Operation],
) -> Vec<usize> {
    if bytes.len() < FEWEST_BYTES {
        return Vec::new();
    }
    let after = |at: &&usize| operations[**at].end().is_some_and(|end| end >= from);
    values.readers(bytes).iter().filter(after).copied().collect()
}

/// The operation that asked for the value in these bytes to be written: the bytes as a whole, or
/// the first seal in them.
pub fn about(before: &Value, values: &Values<'_>, operations: &[Operation]) -> Option<usize> {
    let bytes = values::bytes(before)?;
    let within = bytes.windows(SEAL).filter(|window| window.starts_with(SEAL_BEGINS));
    let write = std::iter::once(bytes).chain(within).find_map(|bytes| values.writer(bytes))?;
    let at = operations.binary_search_by_key(&write.invoked, |operation| operation.invoked);
    at.ok()
}
