//! Writes a history as Jepsen's EDN: one map a line, for Knossos, elle-cli and people who know it.
//!
//! Where Jepsen has no word for what we know, the map gets a key that Jepsen ignores (`:node`,
//! `:key`, `:unknown`) and our importer reads back. With several objects the values are
//! `[key value]`, as Jepsen's `independent` makes them. Faults, phases and notes become entries of
//! `:nemesis`.
//!
//! Its order is that of real time, so a history without real time is refused.
//!
//! What gets lost: Knossos takes a nil that was read for "unknown", while we write it for "really
//! nothing" too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, Write};

use crate::hex;
use crate::import::{EMPTY, NOT_SWAPPED, NOWHERE, RAW};
use crate::{
    Call, Cause, Entry, Event, FaultId, History, Index, Injection, Key, Micro, NodeName, Outcome,
    Reply, Value,
};

/// Why a history in the order of its sessions cannot be written.
pub const NEEDS_REAL_TIME: &str = "the order of the entries in Jepsen's EDN is that of real time, \
    but of this history only the order in each session is known; export it with --to perjury";

/// Writes all entries, each on a line of its own.
///
/// # Errors
/// `out` cannot be written, or the history is in the order of its sessions only.
pub fn edn(history: &History, out: &mut impl Write) -> io::Result<()> {
    if !history.order.is_real_time() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, NEEDS_REAL_TIME));
    }
    let mut exporter = Exporter::of(&history.entries);
    for entry in &history.entries {
        out.write_all(exporter.line(entry).as_bytes())?;
    }
    out.flush()
}

struct Exporter<'a> {
    /// Are there several objects?
    keyed: bool,
    /// Are there only sets? Then a read of all elements is Jepsen's `:read`.
    sets: bool,
    /// Are there only counters, whose reads show numbers? Then an increment is Jepsen's `:add`.
    counters: bool,
    open: BTreeMap<Index, (&'a Call, &'a NodeName)>,
    faults: BTreeMap<FaultId, &'static str>,
}

impl<'a> Exporter<'a> {
    fn of(entries: &[Entry]) -> Exporter<'a> {
        let calls = || {
            entries.iter().filter_map(|entry| match &entry.event {
                Event::Invoke { call, .. } => Some(call),
                _ => None,
            })
        };
        let keyed = calls().filter_map(Call::key).collect::<BTreeSet<_>>().len() > 1;
        let sets = calls().any(|call| matches!(call, Call::Add { .. }))
            && calls().all(|call| matches!(call, Call::Add { .. } | Call::ReadAll { .. }));
        let counters = counts(entries)
            && calls().all(|call| matches!(call, Call::Increment { .. } | Call::Read { .. }));
        Exporter { keyed, sets, counters, open: BTreeMap::new(), faults: BTreeMap::new() }
    }

    fn line(&mut self, entry: &'a Entry) -> String {
        let mut line = format!("{{:index {}, :time {}, ", entry.index.0, entry.time);
        let said = match &entry.event {
            Event::Invoke { process, node, call } => {
                self.open.insert(entry.index, (call, node));
                format!(
                    ":type :invoke, :process {process}, {}{}",
                    self.operation(call, asked(call)),
                    at(node)
                )
            }
            Event::Complete { process, call, outcome, .. } => match self.open.remove(call) {
                Some((call, node)) => {
                    let (kind, value, rest) = answered(call, outcome);
                    format!(
                        ":type :{kind}, :process {process}, {}{}{rest}",
                        self.operation(call, value),
                        at(node)
                    )
                }
                // An ill-formed history stays one.
                None => {
                    format!(":type :{}, :process {process}, :f nil, :value nil", outcome.name())
                }
            },
            other => self.nemesis(other),
        };
        line.push_str(&said);
        line.push_str("}\n");
        line
    }

    /// Function and value, and the key where it goes.
    fn operation(&self, call: &Call, value: String) -> String {
        let f = match call {
            Call::ReadAll { .. } if self.sets => "read",
            Call::Increment { .. } if self.counters => "add",
            Call::ReadAccounts => "read",
            other => other.name(),
        };
        match call.key() {
            None => format!(":f :{f}, :value {value}"),
            Some(key) if self.keyed => format!(":f :{f}, :value [{} {value}]", name(key)),
            Some(key) => format!(":f :{f}, :value {value}, :key {}", name(key)),
        }
    }

    fn nemesis(&mut self, event: &Event) -> String {
        let (f, value) = match event {
            Event::Inject { id, fault } => {
                self.faults.insert(*id, fault.name());
                (format!("start-{}", fault.name()), quoted(&fault.to_string()))
            }
            Event::Injected { id, injection } => {
                (format!("start-{}", self.fault(*id)), came(injection))
            }
            Event::Heal { id } => (format!("stop-{}", self.fault(*id)), "nil".to_owned()),
            Event::Healed { id, injection } => {
                (format!("stop-{}", self.fault(*id)), came(injection))
            }
            Event::Phase(phase) => ("phase".to_owned(), format!(":{}", phase.name())),
            Event::Probe { node, healthy, .. } => {
                ("probe".to_owned(), format!("[{} {healthy}]", quoted(node.as_str())))
            }
            Event::Note(text) => ("note".to_owned(), quoted(text)),
            Event::Invoke { .. } | Event::Complete { .. } => unreachable!("an entry of a client"),
        };
        format!(":type :info, :process :nemesis, :f :{f}, :value {value}")
    }

    fn fault(&self, id: FaultId) -> &'static str {
        self.faults.get(&id).copied().unwrap_or("fault")
    }
}

/// Do reads show numbers and nothing else? By that the importer tells a counter from a set.
fn counts(entries: &[Entry]) -> bool {
    let mut shown = entries.iter().filter_map(|entry| match &entry.event {
        Event::Complete { outcome: Outcome::Ok(Reply::Value(value)), .. } => Some(value),
        _ => None,
    });
    shown.clone().next().is_some() && shown.all(|value| matches!(value, Value::Int(_)))
}

fn at(node: &NodeName) -> String {
    match node.as_str() {
        NOWHERE => String::new(),
        known => format!(", :node {}", quoted(known)),
    }
}

fn came(injection: &Injection) -> String {
    format!("[:{} {}]", injection.name(), quoted(injection.reason()))
}

fn name(key: &Key) -> String {
    quoted(key.as_str())
}

/// The value of an invocation.
fn asked(call: &Call) -> String {
    match call {
        Call::Read { .. }
        | Call::ReadAll { .. }
        | Call::Delete { .. }
        | Call::Dequeue { .. }
        | Call::Acquire { .. }
        | Call::Release { .. }
        | Call::ReadAccounts => "nil".to_owned(),
        Call::Transfer { from, to, amount } => {
            format!("{{:from {}, :to {}, :amount {amount}}}", name(from), name(to))
        }
        Call::Increment { by, .. } => by.to_string(),
        Call::ReadAt { position, .. } => position.to_string(),
        Call::Write { value, .. } | Call::Append { value, .. } => scalar(value),
        Call::Add { element, .. }
        | Call::Remove { element, .. }
        | Call::Contains { element, .. }
        | Call::Enqueue { element, .. } => scalar(element),
        Call::Cas { from, to, .. } => format!("[{} {}]", scalar(from), scalar(to)),
        Call::Txn { steps } => transaction(steps, "nil"),
    }
}

/// Type, value and further keys of a completion.
fn answered(call: &Call, outcome: &Outcome) -> (&'static str, String, String) {
    let error =
        |cause: &Cause| format!(", :error [{} {}]", quoted(&cause.code), quoted(&cause.detail));
    match outcome {
        Outcome::Ok(Reply::Done | Reply::Swapped(true)) => ("ok", asked(call), String::new()),
        Outcome::Ok(Reply::Swapped(false)) => {
            ("fail", asked(call), format!(", :error :{NOT_SWAPPED}"))
        }
        Outcome::Ok(Reply::Value(at)) if matches!(call, Call::Append { .. }) => {
            ("ok", asked(call), format!(", :position {}", scalar(at)))
        }
        Outcome::Ok(Reply::Value(value)) => ("ok", scalar(value), String::new()),
        Outcome::Ok(Reply::Changed(truth) | Reply::Contains(truth)) => {
            ("ok", truth.to_string(), String::new())
        }
        Outcome::Ok(Reply::Empty) => ("ok", "nil".to_owned(), format!(", :error :{EMPTY}")),
        Outcome::Ok(Reply::Unknown) => ("ok", "nil".to_owned(), ", :unknown true".to_owned()),
        Outcome::Ok(Reply::Elements(elements)) => ("ok", list(elements), String::new()),
        Outcome::Ok(Reply::Accounts(accounts)) => {
            let pair =
                |(account, held): &(Key, Value)| format!("{} {}", name(account), scalar(held));
            let pairs: Vec<String> = accounts.iter().map(pair).collect();
            ("ok", format!("{{{}}}", pairs.join(", ")), String::new())
        }
        // A step without its third part is a read of something unknown.
        Outcome::Ok(Reply::Txn(steps)) => ("ok", transaction(steps, ""), String::new()),
        Outcome::Fail(cause) => ("fail", asked(call), error(cause)),
        Outcome::Info(cause) => ("info", asked(call), error(cause)),
    }
}

fn transaction(steps: &[Micro], unread: &str) -> String {
    let step = |step: &Micro| match step {
        Micro::Read(key, None) => format!("[:r {} {unread}]", name(key)),
        Micro::Read(key, Some(value)) => format!("[:r {} {}]", name(key), scalar(value)),
        Micro::ReadList(key, values) => format!("[:r {} {}]", name(key), list(values)),
        Micro::Write(key, value) => format!("[:w {} {}]", name(key), scalar(value)),
        Micro::Append(key, value) => format!("[:append {} {}]", name(key), scalar(value)),
    };
    format!("[{}]", steps.iter().map(step).collect::<Vec<_>>().join(" "))
}

fn list(values: &[Value]) -> String {
    format!("[{}]", values.iter().map(scalar).collect::<Vec<_>>().join(" "))
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Nil => "nil".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => quoted(text),
        Value::Raw(bytes) => format!("#{RAW} \"{}\"", hex(bytes)),
    }
}

/// A string in EDN. Control characters are escaped: an entry is one line.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for symbol in text.chars() {
        match symbol {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other if other.is_control() => {
                // Control characters are below U+00A0, so four digits are enough.
                let _ = write!(out, "\\u{:04x}", u32::from(other));
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}
