//! Writes SVG: elements, attributes and escaped text, nothing else.
//!
//! There are no `style` attributes: the page's content security policy forbids them. Colours come
//! from classes, so that a drawing follows the colour scheme of the page.

use std::fmt::{self, Display, Write as _};

use super::escape;

/// A length in the drawing's units, with one decimal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Px(pub f64);

impl Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round();
        // Not a number, or beyond every drawing: such a thing is drawn at the edge.
        if !tenths.is_finite() {
            return f.write_str("0");
        }
        if tenths % 10.0 == 0.0 {
            return write!(f, "{}", tenths / 10.0 + 0.0);
        }
        write!(f, "{:.1}", tenths / 10.0)
    }
}

/// An attribute.
pub type Attribute<'a> = (&'static str, &'a dyn Display);

/// A drawing that is being written.
#[derive(Debug, Default)]
pub struct Svg {
    out: String,
}

impl Svg {
    /// Begins a drawing of that size. `label` is what a screen reader says.
    pub fn new(width: f64, height: f64, label: &str) -> Svg {
        let mut svg = Svg::default();
        let view = format!("0 0 {} {}", Px(width), Px(height));
        svg.open(
            "svg",
            &[
                ("viewBox", &view),
                ("width", &Px(width)),
                ("height", &Px(height)),
                ("role", &"img"),
                ("aria-label", &label),
            ],
        );
        svg
    }

    /// Ends the drawing.
    pub fn finish(mut self) -> String {
        self.close("svg");
        self.out
    }

    /// Begins an element.
    pub fn open(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) {
        self.start(tag, attributes);
        self.out.push('>');
    }

    /// Ends an element.
    pub fn close(&mut self, tag: &'static str) {
        let _ = write!(self.out, "</{tag}>");
    }

    /// An element without content.
    pub fn leaf(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) {
        self.start(tag, attributes);
        self.out.push_str("/>");
    }

    /// An element with nothing but a tooltip.
    pub fn titled(&mut self, tag: &'static str, attributes: &[Attribute<'_>], title: &str) {
        self.open(tag, attributes);
        self.title(title);
        self.close(tag);
    }

    /// The tooltip of the element that is open.
    pub fn title(&mut self, text: &str) {
        self.out.push_str("<title>");
        escape::push_html(&mut self.out, text);
        self.out.push_str("</title>");
    }

    /// Text; the class says how it is set and where it is anchored.
    pub fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        self.open("text", &[("x", &Px(x)), ("y", &Px(y)), ("class", &class)]);
        escape::push_html(&mut self.out, text);
        self.close("text");
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let (x1, y1, x2, y2) = (Px(from.0), Px(from.1), Px(to.0), Px(to.1));
        let ends: [Attribute<'_>; 5] =
            [("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2), ("class", &class)];
        self.leaf("line", &ends);
    }

    /// A path.
    pub fn path(&mut self, d: &str, class: &str) {
        if !d.is_empty() {
            self.leaf("path", &[("d", &d), ("class", &class)]);
        }
    }

    fn start(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) {
        let _ = write!(self.out, "<{tag}");
        for (name, value) in attributes {
            let _ = write!(self.out, " {name}=\"");
            escape::push_html(&mut self.out, &value.to_string());
            self.out.push('"');
        }
    }
}

/// The hatches and the fading that drawings of a page refer to. They take the colour of whatever
/// they fill.
pub fn definitions() -> String {
    const HATCHES: [(&str, &str); 7] = [
        ("hatch-0", "M-1 9L9 -1M-1 1L1 -1M7 9L9 7"),
        ("hatch-1", "M-1 -1L9 9M-1 7L1 9M7 -1L9 1"),
        ("hatch-2", "M4 0V8"),
        ("hatch-3", "M0 4H8"),
        ("hatch-4", "M4 3.2v1.6M0 -0.8v1.6M8 -0.8v1.6M0 7.2v1.6M8 7.2v1.6"),
        ("hatch-5", "M-1 -1L9 9M-1 9L9 -1"),
        ("hatch-fail", "M-1 9L9 -1M-1 1L1 -1M7 9L9 7"),
    ];
    let mut svg = Svg::default();
    svg.open("svg", &[("class", &"definitions"), ("aria-hidden", &"true")]);
    svg.open("defs", &[]);
    for (name, d) in HATCHES {
        let size: [Attribute<'_>; 4] =
            [("id", &name), ("width", &8), ("height", &8), ("patternUnits", &"userSpaceOnUse")];
        svg.open("pattern", &size);
        svg.path(d, name);
        svg.close("pattern");
    }
    svg.open("linearGradient", &[("id", &"fade")]);
    svg.leaf("stop", &[("offset", &0), ("class", &"fade-from")]);
    svg.leaf("stop", &[("offset", &1), ("class", &"fade-to")]);
    svg.close("linearGradient");
    svg.close("defs");
    svg.close("svg");
    svg.out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_attributes_are_escaped() {
        let mut svg = Svg::new(10.0, 20.5, "\"><script>");
        svg.text(1.0, 2.0, "label", "</text><script>alert(1)</script>");
        svg.titled("rect", &[("class", &"a\"b")], "<b>");
        let text = svg.finish();
        assert!(!text.contains("<script"), "{text}");
        assert!(text.contains("aria-label=\"&quot;&gt;&lt;script&gt;\""), "{text}");
        assert!(text.contains("class=\"a&quot;b\"><title>&lt;b&gt;</title></rect>"), "{text}");
        assert!(text.contains("viewBox=\"0 0 10 20.5\""), "{text}");
    }

    #[test]
    fn lengths_are_short_and_finite() {
        for (length, expected) in
            [(1.0, "1"), (1.25, "1.3"), (-0.01, "0"), (f64::NAN, "0"), (f64::INFINITY, "0")]
        {
            assert_eq!(Px(length).to_string(), expected);
        }
    }
}
