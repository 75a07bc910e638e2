//! All runs below a folder.

use std::path::Path;

use perjury_history::Verdict;
use serde::Serialize;

use super::RunFolder;

/// What an index shows of a run. Whatever cannot be read is absent: a broken run is listed too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// The name of its folder.
    pub id: String,
    /// When it began, in UTC.
    pub started: Option<String>,
    /// The names of its parts.
    pub database: Option<String>,
    /// See `database`.
    pub workload: Option<String>,
    /// See `database`.
    pub nemesis: Option<String>,
    /// See `database`.
    pub cluster: Option<String>,
    /// Its seed.
    pub seed: Option<String>,
    /// What came out.
    pub verdict: Option<Verdict>,
    /// What failed in the harness.
    pub compromised: Option<String>,
    /// The verdict in one sentence.
    pub sentence: Option<String>,
}

/// The runs, the newest first.
pub fn list(results: &Path) -> Vec<RunSummary> {
    let mut runs: Vec<RunSummary> = std::fs::read_dir(results)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| RunFolder::open(&entry.path()).ok())
        .map(|folder| summary(&folder))
        .collect();
    runs.sort_by(|left, right| right.id.cmp(&left.id));
    runs
}

fn summary(folder: &RunFolder) -> RunSummary {
    let spec = folder.spec().ok();
    let environment = folder.environment().ok();
    let judgement = folder.judgement().ok();
    let names = spec.as_ref().map(|spec| spec.names.clone());
    RunSummary {
        id: folder.id(),
        started: environment.map(|environment| environment.started),
        database: names.as_ref().map(|names| names.database.clone()),
        workload: names.as_ref().map(|names| names.workload.clone()),
        nemesis: names.as_ref().map(|names| names.nemesis.clone()),
        cluster: names.map(|names| names.cluster),
        seed: spec.map(|spec| spec.seed),
        verdict: judgement.as_ref().map(|judgement| judgement.verdict),
        compromised: judgement.as_ref().and_then(|judgement| judgement.compromised.clone()),
        sentence: judgement.map(|judgement| judgement.sentence),
    }
}
