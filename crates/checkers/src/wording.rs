//! Numbers, times and places in sentences.

use perjury_history::{NodeName, import};

/// "1 read", "2 reads", "no reads".
pub(crate) fn count(number: u64, noun: &str) -> String {
    match number {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        more => format!("{more} {noun}s"),
    }
}

/// "was" or "were".
pub(crate) fn was(number: u64) -> &'static str {
    if number == 1 { "was" } else { "were" }
}

/// Seconds with three digits, as in the report's plots. What is below a millisecond is the time of
/// no real run but of a history whose times are positions, so it is shown as it is.
pub(crate) fn time(nanos: u64) -> String {
    if nanos < 1_000_000 { format!("{nanos} ns") } else { format!("{:.3} s", nanos as f64 / 1e9) }
}

/// " at n1", or nothing where the history does not know.
pub(crate) fn at(node: &NodeName) -> String {
    match node.as_str() {
        import::NOWHERE => String::new(),
        known => format!(" at {known}"),
    }
}

/// The nodes that are known, each once.
pub(crate) fn known<'a>(nodes: impl Iterator<Item = &'a NodeName>) -> Vec<NodeName> {
    let mut nodes: Vec<NodeName> =
        nodes.filter(|node| node.as_str() != import::NOWHERE).cloned().collect();
    nodes.sort();
    nodes.dedup();
    nodes
}
