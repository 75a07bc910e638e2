//! The three plots over time: every operation's latency, its quantiles, and the throughput.
//!
//! They share one axis of time and the same bands, so that the eye can go down from a fault to
//! what it did. Beside each stands a table with the same numbers.

use perjury_history::Nanos;
use serde::Serialize;

use super::axis::{Decades, Frame, Linear};
use super::bands::{self, Bands, LegendLine};
use super::format;
use super::record::{Counts, Interval, Kind};
use super::survey::Survey;
use super::svg::{Px, Svg};

/// The quantiles that are drawn: name, share, class.
const QUANTILES: [(&str, f64, &str); 3] =
    [("p50", 0.50, "p50"), ("p95", 0.95, "p95"), ("p99", 0.99, "p99")];

/// One plot and its twin.
#[derive(Debug, Serialize)]
pub struct Chart {
    /// The drawing.
    pub svg: String,
    /// The heads of the table's columns.
    pub heads: Vec<String>,
    /// Its rows.
    pub rows: Vec<Vec<String>>,
}

/// All plots over time.
#[derive(Debug, Serialize)]
pub struct Charts {
    /// Latency of each operation.
    pub scatter: Chart,
    /// How many dots it has, and how many operations they stand for.
    pub dots: String,
    /// See `dots`.
    pub drawn: String,
    /// Quantiles of the latency.
    pub quantiles: Chart,
    /// Operations a second.
    pub throughput: Chart,
    /// How long an interval is.
    pub step: String,
    /// What the bands mean.
    pub legend: Vec<LegendLine>,
    /// How many bands are not drawn.
    pub bands_left_out: usize,
    /// The phases in words.
    pub phases: Vec<String>,
}

/// Draws them; `None` when nothing ended.
pub fn charts(survey: &Survey, bands: &Bands) -> Option<Charts> {
    let ended: u64 = survey.counts.ended.iter().sum();
    if ended == 0 {
        return None;
    }
    let (scatter, dots) = scatter(survey, bands);
    Some(Charts {
        scatter,
        dots: format::count(dots),
        drawn: format::count(ended),
        quantiles: quantiles(survey, bands),
        throughput: throughput(survey, bands),
        step: format::length(survey.step),
        legend: bands.legend(),
        bands_left_out: bands.left_out,
        phases: phases(survey),
    })
}

/// A bar of all operations, each outcome with its share. None is too thin to be seen.
pub fn tally(counts: &Counts) -> String {
    const LEAST: f64 = 3.0;
    let mut svg = Svg::new(Frame::WIDTH, 10.0, "Shares of the outcomes");
    let shares = Kind::ALL.map(|kind| (kind.name(), counts.of(kind)));
    let mut x = 0.0;
    for (name, count) in shares.into_iter().chain([("open", counts.open)]) {
        if count == 0 {
            continue;
        }
        let width = (count as f64 / counts.total() as f64 * Frame::WIDTH).max(LEAST);
        let class = format!("share {name}");
        svg.titled(
            "rect",
            &[("x", &Px(x)), ("width", &Px(width - 1.0)), ("height", &10), ("class", &class)],
            &format!("{name}: {}", format::count(count)),
        );
        x += width;
    }
    svg.finish()
}

fn phases(survey: &Survey) -> Vec<String> {
    let tell = |(time, phase): &(Nanos, perjury_history::Phase)| {
        format!("{} from {}", phase.name(), format::moment(*time))
    };
    survey.phases.iter().take(32).map(tell).collect()
}

/// Ends a plot whose data are by interval: `tell` says what is in one.
pub fn finish(
    mut svg: Svg,
    frame: &Frame,
    survey: &Survey,
    tell: impl Fn(usize, &Interval) -> String,
) -> String {
    frame.time_axis(&mut svg);
    bands::phases(&mut svg, frame, survey);
    for (at, interval) in survey.intervals.iter().enumerate() {
        let (from, until) = survey.bounds(at);
        let (x, end) = (frame.x(from), frame.x(until));
        let attributes: [super::svg::Attribute<'_>; 5] = [
            ("x", &Px(x)),
            ("y", &Px(frame.top)),
            ("width", &Px(end - x)),
            ("height", &Px(frame.bottom - frame.top)),
            ("class", &"hover"),
        ];
        svg.titled(
            "rect",
            &attributes,
            &format!("from {}: {}", format::moment(from), tell(at, interval)),
        );
    }
    svg.finish()
}

fn scatter(survey: &Survey, bands: &Bands) -> (Chart, u64) {
    let (mut svg, frame) = bands::plot(survey, bands, 260.0, "Latency of each operation over time");
    let least = survey.latencies.iter().filter_map(|all| all.least()).min().unwrap_or(1);
    let most = survey.latencies.iter().filter_map(|all| all.most()).max().unwrap_or(1);
    let decades = Decades::over(least, most);
    decades.draw(&mut svg, &frame);
    let dots = survey.grid.dots();
    for kind in Kind::ALL {
        let mut path = String::new();
        for (share, log) in &dots.dots[kind as usize] {
            let (x, y) = (Px(frame.x_of(*share)), Px(frame.y_of(decades.share(*log))));
            path.push_str(&match kind {
                Kind::Ok => format!("M{x} {y}h0"),
                Kind::Fail => format!("M{x} {y}m-2.5-2.5l5 5m0-5l-5 5"),
                Kind::Info => format!("M{x} {y}m0-3.5l3.5 6h-7z"),
            });
        }
        svg.path(&path, &format!("dots {}", kind.name()));
    }
    let slowest = |_, interval: &Interval| {
        let tell = |kind: Kind| {
            let slowest = interval.slowest[kind as usize].map_or("none".into(), format::length);
            format!("slowest {} {slowest}", kind.name())
        };
        Kind::ALL.map(tell).join(", ")
    };
    let rows = rows(survey, |_, interval| {
        interval.slowest.iter().map(|slowest| slowest.map_or("–".into(), format::length)).collect()
    });
    let heads = heads(["from", "slowest ok", "slowest fail", "slowest info"]);
    (Chart { svg: finish(svg, &frame, survey, slowest), heads, rows }, dots.count)
}

fn heads<const MANY: usize>(heads: [&str; MANY]) -> Vec<String> {
    heads.map(str::to_owned).to_vec()
}

fn rows(survey: &Survey, cells: impl Fn(usize, &Interval) -> Vec<String>) -> Vec<Vec<String>> {
    let row = |(at, interval): (usize, &Interval)| {
        let from = format::moment(survey.bounds(at).0);
        std::iter::once(from).chain(cells(at, interval)).collect()
    };
    survey.intervals.iter().enumerate().map(row).collect()
}

fn quantiles(survey: &Survey, bands: &Bands) -> Chart {
    let (mut svg, frame) = bands::plot(survey, bands, 180.0, "Latency quantiles over time");
    let of =
        |interval: &Interval| QUANTILES.map(|(_, share, _)| interval.latencies.quantile(share));
    let all: Vec<[Option<Nanos>; 3]> = survey.intervals.iter().map(of).collect();
    let seen = || all.iter().flatten().flatten().copied();
    let decades = Decades::over(seen().min().unwrap_or(1_000_000), seen().max().unwrap_or(1));
    decades.draw(&mut svg, &frame);
    for (at, (_, _, class)) in QUANTILES.iter().enumerate() {
        let shares = all.iter().map(|row| row[at].map(|latency| decades.share_of(latency)));
        draw_line(&mut svg, &frame, survey, shares, class);
    }
    let words = |_, interval: &Interval| {
        let cells = of(interval).map(|latency| latency.map_or("none".into(), format::length));
        let named = QUANTILES.iter().zip(cells).map(|((name, ..), cell)| format!("{name} {cell}"));
        named.collect::<Vec<_>>().join(", ")
    };
    let rows = rows(survey, |_, interval| {
        let mut cells = vec![format::count(interval.latencies.count())];
        cells.extend(of(interval).map(|latency| latency.map_or("–".into(), format::length)));
        cells
    });
    let heads = heads(["from", "ok", "p50", "p95", "p99"]);
    Chart { svg: finish(svg, &frame, survey, words), heads, rows }
}

fn throughput(survey: &Survey, bands: &Bands) -> Chart {
    let (mut svg, frame) = bands::plot(survey, bands, 160.0, "Operations a second over time");
    let rate = |at: usize, interval: &Interval, kind: Kind| {
        let (from, until) = survey.bounds(at);
        interval.ended[kind as usize] as f64 * 1e9 / (until - from).max(1) as f64
    };
    let total = |kind: Kind| {
        survey.intervals.iter().enumerate().map(move |(at, each)| rate(at, each, kind))
    };
    let most = Kind::ALL.into_iter().flat_map(total).fold(0.0, f64::max);
    let linear = Linear::over(most);
    linear.draw(&mut svg, &frame);
    for kind in Kind::ALL {
        // A kind that never came has no line.
        if survey.counts.of(kind) > 0 {
            let shares = total(kind).map(|rate| Some(linear.share(rate)));
            draw_line(&mut svg, &frame, survey, shares, kind.name());
        }
    }
    let cells = |at: usize, interval: &Interval| {
        Kind::ALL.map(|kind| format::count(rate(at, interval, kind).round() as u64))
    };
    let words = |at: usize, interval: &Interval| {
        let named = Kind::ALL.into_iter().zip(cells(at, interval));
        let named = named.map(|(kind, rate)| format!("{} {rate}/s", kind.name()));
        named.collect::<Vec<_>>().join(", ")
    };
    let rows = rows(survey, |at, interval| cells(at, interval).to_vec());
    let heads = heads(["from", "ok a second", "fail a second", "info a second"]);
    Chart { svg: finish(svg, &frame, survey, words), heads, rows }
}

/// A line through the middles of the intervals; where there is no value it is interrupted, and a
/// value between two gaps is a short stroke.
pub fn draw_line(
    svg: &mut Svg,
    frame: &Frame,
    survey: &Survey,
    shares: impl Iterator<Item = Option<f64>>,
    class: &str,
) {
    let mut path = String::new();
    let mut pen_down = false;
    for (at, share) in shares.enumerate() {
        let Some(share) = share else {
            pen_down = false;
            continue;
        };
        let (from, until) = survey.bounds(at);
        let (x, y) = (Px(frame.x(from + (until - from) / 2)), Px(frame.y_of(share)));
        path.push_str(&match pen_down {
            true => format!("L{x} {y}"),
            false => format!("M{x} {y}h0.1"),
        });
        pen_down = true;
    }
    svg.path(&path, &format!("series {class}"));
}
