//! Every declaration of the repository can be used, is built in, and says what it is for.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeSet;
use std::path::Path;

use perjury::config::{Kind, Names, RunSpec, Suite, WorkloadSpec, load, names};
use perjury::{clusters, databases, nemeses};

fn files(kind: Kind) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind.folder());
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn every_declaration_is_built_in_and_explains_itself() {
    for kind in Kind::ALL {
        let files = files(kind);
        assert!(!files.is_empty(), "{}", kind.folder());
        // Names are looked up in the present folder too; from an empty one only the built-in ones
        // are left, and the tests of this package run in the repository.
        assert_eq!(names(kind), files, "{}", kind.folder());
        for name in files {
            let path = format!("{}/{}/{name}.toml", env!("CARGO_MANIFEST_DIR"), kind.folder());
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("# "), "{path}: its first line says what it is for");
            let built_in = perjury::config::built_in(kind, &name);
            assert_eq!(built_in, Some(text.as_str()), "{path} is built in");
        }
    }
}

#[test]
fn every_declaration_resolves() {
    for name in files(Kind::Cluster) {
        let spec: clusters::Spec = load(Kind::Cluster, &name).unwrap();
        spec.check().unwrap();
    }
    for name in files(Kind::Database) {
        load::<databases::Spec>(Kind::Database, &name).unwrap();
    }
    for name in files(Kind::Workload) {
        load::<WorkloadSpec>(Kind::Workload, &name).unwrap();
    }
    for name in files(Kind::Nemesis) {
        load::<nemeses::Spec>(Kind::Nemesis, &name).unwrap();
    }
    for name in files(Kind::Suite) {
        let suite: Suite = load(Kind::Suite, &name).unwrap();
        assert!(!suite.run.is_empty(), "{name}");
        for run in suite.run {
            let names = Names {
                cluster: run.cluster,
                database: run.database,
                workload: run.workload,
                nemesis: run.nemesis,
            };
            RunSpec::resolve(names, run.expect, perjury::seed::Seed(1)).unwrap();
        }
    }
}

/// The declarations between code fences of a page.
fn blocks(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let fenced = text.split("```toml\n").skip(1);
    fenced.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn nemesis(text: &str) -> nemeses::Spec {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("example.toml");
    std::fs::write(&path, text).unwrap();
    load(Kind::Nemesis, path.to_str().unwrap()).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

#[test]
fn every_lie_has_an_example_in_the_documentation_and_all_examples_resolve() {
    for page in ["docs/lies.md", "docs/byzantine.md"] {
        let blocks = blocks(page);
        assert!(!blocks.is_empty(), "{page}");
        for text in blocks {
            assert!(!nemesis(&text).fault.is_empty(), "{page}: {text}");
        }
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lies.md");
    let page = std::fs::read_to_string(page).unwrap();
    let table = page.lines().skip_while(|line| !line.contains("`tell =`")).skip(2);
    let cells = table.take_while(|line| line.starts_with('|')).map(|line| line.split('|').nth(2));
    let mut words = BTreeSet::new();
    for example in cells.flat_map(|cell| cell.unwrap().split('`').skip(1).step_by(2)) {
        let text = format!(
            "[[fault]]\nhold = \"1s\"\n[fault.inject.lie]\ntargets = \"one\"\ndeceive = \"peers\"\n\
             lies = [{{ tell = {example} }}]\n"
        );
        let nemeses::Word::Lie(deceit) = &nemesis(&text).fault[0].inject else { panic!() };
        words.insert(deceit.lies[0].tell.name());
    }
    let all = [
        "acknowledge",
        "black-hole",
        "corrupt",
        "default",
        "delay",
        "drip",
        "duplicate",
        "equivocate",
        "forge",
        "forge-insider",
        "misdirect",
        "omit-acknowledgement",
        "omit-reply",
        "omit-request",
        "refuse",
        "reorder",
        "replay",
        "truncate",
    ];
    assert_eq!(words, all.into());
}
