//! A bank: money moves between accounts, and somebody counts it all the while.
//!
//! Every account holds nothing at first and the reserve may owe, so the total is nought in every
//! state between transfers: there is nothing to set up, and every read of all accounts is judged by
//! itself. Accounts are read alone as well: what one such read shows has to agree with the reads of
//! all. A transfer that would overdraw an account is refused, and says so.
//!
//! Amounts are small numbers and carry no seal: which transfer made a balance cannot be told.

use perjury_history::{ACCOUNTS, Call, Key, RESERVE};
use serde::{Deserialize, Serialize};

use super::Workload;
use crate::generators::{Boxed, FromFn, Mix, UntilOk};
use crate::seed::Stream;

/// The options of this load in a declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// How many accounts there are besides the reserve; at least two.
    pub accounts: u64,
    /// The most that moves at once; at least one.
    pub most: u64,
    /// The share of transfers.
    pub transfers: u64,
    /// The share of reads of all accounts.
    pub reads: u64,
    /// The share of reads of one account.
    pub glances: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { accounts: 8, most: 20, transfers: 2, reads: 1, glances: 1 }
    }
}

/// How long the final reads are repeated on a node that does not answer.
const PAUSE: u64 = 500_000_000;
const TRIES: u32 = 20;

pub(super) fn build(options: &Options) -> Workload {
    let accounts = options.accounts.max(2);
    let most = options.most.max(1);
    let account = |number: u64| Key::from(format!("{ACCOUNTS}{number}"));
    let transfer = FromFn(move |stream: &mut Stream| {
        // The reserve takes part as often as any two of the others: the money has to come in.
        let draw = |stream: &mut Stream| match stream.below(accounts + 2) {
            number if number < accounts => account(number),
            _ => Key::from(RESERVE),
        };
        let from = draw(stream);
        let mut to = draw(stream);
        while to == from {
            to = draw(stream);
        }
        let amount = i64::try_from(1 + stream.below(most)).unwrap_or(1);
        Call::Transfer { from, to, amount }
    });
    let all = FromFn(|_: &mut Stream| Call::ReadAccounts);
    let glance =
        FromFn(move |stream: &mut Stream| Call::Read { key: account(stream.below(accounts)) });
    let load: Vec<(u64, Boxed)> = vec![
        (options.transfers, Box::new(transfer)),
        (options.reads, Box::new(all)),
        (options.glances, Box::new(glance)),
    ];
    let last = UntilOk::new(Call::ReadAccounts, PAUSE, TRIES);
    Workload {
        model: "bank",
        load: Box::new(Mix::new(load)),
        last: Some(Box::new(last)),
        scrub: |key| Call::Read { key },
    }
}
