//! The effects of Malachite's algorithm, carried out: clocks, messages, signatures, the log.
//!
//! Invariant: what is signed is recorded before it is sent, and nothing is signed twice with two
//! contents, after a restart neither.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use malachite_consensus::{
    ConsensusMsg, Effect, LivenessMsg, Resumable, Resume, SignedConsensusMsg, VoteExtensionError,
};
use malachite_types::{
    CommitCertificate, Context, Round, SignedMessage, SignedProposal, SignedVote, SigningProvider,
    SigningProviderExt, Timeout, ValueResponse, VoteType,
};
use replica::journal::Journal;
use replica::network::Links;
use replica::pool::Pool;

use crate::context::{Agreement, Height, Place, Proposal, Validators, Vote};
use crate::ledger::{Ledger, Record, view};
use crate::message::{Message, encode};
use crate::signing::{PublicKey, Signatures};
use crate::timers::Timers;

/// A value that this replica is to propose.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// Where.
    pub height: Height,
    /// In which round.
    pub round: Round,
    /// Until when it waits for transactions.
    pub until: Instant,
}

/// What this replica signed before it was started again.
#[derive(Default)]
pub struct Signed {
    votes: HashMap<(u64, Round, VoteType), SignedVote<Agreement>>,
    proposals: HashMap<(u64, Round), SignedProposal<Agreement>>,
}

impl Signed {
    /// What one's own records say.
    pub fn before(records: &[Record], me: Place) -> Signed {
        let mut signed = Signed::default();
        for record in records {
            match record {
                Record::Vote(vote) if vote.voter == me => {
                    let place = (vote.height.0, vote.round, vote.kind);
                    signed.votes.entry(place).or_insert_with(|| vote.clone());
                }
                Record::Proposal(proposal) if proposal.proposer == me => {
                    let place = (proposal.height.0, proposal.round);
                    signed.proposals.entry(place).or_insert_with(|| proposal.clone());
                }
                _ => {}
            }
        }
        signed
    }
}

/// The hands of one replica.
pub struct Hands {
    /// Its place.
    pub me: Place,
    /// Its key.
    pub signatures: Signatures,
    /// All replicas.
    pub validators: Validators,
    /// Their keys, for transactions.
    pub keys: Arc<Vec<ed25519_dalek::VerifyingKey>>,
    /// The way to the others.
    pub links: Links,
    /// What waits.
    pub pool: Arc<Pool>,
    /// What is told.
    pub journal: Arc<Journal>,
    /// What must not be forgotten.
    pub ledger: Ledger,
    /// Its clocks.
    pub timers: Timers,
    /// How long a proposer without transactions waits.
    pub idle: Duration,
    /// Is the log being read again? Then it is not written.
    pub replaying: bool,
    /// What was signed before the start.
    pub signed: Signed,
    /// What the application owes.
    pub wanted: Option<Wanted>,
    /// Whether this height was just decided, and by whom.
    pub decided: Option<CommitCertificate<Agreement>>,
    /// Values with a good certificate, to be handed in.
    pub synced: Vec<ValueResponse<Agreement>>,
}

impl Hands {
    /// Carries out one effect. None can fail: a log that cannot be written ends the process.
    pub fn carry_out(
        &mut self,
        effect: Effect<Agreement>,
    ) -> Result<Resume<Agreement>, Infallible> {
        Ok(match effect {
            Effect::GetValidatorSet(_, resume) => resume.resume_with(Some(self.validators.clone())),
            Effect::SignVote(vote, resume) => resume.resume_with(self.sign_vote(vote)),
            Effect::SignProposal(proposal, resume) => {
                resume.resume_with(self.sign_proposal(proposal))
            }
            // Nobody extends votes here, so an extension is nobody's.
            Effect::ExtendVote(_, _, _, resume) => resume.resume_with(None),
            Effect::VerifyVoteExtension(_, _, _, _, _, resume) => {
                resume.resume_with(Err(VoteExtensionError::InvalidVoteExtension))
            }
            Effect::VerifySignature(..)
            | Effect::VerifyCommitCertificate(..)
            | Effect::VerifyPolkaCertificate(..)
            | Effect::VerifyRoundCertificate(..) => self.verify(effect),
            act => {
                self.act(act);
                Resume::Continue
            }
        })
    }

    /// Carries out an effect that has no answer.
    fn act(&mut self, effect: Effect<Agreement>) {
        match effect {
            Effect::CancelAllTimeouts(_) => self.timers.cancel_all(),
            Effect::CancelTimeout(timeout, _) => self.timers.cancel(timeout),
            Effect::ScheduleTimeout(timeout, _) => self.timers.schedule(timeout, Instant::now()),
            Effect::StartRound(height, round, proposer, _, _) => {
                self.start_round(height, round, proposer);
            }
            Effect::PublishConsensusMsg(message, _) => self.publish(&match message {
                SignedConsensusMsg::Vote(vote) => Message::Vote(vote),
                SignedConsensusMsg::Proposal(proposal) => Message::Proposal(proposal),
            }),
            Effect::PublishLivenessMsg(message, _) => self.publish(&match message {
                LivenessMsg::Vote(vote) => Message::Vote(vote),
                LivenessMsg::PolkaCertificate(certificate) => Message::Polka(certificate),
                LivenessMsg::SkipRoundCertificate(certificate) => Message::Round(certificate),
            }),
            Effect::RepublishVote(vote, _) => self.publish(&Message::Vote(vote)),
            Effect::RepublishRoundCertificate(certificate, _) => {
                self.publish(&Message::Round(certificate));
            }
            Effect::GetValue(height, round, _, _) => {
                self.wanted = Some(Wanted { height, round, until: Instant::now() + self.idle });
            }
            Effect::SyncValue(response, _) => self.synced.push(response),
            Effect::Decide(certificate, _, _) => self.decided = Some(certificate),
            Effect::WalAppend(entry, _) => self.record(&Record::of(entry)),
            // Lengths of timeouts do not change; and a proposal carries its value, so there is
            // nothing to stream.
            Effect::ResetTimeouts(_) | Effect::RestreamProposal(..) => {}
            answered => unreachable!("{answered:?} is carried out by the caller"),
        }
    }

    fn verify(&mut self, effect: Effect<Agreement>) -> Resume<Agreement> {
        match effect {
            Effect::VerifySignature(message, key, resume) => {
                let verified = self.verify_message(&message, &key);
                if let Err(why) = &verified {
                    self.journal.rejected(why);
                }
                resume.resume_with(verified.is_ok())
            }
            Effect::VerifyCommitCertificate(certificate, validators, thresholds, resume) => {
                let verified = self.signatures.verify_commit_certificate(
                    &Agreement,
                    &certificate,
                    &validators,
                    thresholds,
                );
                self.refused("commit", &verified);
                resume.resume_with(verified)
            }
            Effect::VerifyPolkaCertificate(certificate, validators, thresholds, resume) => {
                let verified = self.signatures.verify_polka_certificate(
                    &Agreement,
                    &certificate,
                    &validators,
                    thresholds,
                );
                self.refused("polka", &verified);
                if verified.is_ok() {
                    self.record(&Record::Polka(certificate));
                }
                resume.resume_with(verified)
            }
            Effect::VerifyRoundCertificate(certificate, validators, thresholds, resume) => {
                let verified = self.signatures.verify_round_certificate(
                    &Agreement,
                    &certificate,
                    &validators,
                    thresholds,
                );
                self.refused("round", &verified);
                if verified.is_ok() {
                    self.record(&Record::Round(certificate));
                }
                resume.resume_with(verified)
            }
            other => unreachable!("{other:?} is carried out by the caller"),
        }
    }

    fn refused(&self, kind: &str, verified: &Result<(), impl std::fmt::Display>) {
        if let Err(why) = verified {
            self.journal.rejected(&format!("a {kind} certificate: {why}"));
        }
    }

    /// Is the message its sender's? Of a proposal also: may its value be carried out? With
    /// `ProposalOnly` the library holds every value for a valid one (`handle/proposal.rs`) and
    /// nobody else is asked, so a proposal of nonsense counts as one that was never signed.
    fn verify_message(
        &self,
        message: &SignedMessage<Agreement, ConsensusMsg<Agreement>>,
        key: &PublicKey,
    ) -> Result<(), String> {
        let signature = &message.signature;
        match &message.message {
            ConsensusMsg::Vote(vote) => {
                if self.signatures.verify_signed_vote(vote, signature, key) {
                    return Ok(());
                }
                Err(format!("a vote: the signature is not that of {}", vote.voter))
            }
            ConsensusMsg::Proposal(proposal) => {
                let proposer = proposal.proposer;
                if !self.signatures.verify_signed_proposal(proposal, signature, key) {
                    return Err(format!("a proposal: the signature is not that of {proposer}"));
                }
                let checked = proposal.value.check(&self.pool, &self.keys);
                checked.map_err(|why| format!("a proposal of {proposer}: {why}"))
            }
        }
    }

    fn start_round(&mut self, height: Height, round: Round, proposer: Place) {
        self.wanted = None;
        self.journal.enter(view(height, round));
        if round > Round::new(0) {
            self.journal.say(&format!("round {round} of height {height}, {proposer} proposes"));
        }
    }

    fn publish(&self, message: &Message) {
        self.links.send_all(&encode(message));
    }

    /// Writes to the log, unless it is being read.
    fn record(&mut self, record: &Record) {
        if !self.replaying {
            self.ledger.record(record);
        }
    }

    /// Signs, unless another vote was signed for the same step before a restart: then that one is
    /// sent again.
    fn sign_vote(&mut self, vote: Vote) -> SignedVote<Agreement> {
        match self.signed.votes.get(&(vote.height.0, vote.round, vote.kind)) {
            Some(before) => before.clone(),
            None => self.signatures.sign_vote(vote),
        }
    }

    /// The same for a proposal of one's own. Those of others are signed to be kept, not to be sent
    /// (`handle/proposed_value.rs`).
    fn sign_proposal(&mut self, proposal: Proposal) -> SignedProposal<Agreement> {
        let place = (proposal.height.0, proposal.round);
        match self.signed.proposals.get(&place).filter(|_| proposal.proposer == self.me) {
            Some(before) => before.clone(),
            None => self.signatures.sign_proposal(proposal),
        }
    }

    /// A timeout that is over, noted.
    pub fn elapsed(&mut self, now: Instant) -> Option<Timeout> {
        let timeout = self.timers.elapsed(now)?;
        if timeout.kind != malachite_types::TimeoutKind::Rebroadcast {
            self.journal.timeouts.fetch_add(1, Relaxed);
            self.journal.say(&format!("timeout {timeout}"));
        }
        Some(timeout)
    }

    /// Whose turn a round is.
    pub fn proposer(&self, height: Height, round: Round) -> Place {
        Agreement.select_proposer(&self.validators, height, round).place
    }
}
