//! Axes: from moments and latencies to places in a drawing, and the round numbers beside them.

use perjury_history::Nanos;

use super::format;
use super::svg::Svg;

/// The rectangle of a plot over time. All plots of a report have the same left and right edge.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// The top edge.
    pub top: f64,
    /// The bottom edge.
    pub bottom: f64,
    /// The length of the run.
    pub span: Nanos,
}

impl Frame {
    /// The width of the whole drawing.
    pub const WIDTH: f64 = 960.0;
    /// The left edge.
    pub const LEFT: f64 = 64.0;
    /// The right edge.
    pub const RIGHT: f64 = 944.0;

    /// Where that moment is.
    pub fn x(&self, time: Nanos) -> f64 {
        self.x_of(time as f64 / self.span.max(1) as f64)
    }

    /// Where that share of the run is.
    pub fn x_of(&self, share: f64) -> f64 {
        Frame::LEFT + share.clamp(0.0, 1.0) * (Frame::RIGHT - Frame::LEFT)
    }

    /// Where that share of the height is, from the bottom.
    pub fn y_of(&self, share: f64) -> f64 {
        self.bottom - share.clamp(0.0, 1.0) * (self.bottom - self.top)
    }

    /// Draws the axis of time below the plot.
    pub fn time_axis(&self, svg: &mut Svg) {
        svg.line((Frame::LEFT, self.bottom), (Frame::RIGHT, self.bottom), "axis");
        let step = round_step(self.span as f64 / 8.0).max(1.0);
        let mut at = 0.0;
        while at <= self.span as f64 {
            let x = self.x(at as Nanos);
            svg.line((x, self.bottom), (x, self.bottom + 4.0), "axis");
            svg.text(x, self.bottom + 16.0, "tick mid", &moment(at, step));
            at += step;
        }
    }

    /// Draws a line across the plot with its label.
    pub fn level(&self, svg: &mut Svg, share: f64, label: &str) {
        let y = self.y_of(share);
        svg.line((Frame::LEFT, y), (Frame::RIGHT, y), "rule");
        svg.text(Frame::LEFT - 8.0, y + 4.0, "tick end", label);
    }
}

/// The next of 1, 2, 5, 10, ... that is not smaller.
pub fn round_step(least: f64) -> f64 {
    let unit = 10f64.powf(least.max(1e-12).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * unit)
        .find(|step| *step >= least * 0.999)
        .unwrap_or(unit * 10.0)
}

fn moment(nanos: f64, step: f64) -> String {
    let digits = if step >= 1e9 {
        0
    } else if step >= 1e8 {
        1
    } else if step >= 1e7 {
        2
    } else {
        3
    };
    format!("{:.digits$} s", nanos / 1e9)
}

/// A logarithmic axis of latencies over whole decades.
#[derive(Clone, Copy, Debug)]
pub struct Decades {
    low: f64,
    high: f64,
}

impl Decades {
    /// The decades that hold everything between the two latencies.
    pub fn over(least: Nanos, most: Nanos) -> Decades {
        let low = (least.max(1) as f64).log10().floor();
        let high = (most.max(1) as f64).log10().ceil().max(low + 1.0);
        Decades { low, high }
    }

    /// How far up that logarithm is, from 0 to 1.
    pub fn share(&self, log: f64) -> f64 {
        (log - self.low) / (self.high - self.low)
    }

    /// How far up that latency is, from 0 to 1.
    pub fn share_of(&self, latency: Nanos) -> f64 {
        self.share((latency.max(1) as f64).log10())
    }

    /// Draws a line and a label for each decade; between them too while there is room.
    pub fn draw(&self, svg: &mut Svg, frame: &Frame) {
        let few = self.high - self.low <= 2.0;
        let mut decade = self.low;
        while decade <= self.high {
            let factors: &[f64] = if few && decade < self.high { &[1.0, 2.0, 5.0] } else { &[1.0] };
            for factor in factors {
                let log = decade + factor.log10();
                frame.level(svg, self.share(log), &tick(10f64.powf(decade) * factor));
            }
            decade += 1.0;
        }
    }
}

/// A round latency without needless digits.
fn tick(nanos: f64) -> String {
    let (number, unit) = match nanos {
        n if n < 999.0 => (n, "ns"),
        n if n < 999e3 => (n / 1e3, "µs"),
        n if n < 999e6 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    format!("{number:.0} {unit}")
}

/// A linear axis from nothing up.
#[derive(Clone, Copy, Debug)]
pub struct Linear {
    most: f64,
    step: f64,
}

impl Linear {
    /// An axis that holds that number.
    pub fn over(most: f64) -> Linear {
        let step = round_step(most.max(1.0) / 4.0).max(1.0);
        Linear { most: (most.max(1.0) / step).ceil() * step, step }
    }

    /// How far up that number is, from 0 to 1.
    pub fn share(&self, number: f64) -> f64 {
        number / self.most
    }

    /// Draws a line and a label for each step.
    pub fn draw(&self, svg: &mut Svg, frame: &Frame) {
        let mut at = 0.0;
        while at <= self.most * 1.001 {
            frame.level(svg, self.share(at), &format::count(at as u64));
            at += self.step;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (least, expected) in [(0.7, 1.0), (1.5, 2.0), (3.0, 5.0), (7.0, 10.0), (20.0, 20.0)] {
            assert!((round_step(least) - expected).abs() < 1e-9, "{least}");
        }
    }

    #[test]
    fn decades_hold_what_they_are_over() {
        let decades = Decades::over(1_500, 40_000_000);
        assert!((decades.share_of(1_000) - 0.0).abs() < 1e-9);
        assert!((decades.share_of(100_000_000) - 1.0).abs() < 1e-9);
        assert_eq!(tick(5e6), "5 ms");
    }

    #[test]
    fn every_length_of_run_has_an_axis() {
        for span in [0, 1, 999, 30_000_000_000, Nanos::MAX] {
            let mut svg = Svg::new(1.0, 1.0, "");
            Frame { top: 0.0, bottom: 9.0, span }.time_axis(&mut svg);
            assert!(svg.finish().len() < 4000);
        }
    }
}
