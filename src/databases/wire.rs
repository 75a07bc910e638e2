//! What the drivers of real databases share: how values look on the wire, and how long a question
//! that is not part of the load may take.

use std::time::Duration;

use perjury_history::{Call, Cause, Key, Micro, Reply, Value};

use super::Refusal;

/// A question that is not part of the load has a short time limit of its own.
pub(super) async fn limited<T>(asking: impl Future<Output = Result<T, Cause>>) -> Result<T, Cause> {
    tokio::time::timeout(Duration::from_millis(800), asking)
        .await
        .unwrap_or_else(|_| Err(Cause::new("timeout", "no answer")))
}

/// A value as databases that hold text store it. What would not be the same when it is read again
/// (nil, raw bytes, text that is no seal) is not sent: what the history says was written has to be
/// what was.
pub(super) fn plain(value: &Value) -> Result<String, Refusal> {
    value.encode().ok_or_else(|| {
        let what = format!("{value} cannot be told from something else once it is stored");
        Refusal::Definite(Cause::new("not-encodable", what))
    })
}

/// What a transaction asks, if it only reads or only writes: no other one is sent in one request.
pub(super) enum Steps<'a> {
    Reads(Vec<&'a Key>),
    Writes(Vec<(&'a Key, &'a Value)>),
}

/// The steps of a transaction. The error is definite: it was not sent.
pub(super) fn steps(steps: &[Micro]) -> Result<Steps<'_>, Refusal> {
    let read = steps.iter().map(|step| match step {
        Micro::Read(key, _) => Some(key),
        _ => None,
    });
    let written = steps.iter().map(|step| match step {
        Micro::Write(key, value) => Some((key, value)),
        _ => None,
    });
    let reads = read.collect::<Option<Vec<_>>>().map(Steps::Reads);
    reads.or_else(|| written.collect::<Option<Vec<_>>>().map(Steps::Writes)).ok_or_else(|| {
        let what = "a transaction that reads and writes, or appends";
        Refusal::Definite(Cause::new("unsupported", what))
    })
}

/// The answer to a transaction that only reads, from the values in the order of its steps.
pub(super) fn answered(call: &Call, values: Vec<Value>) -> Option<Reply> {
    let Call::Txn { steps } = call else { return None };
    if steps.len() != values.len() {
        return None;
    }
    let fill = |(step, value): (&Micro, Value)| Micro::Read(step.key().clone(), Some(value));
    Some(Reply::Txn(steps.iter().zip(values).map(fill).collect()))
}

#[cfg(test)]
mod tests {
    use perjury_history::seal::{Form, Seals};

    use super::*;

    #[test]
    fn what_is_written_is_what_is_read_and_nothing_else_is_written() {
        for form in [Form::Text, Form::Integer] {
            let seals = Seals::of_run("r", "1", form);
            for write in 0..500 {
                let value = seals.seal(&"k".into(), write, 3);
                assert_eq!(Value::parse(plain(&value).unwrap().as_bytes()), value);
            }
        }
        assert_eq!(plain(&Value::Int(-7)).unwrap(), "-7");
        for value in [Value::Nil, Value::from("free text"), Value::Raw([1, 2].as_slice().into())] {
            assert!(matches!(plain(&value), Err(Refusal::Definite(_))), "{value}");
        }
    }
}
