//! Lies and violations on one axis of time with the faults: a row for each node, above what it did
//! by the ground truth, below what is held against it.

use std::collections::BTreeMap;

use perjury_history::{Accusation, Anomaly, Confidence, Nanos, NodeName};
use serde::Serialize;

use super::bands::Bands;
use super::charges;
use super::escape;
use super::evidence::Evidence;
use super::format;
use super::lanes::{self, Lanes};
use super::svg::{Px, Svg};
use super::truth::{Liar, Truth};

/// The height of a node's row.
const ROW: f64 = 46.0;
/// How many marks are drawn, and how many lines the table has.
const MOST_MARKS: usize = 1500;
const MOST_LINES: usize = 200;

/// The section.
#[derive(Debug, Serialize)]
pub struct Violations {
    svg: String,
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    /// How many anomalies are listed, drawn or not, and how many were found.
    listed: String,
    found: String,
    not_listed: bool,
    marks_left_out: usize,
    lies: bool,
    places: bool,
}

/// An anomaly at its time.
struct Dated<'a> {
    number: usize,
    time: Nanos,
    anomaly: &'a Anomaly,
}

/// What the section says; `None` if nothing was found and nothing was told.
pub fn violations(evidence: &Evidence, bands: &Bands, truth: &Truth) -> Option<Violations> {
    let nodes = lanes::shown(evidence);
    let mut dated: Vec<Dated<'_>> = evidence
        .listed()
        .enumerate()
        .filter_map(|(at, anomaly)| {
            let time = charges::moment(anomaly, evidence)?;
            Some(Dated { number: at + 1, time, anomaly })
        })
        .collect();
    dated.sort_by_key(|one| (one.time, one.number));
    // A run without liars has its counterexample, and nobody to compare it with.
    let sure = |one: &Dated<'_>| one.anomaly.accused.iter().any(is_sure);
    if nodes.is_empty() || (truth.is_empty() && !dated.iter().any(sure)) {
        return None;
    }
    let label = "Lies and violations over time, by node";
    let (mut svg, lanes) = Lanes::begin(evidence, bands, &nodes, ROW, label);
    for (at, node) in nodes.iter().enumerate() {
        if let Some(liar) = truth.nodes.get(node) {
            draw_liar(&mut svg, &lanes, evidence, at, node, liar);
        }
    }
    let places: BTreeMap<&NodeName, usize> =
        nodes.iter().enumerate().map(|(at, node)| (node, at)).collect();
    let mut marks = 0;
    let mut left_out = 0;
    for one in &dated {
        for accused in &one.anomaly.accused {
            let Some(at) = places.get(&accused.node) else { continue };
            if marks == MOST_MARKS {
                left_out += 1;
                continue;
            }
            marks += 1;
            draw_mark(&mut svg, &lanes, *at, one, accused);
        }
    }
    let found = evidence.anomaly_count();
    let listed = dated.len() as u64;
    Some(Violations {
        svg: lanes.finish(svg, &evidence.survey),
        heads: ["time", "anomaly", "key", "accused"].map(str::to_owned).to_vec(),
        rows: dated.iter().take(MOST_LINES).map(line).collect(),
        listed: format::count(listed),
        found: format::counted(found, "anomaly", "anomalies"),
        not_listed: found > listed,
        marks_left_out: left_out,
        lies: truth.lies > 0,
        places: truth.places > 0,
    })
}

fn is_sure(accused: &Accusation) -> bool {
    accused.confidence > Confidence::Unknown
}

/// When it lied as a frame for each fault, and how much as bars in it.
fn draw_liar(
    svg: &mut Svg,
    lanes: &Lanes,
    evidence: &Evidence,
    at: usize,
    node: &NodeName,
    liar: &Liar,
) {
    let survey = &evidence.survey;
    let (top, height) = (lanes.top(at) + 4.0, ROW / 2.0 - 5.0);
    let until = liar.corrupted.map(|from| (from, survey.span));
    let stretches = liar.stretches.iter().map(|(fault, stretch)| (fault.to_string(), *stretch));
    let corrupted = until.map(|stretch| ("corrupted".to_owned(), stretch));
    for (name, (from, until)) in stretches.chain(corrupted) {
        let (left, right) = (lanes.frame.x(from), lanes.frame.x(until));
        let (x, width) = (Px(left), Px((right - left).max(2.0)));
        let (y, height) = (Px(top), Px(height));
        let title =
            format!("{node}, {name}: from {} to {}", format::moment(from), format::moment(until));
        svg.titled(
            "rect",
            &[("x", &x), ("y", &y), ("width", &width), ("height", &height), ("class", &"window")],
            &title,
        );
    }
    let most = liar.intervals.iter().copied().max().unwrap_or(1).max(1);
    let known = liar.stretches.values().copied().chain(until).collect::<Vec<_>>();
    for (interval, count) in liar.intervals.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (from, until) = survey.bounds(interval);
        // A bar stays within the frame that it belongs to.
        let frame = known.iter().find(|(first, last)| *first <= until && *last >= from);
        let within = |time: Nanos| frame.map_or(time, |(first, last)| time.clamp(*first, *last));
        let (left, right) = (lanes.frame.x(within(from)), lanes.frame.x(within(until)));
        let tall = (height - 2.0) * (0.25 + 0.75 * *count as f64 / most as f64);
        svg.titled(
            "rect",
            &[
                ("x", &Px(left + 0.5)),
                ("y", &Px(top + height - 1.0 - tall)),
                ("width", &Px((right - left - 1.0).max(1.0))),
                ("height", &Px(tall)),
                ("class", &"told"),
            ],
            &format!(
                "{node}, from {}: {} on record",
                format::moment(from),
                format::counted(*count, "lie", "lies")
            ),
        );
    }
}

fn draw_mark(svg: &mut Svg, lanes: &Lanes, at: usize, one: &Dated<'_>, accused: &Accusation) {
    let x = Px(lanes.frame.x(one.time));
    let y = Px(lanes.top(at) + ROW * 0.74);
    let (class, d) = match accused.confidence {
        Confidence::Proved => ("mark-proved", format!("M{x} {y}m0-6l6 6l-6 6l-6-6z")),
        Confidence::Implicated => ("mark-implicated", format!("M{x} {y}m0-5l5 5l-5 5l-5-5z")),
        Confidence::Unknown => ("mark-unknown", format!("M{x} {y}m-3 0h6")),
    };
    let title = format!(
        "{} {}, anomaly {}: {} ({})",
        accused.node,
        format::moment(one.time),
        one.number,
        one.anomaly.kind.name(),
        accused.confidence.name()
    );
    svg.titled("path", &[("d", &d), ("class", &class)], &title);
}

fn line(one: &Dated<'_>) -> Vec<String> {
    let sure = one.anomaly.accused.iter().filter(|accused| is_sure(accused));
    let sure: Vec<String> =
        sure.map(|one| format!("{} ({})", one.node, one.confidence.name())).collect();
    let key = one.anomaly.key.as_ref().map_or("–", |key| key.as_str());
    vec![
        format::moment(one.time),
        format!("{}. {}", one.number, one.anomaly.kind.name()),
        escape::clip(key, 80),
        if sure.is_empty() { "nobody".into() } else { escape::clip(&sure.join(", "), 200) },
    ]
}
