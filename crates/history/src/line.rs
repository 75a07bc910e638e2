//! One entry as one line of JSON, and back.
//!
//! The fields are flat so that `jq 'select(.type=="ok")'` works. docs/history-format.md describes
//! them for people; this file is the only place in code that knows them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{
    Call, Cause, Entry, Event, Fault, FaultId, Index, Injection, Key, Micro, Nanos, NodeName,
    Outcome, Phase, Process, Reply, Testimony, Value,
};

/// The line as it is written: borrowed, absent fields left out.
#[derive(Serialize)]
struct LineOut<'a> {
    index: u64,
    time: Nanos,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<Process>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<Index>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a NodeName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    f: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a Key>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Payload<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    said: Option<&'a Testimony>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<FaultId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'a Fault>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Injection>,
}

/// What stands under `value`.
#[derive(Serialize)]
#[serde(untagged)]
enum Payload<'a> {
    One(&'a Value),
    Pair([&'a Value; 2]),
    Many(&'a [Value]),
    Bool(bool),
    Number(i64),
    Position(u64),
    Word(&'static str),
    Steps(Vec<StepOut<'a>>),
    Transfer(TransferOut<'a>),
    Accounts(&'a [(Key, Value)]),
}

#[derive(Serialize)]
struct TransferOut<'a> {
    from: &'a Key,
    to: &'a Key,
    amount: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransferIn {
    from: Key,
    to: Key,
    amount: i64,
}

/// `["r", key]` before the read, `[word, key, value]` else: a value read may be nil.
#[derive(Serialize)]
#[serde(untagged)]
enum StepOut<'a> {
    Open(&'static str, &'a Key),
    Full(&'static str, &'a Key, &'a Value),
    List(&'static str, &'a Key, &'a [Value]),
}

/// The line as it is read: every field may be missing, no field may be unknown.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineIn<'a> {
    index: u64,
    time: Nanos,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    process: Option<Process>,
    call: Option<u64>,
    node: Option<NodeName>,
    #[serde(borrow)]
    f: Option<Cow<'a, str>>,
    key: Option<Key>,
    #[serde(default, deserialize_with = "present")]
    value: Option<Json>,
    cause: Option<String>,
    detail: Option<String>,
    said: Option<Testimony>,
    id: Option<FaultId>,
    fault: Option<Fault>,
    result: Option<Injection>,
}

/// Tells `"value": null` (the value nil) from a missing `value`.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

/// Appends the entry and a line feed to `out`.
pub(crate) fn write(out: &mut Vec<u8>, index: Index, time: Nanos, event: &Event) {
    let line = encode(index, time, event);
    #[expect(clippy::expect_used, reason = "plain data into memory cannot fail to serialise")]
    serde_json::to_writer(&mut *out, &line).expect("an entry serialises");
    out.push(b'\n');
}

fn encode(index: Index, time: Nanos, event: &Event) -> LineOut<'_> {
    let mut line = LineOut {
        index: index.0,
        time,
        kind: "",
        process: None,
        call: None,
        node: None,
        f: None,
        key: None,
        value: None,
        cause: None,
        detail: None,
        said: None,
        id: None,
        fault: None,
        result: None,
    };
    match event {
        Event::Invoke { process, node, call } => {
            line.kind = "invoke";
            line.process = Some(*process);
            line.node = Some(node);
            line.f = Some(call.name());
            line.key = call.key();
            line.value = argument(call);
        }
        Event::Complete { process, call, outcome, said } => {
            line.kind = outcome.name();
            line.said = said.as_deref();
            line.process = Some(*process);
            line.call = Some(*call);
            match outcome {
                Outcome::Ok(reply) => (line.f, line.value) = answer(reply),
                Outcome::Fail(cause) | Outcome::Info(cause) => {
                    line.cause = Some(&cause.code);
                    line.detail = Some(&cause.detail).filter(|text| !text.is_empty()).map(|t| &**t);
                }
            }
        }
        Event::Inject { id, fault } => {
            (line.kind, line.id, line.fault) = ("inject", Some(*id), Some(fault));
        }
        Event::Injected { id, injection } => {
            (line.kind, line.id, line.result) = ("injected", Some(*id), Some(injection));
        }
        Event::Heal { id } => (line.kind, line.id) = ("heal", Some(*id)),
        Event::Healed { id, injection } => {
            (line.kind, line.id, line.result) = ("healed", Some(*id), Some(injection));
        }
        Event::Phase(phase) => {
            (line.kind, line.value) = ("phase", Some(Payload::Word(phase.name())));
        }
        Event::Probe { node, healthy, detail } => {
            line.kind = "probe";
            line.node = Some(node);
            line.value = Some(Payload::Bool(*healthy));
            line.detail = Some(detail.as_str()).filter(|text| !text.is_empty());
        }
        Event::Note(text) => (line.kind, line.detail) = ("note", Some(text.as_str())),
    }
    line
}

fn argument(call: &Call) -> Option<Payload<'_>> {
    match call {
        Call::Read { .. }
        | Call::ReadAll { .. }
        | Call::Delete { .. }
        | Call::Dequeue { .. }
        | Call::Acquire { .. }
        | Call::Release { .. }
        | Call::ReadAccounts => None,
        Call::Transfer { from, to, amount } => {
            Some(Payload::Transfer(TransferOut { from, to, amount: *amount }))
        }
        Call::Increment { by, .. } => Some(Payload::Number(*by)),
        Call::ReadAt { position, .. } => Some(Payload::Position(*position)),
        Call::Write { value, .. } | Call::Append { value, .. } => Some(Payload::One(value)),
        Call::Add { element, .. }
        | Call::Remove { element, .. }
        | Call::Contains { element, .. }
        | Call::Enqueue { element, .. } => Some(Payload::One(element)),
        Call::Cas { from, to, .. } => Some(Payload::Pair([from, to])),
        Call::Txn { steps } => Some(Payload::Steps(steps.iter().map(step_out).collect())),
    }
}

/// The kind of reply goes under `f`, because a value alone does not tell (`[]` is what?).
fn answer(reply: &Reply) -> (Option<&'static str>, Option<Payload<'_>>) {
    match reply {
        Reply::Done => (Some("done"), None),
        Reply::Value(value) => (Some("value"), Some(Payload::One(value))),
        Reply::Empty => (Some("empty"), None),
        Reply::Unknown => (Some("unknown"), None),
        Reply::Swapped(swapped) => (Some("swapped"), Some(Payload::Bool(*swapped))),
        Reply::Changed(changed) => (Some("changed"), Some(Payload::Bool(*changed))),
        Reply::Contains(there) => (Some("contains"), Some(Payload::Bool(*there))),
        Reply::Elements(elements) => (Some("elements"), Some(Payload::Many(elements))),
        Reply::Accounts(accounts) => (Some("accounts"), Some(Payload::Accounts(accounts))),
        Reply::Txn(steps) => {
            (Some("txn"), Some(Payload::Steps(steps.iter().map(step_out).collect())))
        }
    }
}

fn step_out(step: &Micro) -> StepOut<'_> {
    match step {
        Micro::Read(key, None) => StepOut::Open("r", key),
        Micro::Read(key, Some(value)) => StepOut::Full("r", key, value),
        Micro::ReadList(key, list) => StepOut::List("r", key, list),
        Micro::Write(key, value) => StepOut::Full("w", key, value),
        Micro::Append(key, value) => StepOut::Full("append", key, value),
    }
}

/// Reads one line. The error says what is wrong with it, without its position in the file.
pub(crate) fn read(text: &str) -> Result<Entry, String> {
    let mut line: LineIn<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let event = decode(&mut line)?;
    Ok(Entry { index: Index(line.index), time: line.time, event })
}

fn decode(line: &mut LineIn<'_>) -> Result<Event, String> {
    let kind = line.kind.clone();
    let missing = |field: &str| format!("an entry of type {kind:?} needs the field {field:?}");
    Ok(match &*kind {
        "invoke" => Event::Invoke {
            process: line.process.ok_or_else(|| missing("process"))?,
            node: line.node.take().ok_or_else(|| missing("node"))?,
            call: decode_call(line)?,
        },
        "ok" | "fail" | "info" => Event::Complete {
            process: line.process.ok_or_else(|| missing("process"))?,
            call: Index(line.call.ok_or_else(|| missing("call"))?),
            outcome: decode_outcome(line)?,
            said: line.said.take().map(Box::new),
        },
        "inject" => Event::Inject {
            id: line.id.ok_or_else(|| missing("id"))?,
            fault: line.fault.take().ok_or_else(|| missing("fault"))?,
        },
        "injected" | "healed" => {
            let id = line.id.ok_or_else(|| missing("id"))?;
            let injection = line.result.take().ok_or_else(|| missing("result"))?;
            match &*kind {
                "injected" => Event::Injected { id, injection },
                _ => Event::Healed { id, injection },
            }
        }
        "heal" => Event::Heal { id: line.id.ok_or_else(|| missing("id"))? },
        "probe" => Event::Probe {
            node: line.node.take().ok_or_else(|| missing("node"))?,
            healthy: line.value.as_ref().and_then(Json::as_bool).ok_or_else(|| missing("value"))?,
            detail: line.detail.take().unwrap_or_default(),
        },
        "phase" => Event::Phase(decode_phase(line.value.as_ref())?),
        "note" => Event::Note(line.detail.take().ok_or_else(|| missing("detail"))?),
        other => {
            return Err(format!(
                "unknown entry type {other:?}; expected invoke, ok, fail, info, inject, injected, \
                 heal, healed, probe, phase or note"
            ));
        }
    })
}

fn decode_phase(value: Option<&Json>) -> Result<Phase, String> {
    let word = value.and_then(Json::as_str).unwrap_or_default();
    Phase::ALL
        .into_iter()
        .find(|phase| phase.name() == word)
        .ok_or_else(|| format!("unknown phase {word:?}"))
}

fn decode_call(line: &mut LineIn<'_>) -> Result<Call, String> {
    let name = line.f.take().ok_or("an invocation needs the field \"f\"")?;
    let key = line.key.take();
    let keyed = || key.clone().ok_or_else(|| format!("a {name:?} needs the field \"key\""));
    let value = |json: Option<&Json>| -> Result<Value, String> {
        Value::from_json(json.ok_or_else(|| format!("a {name:?} needs the field \"value\""))?)
    };
    let json = line.value.as_ref();
    Ok(match &*name {
        "read" => Call::Read { key: keyed()? },
        "write" => Call::Write { key: keyed()?, value: value(json)? },
        "delete" => Call::Delete { key: keyed()? },
        "append" => Call::Append { key: keyed()?, value: value(json)? },
        "add" => Call::Add { key: keyed()?, element: value(json)? },
        "remove" => Call::Remove { key: keyed()?, element: value(json)? },
        "contains" => Call::Contains { key: keyed()?, element: value(json)? },
        "read-all" => Call::ReadAll { key: keyed()? },
        "read-at" => {
            let position = json.and_then(Json::as_u64);
            let position = position.ok_or("a \"read-at\" needs a \"value\": a position from 0")?;
            Call::ReadAt { key: keyed()?, position }
        }
        "increment" => {
            let by = json.and_then(Json::as_i64);
            let by = by.ok_or("an \"increment\" needs a \"value\": a 64-bit integer")?;
            Call::Increment { key: keyed()?, by }
        }
        "enqueue" => Call::Enqueue { key: keyed()?, element: value(json)? },
        "dequeue" => Call::Dequeue { key: keyed()? },
        "acquire" => Call::Acquire { key: keyed()? },
        "release" => Call::Release { key: keyed()? },
        "cas" => match json.and_then(Json::as_array).map(Vec::as_slice) {
            Some([from, to]) => Call::Cas {
                key: keyed()?,
                from: Value::from_json(from)?,
                to: Value::from_json(to)?,
            },
            _ => return Err("a \"cas\" needs a \"value\" of two: [from, to]".into()),
        },
        "transfer" => {
            let value = json.ok_or("a \"transfer\" needs a \"value\"")?;
            let TransferIn { from, to, amount } = TransferIn::deserialize(value)
                .map_err(|error| format!("the \"value\" of a \"transfer\": {error}"))?;
            Call::Transfer { from, to, amount }
        }
        "read-accounts" => Call::ReadAccounts,
        "txn" => Call::Txn { steps: decode_steps(json)? },
        other => {
            return Err(format!(
                "unknown operation {other:?}; expected read, write, cas, delete, append, add, \
                 remove, contains, read-all, read-at, increment, enqueue, dequeue, acquire, \
                 release, transfer, read-accounts or txn"
            ));
        }
    })
}

fn decode_outcome(line: &mut LineIn<'_>) -> Result<Outcome, String> {
    if line.kind == "ok" {
        return decode_reply(line).map(Outcome::Ok);
    }
    let code = line.cause.take().ok_or("a fail or info needs the field \"cause\"")?;
    let cause = Cause { code, detail: line.detail.take().unwrap_or_default() };
    Ok(if line.kind == "fail" { Outcome::Fail(cause) } else { Outcome::Info(cause) })
}

fn decode_reply(line: &mut LineIn<'_>) -> Result<Reply, String> {
    let name = line.f.take().ok_or("an ok needs the field \"f\"")?;
    let json = line.value.as_ref();
    let wants = |what: &str| format!("an ok of {name:?} needs a \"value\": {what}");
    let truth = || json.and_then(Json::as_bool).ok_or_else(|| wants("true or false"));
    Ok(match &*name {
        "done" => Reply::Done,
        "empty" => Reply::Empty,
        "unknown" => Reply::Unknown,
        "value" => Reply::Value(Value::from_json(json.ok_or_else(|| wants("what was read"))?)?),
        "swapped" => Reply::Swapped(truth()?),
        "changed" => Reply::Changed(truth()?),
        "contains" => Reply::Contains(truth()?),
        "elements" => {
            let list = json.and_then(Json::as_array).ok_or_else(|| wants("a list"))?;
            Reply::Elements(list.iter().map(Value::from_json).collect::<Result<_, _>>()?)
        }
        "accounts" => {
            let list = json.ok_or_else(|| wants("pairs of an account and its balance"))?;
            Reply::Accounts(Deserialize::deserialize(list).map_err(|error| error.to_string())?)
        }
        "txn" => Reply::Txn(decode_steps(json)?),
        other => {
            return Err(format!(
                "unknown reply {other:?}; expected done, value, empty, unknown, swapped, \
                 changed, contains, elements, accounts or txn"
            ));
        }
    })
}

fn decode_steps(json: Option<&Json>) -> Result<Vec<Micro>, String> {
    let list = json.and_then(Json::as_array).ok_or("a \"txn\" needs a list of steps")?;
    list.iter().map(decode_step).collect()
}

fn decode_step(json: &Json) -> Result<Micro, String> {
    let shape =
        || format!("a step is [\"r\", key] or [\"r\"|\"w\"|\"append\", key, value], not {json}");
    let (word, key, value) = match json.as_array().map(Vec::as_slice) {
        Some([word, key]) => (word, key, None),
        Some([word, key, Json::Array(list)]) if word == "r" => {
            let key = Key::from(key.as_str().ok_or_else(shape)?);
            let list = list.iter().map(Value::from_json).collect::<Result<_, _>>()?;
            return Ok(Micro::ReadList(key, list));
        }
        Some([word, key, value]) => (word, key, Some(Value::from_json(value)?)),
        _ => return Err(shape()),
    };
    let key = Key::from(key.as_str().ok_or_else(shape)?);
    match (word.as_str(), value) {
        (Some("r"), value) => Ok(Micro::Read(key, value)),
        (Some("w"), Some(value)) => Ok(Micro::Write(key, value)),
        (Some("append"), Some(value)) => Ok(Micro::Append(key, value)),
        _ => Err(shape()),
    }
}
