//! What a database writes to its log when it notices that its data, or what it is told, is damaged.
//!
//! Not here: what an ordinary crash, a lost connection or a new leader leaves behind. A log that
//! says such a thing has noticed nothing, and a lie that went by would be taken for one that was
//! caught.

/// A part of a line of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    /// What the line contains, as it is written: no pattern.
    pub part: &'static str,
    /// Where the database's own code says it.
    pub source: &'static str,
}

impl Sign {
    /// A line that contains `part`, by that source.
    pub const fn new(part: &'static str, source: &'static str) -> Sign {
        Sign { part, source }
    }

    /// Does a line say it?
    pub fn is_in(&self, line: &str) -> bool {
        line.contains(self.part)
    }
}

/// Every line of damage has a sign, and no line of an ordinary life has.
#[cfg(test)]
pub(super) fn assert_told_apart(signs: &[Sign], damage: &[&str], ordinary: &[&str]) {
    let noticed = |line: &str| signs.iter().any(|sign| sign.is_in(line));
    for line in damage {
        assert!(noticed(line), "{line}");
    }
    for line in ordinary {
        assert!(!noticed(line), "{line}");
    }
}
