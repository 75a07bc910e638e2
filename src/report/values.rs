//! What every value of a run is worth: who wrote it, who read it, and whether anybody did.
//!
//! A seal looks the same whoever made it: in its short form, `w17·p3`, a forged one would pass for
//! the write that it names. So each value is judged here, by the run's secret and by the record of
//! what was written, before it is shown. Only texts and raw bytes are indexed: numbers that the run
//! wrote in plain form are no proof of anything.

use std::collections::{HashMap, HashSet};

use perjury_history::seal::{Class, Form, Seal, Seals};
use perjury_history::{Call, Key, Micro, Operation, Outcome, Reply, Value};

/// What a value is worth at the key at which it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// It was written there, or nothing can be said of it.
    Fine,
    /// It was written to another key.
    OtherKey,
    /// It is in the name of another run.
    OtherRun,
    /// Its code is right, and nobody wrote it.
    Unwritten,
    /// It is none of this run's: forged, or damaged.
    False,
}

impl Worth {
    /// What is said of it beside it; empty of a good one.
    pub fn note(self) -> &'static str {
        match self {
            Worth::Fine => "",
            Worth::OtherKey => "✗ of another key",
            Worth::OtherRun => "✗ of another run",
            Worth::Unwritten => "✗ never written",
            Worth::False => "✗ false: nobody wrote it",
        }
    }
}

/// The values of a run.
pub struct Values<'a> {
    seals: Option<&'a Seals>,
    operations: &'a [Operation],
    /// Who asked for a text to be written, first: places in `operations`.
    writes: HashMap<&'a [u8], usize>,
    /// Who read it.
    reads: HashMap<&'a [u8], Vec<usize>>,
    /// Where texts were written.
    keys: HashSet<&'a Key>,
    /// Where texts were joined: what is read there is no single value.
    joined: HashSet<&'a Key>,
    /// The operations that were given something that nobody wrote there.
    deceived: HashSet<usize>,
}

impl<'a> Values<'a> {
    /// Looks through all operations, twice.
    pub fn of(seals: Option<&'a Seals>, operations: &'a [Operation]) -> Values<'a> {
        let (writes, reads) = Default::default();
        let (keys, joined, deceived) = Default::default();
        let mut values = Values { seals, operations, writes, reads, keys, joined, deceived };
        for (at, operation) in operations.iter().enumerate() {
            if let Call::Append { key, .. } = &operation.call {
                values.joined.insert(key);
            }
            for (key, value) in written(&operation.call) {
                if let Some(bytes) = bytes(value) {
                    values.writes.entry(bytes).or_insert(at);
                    values.keys.insert(key);
                }
            }
        }
        for (at, operation) in operations.iter().enumerate() {
            let many = !matches!(operation.call, Call::Read { .. });
            for (key, value) in read(operation) {
                let worth = values.worth(key, value);
                if worth != Worth::Fine {
                    values.deceived.insert(at);
                }
                // An element is read again and again; only one that nobody added is of interest.
                if let Some(bytes) = bytes(value).filter(|_| !many || worth != Worth::Fine) {
                    values.reads.entry(bytes).or_default().push(at);
                }
            }
        }
        values
    }

    /// Who asked for these bytes to be written.
    pub fn writer(&self, bytes: &[u8]) -> Option<&'a Operation> {
        self.writes.get(bytes).map(|at| &self.operations[*at])
    }

    /// Who read these bytes, in the order of the history: places in it.
    pub fn readers(&self, bytes: &[u8]) -> &[usize] {
        self.reads.get(bytes).map(Vec::as_slice).unwrap_or_default()
    }

    /// Was this operation given something that nobody wrote there? By its place.
    pub fn deceived(&self, operation: usize) -> bool {
        self.deceived.contains(&operation)
    }

    /// What a value is worth at a key.
    pub fn worth(&self, key: &Key, value: &Value) -> Worth {
        let Some(seals) = self.seals else { return Worth::Fine };
        if let Some(write) = bytes(value).and_then(|bytes| self.writer(bytes)) {
            let here = match write.call.key() {
                Some(of) => of == key,
                None => written(&write.call).iter().any(|(of, _)| *of == key),
            };
            return if here { Worth::Fine } else { Worth::OtherKey };
        }
        // Of a key that holds other things than seals nothing is known.
        if self.joined.contains(key) {
            return Worth::Fine;
        }
        if seals.form == Form::Text && !self.keys.contains(key) && matches!(value, Value::Int(_)) {
            return Worth::Fine;
        }
        match seals.classify(key, value) {
            Class::Absent => Worth::Fine,
            Class::Genuine(_) if seals.form == Form::Integer => Worth::Fine,
            Class::Genuine(_) | Class::Misdirected(_) => Worth::Unwritten,
            Class::Foreign(_) => Worth::OtherRun,
            Class::Broken => Worth::False,
        }
    }

    /// A value as it is shown: a seal by its number, and a bad one with what is wrong with it.
    pub fn shown(&self, key: &Key, value: &Value) -> String {
        match self.worth(key, value).note() {
            "" => value.to_string(),
            note => format!("{value} {note}"),
        }
    }

    /// The same in few letters.
    pub fn marked(&self, key: &Key, value: &Value) -> String {
        let mark = if self.worth(key, value) == Worth::Fine { "" } else { "✗" };
        format!("{mark}{value}")
    }

    /// What bytes in a lie's record are, in a few words.
    pub fn origin(&self, bytes: &[u8]) -> String {
        let name = std::str::from_utf8(bytes).ok().and_then(Seal::parse);
        let name = name.map_or_else(String::new, |seal| format!("{seal}: "));
        match self.writer(bytes) {
            Some(write) => {
                let key = write.call.key().map(|key| format!(" to {key}")).unwrap_or_default();
                format!("{name}process {} wrote it{key} ({})", write.process, write.invoked)
            }
            None if name.is_empty() => String::new(),
            None => format!("{name}nobody wrote it"),
        }
    }
}

/// The bytes of a text or of what is none; nothing of a number.
pub fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Text(text) => Some(text.as_bytes()),
        Value::Raw(raw) => Some(raw),
        Value::Nil | Value::Int(_) => None,
    }
}

/// What a call asks to be written, where.
pub fn written(call: &Call) -> Vec<(&Key, &Value)> {
    match call {
        Call::Write { key, value } | Call::Append { key, value } => vec![(key, value)],
        Call::Cas { key, to, .. } => vec![(key, to)],
        Call::Add { key, element } | Call::Enqueue { key, element } => vec![(key, element)],
        Call::Txn { steps } => steps
            .iter()
            .filter_map(|step| match step {
                Micro::Write(key, value) | Micro::Append(key, value) => Some((key, value)),
                Micro::Read(..) | Micro::ReadList(..) => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// What an answer says was there, where.
pub fn read(operation: &Operation) -> Vec<(&Key, &Value)> {
    let Some(Outcome::Ok(reply)) = operation.outcome() else { return Vec::new() };
    match (reply, operation.call.key()) {
        // A position or a token, which nobody writes.
        (Reply::Value(_), _)
            if matches!(operation.call, Call::Append { .. } | Call::Acquire { .. }) =>
        {
            Vec::new()
        }
        (Reply::Value(value), Some(key)) => vec![(key, value)],
        (Reply::Elements(elements), Some(key)) => {
            elements.iter().map(|element| (key, element)).collect()
        }
        (Reply::Txn(steps), _) => steps
            .iter()
            .flat_map(|step| match step {
                Micro::Read(key, Some(value)) => vec![(key, value)],
                Micro::ReadList(key, list) => list.iter().map(|value| (key, value)).collect(),
                _ => Vec::new(),
            })
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use perjury_history::Index;

    use super::*;

    fn operation(call: Call, reply: Reply) -> Operation {
        Operation {
            process: 1,
            node: "n1".into(),
            call,
            invoked: Index(0),
            start: 0,
            completion: Some((Index(1), 1, Outcome::Ok(reply))),
            said: None,
        }
    }

    #[test]
    fn a_value_is_worth_what_the_record_says() {
        let seals = Seals::of_run("r", "1", Form::Text);
        let (x, y) = (Key::from("x"), Key::from("y"));
        let (good, insider) = (seals.seal(&x, 1, 1), seals.seal(&x, 2, 1));
        let foreign = Seals::of_run("other", "1", Form::Text).seal(&x, 1, 1);
        let Value::Text(text) = &good else { panic!("{good}") };
        let other = if text.ends_with('q') { 'r' } else { 'q' };
        let forged = Value::from(format!("{}{other}", &text[..42]).as_str());
        let write = Call::Write { key: x.clone(), value: good.clone() };
        let see =
            |value: &Value| operation(Call::Read { key: x.clone() }, Reply::Value(value.clone()));
        let operations = [operation(write, Reply::Done), see(&forged), see(&good), see(&forged)];
        let values = Values::of(Some(&seals), &operations);
        assert_eq!(values.worth(&x, &good), Worth::Fine);
        assert_eq!(values.worth(&y, &good), Worth::OtherKey);
        assert_eq!(values.worth(&x, &insider), Worth::Unwritten);
        assert_eq!(values.worth(&x, &foreign), Worth::OtherRun);
        assert_eq!(values.worth(&x, &forged), Worth::False);
        assert_eq!(values.worth(&x, &Value::Int(0)), Worth::False);
        assert_eq!(values.worth(&y, &Value::Int(0)), Worth::Fine);
        assert_eq!(values.worth(&x, &Value::Nil), Worth::Fine);
        assert_eq!(values.shown(&x, &good), "w1·p1");
        assert_eq!(values.shown(&x, &forged), "w1·p1 ✗ false: nobody wrote it");
        assert_eq!(values.readers(bytes(&forged).unwrap()), [1, 3]);
        assert_eq!(values.origin(text.as_bytes()), "w1·p1: process 1 wrote it to x (#0)");
        // Without seals nothing is known to be false.
        assert_eq!(Values::of(None, &operations).worth(&x, &forged), Worth::Fine);
    }
}
