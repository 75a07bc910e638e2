//! The pages of the web index: all runs, the files of one, and messages.
//!
//! Only their looks: what is listed and who may ask is decided by [`serve`](crate::serve).

use serde::Serialize;

use super::{ReportError, banner, escape, page};
use crate::store::RunSummary;

/// What a visitor asked for; an empty field asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// The word of a verdict: `valid`, `unknown`, `invalid`, `compromised` or `none`.
    pub verdict: String,
    /// The database's name.
    pub database: String,
    /// The workload's name.
    pub workload: String,
    /// The nemesis' name.
    pub nemesis: String,
    /// Text that stands anywhere in a run's line, in any case.
    pub text: String,
}

/// The class, the sign and the word for what came of a run.
fn signs(run: &RunSummary) -> (&'static str, &'static str, &'static str) {
    banner::run_signs(run.verdict, run.compromised.is_some())
}

impl Filter {
    /// Is this run asked for?
    pub fn takes(&self, run: &RunSummary) -> bool {
        let is = |wanted: &str, have: &Option<String>| {
            wanted.is_empty() || have.as_deref() == Some(wanted)
        };
        let verdict = self.verdict.is_empty() || signs(run).0 == self.verdict;
        verdict
            && is(&self.database, &run.database)
            && is(&self.workload, &run.workload)
            && is(&self.nemesis, &run.nemesis)
            && self.finds(run)
    }

    fn finds(&self, run: &RunSummary) -> bool {
        let wanted = self.text.to_lowercase();
        let texts =
            [&run.database, &run.workload, &run.nemesis, &run.cluster, &run.seed, &run.sentence];
        let mut texts = texts.into_iter().flatten().chain([&run.id]);
        wanted.is_empty() || texts.any(|text| text.to_lowercase().contains(&wanted))
    }
}

/// How many runs one page lists.
const MOST_RUNS: usize = 1000;

#[derive(Debug, Serialize)]
struct Line {
    id: String,
    href: String,
    class: &'static str,
    symbol: &'static str,
    word: &'static str,
    sentence: Option<String>,
    started: String,
    parts: [String; 4],
    seed: String,
}

fn line(run: &RunSummary) -> Line {
    let (class, symbol, word) = signs(run);
    let or = |text: &Option<String>| {
        text.as_ref().map_or_else(|| "–".to_owned(), |text| escape::clip(text, 120))
    };
    Line {
        id: run.id.clone(),
        href: segment(&run.id),
        class,
        symbol,
        word,
        sentence: run.sentence.as_ref().map(|text| escape::clip(text, 300)),
        started: or(&run.started).replace('T', " ").replace('Z', ""),
        parts: [&run.database, &run.workload, &run.nemesis, &run.cluster].map(or),
        seed: or(&run.seed),
    }
}

/// One part of a path in an address.
fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// One field of the form: its name and what can be chosen.
#[derive(Debug, Serialize)]
struct Choice {
    name: &'static str,
    options: Vec<String>,
    chosen: String,
}

fn choices(runs: &[RunSummary], filter: &Filter) -> Vec<Choice> {
    let of = |name, chosen: &str, part: fn(&RunSummary) -> Option<String>| {
        let mut options: Vec<String> = runs.iter().filter_map(part).collect();
        // What was asked for can be chosen even if there is no such run.
        options.extend(Some(chosen.to_owned()).filter(|chosen| !chosen.is_empty()));
        options.sort();
        options.dedup();
        Choice { name, options, chosen: chosen.to_owned() }
    };
    vec![
        of("verdict", &filter.verdict, |run| Some(signs(run).0.to_owned())),
        of("database", &filter.database, |run| run.database.clone()),
        of("workload", &filter.workload, |run| run.workload.clone()),
        of("nemesis", &filter.nemesis, |run| run.nemesis.clone()),
    ]
}

#[derive(Debug, Serialize)]
struct Index {
    runs: Vec<Line>,
    found: usize,
    all: usize,
    left_out: usize,
    choices: Vec<Choice>,
    text: String,
    filtered: bool,
}

/// The page of all runs that the filter takes.
///
/// # Errors
/// The template is broken, which is a bug.
pub fn runs(runs: &[RunSummary], filter: &Filter) -> Result<String, ReportError> {
    let found: Vec<&RunSummary> = runs.iter().filter(|run| filter.takes(run)).collect();
    let index = Index {
        runs: found.iter().take(MOST_RUNS).map(|run| line(run)).collect(),
        found: found.len(),
        all: runs.len(),
        left_out: found.len().saturating_sub(MOST_RUNS),
        choices: choices(runs, filter),
        text: filter.text.clone(),
        filtered: *filter != Filter::default(),
    };
    page::render("index.html", &index, true)
}

/// One file of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileLine {
    name: String,
    href: String,
    size: String,
}

impl FileLine {
    /// A file by its path inside the folder, and its size in bytes.
    pub fn new(name: &str, size: u64) -> FileLine {
        let href = name.split('/').map(segment).collect::<Vec<_>>().join("/");
        FileLine { name: name.to_owned(), href, size: super::format::bytes(size) }
    }
}

/// The page of a run's files.
///
/// # Errors
/// The template is broken, which is a bug.
pub fn files(id: &str, files: &[FileLine]) -> Result<String, ReportError> {
    #[derive(Serialize)]
    struct Files<'a> {
        id: &'a str,
        files: &'a [FileLine],
    }
    page::render("files.html", &Files { id, files }, false)
}

/// A page with one message.
///
/// # Errors
/// The template is broken, which is a bug.
pub fn message(title: &str, text: &str) -> Result<String, ReportError> {
    #[derive(Serialize)]
    struct Message<'a> {
        title: &'a str,
        text: &'a str,
    }
    page::render("message.html", &Message { title, text }, false)
}

/// What browsers are told that these pages may do.
pub fn policy() -> String {
    page::policy(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_an_address() {
        assert_eq!(segment("a/../b?c#d é"), "a%2F..%2Fb%3Fc%23d%20%C3%A9");
    }
}
