//! Every recorded history can be read, has as much in it as its source says, and comes back from
//! our own format as it was.
//!
//! A few files are in `tests/data`; the whole shared corpus is read where it is present, from
//! `PERJURY_HISTORIES` or from `../shared/histories` beside the repository.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use perjury_history::import::{self, Dialect, Format, Imported};
use perjury_history::{Call, Entry, Event, Outcome, Process, pair, write_history};

fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// The shared corpus, or a loud line.
fn shared() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/histories");
    let root = std::env::var_os("PERJURY_HISTORIES").map_or_else(beside, PathBuf::from);
    if root.exists() {
        return Some(root);
    }
    eprintln!("SKIPPED: no such corpus at {} (set PERJURY_HISTORIES)", root.display());
    None
}

/// All histories below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !["README.md", "EXPECTED.tsv", "LICENSE"].contains(&name) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Imported {
    import::read(path, None, &Dialect::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Writes it in our own format, reads that, and compares.
fn round_trip(path: &Path, imported: &Imported) {
    let model = imported.model.as_deref().unwrap_or_default();
    let folder = tempfile();
    let copy = folder.join("history.jsonl");
    write_history(&imported.history, model, &mut std::fs::File::create(&copy).unwrap()).unwrap();
    let again = read(&copy);
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(again.format, Format::Perjury);
    assert_eq!(again.model, imported.model, "{}", path.display());
    assert_eq!(again.history.order, imported.history.order, "{}", path.display());
    assert!(again.history.entries == imported.history.entries, "{}", path.display());
}

fn tempfile() -> PathBuf {
    let id = format!("{}-{:?}", std::process::id(), std::thread::current().id());
    let folder = std::env::temp_dir().join(format!("perjury-corpus-{id}"));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// How much there is of one history.
#[derive(Debug, PartialEq, Eq)]
struct Size {
    sessions: usize,
    transactions: usize,
    /// Answered with a failure.
    failed: usize,
    /// Steps of all transactions.
    steps: usize,
}

fn size(entries: &[Entry]) -> Size {
    let mut size = Size { sessions: 0, transactions: 0, failed: 0, steps: 0 };
    let mut processes: HashSet<Process> = HashSet::new();
    for entry in entries {
        match &entry.event {
            Event::Invoke { process, call: Call::Txn { steps }, .. } => {
                processes.insert(*process);
                size.transactions += 1;
                size.steps += steps.len();
            }
            Event::Complete { outcome: Outcome::Fail(_), .. } => size.failed += 1,
            _ => {}
        }
    }
    size.sessions = processes.len();
    size
}

fn assert_size(path: &Path, wanted: [usize; 4]) {
    let [sessions, transactions, failed, steps] = wanted;
    let wanted = Size { sessions, transactions, failed, steps };
    assert_eq!(size(&read(path).history.entries), wanted, "{}", path.display());
}

#[test]
fn histories_in_this_crate() {
    let all = files(&own());
    assert_eq!(all.len(), 3);
    for path in &all {
        let imported = read(path);
        assert_eq!(imported.format, Format::Awdit);
        assert!(!imported.history.order.is_real_time());
        pair(&imported.history.entries).unwrap();
        round_trip(path, &imported);
    }
    assert_size(&own().join("awdit/long-fork.txt"), [3, 5, 0, 8]);
    assert_size(&own().join("awdit/hb-cycle.txt"), [2, 4, 0, 4]);
}

#[test]
fn every_shared_history() {
    let Some(root) = shared() else { return };
    let all = files(&root);
    assert!(all.len() > 100, "{}", all.len());
    for path in all {
        let imported = read(&path);
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
        pair(&imported.history.entries).unwrap_or_else(|error| panic!("{name}: {error}"));
        let session = name.starts_with("awdit") || name.starts_with("polysi");
        assert_eq!(imported.history.order.is_real_time(), !session, "{name}");
        let format = match (name.split('/').next().unwrap(), name.contains(".bincode")) {
            ("awdit", _) => Format::Awdit,
            ("polysi", true) => Format::Dbcop,
            ("polysi", false) => Format::Plume,
            ("porcupine", _) if name.contains("kv") => Format::PorcupineKv,
            ("porcupine", _) => Format::JepsenLog,
            _ if name.ends_with(".json") => Format::JepsenJson,
            _ => Format::JepsenEdn,
        };
        assert_eq!(imported.format, format, "{name}");
        round_trip(&path, &imported);
    }
}

/// The names of PolySI's own files say how much is in them.
#[test]
fn shared_files_have_as_much_as_their_sources_say() {
    let Some(root) = shared() else { return };
    let polysi = root.join("polysi");
    let mut named = 0;
    for folder in ["fig7", "fig8_9_10"] {
        for path in files(&polysi.join(folder)) {
            let name = path.file_name().unwrap().to_str().unwrap();
            let numbers: Vec<usize> =
                name.split('_').take(3).map(|number| number.parse().unwrap()).collect();
            let [sessions, each, steps] = numbers[..] else { panic!("{name}") };
            assert_size(&path, [sessions, sessions * each, 0, sessions * each * steps]);
            named += 1;
        }
    }
    assert!(named > 0);
    // Counted by another decoder of the same description.
    assert_size(&polysi.join("violations/dgraph/history.bincode.gz"), [10, 800, 320, 16_000]);
    assert_size(&polysi.join("violations/galera/galera.txt"), [2, 7, 0, 14]);
    let elle = root.join("elle");
    assert_eq!(size(&read(&elle.join("huge-scc.edn.gz")).history.entries).transactions, 10_254);
    assert_size(&elle.join("paper-example.edn"), [1, 4, 0, 19]);
    for (file, model) in [
        ("elle/paper-example.edn", "list-append"),
        ("elle/huge-scc.edn.gz", "list-append"),
        ("elle-cli/elle/paper-example.json", "list-append"),
        ("elle-cli/elle/rw-register.edn", "multi-register"),
        ("elle-cli/elle/rw-register.json", "multi-register"),
        ("elle-cli/jepsen/bank.edn", "bank"),
        ("elle-cli/jepsen/bank.json", "bank"),
        ("elle-cli/jepsen/bank-neg.edn", "bank"),
        ("elle-cli/jepsen/counter.edn", "counter"),
        ("elle-cli/jepsen/counter.json", "counter"),
        ("elle-cli/jepsen/set_full.edn", "set"),
        ("elle-cli/jepsen/set_full.json", "set"),
        ("elle-cli/jepsen/long-fork.edn", "multi-register"),
        ("knossos/multi-register/good/multi-register.edn", "multi-register"),
        ("polysi/violations/galera/galera.txt", "multi-register"),
    ] {
        assert_eq!(read(&root.join(file)).model.as_deref(), Some(model), "{file}");
    }
    // The same runs as EDN and as JSON, where both keep the order of everything.
    for file in ["counter", "set_full"] {
        let read = |ending| read(&root.join(format!("elle-cli/jepsen/{file}.{ending}"))).history;
        assert_eq!(read("edn").entries, read("json").entries, "{file}");
    }
}
