//! Reads the lines of Jepsen's log and of its `history.txt`: process, type, function, value,
//! separated by tabs or spaces, in the log behind `... jepsen.util -`.
//!
//! Every line has to be an entry: one that is passed over might be half of an operation.

use super::datum::{Datum, Flaw};
use super::edn;
use super::said::{Kind, Said, Speaker};

/// All entries of a file.
pub(super) fn entries(text: &str) -> Result<Vec<Said>, Flaw> {
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        entries.push(entry(number, line).map_err(|what| Flaw { line: number, what })?);
    }
    Ok(entries)
}

/// Does this line look like an entry?
pub(super) fn is_entry(line: &str) -> bool {
    let mut words = body(line).split_whitespace();
    let process = words.next().unwrap_or_default();
    let kind = words.next().and_then(|word| word.strip_prefix(':')).unwrap_or_default();
    (process == ":nemesis" || process.parse::<u64>().is_ok()) && Kind::from_word(kind).is_ok()
}

/// What follows the logger's name and its dash or colon, if they are there.
fn body(line: &str) -> &str {
    match line.split_once("jepsen.util") {
        Some((_, rest)) => {
            let rest = rest.trim_start();
            rest.strip_prefix("- ").or_else(|| rest.strip_prefix(": ")).unwrap_or(rest)
        }
        None => line,
    }
}

fn entry(line: u64, text: &str) -> Result<Said, String> {
    let shape = || {
        let shown: String = text.chars().take(80).collect();
        format!(
            "expected \"INFO  jepsen.util - PROCESS TYPE FUNCTION VALUE\" or only the part after \
             the dash, not {shown:?}; leave only the lines of operations in the file"
        )
    };
    let (process, rest) = split(body(text)).ok_or_else(shape)?;
    let process = match process.parse() {
        Ok(number) => Speaker::Client(number),
        Err(_) if process == ":nemesis" => Speaker::Nemesis,
        Err(_) => return Err(shape()),
    };
    let (kind, rest) = split(rest).ok_or_else(shape)?;
    let kind = Kind::from_word(kind.strip_prefix(':').ok_or_else(shape)?)?;
    let (f, rest) = split(rest).ok_or_else(shape)?;
    let f = f.strip_prefix(':').ok_or_else(shape)?.to_owned();
    let mut said = Said {
        line,
        process,
        kind,
        f: Some(f),
        value: Datum::Nil,
        key: None,
        node: None,
        time: None,
        error: None,
        unknown: false,
        position: None,
    };
    // A nemesis has free text behind its function: only a client's value is taken apart.
    if process == Speaker::Nemesis {
        return Ok(said);
    }
    // Several forms: the value and what Jepsen appends, the error.
    let forms = edn::sequence(rest).map_err(|flaw| flaw.what)?;
    let mut forms = forms.into_iter();
    said.value = forms.next().unwrap_or(Datum::Nil);
    said.error = forms.next();
    if matches!(kind, Kind::Fail | Kind::Info) && matches!(said.value, Datum::Word(_)) {
        said.error = Some(std::mem::replace(&mut said.value, Datum::Nil));
    }
    Ok(said)
}

fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    if text.is_empty() {
        return None;
    }
    Some(text.split_once(char::is_whitespace).unwrap_or((text, "")))
}
