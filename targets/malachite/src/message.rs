//! What replicas tell each other besides transactions.
//!
//! Votes, proposals and certificates are Malachite's and carry the signatures that it verifies. The
//! other three are for a replica that fell behind: a stand and a wish are believed and can do no
//! harm, a decided value comes with its certificate.

use borsh::{BorshDeserialize, BorshSerialize};
use malachite_types::{
    CommitCertificate, PolkaCertificate, RoundCertificate, SignedProposal, SignedVote,
};

use crate::context::{Agreement, Height};
use crate::value::Value;

/// One message.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// A prevote or a precommit.
    Vote(SignedVote<Agreement>),
    /// A proposal with its value.
    Proposal(SignedProposal<Agreement>),
    /// Enough prevotes for one value.
    Polka(PolkaCertificate<Agreement>),
    /// Enough votes to enter a round.
    Round(RoundCertificate<Agreement>),
    /// So much is decided at the sender.
    Stand(Height),
    /// The sender wants what was decided from this height on.
    Fetch(Height),
    /// What was decided at one height.
    Decided(Decided),
}

/// A decided value, with the precommits that decided it.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct Decided {
    /// The value.
    pub value: Value,
    /// More than two thirds of the replicas signed for it.
    pub certificate: CommitCertificate<Agreement>,
}

/// The bytes of a value that is always encodable.
pub fn encode(value: &impl BorshSerialize) -> Vec<u8> {
    // Writing to memory cannot fail, and no length here reaches 4 GiB.
    borsh::to_vec(value).unwrap_or_default()
}

/// The value of these bytes, all of them.
pub fn decode<T: BorshDeserialize>(bytes: &[u8]) -> Option<T> {
    borsh::from_slice(bytes).ok()
}
