//! Real histories get the verdict that Porcupine's own tests assert, and every legal verdict comes
//! with a certificate that verifies.
//!
//! Some files are in `tests/data`; the whole shared corpus is read where it is present, from
//! `PERJURY_HISTORIES` or from `../shared/histories` beside the repository.

#![allow(clippy::unwrap_used, reason = "a test may stop at anything unexpected")]

mod parse;

use std::path::{Path, PathBuf};

use perjury_porcupine::models::{CasRegister, KvAppend};
use perjury_porcupine::{Budget, Model, Operation, Progress, Search, check, decide, verify};

fn own(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder)
}

/// A folder of the shared corpus, or a loud line.
fn shared(folder: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/histories");
    let root = std::env::var_os("PERJURY_HISTORIES").map_or_else(beside, PathBuf::from);
    let path = root.join(folder);
    if path.join("EXPECTED.tsv").exists() {
        return Some(path);
    }
    eprintln!("SKIPPED {folder}: no such corpus at {} (set PERJURY_HISTORIES)", root.display());
    None
}

fn assert_verdict<M>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    legal: bool,
    file: &Path,
) where
    M: Model + Sync,
    M::State: Send + Sync,
    M::Input: Sync,
    M::Output: Sync,
{
    let decided = decide(model, history, &Budget::default()).answer;
    assert_eq!(decided.is_linearizable(), legal, "{}", file.display());
    if let Search::Linearizable(proof) = decided {
        assert_eq!(verify(model, history, &proof), Ok(()), "{}", file.display());
    }
    match check(model, history, &Budget::default()) {
        Search::Linearizable(proof) => {
            assert!(legal, "{} is not linearizable", file.display());
            assert_eq!(verify(model, history, &proof), Ok(()), "{}", file.display());
        }
        Search::Illegal(evidence) => {
            assert!(!legal, "{} is linearizable", file.display());
            assert!(evidence.blocked().count() >= 1);
            for part in &evidence.partitions {
                assert!(part.progress != Progress::Illegal || !part.partials.is_empty());
            }
        }
        Search::Exhausted { .. } => panic!("{} exhausted no budget", file.display()),
    }
}

fn assert_etcd(folder: &Path) -> usize {
    let files = parse::expected(folder);
    for (file, legal) in &files {
        let history = parse::jepsen_log(&std::fs::read_to_string(file).unwrap());
        assert_verdict(&CasRegister(None), &history, *legal, file);
    }
    files.len()
}

fn assert_kv(folder: &Path) -> usize {
    let files = parse::expected(folder);
    for (file, legal) in &files {
        let history = parse::kv_log(&std::fs::read_to_string(file).unwrap());
        assert_verdict(&KvAppend::default(), &history, *legal, file);
    }
    files.len()
}

#[test]
fn etcd_histories_in_this_crate() {
    assert_eq!(assert_etcd(&own("etcd")), 6);
}

#[test]
fn key_value_histories_in_this_crate() {
    assert_eq!(assert_kv(&own("kv")), 3);
}

#[test]
fn all_shared_etcd_histories() {
    if let Some(folder) = shared("porcupine/jepsen-etcd") {
        assert!(assert_etcd(&folder) > 0);
    }
}

#[test]
fn all_shared_key_value_histories() {
    if let Some(folder) = shared("porcupine/kv") {
        assert!(assert_kv(&folder) > 0);
    }
}
