//! The replicated machine: registers and growing sets. A pure function of the state before, the
//! height and the transactions, so that every replica comes to the same state.
//!
//! Invariant: a transaction takes effect once. Its outcome is part of the state; one that is found
//! there already (two leaders proposed it) is passed over.

use std::collections::HashMap;

use crate::transaction::{Id, Operation, Outcome, Output, Transaction, decode, encode};

/// Keys of the state and what they hold from now on. Nothing is ever removed.
pub type Changes = HashMap<Vec<u8>, Vec<u8>>;

/// Where the outcome of a transaction stands: an [`Outcome`].
pub fn outcome_key(id: Id) -> Vec<u8> {
    tagged(b'o', &encode(&id))
}

/// Where a register stands: its value, and the `at` of what wrote it.
pub fn register_key(key: &str) -> Vec<u8> {
    tagged(b'v', key.as_bytes())
}

/// Where the number of elements of a set stands: a `u64`.
pub fn count_key(key: &str) -> Vec<u8> {
    tagged(b'n', key.as_bytes())
}

/// Where one element of a set stands, by its number from 0: a `String`.
pub fn element_key(key: &str, number: u64) -> Vec<u8> {
    tagged(b'e', &encode(&(key, number)))
}

/// Where it stands that an element is in a set.
fn member_key(key: &str, element: &str) -> Vec<u8> {
    tagged(b'm', &encode(&(key, element)))
}

/// Where the number of transactions so far stands: a `u64`.
pub fn total_key() -> Vec<u8> {
    vec![b's']
}

fn tagged(tag: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = vec![tag];
    key.extend_from_slice(rest);
    key
}

/// Carries out transactions on the state that `before` looks up.
pub fn execute(
    before: impl Fn(&[u8]) -> Option<Vec<u8>>,
    height: u64,
    transactions: &[Transaction],
) -> Changes {
    let mut step = Step { before, changes: Changes::new(), height };
    for transaction in transactions {
        step.carry_out(transaction);
    }
    step.changes
}

struct Step<F> {
    before: F,
    changes: Changes,
    height: u64,
}

impl<F: Fn(&[u8]) -> Option<Vec<u8>>> Step<F> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.changes.get(key).cloned().or_else(|| (self.before)(key))
    }

    fn number(&self, key: &[u8]) -> u64 {
        self.get(key).and_then(|bytes| decode(&bytes)).unwrap_or(0)
    }

    fn set(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.changes.insert(key, value);
    }

    fn register(&self, key: &str) -> Option<(String, u64)> {
        self.get(&register_key(key)).and_then(|bytes| decode(&bytes))
    }

    fn carry_out(&mut self, transaction: &Transaction) {
        let place = outcome_key(transaction.id);
        if self.get(&place).is_some() {
            return;
        }
        let at = self.number(&total_key());
        self.set(total_key(), encode(&(at + 1)));
        let output = match &transaction.operation {
            Operation::Write { key, value } => {
                self.set(register_key(key), encode(&(value, at)));
                Output::Done
            }
            Operation::Read { key } => match self.register(key) {
                Some((value, version)) => Output::Value(Some(value), Some(version)),
                None => Output::Value(None, None),
            },
            Operation::Cas { key, from, to } => {
                let holds = self.register(key).map(|(value, _)| value);
                let equal = holds == *from;
                if equal {
                    self.set(register_key(key), encode(&(to, at)));
                }
                Output::Swapped(equal)
            }
            Operation::Add { key, element } => {
                let member = member_key(key, element);
                if self.get(&member).is_none() {
                    let count = self.number(&count_key(key));
                    self.set(member, Vec::new());
                    self.set(element_key(key, count), encode(element));
                    self.set(count_key(key), encode(&(count + 1)));
                }
                Output::Done
            }
            Operation::Elements { key } => {
                Output::Elements(key.clone(), self.number(&count_key(key)))
            }
        };
        self.set(place, encode(&Outcome { height: self.height, at, output }));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    fn transaction(number: u64, operation: Operation) -> Transaction {
        Transaction { id: Id { origin: 0, boot: 0, number }, operation, signature: [0; 64] }
    }

    fn run(state: &mut Changes, transactions: &[Transaction]) -> Vec<Output> {
        let changes = execute(|key| state.get(key).cloned(), 1, transactions);
        state.extend(changes);
        let outcome = |transaction: &Transaction| {
            decode::<Outcome>(&state[&outcome_key(transaction.id)]).unwrap().output
        };
        transactions.iter().map(outcome).collect()
    }

    fn write(value: &str) -> Operation {
        Operation::Write { key: "k".into(), value: value.into() }
    }

    fn read() -> Operation {
        Operation::Read { key: "k".into() }
    }

    fn cas(from: Option<&str>, to: &str) -> Operation {
        Operation::Cas { key: "k".into(), from: from.map(Into::into), to: to.into() }
    }

    #[test]
    fn registers_hold_what_was_written_last() {
        let mut state = Changes::new();
        let all = [read(), cas(None, "a"), read(), cas(None, "b"), cas(Some("a"), "c"), write("d")];
        let mut number = 0;
        let mut named = |operation| {
            number += 1;
            transaction(number, operation)
        };
        let first: Vec<Transaction> = all.into_iter().map(&mut named).collect();
        let expected = [
            Output::Value(None, None),
            Output::Swapped(true),
            Output::Value(Some("a".into()), Some(1)),
            Output::Swapped(false),
            Output::Swapped(true),
            Output::Done,
        ];
        assert_eq!(run(&mut state, &first), expected);
        // In a later block, from what the state holds.
        let later = run(&mut state, &[named(read())]);
        assert_eq!(later, [Output::Value(Some("d".into()), Some(5))]);
    }

    #[test]
    fn a_transaction_takes_effect_once() {
        let mut state = Changes::new();
        let add = |number, element: &str| {
            transaction(number, Operation::Add { key: "s".into(), element: element.into() })
        };
        let (one, two) = (transaction(1, cas(None, "a")), transaction(2, write("b")));
        // Twice in a block, and again in a later one.
        run(&mut state, &[one.clone(), two.clone(), one.clone(), two.clone()]);
        let again = run(&mut state, &[one, two]);
        assert_eq!(again, [Output::Swapped(true), Output::Done], "the first outcome stays");
        assert_eq!(decode(&state[&total_key()]), Some(2_u64));
        run(&mut state, &[add(3, "x"), add(4, "y"), add(5, "x"), add(3, "x")]);
        assert_eq!(decode(&state[&count_key("s")]), Some(2_u64));
        assert_eq!(decode(&state[&element_key("s", 1)]), Some("y".to_owned()));
    }

    #[test]
    fn names_of_keys_do_not_run_into_each_other() {
        assert_ne!(element_key("a", 1), element_key("a\u{1}", 1));
        assert_ne!(member_key("a", "bc"), member_key("ab", "c"));
        assert_ne!(register_key("k"), count_key("k"));
    }

    #[test]
    fn a_set_is_read_as_it_was() {
        let mut state = Changes::new();
        let add = Operation::Add { key: "s".into(), element: "x".into() };
        let all = Operation::Elements { key: "s".into() };
        let found = run(
            &mut state,
            &[transaction(1, all.clone()), transaction(2, add), transaction(3, all)],
        );
        assert_eq!(
            found,
            [Output::Elements("s".into(), 0), Output::Done, Output::Elements("s".into(), 1)]
        );
    }
}
