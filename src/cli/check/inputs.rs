//! From the words on the command line to run folders and files.
//!
//! A folder is a run's, or it is searched for runs and for files whose ending is one of a history.
//! The order is that of the command line, and by name inside a folder. Links to folders inside a
//! folder are passed over: `results/latest` would judge its run twice.

use std::path::{Path, PathBuf};

use super::glob;
use crate::store::RunFolder;

/// What is to be judged.
pub(super) enum Input {
    /// The folder of a run.
    Run(PathBuf),
    /// A file of any format.
    File(PathBuf),
    /// A word that stands for nothing, and why.
    Nothing(String),
}

impl Input {
    /// Its path, if it has one.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Input::Run(path) | Input::File(path) => Some(path),
            Input::Nothing(_) => None,
        }
    }
}

/// The endings of histories, before `.gz` or `.zst`.
const ENDINGS: [&str; 6] = ["jsonl", "json", "edn", "log", "txt", "bincode"];

/// All inputs, each once for each word that names it.
pub(super) fn expand(words: &[PathBuf]) -> Vec<Input> {
    words.iter().flat_map(|word| named(word)).collect()
}

fn named(word: &Path) -> Vec<Input> {
    let text = word.to_string_lossy();
    if !word.exists() && glob::is_pattern(&text) {
        let paths = glob::expand(&text);
        if paths.is_empty() {
            return vec![Input::Nothing(format!("{text}: nothing matches"))];
        }
        return paths.iter().flat_map(|path| entered(path)).collect();
    }
    entered(word)
}

fn entered(path: &Path) -> Vec<Input> {
    if !path.is_dir() {
        return vec![Input::File(path.to_owned())];
    }
    let mut found = Vec::new();
    walk(path, &mut found);
    if found.is_empty() {
        let what = format!("{}: no run, and no history in it", path.display());
        found.push(Input::Nothing(what));
    }
    found
}

fn walk(folder: &Path, found: &mut Vec<Input>) {
    if RunFolder::open(folder).is_ok() {
        found.push(Input::Run(folder.to_owned()));
        return;
    }
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| !name(path).starts_with('.'))
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            if !path.is_symlink() {
                walk(&path, found);
            }
        } else if is_history(&path) {
            found.push(Input::File(path));
        }
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn is_history(path: &Path) -> bool {
    let name = name(path);
    let bare = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    let ending = bare.rsplit_once('.').map(|(_, ending)| ending);
    let ours = ["certificate.jsonl", "verdict.json", "environment.json"];
    ending.is_some_and(|ending| ENDINGS.contains(&ending))
        && !ours.iter().any(|ours| bare.ends_with(ours))
}
