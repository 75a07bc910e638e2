//! From entries to a [`History`]: pairs them, gives them times, and says which model they fit.

use std::collections::{HashMap, HashSet};

use super::calls::{self, Context};
use super::datum::{Datum, Flaw};
use super::said::{Kind, Said, Speaker};
use super::{Dialect, Format, Imported, NOWHERE, outcomes};
use crate::{Call, Entry, Event, History, Index, Micro, Nanos, NodeName, Outcome, Process, Reply};

/// What a process was last heard to do.
enum Slot {
    Open {
        line: u64,
        index: Index,
        call: Call,
    },
    /// Its call ended in `:info`; the line of that call.
    Gone(u64),
}

pub(super) fn record(
    mut entries: Vec<Said>,
    format: Format,
    dialect: &Dialect,
) -> Result<Imported, Flaw> {
    let before = entries.len();
    entries.retain(|said| said.process != Speaker::Nemesis);
    let skipped = (before - entries.len()) as u64;
    let context = Context::of(&entries, format, dialect);
    let times = times(&entries);
    let unnamed = entries.iter().all(|said| said.process == Speaker::Unnamed);
    let mut slots: HashMap<Process, Slot> = HashMap::new();
    let mut history = History::default();
    for (at, said) in entries.iter().enumerate() {
        let fail = |what| Flaw { line: said.line, what };
        let process = match said.process {
            Speaker::Client(process) => process,
            // No entry names its process: they are the words of one.
            _ if unnamed => 0,
            _ => return Err(fail("this entry has no :process, although others have".into())),
        };
        let index = Index(at as u64);
        let event = match said.kind {
            Kind::Invoke => invoke(said, process, index, &mut slots, &context),
            _ => complete(said, process, &mut slots, &context),
        };
        let time = times.as_ref().map_or(at as Nanos, |times| times[at]);
        history.entries.push(Entry { index, time, event: event.map_err(fail)? });
    }
    let model = model(&history.entries).map(str::to_owned);
    let other_owners = other_owners(&entries, &context);
    Ok(Imported { history, format, model, skipped, other_owners, timed: times.is_some() })
}

/// The tests of Hazelcast's locks answer with `{:client "A", ...}`: the owner is a client that goes
/// on under another process number after an `:info`. There a process may release what it has not
/// acquired itself.
fn other_owners(entries: &[Said], context: &Context<'_>) -> Option<String> {
    let turns = || {
        let is_turn = |said: &&Said| matches!(said.f.as_deref(), Some("acquire" | "release"));
        entries.iter().filter(is_turn).filter_map(|said| match said.process {
            Speaker::Client(process) => Some((process, context.bare(&said.value).field("client"))),
            _ => None,
        })
    };
    let mut processes: HashMap<String, Process> = HashMap::new();
    let mut named: HashSet<Process> = HashSet::new();
    for (process, client) in turns() {
        let Some(client) = client.map(Datum::text) else { continue };
        named.insert(process);
        let first = *processes.entry(client.clone()).or_insert(process);
        if first != process {
            return Some(format!("the client {client} is process {first} and process {process}"));
        }
    }
    let (unnamed, _) = turns().find(|(process, _)| !named.contains(process))?;
    (!named.is_empty())
        .then(|| format!("the file names clients, but not which one process {unnamed} is"))
}

fn invoke(
    said: &Said,
    process: Process,
    index: Index,
    slots: &mut HashMap<Process, Slot>,
    context: &Context<'_>,
) -> Result<Event, String> {
    match slots.get(&process) {
        Some(Slot::Open { line, .. }) => {
            return Err(format!(
                "process {process} invokes while its call of line {line} is open; a process does \
                 one thing at a time"
            ));
        }
        Some(Slot::Gone(line)) => return Err(risen(process, *line)),
        None => {}
    }
    let call = calls::call(said, context)?;
    slots.insert(process, Slot::Open { line: said.line, index, call: call.clone() });
    let node = NodeName::from(said.node.as_deref().unwrap_or(NOWHERE));
    Ok(Event::Invoke { process, node, call })
}

fn risen(process: Process, line: u64) -> String {
    format!(
        "process {process} speaks again after its call of line {line} ended in :info; that call is \
         open for ever, so give the client a new process number from here on"
    )
}

fn complete(
    said: &Said,
    process: Process,
    slots: &mut HashMap<Process, Slot>,
    context: &Context<'_>,
) -> Result<Event, String> {
    let (line, index, call) = match slots.remove(&process) {
        Some(Slot::Open { line, index, call }) => (line, index, call),
        Some(Slot::Gone(line)) => return Err(risen(process, line)),
        None => {
            return Err(format!(
                "this completion of process {process} has no open :invoke before it"
            ));
        }
    };
    if said.f.as_deref().is_some_and(|f| !names(f, &call)) {
        return Err(format!(
            "this completion is of another function than the call of line {line}, {:?}",
            call.name()
        ));
    }
    let outcome = outcomes::outcome(said, &call, context)?;
    if matches!(outcome, Outcome::Info(_)) {
        slots.insert(process, Slot::Gone(line));
    }
    Ok(Event::Complete { process, call: index, outcome, said: None })
}

/// Does the function of a completion fit the call that it ends?
fn names(f: &str, call: &Call) -> bool {
    match call {
        Call::Read { .. } => matches!(f, "read" | "get"),
        Call::Write { .. } => matches!(f, "write" | "put"),
        Call::ReadAll { .. } => matches!(f, "read" | "read-all"),
        Call::Increment { .. } => matches!(f, "increment" | "add"),
        Call::ReadAccounts => matches!(f, "read" | "read-accounts"),
        Call::Txn { .. } => matches!(f, "txn" | "read" | "write"),
        _ => f == call.name(),
    }
}

/// The times of the file, if every entry has one and they never run backwards: the order of the
/// file is the order of real time, and a clock that contradicts it is worth less.
fn times(entries: &[Said]) -> Option<Vec<Nanos>> {
    let times: Vec<Nanos> = entries
        .iter()
        .map(|said| said.time.and_then(|time| Nanos::try_from(time).ok()))
        .collect::<Option<_>>()?;
    times.is_sorted().then_some(times).filter(|times| !times.is_empty())
}

/// The word for the model that knows every call of the history.
fn model(entries: &[Entry]) -> Option<&'static str> {
    let mut names: Vec<&str> = entries
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::Invoke { call, .. } => Some(call.name()),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    let fits = |calls: &[&str]| names.iter().all(|name| calls.contains(name));
    if names.is_empty() {
        return None;
    }
    if names == ["txn"] && entries.iter().any(has_list) {
        return Some("list-append");
    }
    if fits(&["acquire", "release"]) && gives_tokens(entries) {
        return Some("fenced-lock");
    }
    [
        ("register", &["read", "write"] as &[&str]),
        ("cas-register", &["read", "write", "cas"]),
        ("kv-append", &["read", "write", "append"]),
        ("set", &["add", "read-all"]),
        ("mutable-set", &["add", "remove", "contains"]),
        ("log", &["append", "read-at", "read-all"]),
        ("counter", &["increment", "read"]),
        ("queue", &["enqueue", "dequeue"]),
        ("mutex", &["acquire", "release"]),
        ("bank", &["read-accounts", "transfer"]),
        ("multi-register", &["txn"]),
    ]
    .into_iter()
    .find_map(|(model, calls)| fits(calls).then_some(model))
}

/// Is every acquire that was answered answered with a token? Each entry stands at its index.
fn gives_tokens(entries: &[Entry]) -> bool {
    let acquires = |call: &Index| {
        let asked = usize::try_from(call.0).ok().and_then(|at| entries.get(at));
        matches!(asked, Some(Entry { event: Event::Invoke { call: Call::Acquire { .. }, .. }, .. }))
    };
    let mut granted = entries.iter().filter_map(|entry| match &entry.event {
        Event::Complete { call, outcome: Outcome::Ok(reply), .. } => {
            acquires(call).then_some(reply)
        }
        _ => None,
    });
    let is_token = |reply: &Reply| matches!(reply, Reply::Value(_));
    granted.next().is_some_and(is_token) && granted.all(is_token)
}

/// Is it about a transaction on lists?
fn has_list(entry: &Entry) -> bool {
    let steps = match &entry.event {
        Event::Invoke { call: Call::Txn { steps }, .. } => steps,
        Event::Complete { outcome: Outcome::Ok(Reply::Txn(steps)), .. } => steps,
        _ => return false,
    };
    steps.iter().any(|step| matches!(step, Micro::Append(..) | Micro::ReadList(..)))
}
