//! What can be wrong with a declaration, said so that it can be mended.

use std::io;
use std::path::PathBuf;

use super::{Kind, names};

/// Why a declaration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file does not say what it should.
    #[error("{origin}:{line}:{column}: {message}{hint}\n{excerpt}")]
    Parse {
        /// The file, or where else the text came from.
        origin: String,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What is wrong.
        message: String,
        /// What was probably meant; empty if nobody can tell.
        hint: String,
        /// The line and a mark under the place.
        excerpt: String,
    },
    /// There is no declaration of that name.
    #[error(
        "no {} named {name:?}{hint}; there are: {known} (a path to a .toml file works too)",
        kind.word()
    )]
    Unknown {
        /// Which kind was looked for.
        kind: Kind,
        /// The name.
        name: String,
        /// What was probably meant.
        hint: String,
        /// The names that there are.
        known: String,
    },
    /// A resolved run was written by a newer version.
    #[error(
        "{}: format {found} is newer than this program knows; use a newer perjury",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// Parts that do not fit each other.
    #[error("{0}")]
    Mismatch(String),
    /// A value that TOML cannot express: an error of ours.
    #[error("cannot be written as TOML: {0}")]
    Write(String),
}

impl ConfigError {
    pub(super) fn parse(origin: &str, text: &str, error: &toml::de::Error) -> ConfigError {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let before = &text[..start];
        let line = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[line_start..].chars().count() + 1;
        let whole = text[line_start..].lines().next().unwrap_or_default();
        let gutter = line.to_string();
        let pad = " ".repeat(gutter.len());
        let indent = " ".repeat(column - 1);
        ConfigError::Parse {
            origin: origin.to_owned(),
            line,
            column,
            message: error.message().to_owned(),
            hint: did_you_mean(error.message()),
            excerpt: format!(" {pad} |\n {gutter} | {whole}\n {pad} | {indent}^"),
        }
    }

    pub(super) fn unknown(kind: Kind, name: &str) -> ConfigError {
        let known = names(kind);
        let hint = nearest(name, known.iter().map(String::as_str));
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        ConfigError::Unknown { kind, name: name.to_owned(), hint, known }
    }
}

/// Serde names the unknown word first and the known ones after it, all in backticks.
fn did_you_mean(message: &str) -> String {
    if !message.starts_with("unknown ") {
        return String::new();
    }
    let mut words = message.split('`').skip(1).step_by(2);
    words.next().map_or_else(String::new, |unknown| nearest(unknown, words))
}

fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|other| (strsim::jaro_winkler(word, other), other))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map_or_else(String::new, |(_, other)| format!("; did you mean `{other}`?"))
}
