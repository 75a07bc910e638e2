//! The drawing of a counterexample: who asked what when, and what was going on behind it.
//!
//! A row is a process, a bar is an operation from its invocation to its completion. An operation
//! in doubt has no end: its bar fades out at the edge. Outcomes differ in edge and filling as well
//! as in colour, and the accused answer has a mark of its own.

use std::collections::BTreeSet;

use perjury_history::{Index, Nanos, NodeName, Outcome, Process};

use super::bands::{self, Bands};
use super::elastic::{Elastic, Room};
use super::format;
use super::label;
use super::record::Witness;
use super::svg::{Px, Svg};
use super::values::Values;

const LEFT: f64 = 128.0;
const WIDTH: f64 = 1024.0;
const ROW: f64 = 46.0;
const BAR: f64 = 26.0;
/// The width of a character of a bar's label, which is set in a font of one width.
const LETTER: f64 = 7.3;
/// How many processes are drawn.
pub const MOST_ROWS: usize = 30;

struct Row {
    process: Process,
    nodes: Vec<NodeName>,
}

/// Draws those operations; the accused is marked.
pub fn draw(
    witnesses: &[&Witness],
    accused: Option<Index>,
    bands: &Bands,
    values: &Values<'_>,
) -> String {
    let rows = rows(witnesses);
    let drawn: Vec<&Witness> = witnesses
        .iter()
        .filter(|witness| rows.iter().any(|row| row.process == witness.process))
        .copied()
        .collect();
    let (first, last) = window(&drawn);
    let label = |witness: &Witness| {
        label::of(&witness.call, witness.end.as_ref().map(|end| &end.1), values)
    };
    let axis = axis(&drawn, bands, (first, last), label);
    let top = bands_height(bands, (first, last)) + 16.0;
    let bottom = top + ROW * rows.len() as f64;
    let title = format!("{} operations of {} processes over time", drawn.len(), rows.len());
    let mut svg = Svg::new(axis.end() + 24.0, bottom + 40.0, &title);
    draw_bands(&mut svg, bands, &axis, (top, bottom), (first, last));
    draw_axis(&mut svg, &axis, bottom, top);
    for (at, row) in rows.iter().enumerate() {
        let y = top + ROW * at as f64;
        draw_row(&mut svg, row, y, axis.end());
        for witness in drawn.iter().filter(|witness| witness.process == row.process) {
            draw_bar(&mut svg, witness, &axis, y, accused == Some(witness.index), values);
        }
    }
    svg.finish()
}

/// Processes in the order of their first operation here.
fn rows(witnesses: &[&Witness]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for witness in witnesses {
        let (process, node) = (witness.process, &witness.node);
        match rows.iter().position(|row| row.process == process) {
            Some(at) if !rows[at].nodes.contains(node) => rows[at].nodes.push(node.clone()),
            None if rows.len() < MOST_ROWS => {
                rows.push(Row { process, nodes: vec![node.clone()] });
            }
            _ => {}
        }
    }
    rows
}

/// When it ended for sure.
fn end(witness: &Witness) -> Option<Nanos> {
    match &witness.end {
        Some((time, Outcome::Ok(_) | Outcome::Fail(_))) => Some(*time),
        _ => None,
    }
}

/// From the first invocation to a little after the last moment that is known.
fn window(drawn: &[&Witness]) -> (Nanos, Nanos) {
    let first = drawn.iter().map(|witness| witness.start).min().unwrap_or(0);
    let known = drawn.iter().map(|witness| end(witness).unwrap_or(witness.start));
    let last = known.max().unwrap_or(0).max(first);
    (first, last.saturating_add(((last - first) / 12).max(1)))
}

fn axis(
    drawn: &[&Witness],
    bands: &Bands,
    (first, last): (Nanos, Nanos),
    label: impl Fn(&Witness) -> String,
) -> Elastic {
    let mut moments: BTreeSet<Nanos> = BTreeSet::from([first, last]);
    let mut rooms = Vec::new();
    for witness in drawn {
        let until = end(witness).unwrap_or(last);
        moments.extend([witness.start, until]);
        let letters = label(witness).chars().count();
        rooms.push(Room { from: witness.start, until, width: letters as f64 * LETTER + 16.0 });
    }
    for band in &bands.bands {
        moments.extend([band.from, band.until].into_iter().filter(|at| (first..last).contains(at)));
    }
    Elastic::new(moments.into_iter().collect(), &rooms, LEFT, WIDTH - LEFT - 24.0)
}

fn bands_height(bands: &Bands, window: (Nanos, Nanos)) -> f64 {
    match inside(bands, window).next() {
        Some(_) => bands.height(),
        None => 0.0,
    }
}

fn inside(bands: &Bands, (first, last): (Nanos, Nanos)) -> impl Iterator<Item = &bands::Band> {
    bands.bands.iter().filter(move |band| band.from <= last && band.until >= first)
}

fn draw_bands(
    svg: &mut Svg,
    bands: &Bands,
    axis: &Elastic,
    (top, bottom): (f64, f64),
    window: (Nanos, Nanos),
) {
    for band in inside(bands, window) {
        let (from, until) = (axis.x(band.from), axis.x(band.until));
        let width = (until - from).max(2.0);
        svg.open("g", &[("class", &band.class())]);
        svg.title(&band.title);
        bands::wash(svg, band.style, (from, top), (width, bottom - top));
        if let Some(y) = band.tab_top(top, bands) {
            bands::tab(svg, (from, y), width, band.name);
        }
        svg.close("g");
    }
}

/// A tick for each moment, and its number where there is room. The last one is the edge of the
/// drawing, at which nothing happened.
fn draw_axis(svg: &mut Svg, axis: &Elastic, bottom: f64, top: f64) {
    svg.line((LEFT, bottom), (axis.end(), bottom), "axis");
    let mut free = 0.0;
    let moments = axis.moments.split_last().map(|(_, moments)| moments);
    let moments = moments.unwrap_or_default();
    let digits = format::digits(moments.iter().copied());
    for moment in moments {
        let x = axis.x(*moment);
        svg.line((x, top), (x, bottom), "moment");
        svg.line((x, bottom), (x, bottom + 4.0), "axis");
        let text = format::precise(*moment, digits);
        let half = text.len() as f64 * 3.3;
        if x - half >= free {
            svg.text(x, bottom + 17.0, "tick mid", &text);
            free = x + half + 8.0;
        }
    }
}

fn draw_row(svg: &mut Svg, row: &Row, y: f64, end: f64) {
    let nodes: Vec<&str> = row.nodes.iter().map(NodeName::as_str).collect();
    let nodes = super::escape::shorten(&nodes.join(", "), 13);
    svg.text(0.0, y + ROW / 2.0 - 1.0, "row-name", &format!("process {}", row.process));
    svg.text(0.0, y + ROW / 2.0 + 14.0, "row-node", &format!("on {nodes}"));
    svg.line((LEFT, y + ROW / 2.0 + 3.0), (end, y + ROW / 2.0 + 3.0), "thread");
}

fn draw_bar(
    svg: &mut Svg,
    witness: &Witness,
    axis: &Elastic,
    y: f64,
    accused: bool,
    values: &Values<'_>,
) {
    let x = axis.x(witness.start);
    let until = end(witness).map_or(axis.end(), |time| axis.x(time));
    let top = y + (ROW - BAR) / 2.0 + 3.0;
    let outcome = witness.end.as_ref().map(|end| &end.1);
    let kind = outcome.map_or("info", Outcome::name);
    let class = format!("op {kind}{}", if accused { " accused" } else { "" });
    svg.open("g", &[("class", &class)]);
    svg.title(&label::sentence(witness, values));
    let (x_px, y_px, width, height) = (Px(x), Px(top), Px((until - x).max(3.0)), Px(BAR));
    let fill = match kind {
        "info" => "url(#fade)",
        "fail" => "url(#hatch-fail)",
        _ => "none",
    };
    for (class, fill) in [("bar", ""), ("filling", fill)] {
        if class == "bar" || fill != "none" {
            svg.leaf(
                "rect",
                &[
                    ("x", &x_px),
                    ("y", &y_px),
                    ("width", &width),
                    ("height", &height),
                    ("rx", &4),
                    ("class", &class),
                    ("fill", &fill),
                ],
            );
        }
    }
    svg.text(x + 7.0, top + BAR / 2.0 + 4.0, "op-text", &label::of(&witness.call, outcome, values));
    if accused {
        svg.text(x, top - 4.0, "accused-text", "▼ the answer in question");
    }
    svg.close("g");
}
