//! Reads the JSON form of Jepsen histories, as elle-cli takes it: an array of objects, or objects
//! one after another, with the names of EDN's keywords as strings.

use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::datum::{Datum, Flaw, Form};

/// The entries of a history, each with the line on which it begins.
pub(super) fn forms(text: &str) -> Result<Vec<Form>, Flaw> {
    let flaw =
        |error: serde_json::Error| Flaw { line: error.line() as u64, what: error.to_string() };
    let raw: Vec<&RawValue> = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(flaw)?
    } else {
        serde_json::Deserializer::from_str(text)
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(flaw)?
    };
    let (mut line, mut counted) = (1, 0);
    let mut forms = Vec::with_capacity(raw.len());
    for element in raw {
        // Raw values borrow from the text, so the distance of their starts is a position in it.
        let at = (element.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let passed = text.as_bytes().get(counted..at).unwrap_or_default();
        line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        counted = at;
        let json = serde_json::from_str(element.get())
            .map_err(|error| Flaw { line, what: error.to_string() })?;
        forms.push(Form { line, datum: datum(json) });
    }
    Ok(forms)
}

/// The depth is bounded: `serde_json` refuses more than 128 levels.
fn datum(json: Json) -> Datum {
    match json {
        Json::Null => Datum::Nil,
        Json::Bool(truth) => Datum::Bool(truth),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Datum::Other(number.to_string()), Datum::Int)
        }
        Json::String(text) => Datum::Text(text),
        Json::Array(list) => Datum::List(list.into_iter().map(datum).collect()),
        Json::Object(map) => Datum::Map(
            map.into_iter().map(|(key, value)| (Datum::Text(key), datum(value))).collect(),
        ),
    }
}
