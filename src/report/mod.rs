//! The report of a run: one HTML file that needs nothing else, made from the run's folder alone.
//!
//! It exists for every run, whatever is missing or damaged, and says so. Everything in it that
//! came from a database or a node is hostile text: it is escaped in one place (`escape.rs`), and
//! the page may load nothing and run nothing. The length of a page has a bound that does not
//! depend on the run: what is left out is counted.
//!
//! The pages of the web index are made here as well, so that there is one home of templates.

mod axis;
mod bands;
mod banner;
mod charts;
mod counterexample;
mod elastic;
mod escape;
mod evidence;
mod format;
mod grid;
mod histogram;
pub mod index;
mod label;
mod logs;
mod meaning;
mod page;
mod record;
mod setting;
mod survey;
mod svg;
mod timeline;

use std::path::PathBuf;

use serde::Serialize;

use crate::store::{RunFolder, StoreError};
use bands::Bands;
use evidence::Evidence;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A template does not fit what it is given: a bug.
    #[error("the page could not be made: {0}")]
    Template(String),
    /// The folder cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the templates get.
#[derive(Debug, Serialize)]
struct Report {
    title: String,
    id: String,
    banner: banner::Banner,
    tally: Vec<banner::Tally>,
    tally_svg: String,
    claimed: setting::Claimed,
    anomalies: Option<counterexample::Anomalies>,
    charts: Option<charts::Charts>,
    defs_svg: String,
    meaning: meaning::Meaning,
    faults: Vec<setting::FaultLine>,
    faults_left_out: u64,
    notes: Vec<(String, String)>,
    notes_left_out: u64,
    nodes: Vec<logs::NodeLogs>,
    logs_left_out: usize,
    setting: setting::Setting,
    repeat: setting::Repeat,
}

/// Makes the report of a run from its folder alone.
///
/// # Errors
/// A template is broken, which is a bug. Whatever is wrong with the run stands in the report.
pub fn render(folder: &RunFolder) -> Result<String, ReportError> {
    let evidence = Evidence::of(folder);
    let survey = &evidence.survey;
    let bands = Bands::of(survey);
    let banner = banner::banner(&evidence);
    let (nodes, logs_left_out) = logs::logs(folder);
    let left_out = |all: u64, listed: usize| all.saturating_sub(listed as u64);
    let report = Report {
        title: format!("{} – {} – Perjury", banner.word, banner.subject),
        id: evidence.id.clone(),
        tally: banner::tally(&evidence),
        tally_svg: charts::tally(&survey.counts),
        banner,
        claimed: setting::claimed(&evidence),
        anomalies: counterexample::anomalies(&evidence, &bands),
        charts: charts::charts(survey, &bands),
        defs_svg: svg::definitions(),
        meaning: meaning::meaning(&evidence),
        faults: setting::faults(&evidence),
        faults_left_out: left_out(survey.fault_count, survey.faults.len()),
        notes: survey.notes.iter().map(|(at, text)| (format::moment(*at), text.clone())).collect(),
        notes_left_out: left_out(survey.note_count, survey.notes.len()),
        nodes,
        logs_left_out,
        setting: setting::setting(&evidence),
        repeat: setting::repeat(&evidence),
    };
    page::render("report.html", &report, false)
}

/// Makes the report of a run and writes it into its folder. Answers where it is.
///
/// # Errors
/// Those of [`render`], and the folder cannot be written.
pub fn write(folder: &RunFolder) -> Result<PathBuf, ReportError> {
    Ok(folder.write_report(&render(folder)?)?)
}
