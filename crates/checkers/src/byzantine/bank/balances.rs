//! What the transfers can have left in one account.
//!
//! *Claim*: a read of an account shows a balance that no choice of the transfers leaves. Those that
//! ended before the read was called have taken effect; those that were called before it ended, and
//! those in doubt, may have; no others. So the balance is at least the initial one with all certain
//! transfers and every possible loss, and at most that with every possible gain. *Between two
//! reads* of an account, of which one ended before the other was called, the same holds for the
//! difference: certain are the transfers that were called after the first one and had ended before
//! the second one, impossible those that had ended before the first one was called or were called
//! after the second one ended. A read of one account and one of all have no excuse to differ.
//! Each read is compared with the last one that had ended before it; times that are equal overlap.
//!
//! These bounds are necessary and not sufficient: what lies within them may be false.

use std::collections::BTreeMap;

use perjury_history::{AnomalyKind, Call, Key, Operation};

use super::{Bank, Transfer, is_guarded, shown};
use crate::byzantine::finding::Found;
use crate::wording::{at, time};

/// One read of one account.
struct Sight<'a> {
    operation: &'a Operation,
    end: u64,
    held: i128,
}

/// One transfer, as an account sees it.
struct Change {
    start: u64,
    end: Option<u64>,
    by: i128,
}

/// What may come of transfers: the least and the most.
#[derive(Clone, Copy, Default)]
struct Range {
    least: i128,
    most: i128,
}

impl Range {
    fn certain(&mut self, by: i128) {
        (self.least, self.most) = (self.least + by, self.most + by);
    }

    fn possible(&mut self, by: i128) {
        self.least += by.min(0);
        self.most += by.max(0);
    }

    fn has(self, value: i128) -> bool {
        (self.least..=self.most).contains(&value)
    }
}

/// The changes of an account, with sums over them.
struct Account {
    /// Those that were answered, in order of their calls, and the latest end up to each.
    answered: Vec<Change>,
    latest: Vec<u64>,
    /// The sums over those in doubt, by their calls.
    doubtful: Vec<(u64, Range)>,
    /// The sums over all by their calls, and over the answered ones by their ends: what they may
    /// be, and what they are.
    called: Vec<(u64, Range)>,
    ended: Vec<(u64, Range, i128)>,
}

impl Account {
    fn new(changes: Vec<Change>) -> Account {
        let mut sum = Range::default();
        let mut called: Vec<(u64, Range)> = Vec::new();
        let mut doubt = Range::default();
        let mut doubtful: Vec<(u64, Range)> = Vec::new();
        for change in &changes {
            sum.possible(change.by);
            called.push((change.start, sum));
            if change.end.is_none() {
                doubt.possible(change.by);
                doubtful.push((change.start, doubt));
            }
        }
        let answered: Vec<Change> =
            changes.into_iter().filter(|change| change.end.is_some()).collect();
        let mut by_end: Vec<(u64, i128)> =
            answered.iter().filter_map(|change| Some((change.end?, change.by))).collect();
        by_end.sort_unstable();
        let (mut possible, mut certain) = (Range::default(), 0);
        let sums = by_end.into_iter().map(|(end, by)| {
            possible.possible(by);
            certain += by;
            (end, possible, certain)
        });
        let ended = sums.collect();
        let mut last = 0;
        let latest = answered
            .iter()
            .map(|change| {
                last = last.max(change.end.unwrap_or(0));
                last
            })
            .collect();
        Account { answered, latest, doubtful, called, ended }
    }

    /// What the account can hold in a read, from the beginning on.
    fn at(&self, initial: i64, start: u64, end: u64) -> Range {
        let mut range = Range::default();
        range.certain(i128::from(initial));
        let ended = self.ended.partition_point(|(at, ..)| *at < start);
        let over = ended.checked_sub(1).map(|last| self.ended[last]);
        let called = self.called.partition_point(|(at, _)| *at <= end);
        if let Some(last) = called.checked_sub(1) {
            let (_, all) = self.called[last];
            let (_, certain, sum) = over.unwrap_or_default();
            range.certain(sum);
            range.least += all.least - certain.least;
            range.most += all.most - certain.most;
        }
        range
    }

    /// By how much the account can have changed between two reads.
    fn between(&self, first: &Sight<'_>, second: &Sight<'_>) -> Range {
        let mut range = Range::default();
        let doubtful = self.doubtful.partition_point(|(start, _)| *start <= second.end);
        if let Some(last) = doubtful.checked_sub(1) {
            range = self.doubtful[last].1;
        }
        let began = self.answered.partition_point(|change| change.start <= second.end);
        for place in (0..began).rev() {
            if self.latest[place] < first.operation.start {
                break;
            }
            let change = &self.answered[place];
            let end = change.end.unwrap_or(u64::MAX);
            if end < first.operation.start {
                continue;
            }
            if change.start > first.end && end < second.operation.start {
                range.certain(change.by);
            } else {
                range.possible(change.by);
            }
        }
        range
    }
}

/// Judges every balance that was read, and how many there were.
pub(super) fn check(bank: &Bank<'_>, reads: &[&Operation], found: &mut Found) -> u64 {
    let mut sights: BTreeMap<&Key, Vec<Sight<'_>>> = BTreeMap::new();
    let mut count = 0;
    for operation in reads {
        for (key, value) in shown(operation) {
            if let (Some(held), Some(end)) = (bank.balance(value), operation.end()) {
                count += 1;
                sights.entry(key).or_default().push(Sight { operation, end, held });
            }
        }
    }
    for (key, mut sights) in sights {
        sights.sort_by_key(|one| (one.operation.start, one.operation.invoked));
        account(bank, key, &sights, found);
    }
    count
}

fn changes(bank: &Bank<'_>, key: &Key) -> Vec<Change> {
    let mut changes = Vec::new();
    for Transfer { operation, from, to, amount } in &bank.transfers {
        let by = i128::from(*to == key) - i128::from(*from == key);
        if by != 0 {
            let (start, end) = (operation.start, operation.end());
            changes.push(Change { start, end, by: by * i128::from(*amount) });
        }
    }
    changes
}

fn account(bank: &Bank<'_>, key: &Key, sights: &[Sight<'_>], found: &mut Found) {
    let account = Account::new(changes(bank, key));
    let guarded = is_guarded(bank, key);
    let mut ends: Vec<usize> = (0..sights.len()).collect();
    ends.sort_by_key(|at| (sights[*at].end, sights[*at].operation.invoked));
    let mut off = vec![false; sights.len()];
    let (mut next, mut before): (usize, Option<usize>) = (0, None);
    for (place, sight) in sights.iter().enumerate() {
        while let Some(ended) = ends.get(next).filter(|at| sights[**at].end < sight.operation.start)
        {
            before = Some(*ended);
            next += 1;
        }
        let last = before.map(|at| &sights[at]);
        if guarded && sight.held < 0 && last.is_none_or(|last| last.held >= 0) {
            overdrawn(bank, key, last, sight, found);
        }
        if let Some(last) = last {
            let range = account.between(last, sight);
            if !range.has(sight.held - last.held) {
                off[place] = true;
                differ(bank, key, last, sight, range, found);
                continue;
            }
        }
        let Some(initial) = bank.initial else { continue };
        let range = account.at(initial, sight.operation.start, sight.end);
        off[place] = !range.has(sight.held);
        // What was false before and is as false now was told already.
        if off[place] && !before.is_some_and(|before| off[before]) {
            impossible(bank, key, sight, range, found);
        }
    }
}

fn who(sight: &Sight<'_>, key: &Key) -> String {
    let how = match sight.operation.call {
        Call::ReadAccounts => " in a read of all accounts",
        _ => "",
    };
    let (process, answerer) = (sight.operation.process, at(sight.operation.answerer()));
    format!("Process {process}{answerer} found {} in {key}{how} by {}", sight.held, time(sight.end))
}

fn overdrawn(
    bank: &Bank<'_>,
    key: &Key,
    last: Option<&Sight<'_>>,
    sight: &Sight<'_>,
    found: &mut Found,
) {
    let detail = format!(
        "{}: it is overdrawn, though a transfer that does that has to be refused.",
        who(sight, key)
    );
    let from = last.map_or(0, |last| last.operation.start);
    let answers: Vec<&Operation> =
        last.into_iter().chain([sight]).map(|one| one.operation).collect();
    let taken = bank.during(Some(key), from, sight.end);
    let kind = AnomalyKind::BrokenInvariant;
    found.push(bank.suspicion(kind, Some(key), &answers, taken, detail));
}

fn differ(
    bank: &Bank<'_>,
    key: &Key,
    last: &Sight<'_>,
    sight: &Sight<'_>,
    range: Range,
    found: &mut Found,
) {
    let bulk = |sight: &Sight<'_>| matches!(sight.operation.call, Call::ReadAccounts);
    let kind = match bulk(last) == bulk(sight) {
        true => AnomalyKind::NonLinearizable,
        false => AnomalyKind::DisagreeingReads,
    };
    let moved = match (range.least, range.most) {
        (0, 0) => "no transfer can have changed it in between".to_owned(),
        (least, most) if least == most => format!("the transfers in between come to {least}"),
        (least, most) => {
            format!("the transfers in between come to {least} at least and {most} at most")
        }
    };
    let detail =
        format!("{}. {}, called after that; but {moved}.", who(last, key), who(sight, key));
    let taken = bank.during(Some(key), last.operation.start, sight.end);
    let answers = [last.operation, sight.operation];
    found.push(bank.suspicion(kind, Some(key), &answers, taken, detail));
}

fn impossible(bank: &Bank<'_>, key: &Key, sight: &Sight<'_>, range: Range, found: &mut Found) {
    let detail = format!(
        "{}, but what had been transferred by then, and what may have been, leaves {} at least \
         and {} at most.",
        who(sight, key),
        range.least,
        range.most
    );
    let taken = bank.during(Some(key), 0, sight.end);
    let kind = AnomalyKind::NonLinearizable;
    found.push(bank.suspicion(kind, Some(key), &[sight.operation], taken, detail));
}
