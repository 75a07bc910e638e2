//! Fault-bound accounting: how many nodes lied or were corrupted, beside how many a database claims
//! to withstand.
//!
//! Counted are the nodes on which such a fault took effect or may have, over the whole run: claims
//! without proactive recovery speak of all that ever lied. Lies on the link of two honest nodes are
//! charged to the one in whose name they were told, which covers every such link; so the count is
//! at least that of the smallest cover, and an anomaly is charged to the database only if even
//! this count is within its claim. Crashes and partitions are not counted: they are no lies.
//!
//! Source: Castro and Liskov, "Practical Byzantine fault tolerance" (OSDI 1999), for the bound.

use std::collections::{BTreeMap, BTreeSet};

use perjury_history::{Event, Fault, FaultId, History, Injection, NodeName};

/// The nodes that lied or were corrupted, as far as faults of the run made them.
pub fn liars(history: &History) -> BTreeSet<NodeName> {
    let mut faults: BTreeMap<FaultId, (&Fault, bool)> = BTreeMap::new();
    for entry in &history.entries {
        match &entry.event {
            Event::Inject { id, fault } => {
                // Until it is answered it may have taken effect.
                faults.insert(*id, (fault, true));
            }
            Event::Injected { id, injection } | Event::Healed { id, injection } => {
                // Only a roll-back has its effect when it is healed.
                if let Some((fault, effective)) = faults.get_mut(id)
                    && (matches!(entry.event, Event::Injected { .. }) || rolls_back(fault))
                {
                    *effective = !matches!(injection, Injection::Skipped(_));
                }
            }
            _ => {}
        }
    }
    let byzantine = |fault: &Fault| matches!(fault, Fault::Lie(_) | Fault::Corrupt(_));
    let effective =
        faults.into_values().filter(|(fault, effective)| *effective && byzantine(fault));
    effective.flat_map(|(fault, _)| fault.nodes()).collect()
}

fn rolls_back(fault: &Fault) -> bool {
    matches!(fault, Fault::Corrupt(corruption) if corruption.what == perjury_history::Rot::RollBack)
}

#[cfg(test)]
mod tests {
    use perjury_history::{Aim, Corruption, Entry, Index, Rot};

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
