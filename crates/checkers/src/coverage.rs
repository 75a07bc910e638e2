//! Did enough happen for the absence of an anomaly to mean something?
//!
//! A run in which no read succeeded, or in which no planned fault took effect, proves nothing: too
//! little is *unknown*, never *valid*.

use std::collections::BTreeMap;

use perjury_history::{Event, Finding, History, Injection, Operation, Outcome, Verdict};
use serde_json::json;

use crate::Checker;
use crate::wording::{count, was};

/// What has to have happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Calls, by name, of which at least [`Expected::FEWEST`] have to be answered.
    pub calls: Vec<String>,
    /// Was at least one fault planned? Then at least one has to take effect.
    pub faults: bool,
}

impl Expected {
    /// How many answers of each kind are the least that means anything.
    pub const FEWEST: u64 = 5;
}

#[derive(Default)]
struct Tally {
    ok: u64,
    fail: u64,
    info: u64,
}

pub(crate) fn check(history: &History, operations: &[Operation], expected: &Expected) -> Finding {
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for operation in operations {
        let tally = tallies.entry(operation.call.name()).or_default();
        match operation.outcome() {
            Some(Outcome::Ok(_)) => tally.ok += 1,
            Some(Outcome::Fail(_)) => tally.fail += 1,
            Some(Outcome::Info(_)) | None => tally.info += 1,
        }
    }
    let (installed, skipped, doubtful) = injections(history);
    let mut lacks = Vec::new();
    for name in &expected.calls {
        let ok = tallies.get(name.as_str()).map_or(0, |tally| tally.ok);
        if ok < Expected::FEWEST {
            let calls = count(ok, &format!("successful {name} call"));
            lacks.push(format!("{calls}, where {} is the least that counts", Expected::FEWEST));
        }
    }
    if expected.faults && installed == 0 {
        lacks.push("faults were planned, but none was seen to take effect".into());
    }
    let ok: u64 = tallies.values().map(|tally| tally.ok).sum();
    let total = operations.len() as u64;
    let counts = format!(
        "{ok} of {} succeeded; {} took effect, {skipped} {} skipped, {doubtful} {} in doubt",
        count(total, "operation"),
        count(installed, "fault"),
        was(skipped),
        if doubtful == 1 { "is" } else { "are" },
    );
    let (verdict, summary) = if lacks.is_empty() {
        (Verdict::Valid, format!("Enough happened: {counts}."))
    } else {
        (Verdict::Unknown, format!("Too little happened: {} ({counts}).", lacks.join("; ")))
    };
    let mut stats: BTreeMap<String, serde_json::Value> = tallies
        .into_iter()
        .map(|(name, tally)| {
            let Tally { ok, fail, info } = tally;
            (name.to_owned(), json!({ "ok": ok, "fail": fail, "info": info }))
        })
        .collect();
    stats.insert("faults-installed".into(), installed.into());
    stats.insert("faults-skipped".into(), skipped.into());
    stats.insert("faults-indeterminate".into(), doubtful.into());
    Finding {
        checker: Checker::Coverage.name().into(),
        verdict,
        summary,
        anomalies: Vec::new(),
        anomaly_count: 0,
        stats,
    }
}

/// What is said last of a fault counts: whether a liar told anything is known at its end.
fn injections(history: &History) -> (u64, u64, u64) {
    let mut last = BTreeMap::new();
    for entry in &history.entries {
        if let Event::Injected { id, injection } = &entry.event {
            last.insert(id, injection);
        }
    }
    let mut counts = (0, 0, 0);
    for injection in last.into_values() {
        match injection {
            Injection::Installed(_) => counts.0 += 1,
            Injection::Skipped(_) => counts.1 += 1,
            Injection::Indeterminate(_) => counts.2 += 1,
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use perjury_history::{Entry, Fault, FaultId, Index, Order};

    use super::*;

    #[test]
    fn a_liar_that_told_nothing_in_the_end_took_no_effect() {
        let mut history = History {
            header: None,
            entries: Vec::new(),
            order: Order::default(),
            truncation: None,
        };
        let id = |number| FaultId(number);
        let why = || "why".to_owned();
        let events = [
            Event::Inject { id: id(1), fault: Fault::Kill { nodes: Vec::new() } },
            Event::Injected { id: id(1), injection: Injection::Indeterminate(why()) },
            Event::Injected { id: id(2), injection: Injection::Indeterminate(why()) },
            Event::Injected { id: id(1), injection: Injection::Skipped(why()) },
            Event::Injected { id: id(2), injection: Injection::Installed(why()) },
        ];
        for (at, event) in events.into_iter().enumerate() {
            let index = Index(at as u64);
            history.entries.push(Entry { index, time: at as u64, event });
        }
        assert_eq!(injections(&history), (1, 1, 0));
    }
}
