//! The anomalies of a run: the clearest one drawn and listed, the others in short.

use perjury_history::{Accusation, Anomaly, Confidence, Index, Outcome};
use serde::Serialize;

use super::bands::Bands;
use super::charges;
use super::escape;
use super::evidence::{self, Evidence, FEW_WITNESSES, MOST_WITNESSES};
use super::format;
use super::label;
use super::record::Witness;
use super::survey::Survey;
use super::timeline;
use super::values::Values;

/// All of them.
#[derive(Debug, Serialize)]
pub struct Anomalies {
    /// The clearest.
    pub first: Told,
    /// Some more.
    pub others: Vec<Told>,
    /// How many were proved.
    pub count: String,
    /// How many are not shown.
    pub not_shown: u64,
}

/// One anomaly.
#[derive(Debug, Serialize)]
pub struct Told {
    /// Its number among all that are listed, from 1.
    pub number: usize,
    /// Its kind.
    pub kind: &'static str,
    /// Its object.
    pub key: Option<String>,
    /// Who gave the answer in question.
    pub nodes: Vec<String>,
    /// Whose answer is in question: node, and how sure it is that it lied.
    pub accused: Vec<(String, &'static str)>,
    /// In words.
    pub detail: String,
    /// Its operations.
    pub rows: Vec<Row>,
    /// Its drawing, for the first one.
    pub svg: Option<String>,
    /// How many of its operations are not listed.
    pub cut: usize,
    /// How many that it cites are not in the history.
    pub missing: usize,
    /// How many of its processes are not drawn.
    pub rows_left_out: usize,
}

/// One operation.
#[derive(Debug, Serialize)]
pub struct Row {
    index: String,
    process: u64,
    node: String,
    call: String,
    answer: String,
    raw: String,
    outcome: &'static str,
    from: String,
    until: String,
    took: String,
    accused: bool,
}

/// What is to be told; `None` if no anomaly was proved.
pub fn anomalies(evidence: &Evidence, bands: &Bands, values: &Values<'_>) -> Option<Anomalies> {
    let all = evidence.anomalies();
    let (first, others) = all.split_first()?;
    let survey = &evidence.survey;
    let mut told = tell((1, first), survey, values, MOST_WITNESSES);
    let witnesses = evidence.survey.witnesses_of(evidence::last(&first.witnesses, MOST_WITNESSES));
    if !witnesses.is_empty() {
        told.svg = Some(timeline::draw(&witnesses, accused(first, &witnesses), bands, values));
    }
    Some(Anomalies {
        first: told,
        others: others
            .iter()
            .enumerate()
            .map(|(at, anomaly)| tell((at + 2, anomaly), survey, values, FEW_WITNESSES))
            .collect(),
        count: format::counted(evidence.anomaly_count(), "anomaly", "anomalies"),
        not_shown: evidence.anomaly_count().saturating_sub(all.len() as u64),
    })
}

/// The answer in question, if it is among these.
fn accused(anomaly: &Anomaly, witnesses: &[&Witness]) -> Option<Index> {
    let answered = |witness: &&&Witness| matches!(witness.end, Some((_, Outcome::Ok(_))));
    let answers = witnesses.iter().filter(answered);
    charges::in_question(anomaly, answers.map(|witness| (witness.index, witness.answerer())))
}

fn tell(
    (number, anomaly): (usize, &Anomaly),
    survey: &Survey,
    values: &Values<'_>,
    most: usize,
) -> Told {
    let cited = evidence::last(&anomaly.witnesses, most);
    let witnesses = survey.witnesses_of(cited);
    let accused = accused(anomaly, &witnesses);
    let ends = witnesses.iter().filter_map(|witness| witness.end.as_ref().map(|end| end.0));
    let digits = format::digits(witnesses.iter().map(|witness| witness.start).chain(ends));
    let mut processes: Vec<u64> = witnesses.iter().map(|witness| witness.process).collect();
    processes.sort_unstable();
    processes.dedup();
    Told {
        number,
        kind: anomaly.kind.name(),
        key: anomaly.key.as_ref().map(|key| escape::clip(key.as_str(), 200)),
        nodes: anomaly.nodes.iter().map(|node| escape::clip(node.as_str(), 80)).collect(),
        accused: anomaly.accused.iter().map(accusation).collect(),
        detail: escape::clip(&anomaly.detail, 2500),
        cut: anomaly.witnesses.len() - cited.len(),
        missing: cited.len() - witnesses.len(),
        rows: witnesses.iter().map(|witness| row(witness, accused, digits, values)).collect(),
        svg: None,
        rows_left_out: processes.len().saturating_sub(timeline::MOST_ROWS),
    }
}

fn accusation(accused: &Accusation) -> (String, &'static str) {
    let sure = match accused.confidence {
        Confidence::Proved => "proved to have lied",
        Confidence::Implicated => "implicated",
        // An honest node of an asynchronous database answers late too.
        Confidence::Unknown => "not convicted of a lie",
    };
    (escape::clip(accused.node.as_str(), 80), sure)
}

fn row(witness: &Witness, accused: Option<Index>, digits: usize, values: &Values<'_>) -> Row {
    let moment = |time| format::precise(time, digits);
    let outcome = witness.end.as_ref().map(|end| &end.1);
    let (until, took) = match &witness.end {
        Some((time, Outcome::Ok(_) | Outcome::Fail(_))) => {
            (moment(*time), format::length(time.saturating_sub(witness.start)))
        }
        Some((time, Outcome::Info(_))) => (format!("given up at {}", moment(*time)), "–".into()),
        None => ("–".into(), "–".into()),
    };
    Row {
        index: witness.index.to_string(),
        process: witness.process,
        node: match witness.answerer() {
            by if *by == witness.node => escape::clip(by.as_str(), 80),
            by => escape::clip(&format!("{}, answered by {by}", witness.node), 160),
        },
        call: label::call(&witness.call, values),
        answer: label::answer(&witness.call, outcome, values),
        raw: label::raw(&witness.call, outcome),
        outcome: outcome.map_or("open", Outcome::name),
        from: moment(witness.start),
        until,
        took,
        accused: accused == Some(witness.index),
    }
}
