//! What a replica must not forget: the decided values, and every step of the height that is not
//! decided yet. One log for both, in the order in which it happened.
//!
//! Malachite's write-ahead log (`Effect::WalAppend`) holds votes, proposals, values and timeouts,
//! but not the polka and round certificates that a replica is sent, although a certificate can make
//! it vote. So those are recorded too: the replica that reads its log again is in the state in
//! which it wrote.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use borsh::{BorshDeserialize, BorshSerialize};
use malachite_consensus::{ProposedValue, SignedConsensusMsg, WalEntry};
use malachite_types::{
    PolkaCertificate, Round, RoundCertificate, SignedProposal, SignedVote, Timeout, TimeoutKind,
};
use replica::clients::{Committed, State};
use replica::log::Log;
use replica::machine;
use replica::transaction::Transaction;

use crate::context::{Agreement, Height, proposer};
use crate::message::{Decided, decode, encode};

/// One record of the log.
#[derive(BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// A height is over. What was recorded before it is past.
    Decided(Decided),
    /// A vote, one's own too.
    Vote(SignedVote<Agreement>),
    /// A proposal, one's own too.
    Proposal(SignedProposal<Agreement>),
    /// A value that was made here or fetched.
    Proposed(ProposedValue<Agreement>),
    /// A timeout of the propose (0), prevote (1) or precommit (2) step.
    Timeout(u8, Round),
    /// A certificate that was sent here.
    Polka(PolkaCertificate<Agreement>),
    /// A certificate that was sent here.
    Round(RoundCertificate<Agreement>),
}

impl Record {
    /// What the library wants to be recorded.
    pub fn of(entry: WalEntry<Agreement>) -> Record {
        match entry {
            WalEntry::ConsensusMsg(SignedConsensusMsg::Vote(vote)) => Record::Vote(vote),
            WalEntry::ConsensusMsg(SignedConsensusMsg::Proposal(proposal)) => {
                Record::Proposal(proposal)
            }
            WalEntry::ProposedValue(value) => Record::Proposed(value),
            WalEntry::Timeout(Timeout { kind, round }) => {
                let kind = match kind {
                    TimeoutKind::Propose => 0,
                    TimeoutKind::Prevote => 1,
                    TimeoutKind::Precommit => 2,
                    TimeoutKind::Rebroadcast => 3,
                };
                Record::Timeout(kind, round)
            }
        }
    }
}

/// The timeout that a record is about.
pub fn timeout(kind: u8, round: Round) -> Timeout {
    let kind = match kind {
        0 => TimeoutKind::Propose,
        1 => TimeoutKind::Prevote,
        2 => TimeoutKind::Precommit,
        _ => TimeoutKind::Rebroadcast,
    };
    Timeout { kind, round }
}

/// The log of a replica, and what it has decided.
pub struct Ledger {
    log: Log,
    book: Book,
}

impl Ledger {
    /// Reads the log again. Answers also what was recorded since the last decision.
    ///
    /// # Errors
    /// The file cannot be used, or is damaged.
    pub fn open(path: &Path, sync: bool, replicas: usize) -> io::Result<(Ledger, Vec<Record>)> {
        let book = Book { pages: Arc::default(), replicas };
        let mut unfinished = Vec::new();
        let log = Log::open(path, sync, |body| match decode(body) {
            Some(Record::Decided(decided)) => {
                unfinished.clear();
                book.pages().turn(decided).is_some()
            }
            Some(record) => {
                unfinished.push(record);
                true
            }
            None => false,
        })?;
        Ok((Ledger { log, book }, unfinished))
    }

    /// What is decided, for others to read.
    pub fn book(&self) -> Book {
        self.book.clone()
    }

    /// Writes a record of the height that is not decided yet.
    ///
    /// Without a log, going on would forget a vote: the process ends.
    pub fn record(&mut self, record: &Record) {
        if let Err(error) = self.log.append(&encode(record)) {
            eprintln!("the log cannot be written: {error}; the replica ends");
            std::process::exit(1);
        }
    }

    /// A height is decided. Answers its transactions.
    pub fn decide(&mut self, decided: Decided) -> Vec<Transaction> {
        self.record(&Record::Decided(decided.clone()));
        self.book.pages().turn(decided).unwrap_or_default()
    }
}

/// What a replica has decided, and the state of its machine. Clones are the same book.
#[derive(Clone)]
pub struct Book {
    pages: Arc<Mutex<Pages>>,
    replicas: usize,
}

/// The book at one moment: nothing is decided while it is open.
#[derive(Default)]
struct Pages {
    /// From height 1 on, without a gap.
    decided: Vec<Decided>,
    machine: HashMap<Vec<u8>, Vec<u8>>,
}

impl Pages {
    /// Carries out what was decided at the next height; `None` if it is not of the next one.
    fn turn(&mut self, decided: Decided) -> Option<Vec<Transaction>> {
        let height = self.decided.len() as u64 + 1;
        if decided.certificate.height != Height(height) {
            return None;
        }
        // Nothing else is voted for by a correct replica.
        let transactions = decided.value.transactions().unwrap_or_default();
        let before = |key: &[u8]| self.machine.get(key).cloned();
        let changes = machine::execute(before, height, &transactions);
        self.machine.extend(changes);
        self.decided.push(decided);
        Some(transactions)
    }
}

impl Book {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The height of the last decided value; 0 without any.
    pub fn height(&self) -> Height {
        Height(self.pages().decided.len() as u64)
    }

    /// What was decided from a height on, at most so many.
    pub fn from(&self, height: Height, most: usize) -> Vec<Decided> {
        let before = usize::try_from(height.0.saturating_sub(1)).unwrap_or(usize::MAX);
        self.pages().decided.iter().skip(before).take(most).cloned().collect()
    }

    /// Does the machine hold something at a key?
    pub fn holds(&self, key: &[u8]) -> bool {
        self.pages().machine.contains_key(key)
    }
}

/// The number that a replica shows as its view: its height and its round in one.
pub fn view(height: Height, round: Round) -> u64 {
    let round = round.as_u32().unwrap_or(0).min(999);
    height.0.saturating_mul(1000).saturating_add(round.into())
}

impl Committed for Book {
    type State<'a> = Open<'a>;

    fn state(&self) -> Open<'_> {
        Open(self.pages())
    }

    fn leader(&self, view: u64) -> usize {
        // The remainder is below 1000.
        let round = Round::new(u32::try_from(view % 1000).unwrap_or(0));
        proposer(Height(view / 1000), round, self.replicas).index()
    }
}

/// The book at one moment.
pub struct Open<'a>(MutexGuard<'a, Pages>);

impl State for Open<'_> {
    fn height(&self) -> Option<u64> {
        Some(self.0.decided.len() as u64).filter(|height| *height > 0)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.machine.get(key).cloned()
    }
}
