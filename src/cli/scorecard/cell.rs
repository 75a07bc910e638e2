//! One run of a scorecard: what f nodes did, and which properties that broke.

use std::collections::{BTreeMap, BTreeSet};

use perjury_checkers::of_own_copies;
use perjury_history::{
    Accounting, AnomalyKind, Event, Fate, History, Judgement, Nanos, NodeName, Operation, Outcome,
    Phase, Verdict, pair,
};
use serde::{Deserialize, Serialize};

/// Below this share of answered calls, while the fault is on, a database is not live.
pub(super) const LIVE: f64 = 0.5;

/// What a database may keep or break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Property {
    /// What is read was written, there.
    Integrity,
    /// Nodes and answers agree on one history.
    Agreement,
    /// What is read is not older than what was known.
    Freshness,
    /// Some order of the operations explains the answers.
    Order,
    /// What was acknowledged is there in the end.
    Durability,
    /// What was asked once was done once.
    Once,
    /// Who lies does not say that it is healthy.
    Honesty,
    /// Calls are answered.
    Liveness,
}

impl Property {
    pub(super) const ALL: [Property; 8] = [
        Property::Integrity,
        Property::Agreement,
        Property::Freshness,
        Property::Order,
        Property::Durability,
        Property::Once,
        Property::Honesty,
        Property::Liveness,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Property::Integrity => "integrity",
            Property::Agreement => "agreement",
            Property::Freshness => "freshness",
            Property::Order => "order",
            Property::Durability => "durability",
            Property::Once => "once",
            Property::Honesty => "honesty",
            Property::Liveness => "liveness",
        }
    }

    /// What an anomaly breaks.
    fn of(kind: AnomalyKind) -> Property {
        use AnomalyKind as Kind;
        match kind {
            Kind::FabricatedValue
            | Kind::CorruptedValue
            | Kind::MisdirectedValue
            | Kind::PhantomValue
            | Kind::PhantomEffect
            | Kind::PresentThoughAbsent
            | Kind::PartialWrite
            | Kind::BrokenInvariant => Property::Integrity,
            Kind::Equivocation
            | Kind::ForkedOrder
            | Kind::ForgedAcknowledgement
            | Kind::DisagreeingReads
            | Kind::Divergence => Property::Agreement,
            Kind::StaleRead
            | Kind::VersionRegression
            | Kind::CausalityViolation
            | Kind::ReadYourWrites
            | Kind::MonotonicReads => Property::Freshness,
            Kind::NonLinearizable | Kind::MonotonicWrites | Kind::WritesFollowReads => {
                Property::Order
            }
            Kind::LostWrite | Kind::ResurrectedDelete => Property::Durability,
            Kind::DuplicateElement | Kind::DuplicateApplication => Property::Once,
            Kind::DishonestHealth => Property::Honesty,
        }
    }
}

/// Which run a cell is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Name {
    /// The lie, or `none`.
    pub(super) lie: String,
    pub(super) f: usize,
    pub(super) seed: String,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Cell {
    pub(super) name: Name,
    /// The folder of the run, below `runs`.
    pub(super) run: String,
    pub(super) verdict: Verdict,
    /// Why nothing was tested, if nothing was.
    pub(super) not_tested: Option<String>,
    /// What was broken, and by how many of the anomalies that are listed.
    pub(super) broken: BTreeMap<Property, u64>,
    /// Calls of clients of other nodes while the fault was on, and how many of them were answered.
    pub(super) asked: u64,
    pub(super) answered: u64,
    /// What speaks for all lies.
    pub(super) fate: Option<Fate>,
    pub(super) told: u64,
    pub(super) accepted: u64,
    /// The nodes that are charged.
    pub(super) charged: Vec<NodeName>,
    /// Since the first lie, in nanoseconds: given to a client, noticed, proved.
    pub(super) seen_after: Option<Nanos>,
    pub(super) noticed_after: Option<Nanos>,
    pub(super) proved_after: Option<Nanos>,
    /// A sign that the database noticed.
    pub(super) sign: Option<String>,
}

impl Cell {
    pub(super) fn new(name: Name, run: String, judgement: &Judgement, history: &History) -> Cell {
        let none = Accounting::default();
        let accounting = judgement.accounting.as_ref().unwrap_or(&none);
        let charged: BTreeSet<NodeName> = accounting.charged.iter().cloned().collect();
        let withstood = (1..=accounting.claimed).contains(&charged.len());
        let mut broken: BTreeMap<Property, u64> = BTreeMap::new();
        if !(withstood && of_own_copies(history, &judgement.findings, &charged)) {
            for anomaly in judgement.findings.iter().flat_map(|finding| &finding.anomalies) {
                *broken.entry(Property::of(anomaly.kind)).or_default() += 1;
            }
        }
        let (asked, answered) = under_fault(history);
        if asked > 0 && (answered as f64) < LIVE * asked as f64 {
            broken.insert(Property::Liveness, asked - answered);
        }
        let lies = &accounting.lies;
        let untold = accounting.untold.iter().map(|untold| untold.reason.clone()).next();
        let since = |time: Option<Nanos>| Some(time?.saturating_sub(accounting.first_told?));
        let notices = || lies.iter().flat_map(|lie| &lie.noticed);
        Cell {
            name,
            run,
            verdict: judgement.verdict,
            not_tested: untold.filter(|_| lies.is_empty()).or_else(|| skipped(history)),
            broken,
            asked,
            answered,
            fate: lies.iter().map(|lie| lie.fate).max(),
            told: lies.iter().map(|lie| lie.told).sum(),
            accepted: lies.iter().map(|lie| lie.accepted).sum(),
            charged: accounting.charged.clone(),
            seen_after: since(accounting.first_seen),
            noticed_after: since(accounting.first_noticed),
            proved_after: since(accounting.first_proved),
            sign: notices().next().map(|notice| notice.text.clone()),
        }
    }

    /// In a word.
    pub(super) fn outcome(&self) -> String {
        match (&self.not_tested, self.fate) {
            (Some(_), _) => "not tested".to_owned(),
            (None, Some(fate)) => fate.name().to_owned(),
            (None, None) => "–".to_owned(),
        }
    }
}

/// Why no fault of the run took effect, if none did and one was planned.
fn skipped(history: &History) -> Option<String> {
    use perjury_history::Injection::Skipped;
    let mut reason = None;
    for entry in &history.entries {
        match &entry.event {
            Event::Injected { injection: Skipped(why), .. } => reason = Some(why.clone()),
            Event::Injected { .. } => return None,
            _ => {}
        }
    }
    reason
}

/// The calls of the load while a fault was on, or of the whole load without one, and how many of
/// them were answered. Nobody promises that a faulty node answers: its own clients are left out,
/// unless there are no others.
fn under_fault(history: &History) -> (u64, u64) {
    let time = |wanted: &dyn Fn(&Event) -> bool| {
        let entry = history.entries.iter().find(|entry| wanted(&entry.event));
        entry.map(|entry| entry.time)
    };
    let from = time(&|event| matches!(event, Event::Injected { .. })).unwrap_or(0);
    let heal = time(&|event| matches!(event, Event::Phase(Phase::Heal)));
    let until = heal.unwrap_or(Nanos::MAX);
    let operations = pair(&history.entries).unwrap_or_default();
    let faults = history.entries.iter().filter_map(|entry| match &entry.event {
        Event::Inject { fault, .. } => Some(fault.nodes()),
        _ => None,
    });
    let faulty: BTreeSet<NodeName> = faults.flatten().collect();
    let during = |one: &&Operation| one.start >= from && one.start <= until;
    let answered = |one: &&&Operation| matches!(one.outcome(), Some(Outcome::Ok(_)));
    let all: Vec<&Operation> = operations.iter().filter(during).collect();
    let (of_faulty, of_others): (Vec<&Operation>, Vec<&Operation>) =
        all.into_iter().partition(|one| faulty.contains(&one.node));
    let asked = if of_others.is_empty() { of_faulty } else { of_others };
    (asked.len() as u64, asked.iter().filter(answered).count() as u64)
}
