//! Ed25519 signatures of votes and proposals. A signature is over a domain, so that it can be taken
//! for no other kind of message, and over all that the message says; of a value, over its hash.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::{Signer, SigningKey, Verifier, VerifyingKey};
use malachite_types::{SignedMessage, SigningProvider, SigningScheme, Value as _};

use crate::context::{Agreement, NoPart, Proposal, Vote};

const VOTE: &[u8] = b"malachite-node vote 1\n";
const PROPOSAL: &[u8] = b"malachite-node proposal 1\n";

/// The scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ed25519;

/// 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Signature([u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A replica's public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(pub VerifyingKey);

impl SigningScheme for Ed25519 {
    type DecodingError = std::array::TryFromSliceError;
    type Signature = Signature;
    type PublicKey = PublicKey;
    type PrivateKey = SigningKey;

    fn decode_signature(bytes: &[u8]) -> Result<Signature, Self::DecodingError> {
        bytes.try_into().map(Signature)
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.0.to_vec()
    }
}

/// Signs for one replica, and verifies for all. The library adds the verification of certificates
/// (`SigningProviderExt`).
pub struct Signatures(pub SigningKey);

impl Signatures {
    fn sign<M>(&self, message: M, bytes: &[u8]) -> SignedMessage<Agreement, M> {
        SignedMessage::new(message, Signature(self.0.sign(bytes).to_bytes()))
    }
}

fn fits(bytes: &[u8], signature: &Signature, key: &PublicKey) -> bool {
    key.0.verify(bytes, &ed25519_dalek::Signature::from_bytes(&signature.0)).is_ok()
}

fn bytes(domain: &[u8], content: &impl BorshSerialize) -> Vec<u8> {
    let mut bytes = domain.to_vec();
    bytes.extend(crate::message::encode(content));
    bytes
}

fn of_vote(vote: &Vote) -> Vec<u8> {
    bytes(VOTE, vote)
}

fn of_proposal(proposal: &Proposal) -> Vec<u8> {
    let Proposal { height, round, value, pol_round, proposer } = proposal;
    bytes(PROPOSAL, &(height, round, value.id(), pol_round, proposer))
}

impl SigningProvider<Agreement> for Signatures {
    fn sign_vote(&self, vote: Vote) -> SignedMessage<Agreement, Vote> {
        let bytes = of_vote(&vote);
        self.sign(vote, &bytes)
    }

    fn verify_signed_vote(&self, vote: &Vote, signature: &Signature, key: &PublicKey) -> bool {
        fits(&of_vote(vote), signature, key)
    }

    fn sign_proposal(&self, proposal: Proposal) -> SignedMessage<Agreement, Proposal> {
        let bytes = of_proposal(&proposal);
        self.sign(proposal, &bytes)
    }

    fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &Signature,
        key: &PublicKey,
    ) -> bool {
        fits(&of_proposal(proposal), signature, key)
    }

    fn sign_proposal_part(&self, part: NoPart) -> SignedMessage<Agreement, NoPart> {
        match part {}
    }

    fn verify_signed_proposal_part(&self, part: &NoPart, _: &Signature, _: &PublicKey) -> bool {
        match *part {}
    }

    fn sign_vote_extension(&self, (): ()) -> SignedMessage<Agreement, ()> {
        self.sign((), b"malachite-node extension 1\n")
    }

    /// There are no extensions.
    fn verify_signed_vote_extension(&self, (): &(), _: &Signature, _: &PublicKey) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use malachite_types::{NilOrVal, Round, VoteType};

    use super::*;
    use crate::context::{Height, Place};
    use crate::value::Value;

    fn signatures() -> (Signatures, PublicKey) {
        let secret = SigningKey::from_bytes(&[1; 32]);
        let key = PublicKey(secret.verifying_key());
        (Signatures(secret), key)
    }

    #[test]
    fn a_vote_is_verified_with_all_that_it_says() {
        let (own, key) = signatures();
        let value = NilOrVal::Val(malachite_types::Value::id(&Value::from_bytes(vec![1])));
        let kind = VoteType::Prevote;
        let (height, round) = (Height(3), Round::new(1));
        let signed = own.sign_vote(Vote { height, round, value, kind, voter: Place(0) });
        let verify = |vote: &Vote| own.verify_signed_vote(vote, &signed.signature, &key);
        assert!(verify(&signed));
        let alterations: [fn(&mut Vote); 5] = [
            |vote| vote.height = Height(4),
            |vote| vote.round = Round::new(2),
            |vote| vote.value = NilOrVal::Nil,
            |vote| vote.kind = VoteType::Precommit,
            |vote| vote.voter = Place(1),
        ];
        for (at, alter) in alterations.iter().enumerate() {
            let mut altered = signed.message.clone();
            alter(&mut altered);
            assert!(!verify(&altered), "alteration {at}");
        }
        let other = PublicKey(SigningKey::from_bytes(&[2; 32]).verifying_key());
        assert!(!own.verify_signed_vote(&signed, &signed.signature, &other));
    }

    #[test]
    fn a_proposal_is_verified_with_its_value() {
        let (own, key) = signatures();
        let signed = own.sign_proposal(Proposal {
            height: Height(3),
            round: Round::new(1),
            value: Value::from_bytes(vec![1, 2, 3]),
            pol_round: Round::Nil,
            proposer: Place(0),
        });
        let verify =
            |proposal: &Proposal| own.verify_signed_proposal(proposal, &signed.signature, &key);
        assert!(verify(&signed));
        let alterations: [fn(&mut Proposal); 5] = [
            |proposal| proposal.height = Height(4),
            |proposal| proposal.round = Round::new(2),
            |proposal| proposal.value = Value::from_bytes(vec![1, 2, 4]),
            |proposal| proposal.pol_round = Round::new(0),
            |proposal| proposal.proposer = Place(1),
        ];
        for (at, alter) in alterations.iter().enumerate() {
            let mut altered = signed.message.clone();
            alter(&mut altered);
            assert!(!verify(&altered), "alteration {at}");
        }
    }
}
