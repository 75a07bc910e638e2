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
