//! One replica's consensus, in one thread: messages, timeouts and values go into Malachite's
//! algorithm one after the other, and its effects go to [`Hands`].

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use malachite_consensus::{
    Error, Input, LocallyProposedValue, Params, ProposedValue, State, process,
};
use malachite_peer::PeerId;
use malachite_types::{
    CommitCertificate, ThresholdParams, Validity, Value as _, ValueOrigin, ValuePayload,
    ValueResponse,
};
use replica::config::Resolved;
use replica::journal::Journal;
use replica::machine::outcome_key;
use replica::network::{Frames, Links};
use replica::pool::Pool;
use serde::Deserialize;

use crate::catchup::{BATCH, CatchUp};
use crate::context::{Agreement, Height, Place, Validators};
use crate::hands::{Hands, Signed};
use crate::ledger::{Book, Ledger, Record, timeout};
use crate::message::{Decided, Message, decode, encode};
use crate::signing::{PublicKey, Signatures};
use crate::timers::Timers;
use crate::value::{MOST, Value};

/// Messages of so many heights ahead are kept.
const AHEAD: usize = 2 * BATCH as usize;
/// How often a proposer that waits for transactions looks for some.
const LOOK: Duration = Duration::from_millis(2);
/// How long the thread sleeps at most.
const NAP: Duration = Duration::from_millis(100);
/// An answer to a replica that fell behind holds no more bytes.
const MOST_BYTES: usize = 8 << 20;

/// What Malachite wants to know besides.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Timing {
    /// How long the proposer of the first round has, in milliseconds.
    pub timeout_ms: u64,
}

/// A replica's consensus.
pub struct Engine {
    state: State<Agreement>,
    hands: Hands,
    inputs: VecDeque<Input<Agreement>>,
    inbox: Receiver<(usize, Message)>,
    catchup: CatchUp,
    unfinished: Vec<Record>,
}

impl Engine {
    /// Reads the log again and opens the links. Answers also the links and what is decided, for the
    /// clients' door.
    ///
    /// # Errors
    /// The log is damaged, or the port cannot be used.
    pub fn open(
        own: &Resolved<Timing>,
        path: &Path,
        pool: Arc<Pool>,
        journal: Arc<Journal>,
    ) -> io::Result<(Engine, Links, Book)> {
        let replicas = own.keys.len();
        let (ledger, unfinished) = Ledger::open(path, own.config.sync, replicas)?;
        let book = ledger.book();
        let (to_inbox, inbox) = channel();
        let take = move |sender: usize, body: &[u8]| {
            let message = decode::<Message>(body)
                .ok_or_else(|| format!("replica {sender} sent no message of this program"))?;
            // The inbox lives as long as the process.
            let _gone = to_inbox.send((sender, message));
            Ok(())
        };
        let links = Links::open(own, Frames::Bare, Arc::clone(&pool), Arc::clone(&journal), take)?;
        // The configuration has at most 65535 replicas.
        let me = Place(u16::try_from(own.config.me).unwrap_or(u16::MAX));
        let validators = Validators::new(own.keys.iter().copied().map(PublicKey));
        let next = Height(book.height().0 + 1);
        let params = Params {
            initial_height: next,
            initial_validator_set: validators.clone(),
            address: me,
            threshold_params: ThresholdParams::default(),
            value_payload: ValuePayload::ProposalOnly,
        };
        let hands = Hands {
            me,
            signatures: Signatures(own.secret.clone()),
            validators,
            keys: Arc::new(own.keys.clone()),
            links: links.clone(),
            pool,
            journal,
            ledger,
            timers: Timers::new(Duration::from_millis(own.config.protocol.timeout_ms)),
            idle: Duration::from_millis(own.config.idle_ms),
            replaying: false,
            signed: Signed::before(&unfinished, me),
            wanted: None,
            decided: None,
            synced: Vec::new(),
        };
        let engine = Engine {
            state: State::new(Agreement, params, AHEAD),
            hands,
            inputs: VecDeque::new(),
            inbox,
            catchup: CatchUp::new(replicas, next, Instant::now()),
            unfinished,
        };
        Ok((engine, links, book))
    }

    /// Decides one height after the other, for as long as there are links.
    pub fn run(mut self) {
        let height = self.state.height();
        self.hands.replaying = true;
        self.feed(Input::StartHeight(height, self.hands.validators.clone()));
        self.replay();
        self.hands.replaying = false;
        loop {
            let pause = self.pause(Instant::now());
            match self.inbox.recv_timeout(pause) {
                Ok((sender, message)) => self.take(sender, message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.look_around(Instant::now());
        }
    }

    /// Goes once more through the steps of a height that was not decided before the restart.
    fn replay(&mut self) {
        let records = std::mem::take(&mut self.unfinished);
        if !records.is_empty() {
            let (count, height) = (records.len(), self.state.height());
            self.hands.journal.say(&format!("{count} records of height {height} are read again"));
        }
        for record in records {
            self.feed(match record {
                Record::Vote(vote) => Input::Vote(vote),
                Record::Proposal(proposal) => Input::Proposal(proposal),
                Record::Proposed(value) => Input::ProposedValue(value, ValueOrigin::Consensus),
                Record::Timeout(kind, round) => Input::TimeoutElapsed(timeout(kind, round)),
                Record::Polka(certificate) => Input::PolkaCertificate(certificate),
                Record::Round(certificate) => Input::RoundCertificate(certificate),
                // The ledger hands out what came after the last one.
                Record::Decided(_) => continue,
            });
            if !self.hands.replaying {
                // The height is over: what is left was about it.
                return;
            }
        }
    }

    /// How long there is nothing to do but to listen.
    fn pause(&self, now: Instant) -> Duration {
        let most = if self.hands.wanted.is_some() { LOOK } else { NAP };
        let next = self.hands.timers.next().map(|end| end.saturating_duration_since(now));
        next.map_or(most, |next| next.min(most))
    }

    /// Puts an input, and all that follows from it, into the algorithm.
    fn feed(&mut self, input: Input<Agreement>) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            let ended: Result<(), Error<Agreement>> = process!(
                input: input,
                state: &mut self.state,
                metrics: &(),
                with: effect => self.hands.carry_out(effect)
            );
            if let Err(error) = ended {
                self.hands.journal.rejected(&format!("an input: {error}"));
            }
            for response in std::mem::take(&mut self.hands.synced) {
                self.hand_in(response);
            }
            if let Some(certificate) = self.hands.decided.take() {
                self.decide(certificate);
            }
        }
    }

    /// The value of a certificate that the algorithm has accepted.
    fn hand_in(&mut self, response: ValueResponse<Agreement>) {
        let value = ProposedValue {
            height: response.certificate.height,
            round: response.certificate.round,
            valid_round: malachite_types::Round::Nil,
            proposer: response.proposer,
            value: Value::from_bytes(response.value_bytes.to_vec()),
            validity: Validity::Valid,
        };
        self.inputs.push_back(Input::ProposedValue(value, ValueOrigin::Sync(response.peer)));
    }

    /// A height is over: writes it down, tells who waits, and begins the next.
    fn decide(&mut self, certificate: CommitCertificate<Agreement>) {
        let Some((_, value)) = self.state.decided_value() else {
            return self.hands.journal.rejected("a decision without a value");
        };
        let height = certificate.height;
        self.hands.replaying = false;
        let transactions = self.hands.ledger.decide(Decided { value, certificate });
        for transaction in &transactions {
            self.hands.pool.committed(transaction.id);
        }
        self.hands.journal.committed(height.0, transactions.len() as u64);
        let next = Height(height.0 + 1);
        self.inputs.push_front(Input::StartHeight(next, self.hands.validators.clone()));
    }

    fn take(&mut self, sender: usize, message: Message) {
        match message {
            Message::Vote(vote) => {
                // Who votes has decided all that is below.
                self.catchup.hear(sender, Height(vote.height.0.saturating_sub(1)));
                self.feed(Input::Vote(vote));
            }
            Message::Proposal(proposal) => self.feed(Input::Proposal(proposal)),
            Message::Polka(certificate) => self.feed(Input::PolkaCertificate(certificate)),
            Message::Round(certificate) => self.feed(Input::RoundCertificate(certificate)),
            Message::Stand(height) => self.catchup.hear(sender, height),
            Message::Fetch(height) => self.answer(sender, height),
            Message::Decided(decided) => self.take_decided(sender, decided),
        }
    }

    /// What another replica lacks.
    fn answer(&self, sender: usize, height: Height) {
        let mut bytes = 0;
        for decided in self.hands.ledger.book().from(height, BATCH as usize) {
            let message = encode(&Message::Decided(decided));
            bytes += message.len();
            self.hands.links.send(sender, &message);
            if bytes > MOST_BYTES {
                return;
            }
        }
    }

    fn take_decided(&mut self, sender: usize, decided: Decided) {
        let Decided { value, certificate } = decided;
        let (height, current) = (certificate.height, self.state.height());
        if height < current || height.0 > current.0 + BATCH {
            return;
        }
        if value.id() != certificate.value_id {
            let what =
                format!("a decided value from replica {sender}: it is not the certified one");
            return self.hands.journal.rejected(&what);
        }
        // The algorithm verifies the certificate.
        let Ok(peer) = PeerId::from_bytes(&peer(sender)) else { return };
        let proposer = self.hands.proposer(height, certificate.round);
        let bytes = value.bytes().to_vec().into();
        let response = ValueResponse::new(peer, proposer, bytes, certificate);
        self.feed(Input::SyncValueResponse(response));
    }

    /// All that is due.
    fn look_around(&mut self, now: Instant) {
        while let Some(timeout) = self.hands.elapsed(now) {
            self.feed(Input::TimeoutElapsed(timeout));
        }
        self.propose(now);
        let current = self.state.height();
        if self.catchup.tells(now) {
            let stand = Message::Stand(Height(current.0.saturating_sub(1)));
            self.hands.links.send_all(&encode(&stand));
        }
        if let Some(at) = self.catchup.asks(current, now) {
            self.hands.journal.say(&format!("asks replica {at} from height {current} on"));
            self.hands.links.send(at, &encode(&Message::Fetch(current)));
        }
    }

    /// Proposes what waits, or nothing once that has taken too long.
    fn propose(&mut self, now: Instant) {
        let Some(wanted) = self.hands.wanted else { return };
        let book = self.hands.ledger.book();
        let transactions = self.hands.pool.oldest(MOST, |id| !book.holds(&outcome_key(id)));
        if transactions.is_empty() && now < wanted.until {
            return;
        }
        self.hands.wanted = None;
        let value = Value::new(&transactions);
        let value = LocallyProposedValue::new(wanted.height, wanted.round, value);
        self.feed(Input::Propose(value));
    }
}

/// A replica as the library names peers: a multihash by the identity (0x00) of its place.
fn peer(at: usize) -> [u8; 4] {
    let place = u16::try_from(at).unwrap_or(u16::MAX).to_be_bytes();
    [0, 2, place[0], place[1]]
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
