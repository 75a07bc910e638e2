//! Fault-bound accounting: how many nodes lied or were corrupted, beside how many a database claims
//! to withstand.
//!
//! Counted is what took effect or may have, over the whole run: claims without proactive recovery
//! speak of all that ever lied. Lies on links are charged to the smallest set of nodes that covers
//! them ([`super::cover`]); without a record of what was told to every node in whose name it may
//! have been, which is a cover too. Crashes and partitions are not counted: they are no lies.
//!
//! Source: Castro and Liskov, "Practical Byzantine fault tolerance" (OSDI 1999), for the bound.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use perjury_history::{
    Accusation, Anomaly, AnomalyKind, Confidence, Event, Fault, FaultId, Finding, History, Index,
    Injection, LieTold, NodeName, Operation, Outcome, Verdict, pair, scrubbed,
};

use super::cover::{Link, cover};
use super::fate::Truth;

/// The faults that make nodes lie or corrupt them, with what came of each at last.
pub(super) fn byzantine(history: &History) -> Vec<(FaultId, &Fault, Option<&Injection>)> {
    let mut faults: BTreeMap<FaultId, (&Fault, Option<&Injection>)> = BTreeMap::new();
    for entry in &history.entries {
        match &entry.event {
            Event::Inject { id, fault: fault @ (Fault::Lie(_) | Fault::Corrupt(_)) } => {
                // Until it is answered it may have taken effect.
                faults.insert(*id, (fault, None));
            }
            Event::Injected { id, injection } | Event::Healed { id, injection } => {
                // Only a roll-back has its effect when it is healed.
                if let Some((fault, last)) = faults.get_mut(id)
                    && (matches!(entry.event, Event::Injected { .. }) || rolls_back(fault))
                {
                    *last = Some(injection);
                }
            }
            _ => {}
        }
    }
    faults.into_iter().map(|(id, (fault, injection))| (id, fault, injection)).collect()
}

/// Those that took effect, or may have.
pub(super) fn effective(history: &History) -> Vec<(FaultId, &Fault)> {
    let effective = byzantine(history)
        .into_iter()
        .filter(|(_, _, injection)| !matches!(injection, Some(Injection::Skipped(_))));
    effective.map(|(id, fault, _)| (id, fault)).collect()
}

/// The nodes that lied or were corrupted, as far as faults of the run made them.
pub fn liars(history: &History) -> BTreeSet<NodeName> {
    effective(history).into_iter().flat_map(|(_, fault)| fault.nodes()).collect()
}

/// Is all that was found what charged nodes said of their own copies, or of their own health? A
/// database that withstands liars promises nothing of what one of them says alone: its clients
/// believe what more than so many say. False where not all anomalies are listed.
pub fn of_own_copies(
    history: &History,
    findings: &[Finding],
    charged: &BTreeSet<NodeName>,
) -> bool {
    let invalid = || findings.iter().filter(|one| one.verdict == Verdict::Invalid);
    let is_listed = |one: &Finding| one.anomaly_count == one.anomalies.len() as u64;
    if invalid().next().is_none() || !invalid().all(is_listed) {
        return false;
    }
    let (Ok(load), Ok(scrub)) = (pair(&history.entries), scrubbed(&history.entries)) else {
        return false;
    };
    let operations = [load, scrub].concat();
    let by_call: HashMap<Index, &Operation> =
        operations.iter().map(|operation| (operation.invoked, operation)).collect();
    let is_own = |anomaly: &Anomaly| {
        let blamed = anomaly.accused.iter().filter(|one| one.confidence > Confidence::Unknown);
        let is_charged = |one: &Accusation| charged.contains(&one.node);
        if !blamed.clone().all(is_charged) || blamed.clone().next().is_none() {
            return false;
        }
        let cited = anomaly.witnesses.iter().filter_map(|at| by_call.get(at));
        let answers = cited.filter(|one| {
            let answered = matches!(one.outcome(), Some(Outcome::Ok(_)));
            answered && one.call.is_read_only() && charged.contains(one.answerer())
        });
        let answers: Vec<_> = answers.collect();
        let local = answers.iter().all(|one| one.said.as_ref().is_some_and(|said| said.local));
        local && (!answers.is_empty() || anomaly.kind == AnomalyKind::DishonestHealth)
    };
    invalid().flat_map(|finding| &finding.anomalies).all(is_own)
}

/// The nodes that are charged with what was told and done: the smallest cover of the links on which
/// lies were told. A fault without any record of what it did is charged to all its nodes.
pub fn charged(history: &History, truth: Truth<'_>) -> BTreeSet<NodeName> {
    let mut links: BTreeSet<Link> = BTreeSet::new();
    for (id, fault) in effective(history) {
        let told = truth.lies.iter().filter(|lie| lie.fault == id);
        let of_lies = told.map(|lie| {
            let other = other(history, lie).unwrap_or_else(|| lie.node.clone());
            (lie.node.clone(), other)
        });
        let made = truth.corruptions.iter().filter(|place| place.fault == id);
        let of_places = made.map(|place| (place.node.clone(), place.node.clone()));
        let recorded: BTreeSet<Link> = of_lies.chain(of_places).collect();
        if recorded.is_empty() {
            links.extend(fault.nodes().into_iter().map(|node| (node.clone(), node)));
        }
        links.extend(recorded);
    }
    cover(&links)
}

/// The node at the other end of the link; none if that is a client. An address that is not known
/// counts as one, which charges the liar alone.
pub(super) fn other(history: &History, lie: &LieTold) -> Option<NodeName> {
    let end = if lie.outgoing { lie.listener } else { lie.dialler };
    let nodes = &history.header.as_ref()?.nodes.nodes;
    let node = nodes.iter().find(|node| node.address == end.ip().to_canonical())?;
    (node.name != lie.node).then(|| node.name.clone())
}

pub(super) fn rolls_back(fault: &Fault) -> bool {
    matches!(fault, Fault::Corrupt(corruption) if corruption.what == perjury_history::Rot::RollBack)
}

#[cfg(test)]
mod tests {
    use perjury_history::{Aim, Call, Corruption, Entry, Phase, Reply, Rot, Testimony};

    use super::*;

    fn history(events: Vec<Event>) -> History {
        let entries = events.into_iter().enumerate().map(|(at, event)| Entry {
            index: Index(at as u64),
            time: at as u64,
            event,
        });
        History { entries: entries.collect(), ..History::default() }
    }

    fn inject(id: u32, node: &str, what: Rot) -> Event {
        let corruption = Corruption { nodes: vec![node.into()], what, seed: 1 };
        Event::Inject { id: FaultId(id), fault: Fault::Corrupt(corruption) }
    }

    fn memory() -> Rot {
        Rot::Memory(Aim::Bits(1))
    }

    fn injected(id: u32, injection: Injection) -> Event {
        Event::Injected { id: FaultId(id), injection }
    }

    fn names(history: &History) -> Vec<String> {
        liars(history).iter().map(NodeName::to_string).collect()
    }

    #[test]
    fn only_lies_that_may_have_been_told_count() {
        let why = || String::from("seen");
        let kill = Fault::Kill { nodes: vec!["n5".into()] };
        let history = history(vec![
            inject(1, "n1", memory()),
            injected(1, Injection::Installed(why())),
            inject(2, "n2", memory()),
            injected(2, Injection::Indeterminate(why())),
            injected(2, Injection::Skipped(why())),
            inject(3, "n3", memory()),
            Event::Inject { id: FaultId(4), fault: kill },
            injected(4, Injection::Installed(why())),
        ]);
        assert_eq!(names(&history), ["n1", "n3"]);
    }

    /// A read that n1 answered, and an anomaly about it.
    fn found(local: bool, phase: Phase, accused: &str) -> (History, Finding) {
        let call = Call::Read { key: "k".into() };
        let outcome = Outcome::Ok(Reply::Value("lie".into()));
        let said = Some(Box::new(Testimony { local, ..Testimony::default() }));
        let history = history(vec![
            Event::Phase(phase),
            Event::Invoke { process: 1, node: "n1".into(), call },
            Event::Complete { process: 1, call: Index(1), outcome, said },
        ]);
        let accusation = Accusation { node: accused.into(), confidence: Confidence::Proved };
        let anomaly = Anomaly {
            kind: AnomalyKind::FabricatedValue,
            key: None,
            witnesses: vec![Index(1)],
            nodes: vec!["n1".into()],
            accused: vec![accusation],
            detail: String::new(),
        };
        let finding = Finding {
            checker: "values".into(),
            verdict: Verdict::Invalid,
            summary: String::new(),
            anomalies: vec![anomaly],
            anomaly_count: 1,
            stats: BTreeMap::new(),
        };
        (history, finding)
    }

    #[test]
    fn what_a_faulty_node_says_of_its_own_copy_is_told_from_what_clients_were_answered() {
        let charged = BTreeSet::from([NodeName::from("n1")]);
        let judged = |local, accused| {
            let of = |phase| {
                let (history, finding) = found(local, phase, accused);
                of_own_copies(&history, &[finding], &charged)
            };
            let (load, scrub) = (of(Phase::Load), of(Phase::Scrub));
            assert_eq!(load, scrub);
            load
        };
        assert!(judged(true, "n1"));
        assert!(!judged(false, "n1"), "a client asked for the truth");
        assert!(!judged(true, "n2"), "an honest node's copy is false too");
        let (history, finding) = found(true, Phase::Scrub, "n1");
        let more = Finding { anomaly_count: 2, ..finding.clone() };
        assert!(!of_own_copies(&history, &[more], &charged), "one is not listed");
        assert!(!of_own_copies(&history, &[], &charged), "nothing was found");
        assert!(!of_own_copies(&history, &[finding], &BTreeSet::new()), "nobody is charged");
    }

    #[test]
    fn a_roll_back_counts_by_its_end() {
        let roll = |healed| {
            history(vec![
                inject(1, "n1", Rot::RollBack),
                injected(1, Injection::Indeterminate("kept".into())),
                Event::Healed { id: FaultId(1), injection: healed },
            ])
        };
        assert_eq!(names(&roll(Injection::Installed("put back".into()))), ["n1"]);
        assert_eq!(names(&roll(Injection::Skipped("no copy".into()))), [""; 0]);
    }
}
