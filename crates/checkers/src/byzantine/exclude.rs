//! The load without what was proved to be worthless.
//!
//! Why nothing legal becomes illegal: a read whose value is not known is left out of every
//! judgement (`translate`), and to leave out operations without an effect keeps a linearizable
//! history linearizable. An element of a set is left out of all reads and with its adds, and
//! `set-full` judges each element by itself.

use std::collections::{HashMap, HashSet};

use perjury_history::{Call, Index, Key, Micro, Operation, Outcome, Reply, Value};

/// What is not to be believed.
#[derive(Default)]
pub(super) struct Excluded {
    /// These answers: what they read is not known.
    reads: HashMap<Index, HashSet<Value>>,
    /// These elements of a set, which a damaged one stands for.
    elements: HashSet<(Key, Value)>,
}

impl Excluded {
    pub(super) fn is_empty(&self) -> bool {
        self.reads.is_empty()
    }

    pub(super) fn value(&mut self, read: &Operation, value: &Value) {
        self.reads.entry(read.invoked).or_default().insert(value.clone());
    }

    pub(super) fn element(&mut self, key: &Key, element: &Value) {
        self.elements.insert((key.clone(), element.clone()));
    }
}

pub(super) fn without(operations: &[Operation], excluded: &Excluded) -> Vec<Operation> {
    let added = |operation: &Operation| match &operation.call {
        Call::Add { key, element } => excluded.elements.contains(&(key.clone(), element.clone())),
        _ => false,
    };
    let kept = operations.iter().filter(|operation| !added(operation));
    kept.map(|operation| believable(operation, excluded)).collect()
}

fn believable(operation: &Operation, excluded: &Excluded) -> Operation {
    let mut operation = operation.clone();
    let values = excluded.reads.get(&operation.invoked);
    let Some((_, _, Outcome::Ok(reply))) = &mut operation.completion else { return operation };
    let worthless = |value: &Value| values.is_some_and(|values| values.contains(value));
    match reply {
        Reply::Value(value) if worthless(value) => *reply = Reply::Unknown,
        Reply::Elements(elements) => {
            let key = operation.call.key();
            elements.retain(|element| {
                let stands_in = key.is_some_and(|key| {
                    !excluded.elements.is_empty()
                        && excluded.elements.contains(&(key.clone(), element.clone()))
                });
                !worthless(element) && !stands_in
            });
        }
        Reply::Txn(steps) => {
            for step in steps {
                if let Micro::Read(_, read @ Some(_)) = step
                    && read.as_ref().is_some_and(worthless)
                {
                    *read = None;
                }
            }
        }
        _ => {}
    }
    operation
}
