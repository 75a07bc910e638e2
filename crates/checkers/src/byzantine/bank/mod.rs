//! A bank: transfers are atomic, nobody is overdrawn, and every balance is what the transfers left.
//!
//! *Claims*, each about reads that have to be linearizable:
//! 1. *partial write*: a read of all accounts has another total than the bank. Each transfer takes
//!    from one account what it gives to another, so the total is the same in every state between
//!    transfers. Where it is not known what the bank held at first, two reads of different totals
//!    are the contradiction, and the rarer total is the one in question.
//! 2. *broken invariant*: an account other than the [reserve](perjury_history::RESERVE) is
//!    overdrawn. A transfer that would do that is refused, so no state has it. Of a bank without a
//!    reserve nothing is said: it may allow overdrafts.
//! 3. *disagreeing reads*, *non-linearizable*: a balance that no choice of the transfers leaves
//!    (`balances`), between two reads of one account or from the beginning on.
//!
//! Why they are proofs: only the run's clients move money, a failed transfer moved none, and one in
//! doubt may have moved it at any time after its call, or never. Nothing is searched, so this is
//! not linearizability: three reads may contradict each other where no two do. Amounts carry no
//! seal: a balance that is false by no more than transfers under way explain cannot be told.
//!
//! *Blame*: who gave the answer, or the one before it that was still right, or who took or refused
//! a transfer in between: one of these was not what it said. That is the likeliest story and no
//! proof, for a node may carry out what another took, or repeat it much later; so nobody is
//! *proved* to have lied. What stays wrong afterwards is no new anomaly, only counted
//! (`wrong-reads`).
//!
//! Source: the bank of Jepsen's tests; rules A12 and A21.

mod balances;

use std::collections::{BTreeMap, BTreeSet};

use perjury_history::{
    AnomalyKind, Call, Key, NodeName, Operation, Outcome, RESERVE, Reply, Value,
};

use super::Record;
use super::blame::nodes;
use super::finding::{Found, Suspicion, anomaly, path};
use crate::Checker;
use crate::wording::{at, count, time};

/// A transfer that may have taken effect.
pub(super) struct Transfer<'a> {
    operation: &'a Operation,
    from: &'a Key,
    to: &'a Key,
    amount: i64,
}

/// An answered read of all accounts, and what they add up to.
struct Snapshot<'a> {
    operation: &'a Operation,
    end: u64,
    total: i128,
}

/// What is known of a bank.
pub(super) struct Bank<'a> {
    nodes: BTreeSet<NodeName>,
    /// In order of their calls.
    transfers: Vec<Transfer<'a>>,
    /// Those that failed: if one of them took effect, who refused it lied.
    refused: Vec<Transfer<'a>>,
    /// What every account held at first.
    initial: Option<i64>,
}

/// Nothing if there is no bank.
pub(super) fn check(record: &Record<'_>) -> Option<Found> {
    let of_bank = |one: &&Operation| matches!(one.call, Call::Transfer { .. } | Call::ReadAccounts);
    record.operations.iter().find(of_bank)?;
    let (refused, transfers) = transfers(record.operations);
    let bank = Bank {
        nodes: nodes(record),
        transfers,
        refused,
        initial: if let Value::Int(held) = record.initial { Some(*held) } else { None },
    };
    let mut found = Found::nothing(Checker::Bank, "answers that no honest bank gives");
    let reads: Vec<&Operation> =
        record.operations.iter().filter(|one| is_read(one) && !one.is_local()).collect();
    unreadable(&bank, &reads, &mut found);
    let snapshots = totals(&bank, record.operations, &reads, &mut found);
    let balances = balances::check(&bank, &reads, &mut found);
    let guarded = if has_reserve(&bank) { ", nobody was overdrawn," } else { "" };
    found.good = format!(
        "The total stayed the same{guarded} and no balance is one that the transfers cannot have \
         left ({}, {}, {}).",
        count(snapshots, "snapshot"),
        count(balances, "balance"),
        count(bank.transfers.len() as u64, "transfer"),
    );
    found.stat("snapshots", snapshots);
    found.stat("balances", balances);
    Some(found)
}

fn is_read(operation: &Operation) -> bool {
    matches!(operation.call, Call::Read { .. } | Call::ReadAccounts)
        && matches!(operation.outcome(), Some(Outcome::Ok(Reply::Value(_) | Reply::Accounts(_))))
}

/// Those that failed, and the others.
fn transfers(operations: &[Operation]) -> (Vec<Transfer<'_>>, Vec<Transfer<'_>>) {
    let mut all: Vec<Transfer<'_>> = Vec::new();
    for operation in operations {
        if let Call::Transfer { from, to, amount } = &operation.call {
            all.push(Transfer { operation, from, to, amount: *amount });
        }
    }
    all.sort_by_key(|one| (one.operation.start, one.operation.invoked));
    let failed = |one: &Transfer<'_>| matches!(one.operation.outcome(), Some(Outcome::Fail(_)));
    all.into_iter().partition(failed)
}

/// The balances that an answer shows: an absent one is nil.
pub(super) fn shown(read: &Operation) -> Vec<(&Key, &Value)> {
    match (&read.call, read.outcome()) {
        (Call::Read { key }, Some(Outcome::Ok(Reply::Value(value)))) => vec![(key, value)],
        (_, Some(Outcome::Ok(Reply::Accounts(all)))) => {
            all.iter().map(|(key, value)| (key, value)).collect()
        }
        _ => Vec::new(),
    }
}

impl Bank<'_> {
    /// A balance as a number; an account that is absent holds what all held at first.
    fn balance(&self, value: &Value) -> Option<i128> {
        match value {
            Value::Int(held) => Some(i128::from(*held)),
            Value::Nil => Some(i128::from(self.initial.unwrap_or(0))),
            Value::Text(_) | Value::Raw(_) => None,
        }
    }

    /// One of those who gave these answers lied, or took one of these transfers and did not do it
    /// as it said.
    fn suspicion<'a>(
        &self,
        kind: AnomalyKind,
        key: Option<&Key>,
        answers: &[&'a Operation],
        taken: impl Iterator<Item = &'a Operation>,
        detail: String,
    ) -> Suspicion {
        let mut suspects: BTreeSet<NodeName> =
            answers.iter().flat_map(|answer| path(answer, &self.nodes)).collect();
        let mut cited: Vec<&Operation> = answers.to_vec();
        for transfer in taken {
            if cited.len() < MOST_CITED {
                cited.push(transfer);
            }
            match transfer.outcome() {
                Some(Outcome::Ok(_) | Outcome::Fail(_)) => {
                    suspects.extend(path(transfer, &self.nodes))
                }
                // Who had a hand in it nobody said.
                _ => suspects.extend(self.nodes.iter().cloned()),
            }
        }
        let wrong = answers.last().copied();
        let of = Key::from("bank");
        let anomaly = anomaly(kind, key.unwrap_or(&of), cited, wrong, detail);
        Suspicion { anomaly, suspects: vec![suspects], proved: BTreeSet::new() }
    }

    /// The transfers that were asked for in this span of time, of one account or of any.
    fn during<'b>(
        &'b self,
        account: Option<&'b Key>,
        from: u64,
        to: u64,
    ) -> impl Iterator<Item = &'b Operation> {
        let all = self.transfers.iter().chain(&self.refused).filter(move |one| {
            let touches = account.is_none_or(|account| one.from == account || one.to == account);
            let over = one.operation.end().is_some_and(|end| end < from);
            touches && !over && one.operation.start <= to
        });
        all.map(|one| one.operation)
    }
}

/// So many entries prove an anomaly at most.
const MOST_CITED: usize = 12;

/// Balances that are no numbers: no transfer leaves such.
fn unreadable(bank: &Bank<'_>, reads: &[&Operation], found: &mut Found) {
    let mut known: BTreeSet<(&Key, &Value)> = BTreeSet::new();
    for read in reads {
        for (key, value) in shown(read) {
            if bank.balance(value).is_some() || !known.insert((key, value)) {
                continue;
            }
            let detail = format!(
                "Process {}{} read {} from {key} at {}: that is no balance.",
                read.process,
                at(read.answerer()),
                super::stated::raw(value),
                read.end().map(time).unwrap_or_default()
            );
            let taken = bank.during(Some(key), 0, read.end().unwrap_or(u64::MAX));
            let kind = AnomalyKind::CorruptedValue;
            found.push(bank.suspicion(kind, Some(key), &[*read], taken, detail));
        }
    }
}

/// Judges the total of every read of all accounts, and how many there were.
fn totals(
    bank: &Bank<'_>,
    operations: &[Operation],
    reads: &[&Operation],
    found: &mut Found,
) -> u64 {
    let mut snapshots: Vec<Snapshot<'_>> = Vec::new();
    let accounts = accounts(operations);
    for operation in reads {
        let (Some(Outcome::Ok(Reply::Accounts(all))), Some(end)) =
            (operation.outcome(), operation.end())
        else {
            continue;
        };
        let named: BTreeSet<&Key> = all.iter().map(|(key, _)| key).collect();
        let held: Option<Vec<i128>> = all.iter().map(|(_, value)| bank.balance(value)).collect();
        let Some(held) = held else { continue };
        let absent = accounts.difference(&named).count() as i128;
        let total = held.iter().sum::<i128>() + absent * i128::from(bank.initial.unwrap_or(0));
        snapshots.push(Snapshot { operation, end, total });
    }
    let usual = usual(&snapshots);
    let right = bank.initial.map(|held| i128::from(held) * accounts.len() as i128).or(usual);
    let Some(right) = right else { return 0 };
    let mut ends: Vec<usize> = (0..snapshots.len()).collect();
    ends.sort_by_key(|at| snapshots[*at].end);
    snapshots_in_turn(bank, &snapshots, &ends, right, found);
    snapshots.len() as u64
}

/// Every account that is named anywhere.
fn accounts(operations: &[Operation]) -> BTreeSet<&Key> {
    let mut accounts = BTreeSet::new();
    for operation in operations {
        if let Call::Transfer { from, to, .. } = &operation.call {
            accounts.extend([from, to]);
        }
        if let Some(Outcome::Ok(Reply::Accounts(all))) = operation.outcome() {
            accounts.extend(all.iter().map(|(key, _)| key));
        }
    }
    accounts
}

/// The total that most reads have; of two that are as frequent the earlier one.
fn usual(snapshots: &[Snapshot<'_>]) -> Option<i128> {
    let mut votes: BTreeMap<i128, (usize, usize)> = BTreeMap::new();
    for (at, snapshot) in snapshots.iter().enumerate() {
        votes.entry(snapshot.total).or_insert((0, at)).0 += 1;
    }
    let most = |(_, (votes, first)): &(i128, (usize, usize))| (*votes, std::cmp::Reverse(*first));
    votes.into_iter().max_by_key(most).map(|(total, _)| total)
}

fn snapshots_in_turn(
    bank: &Bank<'_>,
    snapshots: &[Snapshot<'_>],
    ends: &[usize],
    right: i128,
    found: &mut Found,
) {
    let mut starts: Vec<usize> = (0..snapshots.len()).collect();
    starts.sort_by_key(|at| (snapshots[*at].operation.start, snapshots[*at].operation.invoked));
    let (mut next, mut before): (usize, Option<&Snapshot<'_>>) = (0, None);
    let mut wrong = 0;
    for at in starts {
        let read = &snapshots[at];
        while let Some(ended) = ends.get(next).filter(|at| {
            let end = snapshots[**at].end;
            end < read.operation.start
        }) {
            before = Some(&snapshots[*ended]);
            next += 1;
        }
        if read.total == right {
            continue;
        }
        wrong += 1;
        if before.is_some_and(|before| before.total == read.total) {
            continue;
        }
        let witness = match bank.initial {
            Some(_) => before,
            // What the bank held is not known: only another read says so.
            None => before
                .filter(|before| before.total == right)
                .or_else(|| snapshots.iter().find(|one| one.total == right)),
        };
        let from = before.map_or(0, |before| before.operation.start);
        let taken: Vec<&Operation> = bank.during(None, from, read.end).collect();
        let answers: Vec<&Operation> =
            witness.map(|one| one.operation).into_iter().chain([read.operation]).collect();
        let detail = total_detail(bank, read, right, &taken);
        let kind = AnomalyKind::PartialWrite;
        found.push(bank.suspicion(kind, None, &answers, taken.into_iter(), detail));
    }
    found.stat("wrong-reads", wrong);
}

fn total_detail(bank: &Bank<'_>, read: &Snapshot<'_>, right: i128, taken: &[&Operation]) -> String {
    let off = read.total - right;
    let amount = |one: &&&Operation| match &one.call {
        Call::Transfer { amount, .. } => i128::from(*amount).abs() == off.abs(),
        _ => false,
    };
    let half = taken.iter().find(amount).map_or(String::new(), |transfer| {
        let half = if off < 0 { "taken and not given" } else { "given and not taken" };
        format!(
            " That is as if the {} by process {}{} were half done: {half}.",
            transfer.call,
            transfer.process,
            at(transfer.answerer())
        )
    });
    let known = if bank.initial.is_some() { "the bank" } else { "by other reads the bank" };
    format!(
        "Process {}{} read all accounts by {}, and they add up to {}, but {known} holds \
         {right}.{half}",
        read.operation.process,
        at(read.operation.answerer()),
        time(read.end),
        read.total
    )
}

/// Is it an account that may not be overdrawn?
pub(super) fn is_guarded(bank: &Bank<'_>, key: &Key) -> bool {
    key.as_str() != RESERVE && has_reserve(bank)
}

/// Does the money come out of one account, so that the others begin with nothing?
fn has_reserve(bank: &Bank<'_>) -> bool {
    bank.transfers.iter().any(|one| one.from.as_str() == RESERVE)
}
