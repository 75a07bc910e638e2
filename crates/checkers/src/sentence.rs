//! The judgement in one sentence.

use perjury_history::{Finding, Verdict};

use crate::worst;

/// What the findings come to, for the top of a report and the last line on a terminal.
pub fn sentence(findings: &[Finding], subject: &str) -> String {
    let verdict = worst(findings);
    let decisive = findings.iter().find(|finding| finding.verdict == verdict);
    let Some(decisive) = decisive else { return format!("Nothing was checked of {subject}.") };
    match verdict {
        Verdict::Invalid => format!("{subject} broke its word: {}", decisive.summary),
        Verdict::Unknown => format!("Nothing is proved about {subject}: {}", decisive.summary),
        Verdict::Valid => {
            // The last finding is about the property; the ones before say that it may be trusted.
            let last = findings.last().map_or("", |finding| finding.summary.as_str());
            format!("No anomaly in {subject}: {last}")
        }
    }
}
