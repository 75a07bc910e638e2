//! `--strongest`: which specification a history still satisfies, in words and as JSON.

use perjury_checkers::Options;
use perjury_checkers::relaxed::{Answer, Strength, strength};
use perjury_history::History;
use serde_json::{Map, Value as Json, json};

use super::Said;

/// Adds lines to what is said, and answers the object for `--json`.
pub(super) fn tell(name: &str, history: &History, options: &Options, said: &mut Said) -> Json {
    match strength(history, options) {
        Err(why) => {
            said.line(name, format_args!("strongest: unknown: {why}"));
            json!({ "unknown": why })
        }
        Ok(strength) => {
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
