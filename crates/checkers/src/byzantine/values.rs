//! Values that nobody wrote: fabricated, corrupted, misdirected.
//!
//! *Claim*: an anomaly here is a value that a read returned and that no operation of the run had
//! been asked to write to that key. *Why*: only the run's clients write the run's keys, each value
//! is written by one operation, and every invocation is in the history before it is sent; so the
//! values asked for are all known, and any other one is a lie, whoever told it. The seal tells what
//! kind: *corrupted* if few bits or bytes separate it from a value that was written
//! ([`Damage`]), *misdirected* if it was written to another key or carries another run's name,
//! *fabricated* else. The split is a label; that the value is false does not depend on it. Nil and
//! the initial value are not looked at, nor is when a value was written: a later checker's matter;
//! nor are sums, such as the balances of a bank, which carry no seal.
//!
//! Each false value of a key is one anomaly, however often it was read.
//!
//! *Blame*: a node is proved to have lied if every answer with the false value came from it alone
//! (or over a link in its name) while a node that it has no part in showed the value undamaged.
//! Else the suspects are who handled all of those answers, and who took the write.
//!
//! Source: rules A1 to A3 of self-authenticating registers; Jepsen's unique values are the same
//! without the code.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use perjury_history::seal::{Class, Damage, Seals};
use perjury_history::{
    Anomaly, AnomalyKind, Call, Key, Micro, NodeName, Operation, Outcome, Reply, Value,
};

use super::Record;
use super::blame::nodes;
use super::exclude::Excluded;
use super::finding::{Found, Suspicion, anomaly, path};
use super::stated::{meant, raw, sums, written};
use crate::Checker;
use crate::wording::{at, time};

/// For so many false values the nearest write of any key is looked for; for others of their own.
const MOST_FAR_SEARCHES: usize = 64;
/// So many of the reads of a false value are cited.
const MOST_CITED: usize = 4;

/// What a false value is.
enum Lie<'a> {
    Corrupted(&'a Operation, Damage),
    OtherKey(&'a Operation),
    OtherRun(String),
    /// With the run's own code, but the history does not have its write.
    Insider,
    Fabricated,
}

/// One false value of one key.
struct False<'a> {
    reads: Vec<&'a Operation>,
    /// Who handled every one of the answers.
    common: BTreeSet<NodeName>,
    /// Who handled any of them.
    any: BTreeSet<NodeName>,
}

/// The finding, and which answers are not to be believed.
pub(super) fn check(record: &Record<'_>, seals: &Seals) -> (Found, Excluded) {
    let mut writes: HashMap<&Value, Vec<&Operation>> = HashMap::new();
    let mut of_key: HashMap<&Key, Vec<&Operation>> = HashMap::new();
    for operation in record.operations {
        for (key, value) in written(&operation.call) {
            writes.entry(value).or_default().push(operation);
            of_key.entry(key).or_default().push(operation);
        }
    }
    let nodes = nodes(record);
    let sums = sums(record.operations);
    let mut lies: BTreeMap<(&Key, &Value), False<'_>> = BTreeMap::new();
    let mut seen = 0;
    for operation in record.all() {
        for (key, value) in read(operation).filter(|(key, _)| !sums.contains(*key)) {
            seen += 1;
            let known = value.is_nil() || value == record.initial;
            let asked = |write: &&&Operation| written(&write.call).any(|(of, _)| of == key);
            if known || writes.get(value).is_some_and(|all| all.iter().any(|one| asked(&one))) {
                continue;
            }
            let path = path(operation, &nodes);
            let lie = lies.entry((key, value)).or_insert_with(|| False {
                reads: Vec::new(),
                common: path.clone(),
                any: BTreeSet::new(),
            });
            lie.common.retain(|node| path.contains(node));
            lie.any.extend(path);
            lie.reads.push(operation);
        }
    }
    let mut excluded = Excluded::default();
    let what = "values that nobody wrote there";
    let mut found = Found::nothing(Checker::Values, what);
    found.good = format!("Each of {seen} values read was written by this run, to that key.");
    found.stat("values-read", seen);
    let mut labelled = Vec::new();
    for (number, ((key, value), lie)) in lies.into_iter().enumerate() {
        let near = of_key.get(key).map(Vec::as_slice).unwrap_or_default();
        let far = number < MOST_FAR_SEARCHES;
        let label = label(key, value, near, &writes, seals, far);
        lie.reads.iter().for_each(|read| excluded.value(read, value));
        if let Lie::Corrupted(write, _) = label
            && let Call::Add { key, element } = &write.call
        {
            excluded.element(key, element);
        }
        labelled.push((key, value, lie, label));
    }
    let truths = truths(record, &labelled, &nodes);
    for (key, value, lie, label) in &labelled {
        found.push(suspect(key, value, lie, label, &truths, &nodes));
    }
    (found, excluded)
}

/// What an answer says was there, where.
fn read(operation: &Operation) -> Box<dyn Iterator<Item = (&Key, &Value)> + '_> {
    let Some(Outcome::Ok(reply)) = operation.outcome() else { return Box::new(std::iter::empty()) };
    match reply {
        // A position or a token, which nobody writes.
        Reply::Value(_) if matches!(operation.call, Call::Append { .. } | Call::Acquire { .. }) => {
            Box::new(std::iter::empty())
        }
        Reply::Value(value) => Box::new(operation.call.key().map(|key| (key, value)).into_iter()),
        Reply::Elements(elements) => {
            let key = operation.call.key();
            Box::new(elements.iter().filter_map(move |element| Some((key?, element))))
        }
        Reply::Txn(steps) => Box::new(steps.iter().flat_map(|step| {
            let (key, values) = match step {
                Micro::Read(key, Some(value)) => (key, std::slice::from_ref(value)),
                Micro::ReadList(key, list) => (key, list.as_slice()),
                step => (step.key(), [].as_slice()),
            };
            values.iter().map(move |value| (key, value))
        })),
        _ => Box::new(std::iter::empty()),
    }
}

fn label<'a>(
    key: &Key,
    value: &Value,
    near: &[&'a Operation],
    writes: &HashMap<&Value, Vec<&'a Operation>>,
    seals: &Seals,
    far: bool,
) -> Lie<'a> {
    if let Some(write) = writes.get(value).and_then(|all| all.first()) {
        return Lie::OtherKey(write);
    }
    let all = || writes.values().flatten().filter(|_| far);
    let nearest = |write: &&'a Operation| {
        let values =
            written(&write.call).filter_map(|(_, written)| Damage::between(written, value));
        values.min().map(|damage| (damage, *write))
    };
    let least = |damage: &(Damage, &Operation)| (damage.0, damage.1.invoked);
    let own = near.iter().filter_map(nearest).min_by_key(least);
    let found = own.or_else(|| all().filter_map(nearest).min_by_key(least));
    if let Some((damage, write)) = found {
        return Lie::Corrupted(write, damage);
    }
    match seals.classify(key, value) {
        Class::Foreign(run) => Lie::OtherRun(run),
        Class::Genuine(_) | Class::Misdirected(_) => Lie::Insider,
        Class::Absent | Class::Broken => Lie::Fabricated,
    }
}

/// Of each damaged value: the paths of the answers that showed it undamaged.
type Truths<'a> = HashMap<&'a Value, BTreeSet<BTreeSet<NodeName>>>;

fn truths<'a>(
    record: &'a Record<'_>,
    labelled: &[(&'a Key, &'a Value, False<'a>, Lie<'a>)],
    nodes: &BTreeSet<NodeName>,
) -> Truths<'a> {
    let mut truths: Truths<'a> = HashMap::new();
    for (_, _, _, label) in labelled {
        if let Lie::Corrupted(write, _) = label {
            truths.extend(written(&write.call).map(|(_, value)| (value, BTreeSet::new())));
        }
    }
    if truths.is_empty() {
        return truths;
    }
    for operation in record.all() {
        for (_, value) in read(operation) {
            if let Some(paths) = truths.get_mut(value) {
                paths.insert(path(operation, nodes));
            }
        }
    }
    truths
}

fn suspect(
    key: &Key,
    value: &Value,
    lie: &False<'_>,
    label: &Lie<'_>,
    truths: &Truths<'_>,
    nodes: &BTreeSet<NodeName>,
) -> Suspicion {
    let mut suspects = lie.common.clone();
    let mut proved = BTreeSet::new();
    let mut origin = Vec::new();
    if let Lie::Corrupted(write, _) = label {
        let paths = written(&write.call).filter_map(|(_, value)| truths.get(value)).flatten();
        let honest: Vec<&BTreeSet<NodeName>> =
            paths.filter(|path| path.is_disjoint(&lie.any)).collect();
        if lie.any.len() == 1 && !honest.is_empty() {
            proved.clone_from(&lie.any);
        } else {
            suspects.extend(path(write, nodes));
        }
        origin.push(*write);
    }
    if let Lie::OtherKey(write) = label {
        origin.push(*write);
    }
    let cited = lie.reads.iter().copied().take(MOST_CITED);
    let detail = detail(key, value, lie, label, !proved.is_empty());
    let anomaly: Anomaly =
        anomaly(kind(label), key, origin.into_iter().chain(cited), lie.reads.clone(), detail);
    Suspicion { anomaly, suspects: vec![suspects], proved }
}

fn kind(label: &Lie<'_>) -> AnomalyKind {
    match label {
        Lie::Corrupted(..) => AnomalyKind::CorruptedValue,
        Lie::OtherKey(_) | Lie::OtherRun(_) => AnomalyKind::MisdirectedValue,
        Lie::Insider | Lie::Fabricated => AnomalyKind::FabricatedValue,
    }
}

fn detail(key: &Key, value: &Value, lie: &False<'_>, label: &Lie<'_>, proved: bool) -> String {
    let first = lie.reads[0];
    let write = |write: &Operation| {
        let value = meant(&write.call).map(Value::to_string).unwrap_or_default();
        let to = write.call.key().map(|key| format!(" to {key}")).unwrap_or_default();
        format!("{value}, which process {}{} wrote{to}", write.process, at(&write.node))
    };
    let what = match label {
        Lie::Corrupted(of, damage) => format!("that is {}, with damage: {damage}", write(of)),
        Lie::OtherKey(of) => format!("that is {}", write(of)),
        Lie::OtherRun(run) => format!("that is in the name of another run, {run:?}"),
        Lie::Insider => "with the code of this run, but no operation ever wrote it".to_owned(),
        Lie::Fabricated => "which nobody wrote, and which is near to nothing written".to_owned(),
    };
    let often = match lie.reads.len() {
        1 => String::new(),
        more => format!(" It was read {more} times."),
    };
    let truth = if proved { " A node without part in that showed it undamaged." } else { "" };
    format!(
        "Process {}{} read {} from {key} at {}: {what}.{often}{truth}",
        first.process,
        at(first.answerer()),
        raw(value),
        first.end().map(time).unwrap_or_default()
    )
}
