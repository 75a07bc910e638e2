//! Reads the text of Plume and PolySI: `r(KEY,VALUE,SESSION,TRANSACTION)` or `w(...)`, a step a
//! line; -1 for the transaction says that it was aborted.
//!
//! Lines of different sessions may alternate. Steps of one session and one transaction are one
//! transaction and have to stand together in that session; aborted ones have no number, so those
//! that follow one another are taken for one, which changes nothing: none took effect.
//!
//! Source: <https://github.com/hengxin/PolySI-PVLDB2023-Artifacts>.

use std::collections::{HashMap, HashSet};

use super::datum::Flaw;
use super::sessions::Transaction;
use crate::{Key, Micro, Process, Value};

const ABORTED: i64 = -1;

/// One line.
struct Step {
    micro: Micro,
    session: Process,
    transaction: i64,
}

/// All transactions, each session's in its order.
pub(super) fn transactions(text: &str) -> Result<Vec<Transaction>, Flaw> {
    let mut transactions: Vec<Transaction> = Vec::new();
    // The transaction of each session that is going on: its number and its place.
    let mut open: HashMap<Process, (i64, usize)> = HashMap::new();
    let mut seen: HashSet<(Process, i64)> = HashSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let Step { micro, session, transaction } =
            step(line).map_err(|what| Flaw { line: number, what })?;
        match open.get(&session) {
            Some((known, at)) if *known == transaction => transactions[*at].steps.push(micro),
            _ => {
                if transaction != ABORTED && !seen.insert((session, transaction)) {
                    let what = format!(
                        "transaction {transaction} of session {session} goes on here after another \
                         of that session; its steps have to stand together"
                    );
                    return Err(Flaw { line: number, what });
                }
                open.insert(session, (transaction, transactions.len()));
                let committed = transaction != ABORTED;
                transactions.push(Transaction { session, steps: vec![micro], committed });
            }
        }
    }
    Ok(transactions)
}

/// Does this line look like one of such a file?
pub(super) fn is_line(line: &str) -> bool {
    line.starts_with("r(") || line.starts_with("w(")
}

fn step(line: &str) -> Result<Step, String> {
    parsed(line).ok_or_else(|| {
        let shown: String = line.chars().take(60).collect();
        format!(
            "expected \"r(KEY,VALUE,SESSION,TRANSACTION)\" or \"w(...)\" with whole numbers, not \
             {shown:?}"
        )
    })
}

fn parsed(line: &str) -> Option<Step> {
    let (kind, rest) = line.split_once('(')?;
    let mut fields = rest.strip_suffix(')')?.split(',').map(str::trim);
    let mut field = || fields.next();
    let (key, value, session, transaction) = (field()?, field()?, field()?, field()?);
    let key = Key::from(key.parse::<i64>().ok()?.to_string());
    let value = Value::Int(value.parse().ok()?);
    let micro = match (kind, field()) {
        ("r", None) => Micro::Read(key, Some(value)),
        ("w", None) => Micro::Write(key, value),
        _ => return None,
    };
    let transaction = transaction.parse().ok().filter(|number| *number >= ABORTED)?;
    Some(Step { micro, session: session.parse().ok()?, transaction })
}
