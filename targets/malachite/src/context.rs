//! Malachite's words in the types of this server: its `Context`.
//!
//! Proposals carry their value whole (`ValuePayload::ProposalOnly`), so there are no parts; votes
//! carry no extensions. All replicas have the same power, and they propose in turns.

use std::fmt;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use malachite_types::{
    self as malachite, Context, NilOrVal, Round, SignedExtension, VoteType, VotingPower,
};

use crate::signing::{Ed25519, PublicKey};
use crate::value::{Value, ValueId};

/// The types of this server.
#[derive(Clone, Copy, Debug)]
pub struct Agreement;

/// A replica, by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Place(pub u16);

impl Place {
    /// The same as an index.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "replica {}", self.0)
    }
}

impl malachite::Address for Place {}

/// How many values are decided when this one is; the first is 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize,
)]
pub struct Height(pub u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl malachite::Height for Height {
    const ZERO: Height = Height(0);
    const INITIAL: Height = Height(1);

    fn increment_by(&self, n: u64) -> Height {
        Height(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Height> {
        self.0.checked_sub(n).map(Height)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

/// What the proposer of a round proposes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proposal {
    /// Where.
    pub height: Height,
    /// In which round.
    pub round: Round,
    /// What.
    pub value: Value,
    /// The round in which the value had a polka before, if any.
    pub pol_round: Round,
    /// By whom.
    pub proposer: Place,
}

impl malachite::Proposal<Agreement> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &Value {
        &self.value
    }

    fn take_value(self) -> Value {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.pol_round
    }

    fn validator_address(&self) -> &Place {
        &self.proposer
    }
}

/// A part of a proposal: there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPart {}

impl malachite::ProposalPart<Agreement> for NoPart {
    fn is_first(&self) -> bool {
        match *self {}
    }

    fn is_last(&self) -> bool {
        match *self {}
    }
}

/// A prevote or a precommit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Vote {
    /// Where.
    pub height: Height,
    /// In which round.
    pub round: Round,
    /// For what.
    pub value: NilOrVal<ValueId>,
    /// Which of the two.
    pub kind: VoteType,
    /// By whom.
    pub voter: Place,
}

impl malachite::Vote<Agreement> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<ValueId> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<ValueId> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Place {
        &self.voter
    }

    fn extension(&self) -> Option<&SignedExtension<Agreement>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Agreement>> {
        None
    }

    /// The application extends no vote, so nothing is lost.
    fn extend(self, _: SignedExtension<Agreement>) -> Vote {
        self
    }
}

/// A replica and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validator {
    /// Which.
    pub place: Place,
    /// What its signatures are verified with.
    pub key: PublicKey,
}

impl malachite::Validator<Agreement> for Validator {
    fn address(&self) -> &Place {
        &self.place
    }

    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn voting_power(&self) -> VotingPower {
        1
    }
}

/// All replicas, in the order of their places; the same at every height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators(Arc<Vec<Validator>>);

impl Validators {
    /// Those with these keys.
    pub fn new(keys: impl IntoIterator<Item = PublicKey>) -> Validators {
        let all = (0..).zip(keys).map(|(place, key)| Validator { place: Place(place), key });
        Validators(Arc::new(all.collect()))
    }
}

impl malachite::ValidatorSet<Agreement> for Validators {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn total_voting_power(&self) -> VotingPower {
        self.0.len() as VotingPower
    }

    fn get_by_address(&self, address: &Place) -> Option<&Validator> {
        self.0.get(address.index())
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.0.get(index)
    }
}

/// Whose turn a round is, of so many replicas.
pub fn proposer(height: Height, round: Round, replicas: usize) -> Place {
    let turn = height.0.wrapping_add(round.as_u32().unwrap_or(0).into()) % replicas.max(1) as u64;
    // The configuration has at most 65535 replicas.
    Place(u16::try_from(turn).unwrap_or(0))
}

impl Context for Agreement {
    type Address = Place;
    type Height = Height;
    type ProposalPart = NoPart;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = Validators;
    type Value = Value;
    type Vote = Vote;
    type Extension = ();
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(
        &self,
        validators: &'a Validators,
        height: Height,
        round: Round,
    ) -> &'a Validator {
        &validators.0[proposer(height, round, validators.0.len()).index()]
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: Value,
        pol_round: Round,
        proposer: Place,
    ) -> Proposal {
        Proposal { height, round, value, pol_round, proposer }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<ValueId>,
        voter: Place,
    ) -> Vote {
        Vote { height, round, value, kind: VoteType::Prevote, voter }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<ValueId>,
        voter: Place,
    ) -> Vote {
        Vote { height, round, value, kind: VoteType::Precommit, voter }
    }
}
