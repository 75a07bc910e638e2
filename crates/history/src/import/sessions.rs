//! From transactions in sessions to a [`History`] without real time.
//!
//! Each session is a process and each transaction a call that it made and the answer that it got,
//! in the order of the session; sessions stand one after another, which means nothing
//! ([`Order::Sessions`]). The invariant: every transaction of the file is there, also the aborted
//! ones, whose writes a read may show all the same.
//!
//! Source of the convention that a zero which nobody wrote is the initial value: dbcop, which fills
//! its tables with 0, and AWDIT, which reads dbcop's and Plume's files so.

use std::collections::HashSet;

use super::{Format, Imported, NOWHERE};
use crate::{
    Call, Cause, Entry, Event, History, Index, Key, Micro, NodeName, Order, Outcome, Process,
    Reply, Value,
};

/// A transaction as its file tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) session: Process,
    /// Its steps with what the reads saw.
    pub(super) steps: Vec<Micro>,
    pub(super) committed: bool,
}

/// The history of transactions; those of one session have to be in its order.
pub(super) fn record(mut transactions: Vec<Transaction>, format: Format) -> Imported {
    // Stable: the order within each session stays.
    transactions.sort_by_key(|transaction| transaction.session);
    let zeros = zeros(&transactions);
    let node = NodeName::from(NOWHERE);
    let mut history = History { order: Order::Sessions, ..History::default() };
    let mut push = |event| {
        let index = Index(history.entries.len() as u64);
        history.entries.push(Entry { index, time: index.0, event });
        index
    };
    for Transaction { session: process, mut steps, committed } in transactions {
        for step in &mut steps {
            if let Micro::Read(key, Some(value)) = step
                && *value == Value::Int(0)
                && !zeros.contains(key)
            {
                *value = Value::Nil;
            }
        }
        let asked = steps.iter().map(|step| match step {
            Micro::Read(key, _) => Micro::Read(key.clone(), None),
            change => change.clone(),
        });
        let call = Call::Txn { steps: asked.collect() };
        let call = push(Event::Invoke { process, node: node.clone(), call });
        let reply = Reply::Txn(steps);
        let outcome = match committed {
            true => Outcome::Ok(reply),
            // What it had read has no other place, and people may want to know.
            false => Outcome::Fail(Cause::new("aborted", reply.to_string())),
        };
        push(Event::Complete { process, call, outcome, said: None });
    }
    let model = (!history.entries.is_empty()).then(|| "multi-register".to_owned());
    Imported { history, format, model, skipped: 0, other_owners: None, timed: false }
}

/// The objects to which 0 is written: there it is a value like any other.
fn zeros(transactions: &[Transaction]) -> HashSet<Key> {
    let steps = transactions.iter().flat_map(|transaction| &transaction.steps);
    let zero = |step: &Micro| match step {
        Micro::Write(key, Value::Int(0)) => Some(key.clone()),
        _ => None,
    };
    steps.filter_map(zero).collect()
}
