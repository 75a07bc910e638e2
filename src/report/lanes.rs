//! A plot over time with a row for each node: the frame that the parts about nodes share.

use perjury_history::{Nanos, NodeName};

use super::axis::Frame;
use super::bands::{self, Bands};
use super::escape;
use super::evidence::Evidence;
use super::survey::Survey;
use super::svg::Svg;

/// How many nodes have a row.
const MOST_NODES: usize = 16;
/// The letters of a name beside a row.
const NAME: usize = 8;

/// The nodes that have a row.
pub fn shown(evidence: &Evidence) -> Vec<NodeName> {
    evidence.nodes.names().into_iter().take(MOST_NODES).collect()
}

/// The rows.
#[derive(Debug)]
pub struct Lanes {
    /// The plot around them.
    pub frame: Frame,
    row: f64,
}

impl Lanes {
    /// Begins a drawing with everything that stands behind the data.
    pub fn begin(
        evidence: &Evidence,
        bands: &Bands,
        nodes: &[NodeName],
        row: f64,
        label: &str,
    ) -> (Svg, Lanes) {
        let height = row * nodes.len() as f64;
        let (mut svg, frame) = bands::plot(&evidence.survey, bands, height, label);
        let lanes = Lanes { frame, row };
        for (at, node) in nodes.iter().enumerate() {
            let top = lanes.top(at);
            if at > 0 {
                svg.line((Frame::LEFT, top), (Frame::RIGHT, top), "rule");
            }
            let name = escape::shorten(node.as_str(), NAME);
            svg.text(Frame::LEFT - 8.0, lanes.middle(at) + 4.0, "lane-name end", &name);
        }
        (svg, lanes)
    }

    /// The top of a row.
    pub fn top(&self, at: usize) -> f64 {
        self.frame.top + self.row * at as f64
    }

    /// The middle of a row.
    pub fn middle(&self, at: usize) -> f64 {
        self.top(at) + self.row / 2.0
    }

    /// The middle of an interval.
    pub fn middle_of(&self, survey: &Survey, interval: usize) -> f64 {
        let (from, until) = survey.bounds(interval);
        self.frame.x(middle(from, until))
    }

    /// Ends the drawing.
    pub fn finish(&self, mut svg: Svg, survey: &Survey) -> String {
        self.frame.time_axis(&mut svg);
        bands::phases(&mut svg, &self.frame, survey);
        svg.finish()
    }
}

fn middle(from: Nanos, until: Nanos) -> Nanos {
    from + until.saturating_sub(from) / 2
}
