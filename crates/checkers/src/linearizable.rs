//! Is there an order of the operations, respecting real time, that explains every answer?
//!
//! Linearizability is local (Herlihy and Wing 1990, theorem 1): a history is linearizable if and
//! only if its part for each object is. So every key is searched alone, in parallel, on one
//! budget. What was proved illegal is then cut down to a small core that is still illegal.

use std::collections::{BTreeMap, BTreeSet};

use perjury_history::{Anomaly, Call, Finding, Key, Operation, Value, Verdict};
use perjury_porcupine::models::{
    CasRegister, Counter, FencedLock, FifoQueue, KvAppend, Log, MultiRegister, MutableSet, Mutex,
    OwnedFencedLock, OwnedMutex, PriorityQueue, Semaphore, Set, Stack, UnorderedQueue,
};
use perjury_porcupine::{
    Budget, Evidence, Meter, Model, Operation as Timed, Path, PowerSet, Reason, Search,
    decide_within,
};
use rayon::prelude::*;

use crate::translate::Searched;
use crate::wording::{count, time};
use crate::{
    Checker, ModelName, Options, Order, components, explain, minimize, patterns, translate,
};

/// How many illegal objects are cut down to their core; of the others the evidence is coarser.
const MOST_CORES: usize = 8;

/// How many states the search for better evidence may visit.
const EVIDENCE_STATES: u64 = 200_000;

/// What is known of one object.
pub(crate) enum Decision {
    /// The operations in an order that explains them, by place in the history's operations.
    Legal(Vec<usize>),
    /// The operations (by place in the history's operations) whose illegality was proved, and the
    /// one that the search did not get past.
    Illegal {
        part: Vec<usize>,
        blocked: Option<usize>,
    },
    GaveUp(Reason),
}

type Group<'a> = (Option<Key>, Vec<(usize, &'a Operation)>);

/// The finding and, where everything is legal, an order for each object.
pub(crate) fn check(operations: &[Operation], options: &Options) -> (Finding, Option<Vec<Order>>) {
    let groups = group(operations, options.model);
    let meter = options.budget.start();
    let (decisions, taken): (Vec<(Option<Key>, Decision)>, Vec<Path>) = groups
        .par_iter()
        .map(|(key, group)| {
            let (decision, path) = judged(group, options, Asked { meter: &meter, how_far: true });
            ((key.clone(), decision), path)
        })
        .unzip();
    let illegal: Vec<(Option<Key>, Vec<usize>, Option<usize>)> = decisions
        .iter()
        .filter_map(|(key, decision)| match decision {
            Decision::Illegal { part, blocked } => Some((key.clone(), part.clone(), *blocked)),
            _ => None,
        })
        .collect();
    let anomaly_count = illegal.len() as u64;
    let anomalies: Vec<Anomaly> = illegal
        .into_par_iter()
        .take(Finding::MOST_ANOMALIES)
        .enumerate()
        .map(|(at, (key, part, blocked))| {
            explained(key, part, blocked, at < MOST_CORES, operations, options)
        })
        .collect();
    let reasons: Vec<Reason> = decisions
        .iter()
        .filter_map(|(_, decision)| match decision {
            Decision::GaveUp(reason) => Some(*reason),
            _ => None,
        })
        .collect();
    let mut finding = summed(decisions.len(), operations.len(), anomalies, anomaly_count, &reasons);
    finding.stats.insert("states".into(), meter.states().into());
    finding.stats.insert("model".into(), options.model.to_string().into());
    finding.stats.insert("path".into(), paths(&taken).into());
    if let Some(prefix) = explained_prefix(&decisions, operations) {
        finding.stats.insert(EXPLAINED.into(), prefix.into());
    }
    (finding, orders(decisions, operations, options.model))
}

/// An order for each object, if all are legal: one for all registers that transactions span, and
/// one for all elements of a set.
fn orders(
    decisions: Vec<(Option<Key>, Decision)>,
    operations: &[Operation],
    model: ModelName,
) -> Option<Vec<Order>> {
    let legal = |(key, decision): (Option<Key>, Decision)| match decision {
        Decision::Legal(places) => Some((key, places)),
        _ => None,
    };
    let legal: Vec<(Option<Key>, Vec<usize>)> =
        decisions.into_iter().map(legal).collect::<Option<_>>()?;
    if model == ModelName::MultiRegister {
        let all = legal.into_iter().map(|(_, places)| places).collect();
        return Some(vec![Order::of(None, &components::merged(all, operations), operations)]);
    }
    let mut of_key: BTreeMap<Option<Key>, Vec<Vec<usize>>> = BTreeMap::new();
    for (key, places) in legal {
        of_key.entry(key).or_default().push(places);
    }
    let order = |(key, mut orders): (_, Vec<Vec<usize>>)| {
        let single = if orders.len() == 1 { orders.pop() } else { None };
        let places = single.unwrap_or_else(|| components::merged(orders, operations));
        Order::of(key, &places, operations)
    };
    Some(of_key.into_iter().map(order).collect())
}

/// The figure of the longest prefix that is known to have an order.
const EXPLAINED: &str = "explained-before";

/// Says until when the answers have an order: exactly, if that is known, else as far as the search
/// for evidence came.
pub(crate) fn tell_prefix(finding: &mut Finding, exact: Option<u64>) {
    if let Some(prefix) = exact {
        finding.stats.insert(EXPLAINED.into(), prefix.into());
    }
    if let Some(prefix) = finding.stats.get(EXPLAINED).and_then(serde_json::Value::as_u64) {
        let until = format!(" What was answered before {} has an order.", time(prefix));
        finding.summary.push_str(&until);
    }
}

/// Until when the answers have an explanation, in nanoseconds: the longest prefix of the history
/// that the search could order, which may be shorter than the longest that has an order.
///
/// Why it is linearizable: on each illegal object everything that returned before the blocked
/// operation could be ordered, with operations that were still open taking effect or not; the other
/// objects are legal as a whole; and linearizability is local and closed under prefixes. Nothing is
/// said where an object is undecided. With the blocked answer added no order is left that keeps the
/// answers which the open operations got in the end.
fn explained_prefix(
    decisions: &[(Option<Key>, Decision)],
    operations: &[Operation],
) -> Option<u64> {
    let mut first = None;
    for (_, decision) in decisions {
        match decision {
            Decision::Legal(_) => {}
            Decision::GaveUp(_) => return None,
            Decision::Illegal { blocked, .. } => {
                let end = operations[(*blocked)?].end()?;
                first = Some(first.map_or(end, |first: u64| first.min(end)));
            }
        }
    }
    first
}

/// Looks for a pattern with a name in the whole part, then for a small core, and then for the
/// pattern in that.
fn explained(
    key: Option<Key>,
    mut part: Vec<usize>,
    blocked: Option<usize>,
    shrink: bool,
    operations: &[Operation],
    options: &Options,
) -> Anomaly {
    let on_object = |operation: &&Operation| operation.call.key() == key.as_ref();
    let object: Vec<&Operation> = operations.iter().filter(on_object).collect();
    let named = |part: &[usize]| {
        // Only where a read returns what one operation wrote.
        let (true, Some(key)) = (options.model.is_register(), &key) else { return None };
        let part: Vec<&Operation> = part.iter().map(|at| &operations[*at]).collect();
        let blocked = blocked.map(|at| &operations[at]);
        let pattern = patterns::find(&part, blocked, &object, &options.initial)?;
        Some(explain::pattern(key, &pattern))
    };
    if let Some(anomaly) = named(&part) {
        return anomaly;
    }
    if shrink {
        part = minimize::core(part, blocked, operations, options);
    }
    named(&part).unwrap_or_else(|| {
        let needed = minimize::intervals::needed(&part, operations, options);
        let mut anomaly = explain::general(key.clone(), &part, needed.as_deref(), operations);
        if let Some(rule) = options.model.rule() {
            anomaly.detail.push_str(&format!(" {rule}"));
            if part.len() < object.len() {
                anomaly.detail.push_str(
                    " What was acquired and released again, and what is no part of the proof, is \
                     left out.",
                );
            }
        }
        anomaly
    })
}

fn summed(
    objects: usize,
    operations: usize,
    mut anomalies: Vec<Anomaly>,
    anomaly_count: u64,
    reasons: &[Reason],
) -> Finding {
    // The clearest first: the fewer operations, the easier to follow.
    anomalies.sort_by_key(|anomaly| (anomaly.witnesses.len(), anomaly.witnesses.first().copied()));
    let gave_up = reasons.len();
    let all = count(operations as u64, "operation");
    let on = match objects {
        1 => "on one object".to_owned(),
        _ => format!("on {objects} objects"),
    };
    let (verdict, summary) = match (anomaly_count, reasons.first()) {
        (0, None) if operations == 0 => {
            (Verdict::Valid, "There were no operations, so nothing is wrong with them.".to_owned())
        }
        (0, None) => (
            Verdict::Valid,
            format!(
                "Some order that respects real time explains every answer ({all} {on}): the \
                 history is linearizable."
            ),
        ),
        (0, Some(reason)) => {
            let why = explain::reason(*reason);
            let some = of(gave_up as u64, objects);
            (Verdict::Unknown, format!("The search gave up on {some} ({all}): {why}."))
        }
        (illegal, _) => {
            let some = of(illegal, objects);
            let more = match gave_up {
                0 => String::new(),
                more => format!(" The search gave up on {more} more."),
            };
            let text = format!(
                "On {some} no order that respects real time explains the answers ({all}): the \
                 history is not linearizable.{more}"
            );
            (Verdict::Invalid, text)
        }
    };
    let stats = BTreeMap::from([
        ("objects".to_owned(), objects.into()),
        ("illegal".to_owned(), anomaly_count.into()),
        ("undecided".to_owned(), gave_up.into()),
    ]);
    let checker = Checker::Linearizable.name().into();
    Finding { checker, verdict, summary, anomalies, anomaly_count, stats }
}

/// "2 of 5 objects", or "the one object".
fn of(some: u64, objects: usize) -> String {
    if objects == 1 { "the one object".to_owned() } else { format!("{some} of {objects} objects") }
}

/// The operations of each object; of registers that transactions tie together as one. Each element
/// of a set from which elements are removed is an object of its own.
fn group(operations: &[Operation], model: ModelName) -> Vec<Group<'_>> {
    if model == ModelName::MultiRegister {
        return components::of(operations).into_iter().map(|group| (None, group)).collect();
    }
    let mut groups: BTreeMap<_, Vec<(usize, &Operation)>> = BTreeMap::new();
    for (at, operation) in operations.iter().enumerate() {
        let element = match &operation.call {
            Call::Add { element, .. }
            | Call::Remove { element, .. }
            | Call::Contains { element, .. }
                if model == ModelName::MutableSet =>
            {
                Some(element)
            }
            _ => None,
        };
        let object = (operation.call.key().cloned(), element);
        groups.entry(object).or_default().push((at, operation));
    }
    groups.into_iter().map(|((key, _), group)| (key, group)).collect()
}

/// The names of the paths that were taken, each once.
fn paths(taken: &[Path]) -> String {
    let name = |path: &Path| match path {
        Path::NotStarted => None,
        Path::Search => Some("search"),
        Path::Shortcut(name) => Some(*name),
    };
    let names: BTreeSet<&str> = taken.iter().filter_map(name).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// Judges operations of one object, or of several that transactions tie together. Of what is
/// illegal it says no more than what the proof shows by itself.
pub(crate) fn decide(group: &[(usize, &Operation)], options: &Options, meter: &Meter) -> Decision {
    judged(group, options, Asked { meter, how_far: false }).0
}

/// What a judgement may cost, and what is wanted of it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    meter: &'a Meter,
    /// Of what is illegal how far an order goes, which may take a search that the verdict did not
    /// need.
    how_far: bool,
}

fn judged(group: &[(usize, &Operation)], options: &Options, asked: Asked<'_>) -> (Decision, Path) {
    match options.model {
        ModelName::Register | ModelName::CasRegister | ModelName::Kv => {
            search(&CasRegister(options.initial.clone()), translate::register(group), asked)
        }
        ModelName::KvAppend => search(&KvAppend::default(), translate::strings(group), asked),
        ModelName::Mutex => search(&Mutex, translate::mutex(group), asked),
        ModelName::FencedLock => search(&FencedLock, translate::fenced_lock(group), asked),
        ModelName::OwnedMutex(most) => {
            search(&OwnedMutex::reentrant(most.get()), translate::owned(group), asked)
        }
        ModelName::OwnedFencedLock(most) => {
            let model = OwnedFencedLock::reentrant(most.get());
            search(&model, translate::owned_fenced_lock(group), asked)
        }
        ModelName::Semaphore(permits) => {
            search(&Semaphore::new(permits.get()), translate::owned(group), asked)
        }
        ModelName::Log => search(&Log::default(), translate::log(group), asked),
        ModelName::MultiRegister => {
            let model = MultiRegister(initial_registers(group, &options.initial));
            search(&model, translate::transactions(group), asked)
        }
        ModelName::Counter => {
            let initial = if let Value::Int(initial) = options.initial { initial } else { 0 };
            search(&Counter, translate::counter(group, initial), asked)
        }
        ModelName::Queue => search(&FifoQueue::default(), translate::queue(group), asked),
        ModelName::Stack => search(&Stack::default(), translate::queue(group), asked),
        ModelName::PriorityQueue => {
            search(&PriorityQueue::default(), translate::queue(group), asked)
        }
        ModelName::UnorderedQueue => {
            search(&PowerSet(UnorderedQueue::default()), translate::queue(group), asked)
        }
        ModelName::Set => search(&Set::default(), translate::set(group), asked),
        ModelName::MutableSet => {
            search(&MutableSet::default(), translate::mutable_set(group), asked)
        }
        // Nobody asks: a bank has a checker of its own, which searches nothing.
        ModelName::Bank => (Decision::GaveUp(Reason::States), Path::NotStarted),
    }
}

/// Every register that is named holds the initial value.
pub(crate) fn initial_registers(
    group: &[(usize, &Operation)],
    initial: &Value,
) -> BTreeMap<String, Value> {
    let steps = group.iter().filter_map(|(_, operation)| match &operation.call {
        Call::Txn { steps } => Some(steps),
        _ => None,
    });
    steps.flatten().map(|step| (step.key().to_string(), initial.clone())).collect()
}

fn search<M>(
    model: &M,
    searched: Vec<Searched<M::Input, M::Output>>,
    asked: Asked<'_>,
) -> (Decision, Path)
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync,
    M::Output: Sync,
{
    let (places, history): (Vec<usize>, Vec<_>) = searched.into_iter().unzip();
    let judged = decide_within(model, &history, asked.meter);
    let path = judged.paths.first().copied().unwrap_or(Path::NotStarted);
    let decision = match judged.answer {
        Search::Linearizable(proof) => {
            Decision::Legal(proof.partitions.into_iter().flatten().map(|at| places[at]).collect())
        }
        Search::Exhausted { reason, .. } => Decision::GaveUp(reason),
        Search::Illegal(evidence) => {
            let evidence = match asked.how_far {
                true => searched_evidence(model, &history, evidence),
                false => evidence,
            };
            // What was called after the blocked operation returned has no part in the proof.
            let blocked = evidence.blocked().max_by_key(|at| history[*at].interval().1);
            let end = blocked.and_then(|at| history[at].interval().1);
            let involved = places
                .iter()
                .zip(&history)
                .filter(|(_, operation)| end.is_none_or(|end| operation.interval().0 <= end));
            let part: Vec<usize> = involved.map(|(place, _)| *place).collect();
            Decision::Illegal { part, blocked: blocked.map(|at| places[at]) }
        }
    };
    (decision, path)
}

/// A polynomial path proves that there is no order without saying how far one goes; the search
/// does, if it comes to an end soon.
fn searched_evidence<M>(
    model: &M,
    history: &[Timed<M::Input, M::Output>],
    evidence: Evidence,
) -> Evidence
where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync,
    M::Output: Sync,
{
    if evidence.blocked().next().is_some() {
        return evidence;
    }
    let budget = Budget { states: Some(EVIDENCE_STATES), ..Budget::default() };
    match perjury_porcupine::check(model, history, &budget) {
        Search::Illegal(searched) => searched,
        _ => evidence,
    }
}
