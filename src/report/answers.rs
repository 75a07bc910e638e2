//! Age and agreement of the answers over time and node, drawn: a heatmap and a line.

use std::collections::BTreeMap;

use perjury_history::{Nanos, NodeName};
use serde::Serialize;

use super::agreement::{self, Agreement};
use super::bands::{self, Bands};
use super::charts::{self, Chart};
use super::evidence::Evidence;
use super::format;
use super::freshness;
use super::lanes::{self, Lanes};
use super::survey::Survey;
use super::svg::{Px, Svg};
use super::values::Values;

/// Ages up to these have a colour each; there is one more for what is older.
const STEPS: [(Nanos, &str); 5] = [
    (10_000_000, "up to 10 ms"),
    (100_000_000, "up to 100 ms"),
    (1_000_000_000, "up to 1 s"),
    (10_000_000_000, "up to 10 s"),
    (100_000_000_000, "up to 100 s"),
];
/// The height of a node's row.
const ROW: f64 = 30.0;

/// The answers of one node in one interval, by the moment at which they were asked for.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    /// How many answers have an age, how many of them are not fresh, and the oldest.
    dated: u64,
    stale: u64,
    oldest: Nanos,
    /// How many show something that nobody wrote there.
    untrue: u64,
    /// How many agree with the record, of how many.
    record: (u64, u64),
    /// How many agree with the other nodes, of how many.
    others: (u64, u64),
}

impl Cell {
    fn add(&mut self, other: &Cell) {
        self.dated += other.dated;
        self.stale += other.stale;
        self.oldest = self.oldest.max(other.oldest);
        self.untrue += other.untrue;
        let sum = |to: &mut (u64, u64), of: (u64, u64)| *to = (to.0 + of.0, to.1 + of.1);
        sum(&mut self.record, other.record);
        sum(&mut self.others, other.others);
    }

    /// The number of its colour.
    fn step(&self) -> usize {
        match self.oldest {
            0 => 0,
            age => 1 + STEPS.iter().filter(|(most, _)| age > *most).count(),
        }
    }
}

/// All answers.
pub struct Answers {
    nodes: Vec<NodeName>,
    /// By node and interval.
    cells: Vec<Vec<Cell>>,
    /// Those of all nodes, by interval.
    sums: Vec<Cell>,
    left_out: usize,
}

/// The heatmap.
#[derive(Debug, Serialize)]
pub struct Freshness {
    chart: Chart,
    legend: Vec<(usize, &'static str)>,
    sentence: String,
    untrue: bool,
    left_out: usize,
    step: String,
}

/// The line.
#[derive(Debug, Serialize)]
pub struct AgreementRate {
    chart: Chart,
    sentence: String,
    with_others: bool,
    /// Of each node: agreement with the record and with the others.
    nodes: Vec<(String, String, String)>,
    step: String,
}

impl Answers {
    /// Dates and compares all answers.
    pub fn of(evidence: &Evidence, values: &Values<'_>) -> Answers {
        let survey = &evidence.survey;
        let nodes = lanes::shown(evidence);
        let left_out = evidence.nodes.nodes.len() - nodes.len();
        let empty = vec![Cell::default(); survey.intervals.len()];
        let mut cells = vec![empty.clone(); nodes.len()];
        let mut sums = empty;
        let ages = freshness::ages(&evidence.operations);
        let agreements = agreement::agreements(&evidence.operations, values);
        let places: BTreeMap<&NodeName, usize> =
            nodes.iter().enumerate().map(|(at, node)| (node, at)).collect();
        let all = evidence.operations.iter().zip(ages).zip(agreements);
        for (place, ((operation, age), agrees)) in all.enumerate() {
            let untrue = values.deceived(place);
            let cell = cell(age.filter(|_| !untrue), untrue, agrees);
            let interval = survey.interval_at(operation.start);
            sums[interval].add(&cell);
            if let Some(at) = places.get(operation.answerer()) {
                cells[*at][interval].add(&cell);
            }
        }
        Answers { nodes, cells, sums, left_out }
    }

    fn all(&self) -> Cell {
        total(&self.sums)
    }

    /// The heatmap, if it is wanted or anything in it is not fresh.
    pub fn freshness(&self, evidence: &Evidence, bands: &Bands, wanted: bool) -> Option<Freshness> {
        let all = self.all();
        if all.dated == 0 || self.nodes.is_empty() || !(wanted || all.stale > 0 || all.untrue > 0) {
            return None;
        }
        let survey = &evidence.survey;
        let label = "Age of the answers over time, by node";
        let (mut svg, lanes) = Lanes::begin(evidence, bands, &self.nodes, ROW, label);
        for (at, node) in self.nodes.iter().enumerate() {
            self.draw_row(&mut svg, &lanes, survey, at, node);
        }
        let rows = survey.intervals.iter().enumerate().map(|(interval, _)| {
            let from = format::moment(survey.bounds(interval).0);
            let ages = self.cells.iter().map(|row| age_words(&row[interval]));
            std::iter::once(from).chain(ages).collect()
        });
        let mut heads = vec!["from".to_owned()];
        heads.extend(self.nodes.iter().map(|node| super::escape::clip(node.as_str(), 40)));
        let chart = Chart { rows: rows.collect(), heads, svg: lanes.finish(svg, survey) };
        let used = |step: &usize| self.cells.iter().flatten().any(|cell| cell.step() == *step);
        let name = |step: usize| match step {
            0 => (0, "fresh"),
            step => (step, STEPS.get(step - 1).map_or("older than 100 s", |(_, name)| name)),
        };
        let oldest = (1..=STEPS.len() + 1).rev().find(used).unwrap_or(0);
        let sentence = match all.stale {
            0 => format!(
                "All of {} were fresh: no newer write had been acknowledged before they were \
                 asked for.",
                format::counted(all.dated, "answer", "answers")
            ),
            stale => format!(
                "{} of {} answers were out of date ({}), the oldest by {}.",
                format::count(stale),
                format::count(all.dated),
                format::percent(stale, all.dated),
                format::length(all.oldest)
            ),
        };
        Some(Freshness {
            chart,
            legend: (0..=oldest).map(name).collect(),
            sentence,
            untrue: all.untrue > 0,
            left_out: self.left_out,
            step: format::length(survey.step),
        })
    }

    /// One node's cells. Neighbours that are fresh are one.
    fn draw_row(&self, svg: &mut Svg, lanes: &Lanes, survey: &Survey, at: usize, node: &NodeName) {
        let cells = &self.cells[at];
        let mut crosses = String::new();
        let mut next = 0;
        while next < cells.len() {
            let first = next;
            let plain = |cell: &Cell| cell.dated > 0 && cell.oldest == 0 && cell.untrue == 0;
            next += 1;
            if plain(&cells[first]) {
                next += cells[next..].iter().take_while(|cell| plain(cell)).count();
            }
            let sum = total(&cells[first..next]);
            if sum.dated == 0 && sum.untrue == 0 {
                continue;
            }
            let (from, until) = (survey.bounds(first).0, survey.bounds(next - 1).1);
            let (left, right) = (lanes.frame.x(from), lanes.frame.x(until));
            let class = match sum.dated {
                0 => "heat nothing".to_owned(),
                _ => format!("heat h{}", sum.step()),
            };
            let (y, height) = (Px(lanes.top(at) + 2.0), Px(ROW - 4.0));
            let (x, width) = (Px(left), Px((right - left).max(1.0)));
            let rect: [super::svg::Attribute<'_>; 5] =
                [("x", &x), ("y", &y), ("width", &width), ("height", &height), ("class", &class)];
            let when = format!("{} to {}", format::moment(from), format::moment(until));
            svg.titled("rect", &rect, &format!("{node}, {when}: {}", words(&sum)));
            if sum.untrue > 0 {
                let (x, y) = (Px((left + right) / 2.0), Px(lanes.middle(at)));
                crosses.push_str(&format!("M{x} {y}m-3-3l6 6m0-6l-6 6"));
            }
        }
        svg.path(&crosses, "untrue");
    }

    /// The share of answers that agree, if it is wanted or one does not.
    pub fn agreement(
        &self,
        evidence: &Evidence,
        bands: &Bands,
        wanted: bool,
    ) -> Option<AgreementRate> {
        let all = self.all();
        let (record, others) = (all.record, all.others);
        let differs = record.0 < record.1 || others.0 < others.1;
        if record.1 == 0 || !(wanted || differs) {
            return None;
        }
        let survey = &evidence.survey;
        let label = "Share of answers that agree over time";
        let (mut svg, frame) = bands::plot(survey, bands, 140.0, label);
        let shares = self.sums.iter().flat_map(|cell| [cell.record, cell.others]);
        let least = shares.filter_map(ratio).fold(1.0, f64::min);
        // Few answers disagree in most runs: the axis begins where there is something to be seen.
        let floor = [0.9, 0.5].into_iter().find(|floor| least >= *floor).unwrap_or(0.0);
        for share in [0.0, 0.5, 1.0] {
            let percent = (floor + share * (1.0 - floor)) * 100.0;
            frame.level(&mut svg, share, &format!("{percent:.0} %"));
        }
        for (class, of) in [("record", part_record as Part), ("others", part_others)] {
            let share = |cell: &Cell| ratio(of(cell)).map(|share| (share - floor) / (1.0 - floor));
            charts::draw_line(&mut svg, &frame, survey, self.sums.iter().map(share), class);
        }
        let words = |at: usize| {
            let cell = &self.sums[at];
            format!("record {}, other nodes {}", share(cell.record), share(cell.others))
        };
        let svg = charts::finish(svg, &frame, survey, |at, _| words(at));
        let rows = self.sums.iter().enumerate().map(|(at, cell)| {
            let from = format::moment(survey.bounds(at).0);
            vec![from, share(cell.record), share(cell.others)]
        });
        let heads = ["from", "with the record", "with other nodes"].map(str::to_owned).to_vec();
        let node = |(node, cells): (&NodeName, &Vec<Cell>)| {
            let sum = total(cells);
            (super::escape::clip(node.as_str(), 80), share(sum.record), share(sum.others))
        };
        let mut sentence = format!("With what was written: {}.", share(record));
        if others.1 > 0 {
            sentence += &format!(
                " With the other nodes, where several answered for one version: {}.",
                share(others)
            );
        }
        Some(AgreementRate {
            chart: Chart { svg, heads, rows: rows.collect() },
            sentence,
            with_others: others.1 > 0,
            nodes: self.nodes.iter().zip(&self.cells).map(node).collect(),
            step: format::length(survey.step),
        })
    }
}

type Part = fn(&Cell) -> (u64, u64);

fn part_record(cell: &Cell) -> (u64, u64) {
    cell.record
}

fn part_others(cell: &Cell) -> (u64, u64) {
    cell.others
}

fn cell(age: Option<Nanos>, untrue: bool, agrees: Agreement) -> Cell {
    let share = |agrees: Option<bool>| match agrees {
        Some(agrees) => (u64::from(agrees), 1),
        None => (0, 0),
    };
    Cell {
        dated: u64::from(age.is_some()),
        stale: u64::from(age.is_some_and(|age| age > 0)),
        oldest: age.unwrap_or(0),
        untrue: u64::from(untrue),
        record: share(agrees.record),
        others: share(agrees.others),
    }
}

fn total(cells: &[Cell]) -> Cell {
    let mut sum = Cell::default();
    cells.iter().for_each(|cell| sum.add(cell));
    sum
}

fn ratio((agree, all): (u64, u64)) -> Option<f64> {
    (all > 0).then(|| agree as f64 / all as f64)
}

fn share((agree, all): (u64, u64)) -> String {
    match all {
        0 => "–".into(),
        _ => format!(
            "{} ({} of {})",
            format::percent(agree, all),
            format::count(agree),
            format::count(all)
        ),
    }
}

fn age_words(cell: &Cell) -> String {
    let mut words = match (cell.dated, cell.oldest) {
        (0, _) => "–".into(),
        (_, 0) => "fresh".into(),
        (_, age) => format::length(age),
    };
    if cell.untrue > 0 {
        words += &format!(" ✗{}", cell.untrue);
    }
    words
}

fn words(cell: &Cell) -> String {
    let mut words = vec![format::counted(cell.dated, "answer", "answers")];
    if cell.stale > 0 {
        let oldest = format::length(cell.oldest);
        words.push(format!("{} out of date, the oldest by {oldest}", format::count(cell.stale)));
    }
    if cell.untrue > 0 {
        words.push(format!("{} with what nobody wrote", format::count(cell.untrue)));
    }
    words.join(", ")
}
