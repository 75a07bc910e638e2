//! `--strongest`: which specification a history still satisfies, in words and as JSON.

use perjury_checkers::relaxed::{Answer, Specification, Strength, strength};
use perjury_checkers::{Checker, Options, worst};
use perjury_history::{Finding, History, Verdict};
use serde_json::{Map, Value as Json, json};

use super::Said;

/// Adds lines to what is said, and answers the object for `--json`. The findings say whether the
/// history is linearizable, also where the other specifications cannot be asked for.
pub(super) fn tell(
    name: &str,
    history: &History,
    options: &Options,
    findings: &[Finding],
    said: &mut Said,
) -> Json {
    match (strength(history, options), linearizable(findings)) {
        (Err(_), Some(Verdict::Valid)) => {
            let linearizable = Specification::Linearizable.name();
            said.line(name, format_args!("strongest: {linearizable}"));
            json!({ "strongest": [linearizable] })
        }
        (Err(why), Some(Verdict::Invalid)) => {
            let told = format!("not linearizable; of what is weaker nothing is known: {why}");
            said.line(name, format_args!("strongest: unknown: {told}"));
            json!({ "unknown": told })
        }
        (Err(why), _) => {
            said.line(name, format_args!("strongest: unknown: {why}"));
            json!({ "unknown": why })
        }
        (Ok(strength), _) => {
            said.line(name, format_args!("strongest: {}", words(&strength)));
            for (of, answer) in &strength.answers {
                match answer {
                    Answer::Holds => {}
                    Answer::Broken(proof) => {
                        said.line(name, format_args!("not {}: {}", of.name(), proof.why));
                    }
                    Answer::Unknown(why) => {
                        said.line(name, format_args!("unknown whether {}: {why}", of.name()));
                    }
                }
            }
            object(&strength)
        }
    }
}

/// The verdict, if every operation has part in it: of believable answers alone nothing follows.
fn linearizable(findings: &[Finding]) -> Option<Verdict> {
    let name = Checker::Linearizable.name();
    let verdict = findings.iter().find(|one| one.checker == name).map(|one| one.verdict);
    verdict.filter(|verdict| worst(findings) == *verdict)
}

fn words(strength: &Strength) -> String {
    let strongest: Vec<&str> = strength.strongest().into_iter().map(|of| of.name()).collect();
    let mut words = match strongest.as_slice() {
        [] => "none of those that are known".to_owned(),
        names => names.join(" and "),
    };
    match strength.delay {
        None => words.push_str("; a value was read before it was written, or by nobody"),
        Some(0) => {}
        Some(delay) => words.push_str(&format!("; reads were late by up to {delay} ns")),
    }
    match strength.versions {
        Some((1, 1)) | None => {}
        Some((least, most)) if least == most => {
            words.push_str(&format!(", within {most} versions"));
        }
        Some((least, most)) => words.push_str(&format!(", within {least} to {most} versions")),
    }
    words
}

fn object(strength: &Strength) -> Json {
    let mut answers = Map::new();
    for (of, answer) in &strength.answers {
        let answer = match answer {
            Answer::Holds => json!({ "answer": "holds" }),
            Answer::Broken(proof) => {
                json!({ "answer": "broken", "why": proof.why, "witnesses": proof.witnesses })
            }
            Answer::Unknown(why) => json!({ "answer": "unknown", "why": why }),
        };
        answers.insert(of.name().to_owned(), answer);
    }
    let strongest: Vec<&str> = strength.strongest().into_iter().map(|of| of.name()).collect();
    json!({
        "strongest": strongest,
        "delay-ns": strength.delay,
        "versions": strength.versions.map(|(least, most)| json!({ "least": least, "most": most })),
        "specifications": answers,
    })
}
