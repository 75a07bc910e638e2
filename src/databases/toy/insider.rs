//! A toy node that lies: a Byzantine insider, with a switch for each kind of lie.
//!
//! It lies to whoever speaks to it about data, at every chance or at every second one, and is
//! honest about its health. It has no secret: a value that nobody wrote carries a code that it made
//! up. What it said instead of what stands in its truth record, one JSON line for each lie, written
//! before the lie leaves: the record grades the checkers and never feeds them.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use perjury_history::Value;
use serde::{Deserialize, Serialize};

use super::{Answer, Ask, Say};

/// Where in a text seal the number of the write, the process and the code stand.
const WRITE: std::ops::Range<usize> = 17..30;
const CODE: std::ops::Range<usize> = 31..43;

/// What a lying node lies about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lie {
    /// A read returns a well-formed value that nobody wrote.
    Forge,
    /// A read returns a value with one bit turned over.
    Corrupt,
    /// A read returns another key's value.
    Misdirect,
    /// A read returns an old state of the key, as it was, with its version.
    Replay,
    /// A read returns an old value as the content of the present version.
    Equivocate,
    /// A key that is not there has the value 0.
    Default,
    /// A write is acknowledged, with a version, and never done.
    Acknowledge,
    /// A write is done again some time later.
    Twice,
    /// A write is done and refused.
    Refuse,
    /// Its own copy, read at the end, is not what it serves.
    FalseCopy,
}

impl Lie {
    /// All of them.
    pub const ALL: [Lie; 10] = [
        Lie::Forge,
        Lie::Corrupt,
        Lie::Misdirect,
        Lie::Replay,
        Lie::Equivocate,
        Lie::Default,
        Lie::Acknowledge,
        Lie::Twice,
        Lie::Refuse,
        Lie::FalseCopy,
    ];

    /// The word in declarations.
    pub fn name(self) -> &'static str {
        match self {
            Lie::Forge => "forge",
            Lie::Corrupt => "corrupt",
            Lie::Misdirect => "misdirect",
            Lie::Replay => "replay",
            Lie::Equivocate => "equivocate",
            Lie::Default => "default",
            Lie::Acknowledge => "acknowledge",
            Lie::Twice => "twice",
            Lie::Refuse => "refuse",
            Lie::FalseCopy => "false-copy",
        }
    }
}

/// What a lying node does with a request before it looks at it.
pub(super) enum Move {
    /// Carries it out.
    Honest,
    /// Answers at once.
    Say(Answer),
    /// Carries it out, and again later.
    Twice,
    /// Carries it out and refuses it.
    Refuse,
}

/// The liar in a node.
pub(super) struct Insider {
    lie: Lie,
    truth: RefCell<File>,
    chances: Cell<u64>,
    /// The first answer about each key that had a value.
    first: RefCell<HashMap<String, Answer>>,
}

/// A line of the truth record.
#[derive(Serialize)]
struct Told<'a> {
    lie: Lie,
    about: &'a str,
    /// What would have been said, where that is known.
    before: Option<&'a Answer>,
    after: Option<&'a Answer>,
}

impl Insider {
    pub(super) fn new(lie: Lie, truth: &Path) -> io::Result<Insider> {
        let truth = File::options().create(true).append(true).open(truth)?.into();
        Ok(Insider { lie, truth, chances: Cell::new(0), first: RefCell::default() })
    }

    fn takes_a_chance(&self) -> bool {
        self.chances.set(self.chances.get() + 1);
        let one_in = match self.lie {
            // Chances are rare, or the lie is about the node's own copy.
            Lie::Replay | Lie::Default | Lie::Twice | Lie::Refuse | Lie::FalseCopy => 1,
            _ => 2,
        };
        self.chances.get().is_multiple_of(one_in)
    }

    fn tell(&self, about: &str, before: Option<&Answer>, after: Option<&Answer>) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Told { lie: self.lie, about, before, after })?;
        line.push(b'\n');
        self.truth.borrow_mut().write_all(&line)
    }

    /// What to do with a request. `next` is the number that the next change would get.
    pub(super) fn before(&self, ask: &Ask, next: u64, me: usize) -> io::Result<Move> {
        let (Ask::Write(key, _) | Ask::Add(key, _)) = ask else { return Ok(Move::Honest) };
        let chosen = match self.lie {
            Lie::Acknowledge => {
                let (at, version) = (next, Some(next));
                Move::Say(Answer { say: Say::Done, at, version, by: me, local: false })
            }
            Lie::Twice => Move::Twice,
            Lie::Refuse => Move::Refuse,
            _ => return Ok(Move::Honest),
        };
        if !self.takes_a_chance() {
            return Ok(Move::Honest);
        }
        let said = if let Move::Say(answer) = &chosen { Some(answer) } else { None };
        self.tell(key, None, said)?;
        Ok(chosen)
    }

    /// What to say instead of the honest answer to `ask`; `other` finds another key's value.
    pub(super) fn after(
        &self,
        ask: &Ask,
        honest: Answer,
        other: impl FnOnce(&str) -> Option<Value>,
    ) -> io::Result<Answer> {
        let own = matches!(ask, Ask::Peek(_) | Ask::PeekAll(_));
        let (Ask::Read(key) | Ask::ReadAll(key) | Ask::Peek(key) | Ask::PeekAll(key)) = ask else {
            return Ok(honest);
        };
        if own != (self.lie == Lie::FalseCopy) {
            return Ok(honest);
        }
        let Some(said) = last(&honest.say).cloned() else { return Ok(honest) };
        let old = self.first.borrow().get(key).cloned();
        if old.is_none() && !said.is_nil() {
            self.first.borrow_mut().insert(key.clone(), honest.clone());
        }
        let stale = old.filter(|old| last(&old.say) != Some(&said));
        let with =
            |value: Value| Some(Answer { say: replaced(&honest.say, value), ..honest.clone() });
        let lie = match (self.lie, &said) {
            (Lie::Forge, Value::Text(text)) => forged(text).and_then(with),
            (Lie::Corrupt | Lie::FalseCopy, Value::Text(text)) => flipped(text).and_then(with),
            (Lie::Misdirect, Value::Text(_)) => other(key).and_then(with),
            (Lie::Replay, Value::Text(_)) => stale,
            (Lie::Equivocate, Value::Text(_)) => {
                stale.and_then(|old| last(&old.say).cloned()).and_then(with)
            }
            (Lie::Default, Value::Nil) => with(Value::Int(0)),
            _ => None,
        };
        let Some(lie) = lie.filter(|_| self.takes_a_chance()) else { return Ok(honest) };
        self.tell(key, Some(&honest), Some(&lie))?;
        Ok(lie)
    }
}

/// The value that an answer ends with.
fn last(say: &Say) -> Option<&Value> {
    match say {
        Say::Value(value) => Some(value),
        Say::Elements(elements) => elements.last(),
        _ => None,
    }
}

fn replaced(say: &Say, value: Value) -> Say {
    match say {
        Say::Elements(elements) => {
            let mut elements = elements.clone();
            elements.pop();
            elements.push(value);
            Say::Elements(elements)
        }
        _ => Say::Value(value),
    }
}

/// Another seal of the same key, with the code that the true one has, backwards.
fn forged(text: &str) -> Option<Value> {
    let mut bytes = text.as_bytes().to_vec();
    for byte in bytes.get_mut(WRITE)? {
        *byte = match *byte {
            b'a'..=b'y' => *byte + 1,
            _ => b'b',
        };
    }
    bytes.get_mut(CODE)?.reverse();
    String::from_utf8(bytes).ok().map(|text| Value::from(text.as_str()))
}

fn flipped(text: &str) -> Option<Value> {
    let mut bytes = text.as_bytes().to_vec();
    *bytes.get_mut(CODE.start)? ^= 1;
    String::from_utf8(bytes).ok().map(|text| Value::from(text.as_str()))
}

#[cfg(test)]
mod tests {
    use perjury_history::seal::{Class, Form, Seal, Seals};

    use super::*;

    #[test]
    fn a_forged_value_is_in_form_and_not_genuine_and_a_flipped_one_is_neither() {
        let (seals, key) = (Seals::of_run("r", "1", Form::Text), "k".into());
        for write in 0..200 {
            let Value::Text(text) = seals.seal(&key, write, 3) else { panic!("a text") };
            let Some(Value::Text(forged)) = forged(&text) else { panic!("a text") };
            assert!(Seal::parse(&forged).is_some(), "{forged}");
            let flipped = flipped(&text).unwrap();
            for value in [Value::Text(forged), flipped] {
                assert_eq!(seals.classify(&key, &value), Class::Broken, "{value}");
            }
        }
    }
}
