//! Everything that a run folder says, and what it does not.
//!
//! A report exists for every run, so nothing here fails: whatever is missing or damaged is kept as
//! the sentence that says so.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use perjury_history::seal::Seals;
use perjury_history::{
    Anomaly, Event, History, Index, Judgement, Nanos, NodeName, Operation, Topology, Truncation,
};

use super::survey::{Survey, survey};
use crate::store::{Environment, RunFolder, StoreError};

/// Of how many anomalies the operations are kept.
const MOST_ANOMALIES: usize = 32;
/// How many operations of the clearest anomaly are shown, and of each other one.
pub const MOST_WITNESSES: usize = 60;
/// See [`MOST_WITNESSES`].
pub const FEW_WITNESSES: usize = 12;

/// What is known of a run.
#[derive(Debug)]
pub struct Evidence {
    /// The run's id.
    pub id: String,
    /// What was declared.
    pub declared: Result<Declared, String>,
    /// The declaration as it stands in the folder.
    pub spec_text: Option<String>,
    /// Where and when.
    pub environment: Result<Environment, String>,
    /// What was decided.
    pub judgement: Result<Judgement, String>,
    /// What happened; empty if the history cannot be read.
    pub survey: Survey,
    /// All nodes in their declared order.
    pub nodes: Topology,
    /// What the values certify themselves by, if they do.
    pub seals: Option<Seals>,
    /// All operations, with those of the scrub at the end; none of an ill-formed history.
    pub operations: Vec<Operation>,
    /// Each probe of a node's health: when, of whom, and did it say that it is healthy?
    pub probes: Vec<(Nanos, NodeName, bool)>,
    /// Why the history cannot be read, if so.
    pub unreadable: Option<String>,
    /// Where it was cut off, if so.
    pub truncation: Option<Truncation>,
    /// The history's file, and its recorded SHA-256.
    pub history_file: String,
    /// See `history_file`.
    pub history_sum: Option<String>,
}

impl Evidence {
    /// Reads a folder.
    pub fn of(folder: &RunFolder) -> Evidence {
        let judgement = folder.judgement().map_err(|error| why(folder, &error));
        let cited = judgement.as_ref().map(cited).unwrap_or_default();
        let (history, unreadable) = match folder.history() {
            Ok(history) => (history, None),
            Err(error) => (History::default(), Some(why(folder, &error))),
        };
        let header = history.header.clone();
        let (nodes, seals) = header.map(|head| (head.nodes, head.seals)).unwrap_or_default();
        let file = folder.history_path();
        let history_file = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Evidence {
            id: folder.id(),
            declared: declared(folder),
            spec_text: read_small(&folder.path().join("run.toml")),
            environment: folder.environment().map_err(|error| why(folder, &error)),
            judgement,
            survey: survey(&history.entries, &cited),
            nodes,
            seals,
            operations: operations(&history),
            probes: probes(&history),
            unreadable,
            truncation: history.truncation,
            history_sum: sum(folder, &history_file),
            history_file,
        }
    }

    /// The anomalies that a report shows, the clearest first.
    pub fn anomalies(&self) -> Vec<&Anomaly> {
        self.judgement.as_ref().map(shown).unwrap_or_default()
    }

    /// The operation of that invocation.
    pub fn operation(&self, index: Index) -> Option<&Operation> {
        let at = self.operations.binary_search_by_key(&index, |operation| operation.invoked);
        at.ok().map(|at| &self.operations[at])
    }

    /// All anomalies that the judgement lists, in its order: first those of
    /// [`Evidence::anomalies`].
    pub fn listed(&self) -> impl Iterator<Item = &Anomaly> {
        let findings = self.judgement.as_ref().map(|judgement| judgement.findings.as_slice());
        findings.unwrap_or_default().iter().flat_map(|finding| &finding.anomalies)
    }

    /// How many were proved in all.
    pub fn anomaly_count(&self) -> u64 {
        let findings = self.judgement.as_ref().map(|judgement| judgement.findings.as_slice());
        let count = |finding: &perjury_history::Finding| {
            finding.anomaly_count.max(finding.anomalies.len() as u64)
        };
        findings.unwrap_or_default().iter().map(count).sum()
    }
}

fn operations(history: &History) -> Vec<Operation> {
    let mut all = perjury_history::pair(&history.entries).unwrap_or_default();
    all.extend(perjury_history::scrubbed(&history.entries).unwrap_or_default());
    all
}

fn probes(history: &History) -> Vec<(Nanos, NodeName, bool)> {
    let probe = |entry: &perjury_history::Entry| match &entry.event {
        Event::Probe { node, healthy, .. } => Some((entry.time, node.clone(), *healthy)),
        _ => None,
    };
    history.entries.iter().filter_map(probe).collect()
}

/// What a report tells of a declaration; the whole of it stands there as text.
#[derive(Clone, Debug)]
pub struct Declared {
    /// The name of the database's declaration, and so on.
    pub database: String,
    /// See `database`.
    pub workload: String,
    /// See `database`.
    pub nemesis: String,
    /// See `database`.
    pub cluster: String,
    /// Operations a second; 0 for as many as the clients manage.
    pub rate: f64,
    /// How many clients.
    pub clients: usize,
    /// The seed, in hex.
    pub seed: String,
    /// The word for what is expected: `valid`, `invalid` or `any`.
    pub expect: String,
}

fn declared(folder: &RunFolder) -> Result<Declared, String> {
    let spec = folder.spec().map_err(|error| why(folder, &error))?;
    let expect = serde_json::to_value(spec.expect).map_err(|error| error.to_string())?;
    // A part may have been named by its path.
    let name = |name: String| {
        Path::new(&name).file_stem().map_or(name.clone(), |stem| stem.to_string_lossy().into())
    };
    Ok(Declared {
        database: name(spec.names.database),
        workload: name(spec.names.workload),
        nemesis: name(spec.names.nemesis),
        cluster: name(spec.names.cluster),
        rate: spec.workload.rate,
        clients: spec.workload.concurrency,
        seed: spec.seed,
        expect: expect.as_str().unwrap_or_default().to_owned(),
    })
}

fn shown(judgement: &Judgement) -> Vec<&Anomaly> {
    let all = judgement.findings.iter().flat_map(|finding| &finding.anomalies);
    all.take(MOST_ANOMALIES).collect()
}

fn cited(judgement: &Judgement) -> HashSet<Index> {
    let all = shown(judgement).into_iter().enumerate();
    all.flat_map(|(at, anomaly)| {
        let most = if at == 0 { MOST_WITNESSES } else { FEW_WITNESSES };
        last(&anomaly.witnesses, most).to_vec()
    })
    .collect()
}

/// The last witnesses of an anomaly: the answer in question is among them.
pub fn last(witnesses: &[Index], most: usize) -> &[Index] {
    &witnesses[witnesses.len().saturating_sub(most)..]
}

/// An error without the place of the folder: a published report does not tell where it was made.
fn why(folder: &RunFolder, error: &StoreError) -> String {
    let place = format!("{}/", folder.path().display());
    if let StoreError::Io { path, source } = error
        && source.kind() == io::ErrorKind::NotFound
    {
        return format!("{} is missing", path.display().to_string().replace(&place, ""));
    }
    error.to_string().replace(&place, "")
}

/// A text file of at most a megabyte.
fn read_small(path: &Path) -> Option<String> {
    let size = std::fs::symlink_metadata(path).ok().filter(|meta| meta.is_file())?.len();
    if size > 1 << 20 {
        return None;
    }
    std::fs::read(path).ok().map(|bytes| super::escape::lossy(&bytes))
}

fn sum(folder: &RunFolder, file: &str) -> Option<String> {
    let sums = read_small(&folder.path().join("SHA256SUMS"))?;
    let line = |line: &str| {
        line.split_once("  ").filter(|(_, name)| *name == file).map(|(sum, _)| sum.to_owned())
    };
    sums.lines().find_map(line)
}
