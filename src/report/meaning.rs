//! Was the test meaningful: what the checkers say, how calls ended, and why they did not succeed.

use serde::Serialize;

use super::banner::signs;
use super::escape;
use super::evidence::Evidence;
use super::format;
use super::record::{Counts, Kind, Reason};

/// How many checkers and how many of their figures are listed.
const MOST_FINDINGS: usize = 64;
const MOST_FIGURES: usize = 24;

/// One checker's line.
#[derive(Debug, Serialize)]
pub struct Said {
    checker: String,
    class: &'static str,
    symbol: &'static str,
    verdict: &'static str,
    summary: String,
    figures: Vec<(String, String)>,
}

/// One call's line, or that of all calls.
#[derive(Debug, Serialize)]
pub struct CallLine {
    name: &'static str,
    total: String,
    ended: Vec<String>,
    open: String,
    share: String,
}

/// One cause's line.
#[derive(Debug, Serialize)]
pub struct ReasonLine {
    kind: &'static str,
    code: String,
    count: String,
    example: String,
}

/// The section.
#[derive(Debug, Serialize)]
pub struct Meaning {
    findings: Vec<Said>,
    judged_by: Option<String>,
    calls: Vec<CallLine>,
    reasons: Vec<ReasonLine>,
    other_reasons: u64,
}

/// What the section says.
pub fn meaning(evidence: &Evidence) -> Meaning {
    let judgement = evidence.judgement.as_ref().ok();
    let findings = judgement.map(|all| all.findings.as_slice()).unwrap_or_default();
    Meaning {
        findings: findings.iter().take(MOST_FINDINGS).map(said).collect(),
        judged_by: judgement.map(|all| all.judged_by.clone()),
        calls: calls(evidence),
        reasons: reasons(evidence),
        other_reasons: evidence.survey.other_reasons,
    }
}

fn said(finding: &perjury_history::Finding) -> Said {
    let (class, symbol, verdict) = signs(Some(finding.verdict));
    let figure = |(name, value): (&String, &serde_json::Value)| {
        let text = match value {
            serde_json::Value::Number(number) => {
                number.as_u64().map_or_else(|| number.to_string(), format::count)
            }
            serde_json::Value::String(text) => escape::clip(text, 120),
            serde_json::Value::Bool(yes) => yes.to_string(),
            // Nested figures are in verdict.json.
            _ => return None,
        };
        Some((escape::clip(name, 60), text))
    };
    Said {
        checker: escape::clip(&finding.checker, 80),
        class,
        symbol,
        verdict,
        summary: escape::clip(&finding.summary, 2000),
        figures: finding.stats.iter().filter_map(figure).take(MOST_FIGURES).collect(),
    }
}

fn calls(evidence: &Evidence) -> Vec<CallLine> {
    let survey = &evidence.survey;
    let line = |name: &'static str, counts: &Counts| CallLine {
        name,
        total: format::count(counts.total()),
        ended: Kind::ALL.map(|kind| format::count(counts.of(kind))).to_vec(),
        open: format::count(counts.open),
        share: format::percent(counts.of(Kind::Ok), counts.total()),
    };
    let mut lines: Vec<CallLine> =
        survey.calls.iter().map(|(name, counts)| line(name, counts)).collect();
    if lines.len() > 1 {
        lines.push(line("all", &survey.counts));
    }
    lines
}

fn reasons(evidence: &Evidence) -> Vec<ReasonLine> {
    let mut all: Vec<_> = evidence.survey.reasons.iter().collect();
    all.sort_by_key(|(key, reason)| (std::cmp::Reverse(reason.count), *key));
    let line = |((kind, code), reason): (&(Kind, String), &Reason)| ReasonLine {
        kind: kind.name(),
        code: code.clone(),
        count: format::count(reason.count),
        example: reason.example.clone(),
    };
    all.into_iter().map(|(key, reason)| line((key, reason))).collect()
}
