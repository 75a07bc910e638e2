//! What a history of another tool is made of, before anything is known of its meaning.
//!
//! EDN and JSON come down to the same tree: keywords and symbols are [`Datum::Word`]s, and a JSON
//! string can stand for either. Vectors, lists and sets are all [`Datum::List`]s, since their order
//! and their brackets carry no meaning here.

use std::fmt;

use crate::hex;
use crate::{Key, Value};

/// One datum.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Datum {
    Nil,
    Bool(bool),
    Int(i64),
    /// A number that is no 64-bit integer, and a character: as it was written.
    Other(String),
    Text(String),
    /// A keyword without its colon, or a symbol.
    Word(String),
    Raw(Vec<u8>),
    List(Vec<Datum>),
    Map(Vec<(Datum, Datum)>),
}

/// A datum of the outermost level and the line on which it begins, from 1.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) line: u64,
    pub(super) datum: Datum,
}

/// What is wrong with a text, and on which line.
#[derive(Debug)]
pub(super) struct Flaw {
    pub(super) line: u64,
    pub(super) what: String,
}

impl Datum {
    /// A keyword, a symbol or (for JSON) a string.
    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Datum::Word(word) | Datum::Text(word) => Some(word),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Datum]> {
        match self {
            Datum::List(list) => Some(list),
            _ => None,
        }
    }

    /// What a map has under this name, if it has it once.
    pub(super) fn field(&self, name: &str) -> Option<&Datum> {
        let Datum::Map(pairs) = self else { return None };
        let mut of_name = pairs.iter().filter(|(key, _)| key.word() == Some(name));
        of_name.next().map(|(_, value)| value).filter(|_| of_name.next().is_none())
    }

    /// As the name of an object: `:x`, `x`, `"x"` and (JSON has no other) `1` and `"1"` are one.
    pub(super) fn key(&self) -> Option<Key> {
        match self {
            Datum::Word(word) | Datum::Text(word) | Datum::Other(word) => {
                Some(Key::from(word.as_str()))
            }
            Datum::Int(number) => Some(Key::from(number.to_string())),
            _ => None,
        }
    }

    /// As a value. What has no kind of its own among values becomes text: a keyword with its colon,
    /// a fraction as it was written.
    pub(super) fn value(&self) -> Option<Value> {
        match self {
            Datum::Nil => Some(Value::Nil),
            Datum::Int(number) => Some(Value::Int(*number)),
            Datum::Bool(truth) => Some(Value::Text(truth.to_string().into())),
            Datum::Text(text) | Datum::Other(text) => Some(Value::Text(text.as_str().into())),
            Datum::Word(word) => Some(Value::Text(format!(":{word}").into())),
            Datum::Raw(bytes) => Some(Value::Raw(bytes.as_slice().into())),
            Datum::List(_) | Datum::Map(_) => None,
        }
    }
}

/// How much of a datum a message shows, in characters.
const MOST_SHOWN: usize = 60;

/// For messages: cut short, since the text may be long and hostile.
impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        match text.char_indices().nth(MOST_SHOWN) {
            Some((end, _)) => write!(f, "{}...", &text[..end]),
            None => f.write_str(&text),
        }
    }
}

impl Datum {
    /// The whole datum as text. Equal data have equal text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        self.show(&mut text);
        text
    }

    fn show(&self, out: &mut String) {
        match self {
            Datum::Nil => out.push_str("nil"),
            Datum::Bool(truth) => out.push_str(&truth.to_string()),
            Datum::Int(number) => out.push_str(&number.to_string()),
            Datum::Other(text) => out.push_str(&format!("{text:?}").replace('"', "")),
            Datum::Text(text) => out.push_str(&format!("{text:?}")),
            Datum::Word(word) => out.push_str(&format!(":{word:?}").replace('"', "")),
            Datum::Raw(bytes) => out.push_str(&format!("0x{}", hex(bytes))),
            Datum::List(list) => {
                out.push('[');
                for (at, item) in list.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { " " });
                    item.show(out);
                }
                out.push(']');
            }
            Datum::Map(pairs) => {
                out.push('{');
                for (at, (key, value)) in pairs.iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { ", " });
                    key.show(out);
                    out.push(' ');
                    value.show(out);
                }
                out.push('}');
            }
        }
    }
}
