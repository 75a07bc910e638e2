//! Keys and values, as the harness wrote them or as a database returned them.
//!
//! A value that does not parse as something that the harness could have written is kept as its raw
//! bytes: corruption has to reach the checker and must not die in a parser.

use std::fmt;
use std::sync::Arc;

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::hex::{hex, unhex};
use crate::seal::Seal;

/// The name of one object in the database: a register, a set, a lock. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub Arc<str>);

impl Key {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Key {
        Key(text.into())
    }
}

impl From<String> for Key {
    fn from(text: String) -> Key {
        Key(text.into())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One value. In JSON: `null`, an integer, a string, or `{"raw":"<hex>"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// No value: the key is absent.
    #[default]
    Nil,
    /// A whole number.
    Int(i64),
    /// UTF-8 text.
    Text(Arc<str>),
    /// Bytes that are no value of ours: kept as they came.
    Raw(Arc<[u8]>),
}

impl Value {
    /// Reads what a database stored as text: an integer in its canonical form, else the raw bytes.
    ///
    /// Only the canonical decimal form counts (`007` or `+7` was never written by the harness).
    pub fn parse_int(bytes: &[u8]) -> Value {
        std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.parse::<i64>().ok().filter(|n| n.to_string() == text))
            .map_or_else(|| Value::Raw(bytes.into()), Value::Int)
    }

    /// Reads what a database stored where the harness wrote: an integer in its canonical form or
    /// a text in the form of a seal, else the raw bytes.
    pub fn parse(bytes: &[u8]) -> Value {
        match std::str::from_utf8(bytes) {
            Ok(text) if Seal::parse(text).is_some() => Value::Text(text.into()),
            _ => Value::parse_int(bytes),
        }
    }

    /// The text that a database stores for this value; `None` for what could not be told from
    /// something else when it is read again. [`Value::parse`] is the way back.
    pub fn encode(&self) -> Option<String> {
        let text = match self {
            Value::Int(number) => number.to_string(),
            Value::Text(text) => text.to_string(),
            Value::Nil | Value::Raw(_) => return None,
        };
        (Value::parse(text.as_bytes()) == *self).then_some(text)
    }

    /// Is this the absence of a value?
    pub fn is_nil(&self) -> bool {
        matches!(self, Value::Nil)
    }

    /// Reads the JSON form. The error says what was found instead.
    pub(crate) fn from_json(json: &serde_json::Value) -> Result<Value, String> {
        Value::deserialize(json).map_err(|error| error.to_string())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Int(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.into())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Nil => f.write_str("nil"),
            Value::Int(number) => write!(f, "{number}"),
            Value::Text(text) => match Seal::parse(text) {
                Some(seal) => write!(f, "{seal}"),
                None => write!(f, "{text:?}"),
            },
            Value::Raw(bytes) => write!(f, "0x{}", hex(bytes)),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        match self {
            Value::Nil => serializer.serialize_unit(),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Raw(bytes) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("raw", &hex(bytes))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> serde::de::Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, an integer, a string or {\"raw\": \"<hex>\"}")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Value, E> {
        i64::try_from(number)
            .map(Value::Int)
            .map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &"a 64-bit signed integer"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.into()))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let Some((key, text)) = map.next_entry::<String, String>()? else {
            return Err(A::Error::missing_field("raw"));
        };
        if key != "raw" {
            return Err(A::Error::unknown_field(&key, &["raw"]));
        }
        unhex(&text)
            .map(|bytes| Value::Raw(bytes.into()))
            .ok_or_else(|| A::Error::invalid_value(Unexpected::Str(&text), &"pairs of hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_survives_json() {
        for value in [
            Value::Nil,
            Value::Int(-7),
            Value::Int(i64::MAX),
            Value::from("a \"quoted\" \u{1F600}"),
            Value::Raw([0, 255, 10].as_slice().into()),
        ] {
            let json = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), value, "{json}");
        }
    }

    #[test]
    fn only_the_canonical_decimal_form_is_an_integer() {
        assert_eq!(Value::parse_int(b"42"), Value::Int(42));
        assert_eq!(Value::parse_int(b"042"), Value::Raw(b"042".as_slice().into()));
        assert_eq!(Value::parse_int(b"\xff"), Value::Raw(b"\xff".as_slice().into()));
    }
}
