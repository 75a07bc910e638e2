//! Faults and phases behind a plot: when something was broken, and what.
//!
//! A kind of fault is told by colour, by hatch and by its label. A fault that had no effect has no
//! band: it is in the table of faults. One that may have had an effect has a broken edge.

use perjury_history::{Injection, Nanos};
use serde::Serialize;

use super::axis::Frame;
use super::format;
use super::record::FaultLife;
use super::survey::Survey;
use super::svg::{Px, Svg};

/// How many styles there are; more kinds share them, and their labels tell them apart.
pub const STYLES: usize = 6;
/// How many bands are drawn, and in how many lanes labels are stacked.
const MOST_BANDS: usize = 150;
const LANES: usize = 3;
const LANE: f64 = 15.0;
/// The height of the strip that names the phases, below the axis.
const PHASE_STRIP: f64 = 40.0;

/// One band.
#[derive(Clone, Debug)]
pub struct Band {
    /// From when.
    pub from: Nanos,
    /// Until when: the end of the history, if it was never healed.
    pub until: Nanos,
    /// The word for the kind.
    pub name: &'static str,
    /// Its style.
    pub style: usize,
    /// Is it known that it took effect?
    pub sure: bool,
    /// Everything in one line.
    pub title: String,
    lane: Option<usize>,
}

/// All bands of a run.
#[derive(Clone, Debug, Default)]
pub struct Bands {
    /// In the order of their beginning.
    pub bands: Vec<Band>,
    /// How many lanes their labels take.
    lanes: usize,
    /// How many are not drawn.
    pub left_out: usize,
}

/// One line of the legend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LegendLine {
    /// The word for the kind.
    pub name: &'static str,
    /// Its style.
    pub style: usize,
}

impl Bands {
    /// The bands of a run's faults.
    pub fn of(survey: &Survey) -> Bands {
        let mut names: Vec<&'static str> = Vec::new();
        let mut free = [0; LANES];
        let mut all = Bands::default();
        for life in survey.faults.iter().filter(|life| life.may_have_effect()) {
            if all.bands.len() == MOST_BANDS {
                all.left_out += 1;
                continue;
            }
            let place = names.iter().position(|name| *name == life.name);
            let style = place.unwrap_or_else(|| {
                names.push(life.name);
                names.len() - 1
            });
            let until = life.until.unwrap_or(survey.span).max(life.from);
            let lane = free.iter().position(|end| *end <= life.from);
            if let Some(lane) = lane {
                free[lane] = until.max(life.from + 1);
                all.lanes = all.lanes.max(lane + 1);
            }
            all.bands.push(Band {
                from: life.from,
                until,
                name: life.name,
                style: style % STYLES,
                sure: matches!(life.injection, Some(Injection::Installed(_))),
                title: title(life, until),
                lane,
            });
        }
        all
    }

    /// How much room the labels need above a plot.
    pub fn height(&self) -> f64 {
        self.lanes as f64 * LANE + if self.lanes > 0 { 4.0 } else { 0.0 }
    }

    /// Draws the bands behind a plot and their labels above it.
    pub fn draw(&self, svg: &mut Svg, frame: &Frame) {
        for band in &self.bands {
            let (from, until) = (frame.x(band.from), frame.x(band.until));
            let width = (until - from).max(1.5);
            svg.open("g", &[("class", &band.class())]);
            svg.title(&band.title);
            wash(svg, band.style, (from, frame.top), (width, frame.bottom - frame.top));
            if let Some(top) = band.tab_top(frame.top, self) {
                tab(svg, (from, top), width, band.name);
            }
            svg.close("g");
        }
    }

    /// What the styles mean.
    pub fn legend(&self) -> Vec<LegendLine> {
        let mut lines: Vec<LegendLine> = Vec::new();
        for band in &self.bands {
            if !lines.iter().any(|line| line.name == band.name) {
                lines.push(LegendLine { name: band.name, style: band.style });
            }
        }
        lines
    }
}

impl Band {
    /// The classes of the group that draws it.
    pub fn class(&self) -> String {
        format!("band f{}{}", self.style, if self.sure { "" } else { " unsure" })
    }

    /// Where its label is, above a plot whose top is there; `None` if all lanes were taken.
    pub fn tab_top(&self, top: f64, all: &Bands) -> Option<f64> {
        self.lane.map(|lane| top - all.height() + lane as f64 * LANE)
    }
}

/// The tinted and hatched rectangle of a band.
pub fn wash(svg: &mut Svg, style: usize, at: (f64, f64), size: (f64, f64)) {
    let hatch = format!("url(#hatch-{style})");
    let (x, y, width, height) = (Px(at.0), Px(at.1), Px(size.0), Px(size.1));
    for (class, fill) in [("wash", "currentColor"), ("hatch", hatch.as_str())] {
        svg.leaf(
            "rect",
            &[
                ("x", &x),
                ("y", &y),
                ("width", &width),
                ("height", &height),
                ("fill", &fill),
                ("class", &class),
            ],
        );
    }
}

/// A band's label: the whole word where there is room, else its first letter, else nothing.
pub fn tab(svg: &mut Svg, at: (f64, f64), width: f64, name: &str) {
    let (x, y) = at;
    svg.leaf(
        "rect",
        &[
            ("x", &Px(x)),
            ("y", &Px(y)),
            ("width", &Px(width)),
            ("height", &Px(LANE - 2.0)),
            ("class", &"tab"),
        ],
    );
    let letters = name.chars().count() as f64;
    if width >= letters * 6.2 + 6.0 {
        svg.text(x + 4.0, y + LANE - 5.0, "tab-text", name);
    } else if width >= 11.0 {
        let first: String = name.chars().take(1).flat_map(char::to_uppercase).collect();
        svg.text(x + 2.5, y + LANE - 5.0, "tab-text", &first);
    }
}

fn title(life: &FaultLife, until: Nanos) -> String {
    let effect = match &life.injection {
        Some(injection) => injection.name(),
        None => "its effect was never recorded",
    };
    let end = if life.until.is_some() { "" } else { ", never healed" };
    format!(
        "{}: {} ({effect}), from {} to {}{end}",
        life.id,
        life.what,
        format::moment(life.from),
        format::moment(until)
    )
}

/// Begins a plot of that height, with everything that stands behind the data.
pub fn plot(survey: &Survey, bands: &Bands, height: f64, label: &str) -> (Svg, Frame) {
    let top = bands.height() + 8.0;
    let frame = Frame { top, bottom: top + height, span: survey.span };
    let mut svg = Svg::new(Frame::WIDTH, frame.bottom + PHASE_STRIP, label);
    bands.draw(&mut svg, &frame);
    (svg, frame)
}

/// Draws where phases begin, and a strip with their names below the axis.
pub fn phases(svg: &mut Svg, frame: &Frame, survey: &Survey) {
    let top = frame.bottom + 23.0;
    for (at, (from, phase)) in survey.phases.iter().take(32).enumerate() {
        let until = survey.phases.get(at + 1).map_or(survey.span, |(next, _)| *next);
        let (x, end) = (frame.x(*from), frame.x(until));
        if at > 0 {
            svg.line((x, frame.top), (x, top + 12.0), "phase-mark");
        }
        let width = (end - x).max(1.0);
        let class = format!("phase p{}", at % 2);
        let name = phase.name();
        svg.titled(
            "rect",
            &[
                ("x", &Px(x)),
                ("y", &Px(top)),
                ("width", &Px(width)),
                ("height", &Px(12.0)),
                ("class", &class),
            ],
            &format!("{name}: {} to {}", format::moment(*from), format::moment(until)),
        );
        if width >= name.len() as f64 * 6.2 + 6.0 {
            svg.text(x + 4.0, top + 9.5, "phase-text", name);
        }
    }
}
