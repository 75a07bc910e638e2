//! `perjury scorecard`: how many liars a database withstands, property by property, beside what it
//! claims; and the track record of the checkers that say so.

mod cell;
mod options;
mod page;
mod strategy;
mod sweep;
mod text;
mod track_record;

use std::path::PathBuf;

pub use options::Scorecard;

use super::Exit;
use super::judge::JudgeError;
use super::single::TestError;
use crate::clusters::ClusterError;
use crate::config::ConfigError;
use crate::store::StoreError;

/// Why there is no scorecard.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScorecardError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Run(Box<TestError>),
    #[error(transparent)]
    Judge(#[from] JudgeError),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("a record cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    #[error("{name:?} is no lie; known are {known}")]
    Lie { name: String, known: String },
    #[error(
        "{}: made with other nodes, another workload or time limit: name another folder with --out",
        .0.display()
    )]
    Another(PathBuf),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// It is far larger than the others.
impl From<TestError> for ScorecardError {
    fn from(error: TestError) -> ScorecardError {
        ScorecardError::Run(Box::new(error))
    }
}

pub(super) fn run(options: &Scorecard) -> Exit {
    let result = match options.track_record {
        Some(seeds) => track_record::run(options, seeds),
        None => sweep::run(options),
    };
    match result {
        Ok(exit) => exit,
        Err(
            error @ (ScorecardError::Config(_)
            | ScorecardError::Lie { .. }
            | ScorecardError::Another(_)),
        ) => Exit::Usage.because(&error),
        Err(error) => Exit::Infrastructure.because(&error),
    }
}
