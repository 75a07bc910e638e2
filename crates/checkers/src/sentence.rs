//! The judgement in one sentence, for someone who has not read about checkers.

use perjury_history::{AnomalyKind, Finding, Verdict};

use crate::{Checker, worst};

/// What the findings come to, for the top of a report and the last line on a terminal. Only what
/// is `promised` can be broken as a promise.
pub fn sentence(findings: &[Finding], subject: &str, promised: bool) -> String {
    let verdict = worst(findings);
    let decisive = findings.iter().find(|finding| finding.verdict == verdict);
    let Some(decisive) = decisive else { return format!("Nothing was checked of {subject}.") };
    match verdict {
        Verdict::Invalid => broken(findings, decisive, subject, promised),
        Verdict::Unknown => {
            format!("Nothing is proved about {subject}: {}", continued(&decisive.summary))
        }
        Verdict::Valid => {
            // The last finding is about the property; the ones before say that it may be trusted.
            let last = findings.last().map_or("", |finding| finding.summary.as_str());
            format!("No anomaly in {subject}: {}", continued(last))
        }
    }
}

fn broken(findings: &[Finding], decisive: &Finding, subject: &str, promised: bool) -> String {
    let did = if promised { "broke its word" } else { "did what it does not rule out" };
    let counts = decisive.checker == Checker::SetFull.name();
    let Some(anomaly) = decisive.anomalies.first().filter(|_| !counts) else {
        // The numbers of lost elements speak for themselves.
        return format!("{subject} {did}: {}", continued(&decisive.summary));
    };
    let plain = match anomaly.kind {
        AnomalyKind::NonLinearizable => "no order of the operations explains its answers",
        AnomalyKind::StaleRead => "a read missed what had been acknowledged or read before",
        AnomalyKind::PhantomValue => "a read returned what cannot have been written",
        AnomalyKind::LostWrite => "something that had been acknowledged or read is gone",
        AnomalyKind::DuplicateElement => "a read returned an element more often than it was added",
        AnomalyKind::FabricatedValue => "a read returned a value that nobody wrote",
        AnomalyKind::CorruptedValue => "a read returned a damaged value",
        AnomalyKind::MisdirectedValue => "a read returned what was written elsewhere",
        AnomalyKind::PresentThoughAbsent => "a read found something where nobody had written",
        AnomalyKind::PhantomEffect => "a write that had failed for sure took effect",
        AnomalyKind::Equivocation => "one version of a key has two contents",
        AnomalyKind::ForkedOrder => "no single order of the writes explains two of its answers",
        AnomalyKind::ForgedAcknowledgement => "two acknowledgements name the same version",
        AnomalyKind::VersionRegression => "an answer is of an older version than one before it",
        AnomalyKind::DuplicateApplication => "a write took effect twice",
        AnomalyKind::Divergence => "after healing its copies differ",
        AnomalyKind::CausalityViolation => "an answer is older than what had caused its question",
        AnomalyKind::PartialWrite => "an answer shows half of what was done as one",
        AnomalyKind::BrokenInvariant => "an account is overdrawn that must not be",
        AnomalyKind::DisagreeingReads => "a read of one key and one of many disagree",
        AnomalyKind::ResurrectedDelete => "something that was deleted is there again",
        AnomalyKind::ReadYourWrites => "a client did not find what it had written itself",
        AnomalyKind::MonotonicReads => "a client read what is older than what it had read",
        AnomalyKind::MonotonicWrites => "a client's writes took effect in another order",
        AnomalyKind::WritesFollowReads => "a write took effect before what its client had read",
        AnomalyKind::DishonestHealth => "a node was healthy by its own word while it lied",
    };
    let count: u64 = findings.iter().map(|finding| finding.anomaly_count).sum();
    let (of, kind) = (if count == 1 { "" } else { ", the first of " }, anomaly.kind);
    let more = if count == 1 { String::new() } else { format!("{count} anomalies") };
    format!("{subject} {did}: {plain} ({kind}{of}{more}).")
}

/// A sentence as what follows a colon.
fn continued(sentence: &str) -> String {
    let mut letters = sentence.chars();
    match (letters.next(), letters.clone().next()) {
        // An abbreviation keeps its capitals.
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => sentence.to_owned(),
    }
}
