//! Which requests were already done, and what they were answered.
//!
//! Invariant: a request that changes something is done at most once. If its answer has been
//! forgotten, it is refused rather than done again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How many answers are remembered.
const MOST: usize = 4096;

/// How many bytes of answers are remembered.
const MOST_BYTES: usize = 32 << 20;

/// What to do with a request that came in.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// Do it.
    New,
    /// It is being done; the answer will be sent once for each time that it was asked.
    Running,
    /// It was done: send this frame again.
    Done(Arc<Vec<u8>>),
    /// It may have been done, so long ago that the answer is forgotten: refuse it.
    Forgotten,
}

/// The memory of one agent.
#[derive(Debug, Default)]
pub struct Memory {
    done: BTreeMap<u64, Arc<Vec<u8>>>,
    bytes: usize,
    /// Answers up to this id may have been forgotten.
    horizon: u64,
    /// How often each running request was asked.
    running: HashMap<u64, usize>,
}

impl Memory {
    /// Takes note of a request.
    pub fn admit(&mut self, id: u64) -> Admission {
        if let Some(times) = self.running.get_mut(&id) {
            *times += 1;
            return Admission::Running;
        }
        if let Some(frame) = self.done.get(&id) {
            return Admission::Done(frame.clone());
        }
        if id <= self.horizon {
            return Admission::Forgotten;
        }
        self.running.insert(id, 1);
        Admission::New
    }

    /// Remembers an answer; says how often it has to be sent.
    pub fn answered(&mut self, id: u64, frame: Arc<Vec<u8>>) -> usize {
        self.bytes += frame.len();
        self.done.insert(id, frame);
        while self.done.len() > MOST || (self.bytes > MOST_BYTES && self.done.len() > 1) {
            let Some((oldest, frame)) = self.done.pop_first() else { break };
            self.bytes -= frame.len();
            self.horizon = self.horizon.max(oldest);
        }
        self.running.remove(&id).unwrap_or(1)
    }

    /// How many requests are being done.
    pub fn running(&self) -> usize {
        self.running.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_request_is_answered_but_not_done() {
        let mut memory = Memory::default();
        assert_eq!(memory.admit(1), Admission::New);
        assert_eq!(memory.admit(1), Admission::Running);
        let frame = Arc::new(vec![7]);
        assert_eq!(memory.answered(1, frame.clone()), 2);
        assert_eq!(memory.admit(1), Admission::Done(frame));
    }

    #[test]
    fn what_is_forgotten_is_refused() {
        let mut memory = Memory::default();
        let count = MOST as u64 + 10;
        for id in 1..=count {
            assert_eq!(memory.admit(id), Admission::New);
            memory.answered(id, Arc::new(Vec::new()));
        }
        assert_eq!(memory.admit(10), Admission::Forgotten);
        assert!(matches!(memory.admit(11), Admission::Done(_)));
        memory.admit(count + 1);
        memory.answered(count + 1, Arc::new(vec![0; MOST_BYTES + 1]));
        assert_eq!(memory.admit(count), Admission::Forgotten);
        assert!(matches!(memory.admit(count + 1), Admission::Done(_)));
    }
}
