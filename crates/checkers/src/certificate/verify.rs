//! Does a certificate prove what it claims? In time linear in the history and the certificate.
//!
//! Nothing of the search is used: not its models, not its operations, not its order of events. What
//! is shared is the reading of the file and the pairing of calls with answers. The invariant: an
//! `Ok` means that for each object every operation that was answered stands in an order in which
//! no operation follows one that began after its end, and that every answer fits.

use std::collections::HashMap;

use perjury_history::{
    Cause, History, Index, Key, Operation, Outcome, PairingError, Reply, Value, pair,
};

use super::sequential::Object;
use super::{Certificate, ModelName, Order};

/// Why a certificate proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The history is ill formed.
    #[error("the history is ill formed: {0}")]
    IllFormed(#[from] PairingError),
    /// The certificate is of another specification or of another initial value.
    #[error("the certificate is of {found}, asked for was {asked}")]
    Other {
        /// In the certificate.
        found: String,
        /// What it should prove.
        asked: String,
    },
    /// Two orders of one object.
    #[error("the certificate has two orders of one object, {0}")]
    Doubled(String),
    /// There is no such invocation.
    #[error("{0} is no invocation")]
    Foreign(Index),
    /// The invocation is of another object.
    #[error("{0} is no operation on the object under which it is listed")]
    Misplaced(Index),
    /// An operation is listed twice.
    #[error("{0} is listed twice")]
    Repeated(Index),
    /// An operation that had no effect for sure is listed.
    #[error("{0} failed, yet it is listed")]
    Failed(Index),
    /// An answered operation is not listed.
    #[error("{0} was answered, yet it is not listed")]
    Missing(Index),
    /// `second` had ended before `first` began, and is listed after it.
    #[error("{second} had ended before {first} began, yet follows it")]
    RealTime {
        /// Listed first.
        first: Index,
        /// Listed later.
        second: Index,
    },
    /// The answer does not fit.
    #[error("where {0} is listed its answer does not fit")]
    Answer(Index),
    /// The history has no real time, so that nothing in it is linearizable or not.
    #[error("{}", perjury_history::Order::NO_REAL_TIME)]
    Unordered,
    /// An unknown dequeue has nothing that it can have taken.
    #[error("the dequeues of unknown answer took more than there was")]
    Unexplained,
}

/// Does `certificate` prove that `history` is linearizable under this model?
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify(
    history: &History,
    model: ModelName,
    initial: &Value,
    certificate: &Certificate,
) -> Result<(), Refusal> {
    if !history.order.is_real_time() {
        return Err(Refusal::Unordered);
    }
    if (certificate.model, &certificate.initial) != (model, initial) {
        return Err(Refusal::Other {
            found: format!("{} from {}", certificate.model, certificate.initial),
            asked: format!("{model} from {initial}"),
        });
    }
    let operations = pair(&history.entries)?;
    let by_invocation: HashMap<Index, &Operation> =
        operations.iter().map(|operation| (operation.invoked, operation)).collect();
    let mut listed: HashMap<Index, ()> = HashMap::with_capacity(operations.len());
    let mut seen: HashMap<Option<&Key>, ()> = HashMap::new();
    for order in &certificate.objects {
        if seen.insert(order.key.as_ref(), ()).is_some() {
            let name = order.key.as_ref().map_or("all", Key::as_str);
            return Err(Refusal::Doubled(name.to_owned()));
        }
        for at in &order.operations {
            let operation = by_invocation.get(at).ok_or(Refusal::Foreign(*at))?;
            if operation.call.key() != order.key.as_ref() {
                return Err(Refusal::Misplaced(*at));
            }
            if listed.insert(*at, ()).is_some() {
                return Err(Refusal::Repeated(*at));
            }
        }
        one(order, &by_invocation, model, initial)?;
    }
    let missing = |operation: &&Operation| {
        must_be_listed(operation) && !listed.contains_key(&operation.invoked)
    };
    match operations.iter().find(missing) {
        Some(operation) => Err(Refusal::Missing(operation.invoked)),
        None => Ok(()),
    }
}

/// An answered operation took effect; of a read whose answer is not known nothing follows.
fn must_be_listed(operation: &Operation) -> bool {
    match operation.outcome() {
        Some(Outcome::Ok(Reply::Unknown)) => !operation.call.is_read_only(),
        outcome => matches!(outcome, Some(Outcome::Ok(_))),
    }
}

fn one(
    order: &Order,
    by_invocation: &HashMap<Index, &Operation>,
    model: ModelName,
    initial: &Value,
) -> Result<(), Refusal> {
    let mut object = Object::new(model, initial);
    // What is in the wrong order shows against the latest beginning so far: an operation that
    // ended before some beginning ended before the latest of them.
    let mut latest: Option<(u64, Index)> = None;
    for at in &order.operations {
        let operation = by_invocation.get(at).ok_or(Refusal::Foreign(*at))?;
        let (reply, end) = match &operation.completion {
            Some((_, end, Outcome::Ok(reply))) => (Some(reply), Some(*end)),
            // A reply outside the contract is not believed, also where it says "failed".
            Some((_, _, Outcome::Fail(cause))) if cause.code != Cause::UNMODELLED => {
                return Err(Refusal::Failed(*at));
            }
            _ => (None, None),
        };
        if let (Some((began, first)), Some(end)) = (latest, end)
            && end < began
        {
            return Err(Refusal::RealTime { first, second: *at });
        }
        if latest.is_none_or(|(began, _)| operation.start > began) {
            latest = Some((operation.start, *at));
        }
        // A counter that is absent reads as what it holds at first.
        let absent = Reply::Value(if initial.is_nil() { Value::Int(0) } else { initial.clone() });
        let reply = match reply {
            Some(Reply::Value(Value::Nil)) if model == ModelName::Counter => Some(&absent),
            reply => reply,
        };
        if !object.step(operation.process, &operation.call, reply) {
            return Err(Refusal::Answer(*at));
        }
    }
    if object.is_explained() { Ok(()) } else { Err(Refusal::Unexplained) }
}
