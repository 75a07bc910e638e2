//! What locks that know their holders and semaphores do, one operation after the other: a part of
//! the verifier's own specifications, see `sequential`.
//!
//! Who asks is the process. An acquire without an answer has got some token from the least one on,
//! which its holder may be told by a later acquire.

use std::collections::HashMap;

use perjury_history::{Call, Process, Reply};

use super::sequential::told;

/// A lock, who holds it how many times, and its tokens.
pub(super) struct Holder {
    most: u32,
    fenced: bool,
    held: Option<(Process, u32)>,
    /// The token of the holder, if it is known.
    token: Option<u64>,
    /// The least token that the next holder may get.
    least: u64,
}

impl Holder {
    /// A free lock that its holder can take so many times, with tokens or without.
    pub(super) fn of(most: u32, fenced: bool) -> Holder {
        Holder { most, fenced, held: None, token: None, least: 0 }
    }

    pub(super) fn step(&mut self, who: Process, call: &Call, reply: Option<&Reply>) -> bool {
        match (call, self.held) {
            (Call::Acquire { .. }, None) => {
                (self.held, self.token) = (Some((who, 1)), None);
                self.granted(reply) && self.names(reply)
            }
            (Call::Acquire { .. }, Some((holder, times))) => {
                self.held = Some((holder, times.saturating_add(1)));
                holder == who && times < self.most && self.granted(reply) && self.names(reply)
            }
            (Call::Release { .. }, Some((holder, times))) => {
                self.held =
                    times.checked_sub(1).filter(|left| *left > 0).map(|left| (holder, left));
                if self.held.is_none() {
                    self.least = self.token.unwrap_or(self.least).saturating_add(1);
                }
                holder == who && matches!(reply, None | Some(Reply::Done))
            }
            _ => false,
        }
    }

    /// Can the token that was told, if any, be that of the present holder?
    fn names(&mut self, reply: Option<&Reply>) -> bool {
        let Some(told) = told(reply).filter(|_| self.fenced) else { return true };
        let token = *self.token.get_or_insert(told);
        told == token && self.least <= token
    }

    /// Is it an answer to an acquire? With tokens only a token is.
    fn granted(&self, reply: Option<&Reply>) -> bool {
        match reply {
            None => true,
            Some(Reply::Done) => !self.fenced,
            reply => told(reply).is_some(),
        }
    }
}

/// A semaphore, and who holds how many of its permits.
pub(super) struct Permits {
    left: u32,
    held: HashMap<Process, u32>,
}

impl Permits {
    pub(super) fn of(permits: u32) -> Permits {
        Permits { left: permits, held: HashMap::new() }
    }

    pub(super) fn step(&mut self, who: Process, call: &Call, reply: Option<&Reply>) -> bool {
        let own = self.held.entry(who).or_insert(0);
        let done = matches!(reply, None | Some(Reply::Done));
        match call {
            Call::Acquire { .. } if self.left > 0 => {
                (self.left, *own) = (self.left - 1, *own + 1);
                done || told(reply).is_some()
            }
            Call::Release { .. } if *own > 0 => {
                (self.left, *own) = (self.left + 1, *own - 1);
                done
            }
            _ => false,
        }
    }
}
