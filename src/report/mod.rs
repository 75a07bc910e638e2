//! The report of a run: one HTML file that needs nothing else, made from the run's folder alone.
//!
//! It exists for every run, whatever is missing or damaged, and says so. Everything in it that
//! came from a database or a node is hostile text: it is escaped in one place (`escape.rs`), and
//! the page may load nothing and run nothing. The length of a page has a bound that does not
//! depend on the run: what is left out is counted.
//!
//! The pages of the web index are made here as well, so that there is one home of templates.

mod agreement;
mod answers;
mod axis;
mod bands;
mod banner;
mod charges;
mod charts;
mod conviction;
mod counterexample;
mod deeds;
mod difference;
mod elastic;
mod escape;
mod evidence;
mod fates;
mod format;
mod freshness;
mod grid;
mod histogram;
pub mod index;
mod label;
mod lanes;
mod lies;
mod logs;
mod meaning;
mod page;
mod probes;
mod record;
mod setting;
mod sightings;
mod survey;
mod svg;
mod timeline;
mod truth;
mod values;
mod violations;

use std::path::PathBuf;

use serde::Serialize;

use crate::store::{RunFolder, StoreError};
use answers::Answers;
use bands::Bands;
use evidence::Evidence;
use probes::Falsehood;
use truth::Truth;
use values::Values;

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
    conviction: Option<conviction::Conviction>,
    lies: Option<lies::Lies>,
    fates: Option<fates::Fates>,
    violations: Option<violations::Violations>,
    freshness: Option<answers::Freshness>,
    agreement: Option<answers::AgreementRate>,
    probes: Option<probes::Probes>,
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
    let values = Values::of(evidence.seals.as_ref(), &evidence.operations);
    let truth = Truth::of(folder, &evidence, &values);
    let charges = charges::charges(&evidence);
    let falsehood = Falsehood::of(&evidence, &truth, &charges);
    let conviction = conviction::conviction(&evidence, &truth, &charges, &falsehood);
    // The parts about answers and health are there if there is something to be told of them.
    let answers = Answers::of(&evidence, &values);
    let wanted = conviction.is_some();
    let banner = banner::banner(&evidence);
    let (nodes, logs_left_out) = logs::logs(folder);
    let left_out = |all: u64, listed: usize| all.saturating_sub(listed as u64);
    let report = Report {
        title: format!("{} – {} – Perjury", banner.word, banner.subject),
        id: evidence.id.clone(),
        tally: banner::tally(&evidence),
        tally_svg: charts::tally(&survey.counts),
        banner,
        lies: lies::lies(&evidence, &truth, &values),
        fates: fates::fates(&evidence),
        violations: violations::violations(&evidence, &bands, &truth),
        freshness: answers.freshness(&evidence, &bands, wanted),
        agreement: answers.agreement(&evidence, &bands, wanted),
        probes: wanted.then(|| probes::probes(&evidence, &bands, &falsehood)).flatten(),
        conviction,
        claimed: setting::claimed(&evidence),
        anomalies: counterexample::anomalies(&evidence, &bands, &values),
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
