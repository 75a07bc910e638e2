//! Many objects at once, each with a short life (Jepsen's `independent`).
//!
//! Checking one object costs more than linearly in the length of its history, so a long run is
//! spread over many: the workers are divided into groups of equal size, each group works on one
//! key, and when that key's generator has ended, on the next new one.

use perjury_history::{Call, Key, Outcome};

use super::{Boxed, Context, Generator, Next};
use crate::seed::Stream;

/// The name of the key with that number.
pub fn numbered(number: u64) -> Key {
    Key::from(format!("k{number}"))
}

/// A generator for each of many keys, several keys at a time.
pub struct PerKey<F> {
    make: F,
    group: usize,
    next_key: u64,
    last_key: u64,
    groups: Vec<Option<(Key, Boxed)>>,
    turn: usize,
}

impl<F: FnMut(Key) -> Boxed + Send> PerKey<F> {
    /// `make` builds the generator of a key. `group` workers share a key; there are `keys` keys in
    /// all (`u64::MAX` for no end).
    pub fn new(group: usize, keys: u64, make: F) -> PerKey<F> {
        PerKey {
            make,
            group: group.max(1),
            next_key: 0,
            last_key: keys,
            groups: Vec::new(),
            turn: 0,
        }
    }

    fn fresh(&mut self) -> Option<(Key, Boxed)> {
        if self.next_key == self.last_key {
            return None;
        }
        let key = numbered(self.next_key);
        self.next_key += 1;
        Some((key.clone(), (self.make)(key)))
    }

    /// The answer of one group, moving on to a new key where the old one has ended.
    fn ask(&mut self, at: usize, context: &Context<'_>, stream: &mut Stream) -> Next {
        let all = context.free.range();
        let begin = all.start + at * self.group;
        // The last group takes the rest, so that no worker idles.
        let end = if at + 1 == self.groups.len() { all.end } else { begin + self.group };
        let inside = Context { free: context.free.narrow(begin..end), ..*context };
        loop {
            let Some((_, generator)) = &mut self.groups[at] else { return Next::Done };
            if inside.free.iter().next().is_none() {
                return Next::Pending;
            }
            match generator.next(&inside, stream) {
                // Keys are independent: what is still open of the old one need not be waited for,
                // or one node that does not answer would hold up its whole group.
                Next::Done => self.groups[at] = self.fresh(),
                other => return other,
            }
        }
    }
}

impl<F: FnMut(Key) -> Boxed + Send> Generator for PerKey<F> {
    fn next(&mut self, context: &Context<'_>, stream: &mut Stream) -> Next {
        if self.groups.is_empty() {
            let count = (context.free.range().len() / self.group).max(1);
            self.groups = (0..count).map(|_| self.fresh()).collect();
        }
        let (mut earliest, mut pending) = (None, false);
        for step in 0..self.groups.len() {
            let at = (self.turn + step) % self.groups.len();
            match self.ask(at, context, stream) {
                Next::Op(worker, call) => {
                    self.turn = at + 1;
                    return Next::Op(worker, call);
                }
                Next::At(time) => {
                    earliest = Some(earliest.map_or(time, |least: u64| least.min(time)));
                }
                Next::Pending => pending = true,
                Next::Done => {}
            }
        }
        match earliest {
            Some(time) => Next::At(time),
            None if pending => Next::Pending,
            None => Next::Done,
        }
    }

    fn observe(&mut self, worker: usize, call: &Call, outcome: &Outcome) {
        // The view of such a generator begins at worker 0: it is used for whole loads.
        let at = (worker / self.group).min(self.groups.len().saturating_sub(1));
        if let Some(Some((key, generator))) = self.groups.get_mut(at)
            && call.key() == Some(key)
        {
            generator.observe(worker, call, outcome);
        }
    }
}
