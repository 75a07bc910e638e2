//! One entry of a Jepsen-style history, taken from its map: who, what kind, what function, which
//! value. Its meaning comes later.

use super::datum::{Datum, Flaw, Form};

/// What an entry does to its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
}

impl Kind {
    pub(super) fn from_word(word: &str) -> Result<Kind, String> {
        Ok(match word {
            "invoke" => Kind::Invoke,
            "ok" => Kind::Ok,
            "fail" => Kind::Fail,
            "info" => Kind::Info,
            other => {
                return Err(format!(
                    "unknown entry type {:?}; expected :invoke, :ok, :fail or :info",
                    Datum::Word(other.to_owned()).to_string()
                ));
            }
        })
    }
}

/// One entry.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) line: u64,
    pub(super) process: Speaker,
    pub(super) kind: Kind,
    /// `None` where the map has none, as in Elle's files.
    pub(super) f: Option<String>,
    pub(super) value: Datum,
    pub(super) key: Option<Datum>,
    pub(super) node: Option<String>,
    pub(super) time: Option<i64>,
    pub(super) error: Option<Datum>,
    /// The read's value is not known, whatever the dialect: our own export says so.
    pub(super) unknown: bool,
    /// Where an `:append` put its entry, in our own export.
    pub(super) position: Option<Datum>,
}

/// Who made an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    Client(u64),
    /// `:nemesis`, or any other name.
    Nemesis,
    /// The map does not say.
    Unnamed,
}

/// All entries of a file.
pub(super) fn all(forms: Vec<Form>) -> Result<Vec<Said>, Flaw> {
    forms
        .into_iter()
        .map(|Form { line, datum }| one(line, datum).map_err(|what| Flaw { line, what }))
        .collect()
}

fn one(line: u64, datum: Datum) -> Result<Said, String> {
    let Datum::Map(pairs) = datum else {
        return Err(format!("expected a map like {{:process 0, :type :invoke, ...}}, not {datum}"));
    };
    let mut said = Said {
        line,
        process: Speaker::Unnamed,
        kind: Kind::Info,
        f: None,
        value: Datum::Nil,
        key: None,
        node: None,
        time: None,
        error: None,
        unknown: false,
        position: None,
    };
    let mut kind = None;
    for (name, value) in pairs {
        match name.word().unwrap_or_default() {
            "process" => said.process = speaker(&value)?,
            "type" => kind = Some(Kind::from_word(value.word().unwrap_or_default())?),
            "f" => said.f = value.word().map(str::to_owned),
            "value" => said.value = value,
            "key" => said.key = Some(value).filter(|key| *key != Datum::Nil),
            "node" => said.node = value.word().map(str::to_owned),
            "time" => {
                if let Datum::Int(time) = value {
                    said.time = Some(time);
                }
            }
            "error" => said.error = Some(value).filter(|error| *error != Datum::Nil),
            "position" => said.position = Some(value).filter(|at| *at != Datum::Nil),
            "unknown" => said.unknown = value == Datum::Bool(true),
            // :index is the position, and the rest is nothing to a checker.
            _ => {}
        }
    }
    said.kind = kind.ok_or("this entry has no :type; expected :invoke, :ok, :fail or :info")?;
    Ok(said)
}

fn speaker(value: &Datum) -> Result<Speaker, String> {
    match value {
        Datum::Int(number) => u64::try_from(*number)
            .map(Speaker::Client)
            .map_err(|_| format!("process {number} is negative; expected a number from 0")),
        Datum::Word(_) | Datum::Text(_) => Ok(Speaker::Nemesis),
        Datum::Nil => Ok(Speaker::Unnamed),
        other => Err(format!("{other} is no process; expected a number or :nemesis")),
    }
}
