//! Style as a test: layers, single homes of dependencies, lengths, dead files.
//!
//! The rules are those of ARCHITECTURE.md. What a rule finds is listed with file and line, so that
//! it can be mended; there is no list of exceptions.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which modules of the root package a module may use.
const LAYERS: &[(&str, &[&str])] = &[
    ("seed", &[]),
    ("duration", &[]),
    ("generators", &["seed"]),
    ("remote", &[]),
    ("clusters", &["remote"]),
    ("databases", &["duration"]),
    ("workloads", &["generators", "seed"]),
    ("nemeses", &["databases", "duration", "remote", "seed"]),
    ("config", &["clusters", "databases", "duration", "nemeses", "seed", "workloads"]),
    ("store", &["config", "databases"]),
    (
        "runner",
        &[
            "clusters",
            "config",
            "databases",
            "generators",
            "nemeses",
            "remote",
            "seed",
            "store",
            "workloads",
        ],
    ),
    ("report", &["store"]),
    ("serve", &["report", "store"]),
    (
        "cli",
        &[
            "clusters",
            "config",
            "databases",
            "duration",
            "nemeses",
            "remote",
            "report",
            "runner",
            "seed",
            "serve",
            "store",
            "workloads",
        ],
    ),
];

/// Where a dependency may be named.
const HOMES: &[(&str, &[&str])] = &[
    ("ssh2", &["src/remote/"]),
    ("nix", &["src/clusters/", "src/remote/", "crates/agent/"]),
    ("toml", &["src/config/"]),
    ("tera", &["src/report/"]),
    ("axum", &["src/serve/"]),
    ("clap", &["src/cli/"]),
    ("indicatif", &["src/cli/"]),
    ("hyper", &["src/databases/etcd/"]),
    ("tokio_postgres", &["src/databases/postgres/"]),
    ("ed25519_compact", &["src/databases/replicas/"]),
    // Its parent module has the same name in its registry.
    ("redis", &["src/databases/redis/", "src/databases/mod.rs"]),
];

/// Crates without effects: they may not name these.
const PURE: &[&str] = &["crates/porcupine/src/", "crates/checkers/src/", "src/generators/"];
const EFFECTS: &[&str] = &["tokio", "std::net::Tcp", "std::process::Command", "SystemTime"];

const MOST_LINES: usize = 500;
const MOST_COLUMNS: usize = 100;
const MOST_FUNCTION_LINES: usize = 70;

struct Source {
    /// Relative to the root, with slashes.
    name: String,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    for top in ["src", "crates", "tests", "benches", "targets"] {
        walk(&root().join(top), &mut paths);
    }
    paths.sort();
    let read = |path: PathBuf| Source {
        name: path.strip_prefix(root()).unwrap().to_string_lossy().into_owned(),
        text: fs::read_to_string(&path).unwrap(),
    };
    let sources: Vec<Source> = paths.into_iter().map(read).collect();
    assert!(sources.len() > 50, "the tree is not where it should be");
    sources
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                walk(&path, paths);
            }
        } else if path.extension().is_some_and(|end| end == "rs") {
            paths.push(path);
        }
    }
}

fn is_test(source: &Source) -> bool {
    let name = &source.name;
    name.starts_with("tests/")
        || name.starts_with("benches/")
        || name.contains("/tests/")
        || name.contains("/benches/")
        || name.contains("/examples/")
        || name.ends_with("tests.rs")
}

/// The lines of code, without comments, with their numbers.
fn code(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    let lines = source.text.lines().enumerate().map(|(at, line)| (at + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn report(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// The words that follow `prefix` in a line.
fn words_after<'a>(line: &'a str, prefix: &str) -> Vec<&'a str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(prefix)
        .filter(|(at, _)| !line[..*at].ends_with(is_word))
        .map(|(at, _)| {
            let rest = &line[at + prefix.len()..];
            &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())]
        })
        .collect()
}

#[test]
fn a_module_uses_only_what_its_layer_allows() {
    let known: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !is_test(source)) {
        let Some(rest) = source.name.strip_prefix("src/") else { continue };
        let module = rest.split('/').next().unwrap().trim_end_matches(".rs");
        if matches!(module, "lib" | "main") {
            continue;
        }
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
            found.push(format!("{}: module {module} is in no layer", source.name));
            continue;
        };
        for (line, text) in code(source) {
            for word in words_after(text, "crate::") {
                if known.contains(word) && word != module && !allowed.contains(&word) {
                    found.push(format!("{}:{line}: {module} may not use {word}", source.name));
                }
            }
        }
    }
    report(&found);
}

#[test]
fn a_dependency_is_named_only_in_its_home() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !is_test(source)) {
        for (name, homes) in HOMES {
            if homes.iter().any(|home| source.name.starts_with(home)) {
                continue;
            }
            for (line, text) in code(source) {
                let used = text.contains(&format!("use {name}::"))
                    || words_before(text, &format!("{name}::"));
                if used {
                    found.push(format!("{}:{line}: {name} has its home in {homes:?}", source.name));
                }
            }
        }
    }
    report(&found);
}

/// Is `path` named as the beginning of a path, and not as a part of one?
fn words_before(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        !text[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '.' | '"'))
    })
}

#[test]
fn what_is_pure_names_no_effects() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !is_test(source)) {
        if !PURE.iter().any(|pure| source.name.starts_with(pure)) {
            continue;
        }
        for (line, text) in code(source) {
            for effect in EFFECTS.iter().filter(|effect| text.contains(**effect)) {
                found.push(format!("{}:{line}: {effect} has no place here", source.name));
            }
        }
    }
    report(&found);
}

#[test]
fn files_lines_and_functions_are_short() {
    let mut found = Vec::new();
    for source in &sources() {
        let count = source.text.lines().count();
        if count > MOST_LINES && !is_test(source) {
            found.push(format!("{}: {count} lines, at most {MOST_LINES}", source.name));
        }
        for (line, text) in source.text.lines().enumerate() {
            let columns = text.chars().count();
            // Addresses, rows of tables and lines of JSON cannot be broken.
            let may_be_long = text.contains("://")
                || text.trim_start().starts_with("//! |")
                || (is_test(source) && text.contains("{\\\""));
            if columns > MOST_COLUMNS && !may_be_long {
                found.push(format!("{}:{}: {columns} columns", source.name, line + 1));
            }
        }
        for (line, length) in functions(&source.text) {
            if length > MOST_FUNCTION_LINES {
                found.push(format!("{}:{line}: a function of {length} lines", source.name));
            }
        }
    }
    report(&found);
}

/// Where each function begins and how many lines it has. The sources are formatted: a function
/// ends with the first closing brace at its own indentation.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut functions = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let words = trimmed.split_whitespace().take(5).collect::<Vec<_>>();
        let is_function = words.contains(&"fn") && !trimmed.starts_with("//");
        if !is_function || trimmed.ends_with(';') {
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - trimmed.len()]);
        let length = lines[at..].iter().position(|other| *other == end);
        functions.extend(length.map(|length| (at + 1, length + 1)));
    }
    functions
}

#[test]
fn every_file_is_part_of_the_program() {
    let sources = sources();
    let mut found = Vec::new();
    for source in &sources {
        let path = Path::new(&source.name);
        let stem = path.file_stem().unwrap().to_string_lossy();
        let folder = path.parent().unwrap();
        let is_root = matches!(&*stem, "lib" | "main" | "build")
            || folder.ends_with("tests")
            || folder.ends_with("benches")
            || folder.ends_with("examples")
            || folder.ends_with("bin");
        if is_root {
            continue;
        }
        let module =
            if stem == "mod" { folder.file_name().unwrap().to_string_lossy() } else { stem };
        let declared = sources.iter().any(|other| {
            let declares = |text: &str| {
                text.trim_end().ends_with(&format!("mod {module};"))
                    || text.contains(&format!("/{module}.rs\"]"))
                    || text.contains(&format!("\"{module}.rs\"]"))
            };
            other.name != source.name && other.text.lines().any(declares)
        });
        if !declared {
            found.push(format!("{}: no module declares it", source.name));
        }
    }
    report(&found);
}

#[test]
fn nothing_unfinished_is_left() {
    let marks = ["todo!(", "dbg!(", "unimplemented!(", "FIXME", "XXX"];
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| source.name != "tests/tidy.rs") {
        for (at, text) in source.text.lines().enumerate() {
            for mark in marks.iter().filter(|mark| text.contains(**mark)) {
                found.push(format!("{}:{}: {mark}", source.name, at + 1));
            }
        }
    }
    report(&found);
}

#[test]
fn the_rules_find_what_they_are_for() {
    let long = format!("fn long() {{\n{}}}\n", "    x();\n".repeat(80));
    assert_eq!(functions(&long), [(1, 82)]);
    assert_eq!(words_after("use crate::config::{self}; super::crate::x", "crate::")[0], "config");
    assert!(words_before("let x = toml::from_str(text)", "toml::"));
    assert!(!words_before("crate::databases::redis::open()", "redis::"));
}
