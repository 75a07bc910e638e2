//! Recorded histories get their recorded verdict, all the way from the file.
//!
//! Some files are in `tests/data`; the whole shared corpus is read where it is present, from
//! `PERJURY_HISTORIES` or from `../shared/histories` beside the repository.

use std::path::{Path, PathBuf};

use perjury_checkers::{Budget, ModelName, Options, judge, judge_with_certificate, worst};
use perjury_history::import::{self, Dialect, NilRead};
use perjury_history::{Value, Verdict};

fn own(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder)
}

/// A folder of the shared corpus, or a loud line.
fn shared(folder: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/histories");
    let root = std::env::var_os("PERJURY_HISTORIES").map_or_else(beside, PathBuf::from);
    let path = root.join(folder);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED {folder}: no such corpus at {} (set PERJURY_HISTORIES)", root.display());
    None
}

/// The files that the `EXPECTED.tsv` of a folder names, with their verdicts.
fn expected(folder: &Path) -> Vec<(PathBuf, Verdict)> {
    let table = std::fs::read_to_string(folder.join("EXPECTED.tsv")).unwrap();
    let row = |line: &str| {
        let (file, verdict) = line.split_once('\t').unwrap();
        let verdict = match verdict {
            "linearizable" | "valid" => Verdict::Valid,
            "not-linearizable" | "invalid" => Verdict::Invalid,
            other => panic!("{other}"),
        };
        (folder.join(file), verdict)
    };
    table.lines().skip(1).filter(|line| !line.is_empty()).map(row).collect()
}

fn assert_verdict(
    path: &Path,
    model: ModelName,
    initial: Value,
    nil_read: NilRead,
    wanted: Verdict,
) {
    let file = path.display();
    let imported =
        import::read(path, None, &Dialect { nil_read }).unwrap_or_else(|error| panic!("{error}"));
    let suggested = imported.model.as_deref().map(|word| word.parse().unwrap());
    let register = |name| matches!(name, ModelName::Register | ModelName::CasRegister);
    assert!(
        suggested.is_none_or(|name| name == model || (register(name) && register(model))),
        "{file}: {suggested:?} is suggested, not {model}"
    );
    let budget = Budget { states: Some(100_000_000), ..Budget::default() };
    let options = Options { initial, budget, ..Options::new(model) };
    let findings = judge(&imported.history, &options);
    assert_eq!(worst(&findings), wanted, "{file}: {findings:#?}");
    for anomaly in findings.iter().flat_map(|finding| &finding.anomalies) {
        assert!(!anomaly.witnesses.is_empty(), "{file}: {anomaly:?}");
        assert!(anomaly.witnesses.is_sorted(), "{file}: {anomaly:?}");
        if std::env::var_os("PERJURY_SHOW").is_some() {
            println!("{file}: {} of {:?}: {}", anomaly.kind, anomaly.key, anomaly.detail);
        }
    }
}

fn assert_etcd(folder: &Path) -> usize {
    let files = expected(folder);
    for (file, wanted) in &files {
        assert_verdict(file, ModelName::CasRegister, Value::Nil, NilRead::Value, *wanted);
    }
    files.len()
}

fn assert_kv(folder: &Path) -> usize {
    let files = expected(folder);
    for (file, wanted) in &files {
        assert_verdict(file, ModelName::KvAppend, Value::Nil, NilRead::Value, *wanted);
    }
    files.len()
}

#[test]
fn etcd_histories_in_this_crate() {
    assert_eq!(assert_etcd(&own("etcd")), 4);
}

#[test]
fn key_value_histories_in_this_crate() {
    assert_eq!(assert_kv(&own("kv")), 2);
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

#[test]
fn all_shared_knossos_histories() {
    let Some(folder) = shared("knossos") else { return };
    let files = expected(&folder);
    assert!(!files.is_empty());
    for (file, wanted) in files {
        let name = file.strip_prefix(&folder).unwrap().to_str().unwrap();
        let (model, initial) = match name.split('/').next().unwrap() {
            "cas-register" => (ModelName::CasRegister, Value::Int(0)),
            "multi-register" => (ModelName::MultiRegister, Value::Int(0)),
            "mutex" => (ModelName::Mutex, Value::Nil),
            other => panic!("{other}"),
        };
        assert_verdict(&file, model, initial, NilRead::Unknown, wanted);
    }
}

#[test]
fn the_shared_elle_cli_histories_of_models_that_we_know() {
    let Some(folder) = shared("elle-cli") else { return };
    let files = [
        ("knossos/cas-register/good/memstress3-9.json", ModelName::CasRegister, Verdict::Valid),
        ("knossos/mutex/bad/etcd.json", ModelName::Mutex, Verdict::Invalid),
        ("jepsen/set_full.edn", ModelName::Set, Verdict::Invalid),
        ("jepsen/set_full.json", ModelName::Set, Verdict::Invalid),
    ];
    for (file, model, wanted) in files {
        assert_verdict(&folder.join(file), model, Value::Int(0), NilRead::Unknown, wanted);
    }
}

/// No history without real time is judged by its place in the file, neither good nor bad.
#[test]
fn shared_histories_of_sessions_are_not_judged() {
    for (folder, name) in [
        ("awdit", "causal/long-fork.txt"),
        ("awdit", "causal/fully-ser.txt"),
        ("awdit", "none/hb-cycle.txt"),
        ("polysi", "violations/galera/galera.txt"),
        ("polysi", "violations/dgraph/history.bincode.gz"),
        ("polysi", "fig7/20_10_15_10000_0.5_uniform.bincode.gz"),
    ] {
        let Some(folder) = shared(folder) else { continue };
        let read = import::read(&folder.join(name), None, &Dialect::default()).unwrap();
        for model in ModelName::ALL {
            let (findings, proof) = judge_with_certificate(&read.history, &Options::new(model));
            assert_eq!((worst(&findings), proof), (Verdict::Unknown, None), "{name} as {model}");
            assert!(findings[0].summary.contains("needs real time"), "{findings:?}");
        }
    }
}

#[test]
fn shared_histories_of_lists_and_banks_are_not_judged_as_registers() {
    let Some(folder) = shared("elle-cli") else { return };
    for (file, word, why) in [
        ("elle/paper-example.json", "list-append", "knows no appends"),
        ("jepsen/bank.edn", "bank", "knows txn, but #0 is a read-accounts"),
        ("jepsen/bank-neg.edn", "bank", "knows txn, but #0 is a read-accounts"),
    ] {
        let read = import::read(&folder.join(file), None, &Dialect::default()).unwrap();
        assert_eq!(read.model.as_deref(), Some(word), "{file}");
        let findings = judge(&read.history, &Options::new(ModelName::MultiRegister));
        assert_eq!(worst(&findings), Verdict::Unknown, "{file}");
        assert!(findings[0].summary.contains(why), "{findings:?}");
    }
}
