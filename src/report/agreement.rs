//! Do answers agree: with what was written, and with what the other nodes say of the same version?
//!
//! An answer agrees *with the record* if what it shows was written to that key; where it states the
//! version and the write that got that version is known, it has to be that very write. It agrees
//! *with the other nodes* if more than half of the nodes that answered for this version of the key
//! showed the same; that is asked only where at least two nodes did.

use std::collections::{BTreeMap, HashMap};

use perjury_history::{Call, Counter, Key, NodeName, Operation, Outcome, Reply, Value};

use super::values::Values;

/// What one answer agrees with; `None` where it cannot be said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// With what was written.
    pub record: Option<bool>,
    /// With the other nodes.
    pub others: Option<bool>,
}

/// One version of one key: counter, scope, key, number.
type Version<'a> = (Counter, &'a str, &'a Key, u64);

/// What every operation agrees with.
pub fn agreements(operations: &[Operation], values: &Values<'_>) -> Vec<Agreement> {
    let mut written: HashMap<Version<'_>, &Value> = HashMap::new();
    let mut shown: HashMap<Version<'_>, BTreeMap<&Value, Vec<&NodeName>>> = HashMap::new();
    for operation in operations {
        let Some(version) = version(operation) else { continue };
        match (&operation.call, operation.outcome()) {
            (Call::Write { value, .. }, Some(Outcome::Ok(Reply::Done)))
            | (Call::Cas { to: value, .. }, Some(Outcome::Ok(Reply::Swapped(true)))) => {
                written.insert(version, value);
            }
            (Call::Read { .. }, Some(Outcome::Ok(Reply::Value(value)))) => {
                let nodes = shown.entry(version).or_default().entry(value).or_default();
                if !nodes.contains(&operation.answerer()) {
                    nodes.push(operation.answerer());
                }
            }
            _ => {}
        }
    }
    let agreement = |(at, operation): (usize, &Operation)| {
        let record = reads(operation).then(|| !values.deceived(at));
        let mut agreement = Agreement { record, others: None };
        if let (Some(version), Some(Outcome::Ok(Reply::Value(value)))) =
            (version(operation), operation.outcome())
        {
            let other = written.get(&version).is_some_and(|written| *written != value);
            agreement.record = agreement.record.map(|agrees| agrees && !other);
            agreement.others = shown.get(&version).and_then(|shown| others(shown, value));
        }
        agreement
    };
    operations.iter().enumerate().map(agreement).collect()
}

fn version(operation: &Operation) -> Option<Version<'_>> {
    let token = operation.token().filter(|token| token.counter.names_a_write())?;
    Some((token.counter, token.scope.as_str(), operation.call.key()?, token.version?))
}

/// Is it a read that was answered?
fn reads(operation: &Operation) -> bool {
    matches!(operation.call, Call::Read { .. } | Call::ReadAll { .. })
        && matches!(operation.outcome(), Some(Outcome::Ok(_)))
}

/// Is that what more than half of the nodes show? A node that shows two things counts for both.
fn others(shown: &BTreeMap<&Value, Vec<&NodeName>>, value: &Value) -> Option<bool> {
    let mut nodes: Vec<&NodeName> = shown.values().flatten().copied().collect();
    nodes.sort_unstable();
    nodes.dedup();
    let same = shown.get(value).map_or(0, Vec::len);
    (nodes.len() > 1).then_some(same * 2 > nodes.len())
}

#[cfg(test)]
mod tests {
    use perjury_history::seal::{Form, Seals};
    use perjury_history::{Index, Testimony, Token};

    use super::*;

    fn op(at: u64, node: &str, call: Call, reply: Reply, version: u64) -> Operation {
        let token = Token {
            counter: Counter::Revision,
            scope: String::new(),
            at: version,
            version: Some(version),
        };
        Operation {
            process: 1,
            node: node.into(),
            call,
            invoked: Index(at),
            start: at,
            completion: Some((Index(at + 1), at + 1, Outcome::Ok(reply))),
            said: Some(Box::new(Testimony { token: Some(token), ..Testimony::default() })),
        }
    }

    #[test]
    fn an_answer_is_compared_with_the_record_and_with_the_other_nodes() {
        let seals = Seals::of_run("r", "1", Form::Text);
        let key = Key::from("x");
        let (one, two) = (seals.seal(&key, 1, 1), seals.seal(&key, 2, 1));
        let forged = Seals::of_run("r", "2", Form::Text).seal(&key, 1, 1);
        let write = |at, value: &Value, version| {
            let call = Call::Write { key: key.clone(), value: value.clone() };
            op(at, "n1", call, Reply::Done, version)
        };
        let read = |at, node: &str, value: &Value, version| {
            let call = Call::Read { key: key.clone() };
            op(at, node, call, Reply::Value(value.clone()), version)
        };
        let operations = [
            write(0, &one, 1),
            write(10, &two, 2),
            read(20, "n1", &two, 2),
            read(30, "n2", &two, 2),
            read(40, "n3", &forged, 2),
            read(50, "n3", &one, 2),
            read(60, "n1", &one, 1),
        ];
        let all = agreements(&operations, &Values::of(Some(&seals), &operations));
        let is = |record, others| Agreement { record: Some(record), others };
        assert_eq!(all[0], Agreement::default());
        assert_eq!(all[2], is(true, Some(true)));
        assert_eq!(all[4], is(false, Some(false)));
        assert_eq!(all[5], is(false, Some(false)), "true, but of another version");
        assert_eq!(all[6], is(true, None), "nobody else answered for this version");
    }

    #[test]
    fn without_a_majority_nobody_agrees() {
        let (left, right) = (Value::Int(1), Value::Int(2));
        let (n1, n2) = (NodeName::from("n1"), NodeName::from("n2"));
        let shown = BTreeMap::from([(&left, vec![&n1]), (&right, vec![&n2])]);
        assert_eq!(others(&shown, &left), Some(false));
        assert_eq!(others(&shown, &right), Some(false));
    }
}
