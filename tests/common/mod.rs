//! What the tests that run the `perjury` binary share.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tests that start toy nodes use the same addresses: one at a time.
static TURN: Mutex<()> = Mutex::new(());

/// A folder of a test's own, with its results and its record of clusters; removed at the end.
pub struct Bench {
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Bench {
    pub fn new() -> Bench {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Bench { folder: tempfile::tempdir().unwrap(), _turn: turn }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn results(&self) -> PathBuf {
        self.path().join("results")
    }

    /// The last run's folder.
    #[allow(dead_code, reason = "not every test binary looks into a run")]
    pub fn latest(&self) -> PathBuf {
        std::fs::canonicalize(self.results().join("latest")).unwrap()
    }

    /// The last run has no operation in it, and a verdict and a report that say why. Answers the
    /// report.
    #[allow(dead_code, reason = "not every test binary fails a run")]
    #[track_caller]
    pub fn failed_before_its_load(&self, words: &[&str]) -> String {
        let run = self.latest();
        let read = |name: &str| std::fs::read_to_string(run.join(name)).unwrap();
        let verdict: serde_json::Value = serde_json::from_str(&read("verdict.json")).unwrap();
        assert_eq!(verdict["verdict"], "unknown", "{verdict}");
        let why = verdict["compromised"].as_str().unwrap().to_owned();
        let history = perjury_history::read_file(&run.join("history.jsonl.zst")).unwrap();
        let calls = history
            .entries
            .iter()
            .filter(|entry| matches!(entry.event, perjury_history::Event::Invoke { .. }));
        assert_eq!(calls.count(), 0);
        let sentence = verdict["sentence"].as_str().unwrap();
        assert!(sentence.contains("the run failed before its load"), "{sentence}");
        assert!(read("SHA256SUMS").contains("history.jsonl.zst"));
        let report = read("report.html");
        assert!(report.contains("Failed before the load"), "{why}");
        for word in words {
            assert!(why.contains(word) && report.contains(word), "{word:?} is not in {why}");
        }
        // Judged again, it comes to the same.
        self.perjury(&["check", run.to_str().unwrap()]).expect(3, &["unknown", "compromised"]);
        report
    }

    /// Writes a declaration and answers its path.
    #[allow(dead_code, reason = "not every test binary declares something")]
    pub fn declare(&self, name: &str, text: &str) -> String {
        let path = self.path().join(format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_perjury"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env("PERJURY_STATE", self.path().join("state"))
            .env_remove("RUST_BACKTRACE");
        command
    }

    /// Runs to the end.
    pub fn perjury(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().unwrap())
    }
}

/// How a program ended and what it said.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn of(output: Output) -> Ended {
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts the exit code and that each of these words was said.
    #[track_caller]
    pub fn expect(&self, code: i32, words: &[&str]) -> &Ended {
        let said = format!("{}\n{}", self.stderr, self.stdout);
        assert_eq!(self.code, Some(code), "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in:\n{said}");
        }
        self
    }

    /// The JSON object that was printed.
    #[allow(dead_code, reason = "not every test binary asks for JSON")]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.stdout.trim()).unwrap_or_else(|error| {
            panic!("{error}: {}\n{}", self.stdout, self.stderr);
        })
    }
}
