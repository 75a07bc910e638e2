//! From a history to findings: is the record well formed, did enough happen, is it what the model
//! allows.
//!
//! Everything here is pure: the history and the budget are arguments, nothing is read or written.
//! Each checker proves one property, and each anomaly cites the entries that prove it. A checker
//! that cannot decide says *unknown*; it never says *valid* for want of evidence.
//!
//! | checker | property | source |
//! |---|---|---|
//! | [`assumptions`](Checker::Assumptions) | the history is one of processes that do one thing at a time | Jepsen's history model |
//! | [`coverage`](Checker::Coverage) | enough was asked, answered and broken to mean something | etcd's robustness suite |
//! | [`linearizable`](Checker::Linearizable) | some order that respects real time explains every answer | Herlihy and Wing 1990 |
//! | [`set-full`](Checker::SetFull) | no element is lost, stale, doubled or invented | Jepsen's `set-full` |
//! | [`values`](Checker::Values) to [`health`](Checker::Health) | no answer is a lie by itself, or by another answer | see `byzantine` |

mod assumptions;
mod byzantine;
mod certificate;
mod components;
mod coverage;
mod explain;
mod linearizable;
mod minimize;
mod model;
mod online;
mod patterns;
pub mod relaxed;
mod sentence;
mod set_full;
mod set_order;
mod translate;
mod wording;

pub use byzantine::{Claimed, Truth, account, charged, liars, of_own_copies};
pub use certificate::{Certificate, CertificateError, Order, Refusal, verify};
pub use coverage::Expected;
pub use model::ModelName;
pub use online::{Ended, Online, Proof};
pub use perjury_porcupine::Budget;
pub use sentence::sentence;

use perjury_history::{Finding, History, Value, Verdict, pair, scrubbed};

/// The checkers, by the names that findings carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checker {
    /// Is the history well formed?
    Assumptions,
    /// Did enough happen?
    Coverage,
    /// Does an order explain it?
    Linearizable,
    /// What became of each element?
    SetFull,
    /// Did somebody write what was read?
    Values,
    /// Is absent absent, and a failure without effect?
    Contract,
    /// Has each version one content?
    Equivocation,
    /// Is there one order of the writes?
    Forks,
    /// Is no answer of an older state than one before?
    Regression,
    /// Is no key older than it was known to be?
    Versions,
    /// Did each write take effect once?
    Duplicates,
    /// Do answers agree about a state?
    Snapshots,
    /// Has every session what it can rely on?
    Sessions,
    /// Does what was deleted stay away?
    Deletes,
    /// Is what was written together seen together?
    Pairs,
    /// Are all balances what the transfers left?
    Bank,
    /// Do all copies hold the same in the end?
    Divergence,
    /// Do they hold what was acknowledged?
    Lost,
    /// Is no answer older than its causes?
    Causality,
    /// Did no liar say that it is healthy?
    Health,
}

impl Checker {
    /// The name in findings.
    pub fn name(self) -> &'static str {
        match self {
            Checker::Assumptions => "assumptions",
            Checker::Coverage => "coverage",
            Checker::Linearizable => "linearizable",
            Checker::SetFull => "set-full",
            Checker::Values => "values",
            Checker::Contract => "contract",
            Checker::Equivocation => "equivocation",
            Checker::Forks => "forks",
            Checker::Regression => "regression",
            Checker::Versions => "versions",
            Checker::Duplicates => "duplicates",
            Checker::Snapshots => "snapshots",
            Checker::Sessions => "sessions",
            Checker::Deletes => "deletes",
            Checker::Pairs => "pairs",
            Checker::Bank => "bank",
            Checker::Divergence => "divergence",
            Checker::Lost => "lost-writes",
            Checker::Causality => "causality",
            Checker::Health => "health",
        }
    }
}

/// What to check against.
///
/// ```
/// use perjury_checkers::{ModelName, Options};
/// use perjury_history::Value;
///
/// let options = Options { initial: Value::Int(0), ..Options::new(ModelName::Register) };
/// assert!(options.expected.is_none());
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// The specification.
    pub model: ModelName,
    /// What a register holds before the first write.
    pub initial: Value,
    /// What has to have happened; `None` for histories of which nothing is expected.
    pub expected: Option<Expected>,
    /// What the search may spend.
    pub budget: Budget,
}

impl Options {
    /// The defaults for a model: registers hold nil at first, nothing is expected, no limits.
    pub fn new(model: ModelName) -> Options {
        Options { model, initial: Value::Nil, expected: None, budget: Budget::default() }
    }
}

/// Runs every checker that fits the model. An ill-formed history is not checked any further: every
/// later answer would rest on sand.
pub fn judge(history: &History, options: &Options) -> Vec<Finding> {
    judge_with_certificate(history, options).0
}

/// As [`judge`], and with the proof where the operations are linearizable: one order of them for
/// each object, which [`verify`] checks without any search. It is there also where something else,
/// such as a reply outside the contract, keeps the verdict from being valid.
pub fn judge_with_certificate(
    history: &History,
    options: &Options,
) -> (Vec<Finding>, Option<Certificate>) {
    let operations = pair(&history.entries);
    let (finding, sound) = assumptions::check(history, &operations, options.model);
    let mut findings = vec![finding];
    let (Ok(mut operations), true) = (operations, sound) else { return (findings, None) };
    assumptions::doubt(&mut operations);
    if let Some(expected) = &options.expected {
        findings.push(coverage::check(history, &operations, expected));
    }
    let scrubbed = scrubbed(&history.entries).unwrap_or_default();
    let record = byzantine::Record {
        history,
        operations: &operations,
        scrubbed: &scrubbed,
        initial: &options.initial,
    };
    let byzantine::Heard { findings: heard, believable, blame } = byzantine::check(&record);
    let lied = heard.iter().any(|finding| finding.verdict == Verdict::Invalid);
    let judged = believable.as_deref().unwrap_or(&operations);
    findings.extend(heard);
    let (mut finding, orders) = match options.model {
        ModelName::Set => set_full::check(judged),
        ModelName::Bank => (bank(&mut findings), None),
        _ => linearizable::check(judged, options),
    };
    if finding.verdict == Verdict::Invalid
        && !matches!(options.model, ModelName::Set | ModelName::Bank)
        && believable.is_none()
    {
        linearizable::tell_prefix(&mut finding, online::longest_prefix(history, options));
    }
    if finding.verdict != Verdict::Valid && options.model.is_register() && (sealed(history) || lied)
    {
        let mut causality = byzantine::causality::check(judged, &options.initial);
        causality.iter_mut().for_each(|finding| blame.accuse(finding));
        findings.extend(causality);
    }
    findings.extend(byzantine::health::check(&record, &findings, &blame));
    blame.accuse(&mut finding);
    findings.push(finding);
    // An order of what is left proves nothing of what was left out.
    let certificate = orders.filter(|_| believable.is_none()).map(|objects| Certificate {
        model: options.model,
        initial: options.initial.clone(),
        objects,
    });
    (findings, certificate)
}

/// The finding about a bank comes last, as that of every model does. Without a bank's operations
/// there is none.
fn bank(findings: &mut Vec<Finding>) -> Finding {
    let name = Checker::Bank.name();
    match findings.iter().position(|finding| finding.checker == name) {
        Some(at) => findings.remove(at),
        None => Finding {
            checker: name.into(),
            verdict: Verdict::Unknown,
            summary: "Nothing was asked of a bank.".into(),
            anomalies: Vec::new(),
            anomaly_count: 0,
            stats: Default::default(),
        },
    }
}

fn sealed(history: &History) -> bool {
    history.header.as_ref().is_some_and(|header| header.seals.is_some())
}

/// The worst verdict of several findings; unknown if there is none.
pub fn worst(findings: &[Finding]) -> Verdict {
    findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Unknown)
}
