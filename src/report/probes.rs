//! Honesty of health checks: what each node said of its health over time, and what it did
//! meanwhile.
//!
//! A probe is *green while lying* if the node said "healthy" while it lied by the ground truth:
//! from the first to the last lie of a fault, and from the moment when it was corrupted on. Of a
//! node without a lie on record it is the time between two answers for which it is held to have
//! lied.

use std::collections::BTreeMap;

use perjury_history::{Nanos, NodeName};
use serde::Serialize;

use super::bands::Bands;
use super::charges::Charge;
use super::evidence::Evidence;
use super::format;
use super::lanes::Lanes;
use super::svg::Px;
use super::truth::Truth;

/// The height of a node's row.
const ROW: f64 = 24.0;

/// When each node is known to have been false.
#[derive(Debug, Default)]
pub struct Falsehood(BTreeMap<NodeName, Vec<(Nanos, Nanos)>>);

impl Falsehood {
    /// By the ground truth and by what was found.
    pub fn of(
        evidence: &Evidence,
        truth: &Truth,
        charges: &BTreeMap<NodeName, Charge>,
    ) -> Falsehood {
        let mut all: BTreeMap<NodeName, Vec<(Nanos, Nanos)>> = BTreeMap::new();
        for (node, liar) in &truth.nodes {
            let stretches = all.entry(node.clone()).or_default();
            stretches.extend(liar.stretches.values());
            stretches.extend(liar.corrupted.map(|from| (from, evidence.survey.span)));
        }
        // Where the truth is known, what was found adds nothing.
        for (node, charge) in charges.iter().filter(|(node, _)| !truth.nodes.contains_key(*node)) {
            all.entry(node.clone()).or_default().extend(charge.stretch);
        }
        Falsehood(all)
    }

    /// Was the node false then?
    fn at(&self, node: &NodeName, time: Nanos) -> bool {
        let within = |(from, until): &(Nanos, Nanos)| (*from..=*until).contains(&time);
        self.0.get(node).is_some_and(|all| all.iter().any(within))
    }

    /// How often the node said meanwhile that it is healthy, and how often it was asked.
    pub fn probed(&self, node: &NodeName, evidence: &Evidence) -> (u64, u64) {
        let meanwhile =
            evidence.probes.iter().filter(|(time, of, _)| of == node && self.at(node, *time));
        meanwhile.fold((0, 0), |(green, all), probe| (green + u64::from(probe.2), all + 1))
    }
}

/// The section.
#[derive(Debug, Serialize)]
pub struct Probes {
    svg: String,
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
    /// In one sentence.
    sentence: String,
    left_out: usize,
}

/// How often a node said what within an interval.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    healthy: u64,
    unhealthy: u64,
    false_green: u64,
}

/// What the section says; `None` without a probe.
pub fn probes(evidence: &Evidence, bands: &Bands, falsehood: &Falsehood) -> Option<Probes> {
    let nodes = super::lanes::shown(evidence);
    if evidence.probes.is_empty() || nodes.is_empty() {
        return None;
    }
    let survey = &evidence.survey;
    let places: BTreeMap<&NodeName, usize> =
        nodes.iter().enumerate().map(|(at, node)| (node, at)).collect();
    let mut cells = vec![vec![Cell::default(); survey.intervals.len()]; nodes.len()];
    for (time, node, healthy) in &evidence.probes {
        let Some(at) = places.get(node) else { continue };
        let cell = &mut cells[*at][survey.interval_at(*time)];
        cell.healthy += u64::from(*healthy);
        cell.unhealthy += u64::from(!*healthy);
        cell.false_green += u64::from(*healthy && falsehood.at(node, *time));
    }
    let label = "What each node said of its health over time";
    let (mut svg, lanes) = Lanes::begin(evidence, bands, &nodes, ROW, label);
    let mut rows = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let y = lanes.middle(at);
        for (interval, cell) in cells[at].iter().enumerate() {
            if cell.healthy + cell.unhealthy == 0 {
                continue;
            }
            let x = Px(lanes.middle_of(survey, interval));
            let (class, d) = match cell {
                Cell { unhealthy: 1.., .. } => {
                    ("probe sick", format!("M{x} {}m-3.5-3.5l7 7m0-7l-7 7", Px(y)))
                }
                Cell { false_green: 1.., .. } => {
                    ("probe false", format!("M{x} {}m0-6l6 10.5h-12z", Px(y)))
                }
                _ => ("probe green", format!("M{x} {}h0", Px(y))),
            };
            let from = format::moment(survey.bounds(interval).0);
            let words = format!("{node}, from {from}: {}", words(cell));
            svg.titled("path", &[("d", &d), ("class", &class)], &words);
        }
        let sum = |of: fn(&Cell) -> u64| cells[at].iter().map(of).sum::<u64>();
        let (healthy, unhealthy) = (sum(|cell| cell.healthy), sum(|cell| cell.unhealthy));
        let counts = [healthy + unhealthy, healthy, unhealthy, sum(|cell| cell.false_green)];
        let name = super::escape::clip(node.as_str(), 80);
        rows.push(std::iter::once(name).chain(counts.map(format::count)).collect());
    }
    let heads = ["node", "probes", "healthy", "not healthy", "healthy while lying"];
    let sentence = sentence(&nodes, &cells);
    let svg = lanes.finish(svg, survey);
    let left_out = evidence.nodes.nodes.len() - nodes.len();
    Some(Probes { svg, heads: heads.map(str::to_owned).to_vec(), rows, sentence, left_out })
}

fn words(cell: &Cell) -> String {
    let mut words = vec![format!("healthy {}", cell.healthy)];
    if cell.unhealthy > 0 {
        words.push(format!("not healthy {}", cell.unhealthy));
    }
    if cell.false_green > 0 {
        words.push(format!("healthy while lying {}", cell.false_green));
    }
    words.join(", ")
}

fn sentence(nodes: &[NodeName], cells: &[Vec<Cell>]) -> String {
    let greens = |of: &Vec<Cell>| of.iter().map(|cell| cell.false_green).sum::<u64>();
    let named = nodes.iter().zip(cells).map(|(node, cells)| (node, greens(cells)));
    let named: Vec<String> = named
        .filter(|(_, greens)| *greens > 0)
        .map(|(node, greens)| {
            let times = format::counted(greens, "time", "times");
            format!("{} said {times} that it was healthy while it lied", node)
        })
        .collect();
    match named.len() {
        0 => "No node said that it was healthy while it lied.".into(),
        _ => super::escape::clip(&format!("{}.", super::deeds::names(&named)), 1000),
    }
}
