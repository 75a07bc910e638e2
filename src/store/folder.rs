//! One run's folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use perjury_history::{FileError, History, Judgement, hex, read_file};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::{Environment, utc};
use crate::config::{self, ConfigError, RunSpec};

/// Why something in a run's folder could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The folder is none of a run.
    #[error("{}: no run: it has neither history.jsonl nor history.jsonl.zst", .0.display())]
    NoRun(PathBuf),
    /// The history cannot be read.
    #[error(transparent)]
    History(#[from] FileError),
    /// The declaration cannot be read or written.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// The folder of a run.
#[derive(Clone, Debug)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// Makes the folder of a new run below `results`, with its `run.toml`, and points the link
    /// `latest` to it.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn create(results: &Path, spec: &RunSpec) -> Result<RunFolder, StoreError> {
        let moment = utc(SystemTime::now()).replace([':', '-'], "");
        let names = &spec.names;
        let parts = [&names.database, &names.workload, &names.nemesis, &names.cluster];
        let plain = |name: &&String| -> String {
            let stem = Path::new(name.as_str()).file_stem().unwrap_or_default().to_string_lossy();
            stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
        };
        let parts: Vec<String> = parts.iter().map(plain).collect();
        let short = &spec.seed[spec.seed.len().saturating_sub(6)..];
        let name = format!("{moment}-{}-{short}", parts.join("-"));
        let folder = RunFolder(results.join(&name));
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { path, source }
        };
        fs::create_dir_all(results).map_err(fail(results))?;
        fs::create_dir(&folder.0).map_err(fail(&folder.0))?;
        folder.write("run.toml", config::write(spec)?.as_bytes())?;
        let link = results.join("latest");
        // The link is a convenience: it may be missing on a file system without links.
        let _ = fs::remove_file(&link);
        let _ = std::os::unix::fs::symlink(&name, &link);
        Ok(folder)
    }

    /// An existing folder.
    ///
    /// # Errors
    /// It has no history.
    pub fn open(path: &Path) -> Result<RunFolder, StoreError> {
        let folder = RunFolder(path.to_owned());
        if folder.history_path().is_file() {
            Ok(folder)
        } else {
            Err(StoreError::NoRun(path.into()))
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Its name, which is the run's id.
    pub fn id(&self) -> String {
        let path = fs::canonicalize(&self.0).unwrap_or_else(|_| self.0.clone());
        path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The open history of a run that goes on.
    pub fn open_history_path(&self) -> PathBuf {
        self.0.join("history.jsonl")
    }

    /// The history as it is: closed, or still open.
    pub fn history_path(&self) -> PathBuf {
        let closed = self.0.join("history.jsonl.zst");
        if closed.is_file() { closed } else { self.open_history_path() }
    }

    /// The lies that were told, if there are any: one JSON object a line.
    pub fn lies_path(&self) -> PathBuf {
        self.0.join("lies.jsonl")
    }

    /// The places that were corrupted, if there are any: one JSON object a line.
    pub fn corruptions_path(&self) -> PathBuf {
        self.0.join("corruptions.jsonl")
    }

    /// Reads the history.
    ///
    /// # Errors
    /// It is damaged in its middle, or was changed after the run.
    pub fn history(&self) -> Result<History, StoreError> {
        Ok(read_file(&self.history_path())?)
    }

    /// Reads the declaration.
    ///
    /// # Errors
    /// It is missing or damaged.
    pub fn spec(&self) -> Result<RunSpec, StoreError> {
        Ok(config::load_run(&self.0.join("run.toml"))?)
    }

    /// Reads the environment.
    ///
    /// # Errors
    /// It is missing or damaged.
    pub fn environment(&self) -> Result<Environment, StoreError> {
        self.read_json("environment.json")
    }

    /// Writes the environment.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write_environment(&self, environment: &Environment) -> Result<(), StoreError> {
        self.write_json("environment.json", environment)
    }

    /// Reads the judgement.
    ///
    /// # Errors
    /// It is missing or damaged.
    pub fn judgement(&self) -> Result<Judgement, StoreError> {
        self.read_json("verdict.json")
    }

    /// Writes the judgement.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write_judgement(&self, judgement: &Judgement) -> Result<(), StoreError> {
        self.write_json("verdict.json", judgement)
    }

    /// Writes the report and answers its path.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write_report(&self, html: &str) -> Result<PathBuf, StoreError> {
        self.write("report.html", html.as_bytes())?;
        Ok(self.0.join("report.html"))
    }

    /// Writes a file that was collected from a node, under its own name.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write_node_file(&self, node: &str, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let folder = self.0.join("nodes").join(node);
        fs::create_dir_all(&folder)
            .map_err(|source| StoreError::Io { path: folder.clone(), source })?;
        self.write(&format!("nodes/{node}/{name}"), bytes)
    }

    /// The collected files: node, name, path; in order.
    pub fn node_files(&self) -> Vec<(String, String, PathBuf)> {
        let mut files = Vec::new();
        for node in entries(&self.0.join("nodes")) {
            for file in entries(&node) {
                let name = |path: &Path| {
                    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
                };
                files.push((name(&node), name(&file), file));
            }
        }
        files
    }

    /// Writes `SHA256SUMS` over every file but the verdict and the report, which every analysis
    /// writes anew.
    ///
    /// # Errors
    /// The folder cannot be read or written.
    pub fn seal(&self) -> Result<(), StoreError> {
        let mut sums = String::new();
        let mut pending = vec![self.0.clone()];
        let mut files = Vec::new();
        while let Some(folder) = pending.pop() {
            for path in entries(&folder) {
                if path.is_dir() { pending.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        for path in files {
            let name = path.strip_prefix(&self.0).unwrap_or(&path).to_string_lossy().into_owned();
            if matches!(name.as_str(), "SHA256SUMS" | "verdict.json" | "report.html") {
                continue;
            }
            let bytes =
                fs::read(&path).map_err(|source| StoreError::Io { path: path.clone(), source })?;
            let sum = hex(&Sha256::digest(&bytes));
            sums.push_str(&format!("{sum}  {name}\n"));
        }
        self.write("SHA256SUMS", sums.as_bytes())
    }

    fn write_json<T: serde::Serialize>(&self, name: &str, value: &T) -> Result<(), StoreError> {
        let mut text = serde_json::to_string_pretty(value).map_err(|error| {
            StoreError::Content { path: self.0.join(name), what: error.to_string() }
        })?;
        text.push('\n');
        self.write(name, text.as_bytes())
    }

    /// Writes under another name first: a reader sees the old file or the new one.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.0.join(name);
        let part = self.0.join(format!("{name}.part"));
        fs::write(&part, bytes)
            .and_then(|()| fs::rename(&part, &path))
            .map_err(|source| StoreError::Io { path, source })
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        let path = self.0.join(name);
        let text = fs::read_to_string(&path)
            .map_err(|source| StoreError::Io { path: path.clone(), source })?;
        serde_json::from_str(&text)
            .map_err(|error| StoreError::Content { path, what: error.to_string() })
    }
}

/// What is in a folder, in order of name; nothing if it is not there.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .map(|list| list.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    paths.sort();
    paths
}
