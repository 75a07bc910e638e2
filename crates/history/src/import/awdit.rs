//! Reads AWDIT's own text: `w KEY VALUE` and `r KEY VALUE`, a step a line; `-----` ends a
//! transaction, `=====` a session, each of any length. Every transaction was committed.
//!
//! Source: <https://github.com/lassemoldrup/AWDIT>, its README and `histories/tests`.

use super::datum::Flaw;
use super::sessions::Transaction;
use crate::{Key, Micro, Process, Value};

const TRANSACTION_ENDS: char = '-';
const SESSION_ENDS: char = '=';

/// All transactions, session by session.
pub(super) fn transactions(text: &str) -> Result<Vec<Transaction>, Flaw> {
    let mut transactions = Vec::new();
    let mut session: Process = 0;
    let mut steps = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let mut end = |session| {
            // Two marks in a row, as `-----` before `=====`, have nothing between them.
            if !steps.is_empty() {
                let steps = std::mem::take(&mut steps);
                transactions.push(Transaction { session, steps, committed: true });
            }
        };
        match line {
            "" => {}
            _ if is_made_of(TRANSACTION_ENDS, line) => end(session),
            _ if is_made_of(SESSION_ENDS, line) => {
                end(session);
                session += 1;
            }
            _ => steps.push(step(line).ok_or_else(|| {
                let shown: String = line.chars().take(60).collect();
                let what = format!(
                    "expected \"w KEY VALUE\" or \"r KEY VALUE\" with whole numbers, \
                     \"-----\" or \"=====\", not {shown:?}"
                );
                Flaw { line: number, what }
            })?),
        }
    }
    if !steps.is_empty() {
        transactions.push(Transaction { session, steps, committed: true });
    }
    Ok(transactions)
}

/// Does this line look like one of such a file?
pub(super) fn is_line(line: &str) -> bool {
    let line = line.trim();
    is_made_of(TRANSACTION_ENDS, line) || is_made_of(SESSION_ENDS, line) || step(line).is_some()
}

fn is_made_of(mark: char, line: &str) -> bool {
    !line.is_empty() && line.trim_matches(mark).is_empty()
}

fn step(line: &str) -> Option<Micro> {
    let mut words = line.split_whitespace();
    let (kind, key, value) = (words.next()?, words.next()?, words.next()?);
    let key = Key::from(key.parse::<i64>().ok()?.to_string());
    let value = Value::Int(value.parse().ok()?);
    match (kind, words.next()) {
        ("r", None) => Some(Micro::Read(key, Some(value))),
        ("w", None) => Some(Micro::Write(key, value)),
        _ => None,
    }
}
