//! Porcupine's search as it is: the reference that the crate's own is held against.
//!
//! A port of `checkSingle` of <https://github.com/anishathalye/porcupine> (MIT, see
//! `LICENSE-PORCUPINE`): a list of calls and returns in time order, a bit for each operation of the
//! history, a cache that forgets nothing. It shares nothing with the crate but the model. The one
//! addition: an operation without an answer has a call and no return.

use std::collections::HashMap;

use perjury_porcupine::{Model, Operation};

/// Whether the history is linearizable.
pub fn linearizable<M: Model>(model: &M, history: &[Operation<M::Input, M::Output>]) -> bool {
    model.partition(history).iter().all(|part| check_single(model, history, part))
}

#[derive(Clone, Copy)]
struct Entry {
    op: usize,
    is_call: bool,
}

/// The entries that are left, as a doubly linked list. Its head is at position 0.
struct List {
    entries: Vec<Entry>,
    next: Vec<usize>,
    prev: Vec<usize>,
    /// For each operation the position of its return.
    returns: Vec<Option<usize>>,
}

const END: usize = usize::MAX;

impl List {
    fn new<I, O>(history: &[Operation<I, O>], part: &[usize]) -> Self {
        let mut events = Vec::new();
        for (op, &index) in part.iter().enumerate() {
            let (call, end) = history[index].interval();
            events.push((call, false, op));
            events.extend(end.map(|end| (end, true, op)));
        }
        // At equal times calls come first.
        events.sort_unstable();
        let head = Entry { op: END, is_call: true };
        let entry =
            |(_, is_return, op): &(u64, bool, usize)| Entry { op: *op, is_call: !is_return };
        let entries: Vec<Entry> = [head].into_iter().chain(events.iter().map(entry)).collect();
        let mut returns = vec![None; part.len()];
        for (at, entry) in entries.iter().enumerate().skip(1).filter(|(_, entry)| !entry.is_call) {
            returns[entry.op] = Some(at);
        }
        let count = entries.len();
        let next = (1..=count).map(|at| if at == count { END } else { at }).collect();
        let prev = (0..count).map(|at| at.saturating_sub(1)).collect();
        Self { entries, next, prev, returns }
    }

    fn remove(&mut self, at: usize) {
        let (prev, next) = (self.prev[at], self.next[at]);
        self.next[prev] = next;
        if next != END {
            self.prev[next] = prev;
        }
    }

    fn put_back(&mut self, at: usize) {
        let (prev, next) = (self.prev[at], self.next[at]);
        self.next[prev] = at;
        if next != END {
            self.prev[next] = at;
        }
    }

    fn lift(&mut self, call: usize) {
        self.remove(call);
        if let Some(at) = self.returns[self.entries[call].op] {
            self.remove(at);
        }
    }

    fn unlift(&mut self, call: usize) {
        if let Some(at) = self.returns[self.entries[call].op] {
            self.put_back(at);
        }
        self.put_back(call);
    }
}

fn check_single<M: Model>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    part: &[usize],
) -> bool {
    let mut list = List::new(history, part);
    let mut left = list.returns.iter().flatten().count();
    let mut linearized = vec![0u64; part.len().div_ceil(64)];
    let mut cache: HashMap<Vec<u64>, Vec<M::State>> = HashMap::new();
    let mut calls: Vec<(usize, M::State)> = Vec::new();
    let mut state = model.init();
    let mut at = list.next[0];
    while left > 0 {
        let entry = (at != END).then(|| list.entries[at]).filter(|entry| entry.is_call);
        if let Some(Entry { op, .. }) = entry {
            let operation = &history[part[op]];
            if let Some(next) = model.step(&state, &operation.input, operation.output.as_ref()) {
                linearized[op / 64] |= 1 << (op % 64);
                let known = cache.entry(linearized.clone()).or_default();
                if !known.contains(&next) {
                    known.push(next.clone());
                    calls.push((at, std::mem::replace(&mut state, next)));
                    left -= usize::from(list.returns[op].is_some());
                    list.lift(at);
                    at = list.next[0];
                    continue;
                }
                linearized[op / 64] &= !(1 << (op % 64));
            }
            at = list.next[at];
            continue;
        }
        // A return that cannot be passed, or the end: go back.
        let Some((call, before)) = calls.pop() else { return false };
        let op = list.entries[call].op;
        state = before;
        linearized[op / 64] &= !(1 << (op % 64));
        left += usize::from(list.returns[op].is_some());
        list.unlift(call);
        at = list.next[call];
    }
    true
}
