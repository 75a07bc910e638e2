//! The ground truth of a run: one JSON object a line, none if there is no file.

use std::fs;
use std::io;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::StoreError;

/// Reads a ledger. A last line that breaks off was never finished and is left out.
///
/// # Errors
/// The file cannot be read, or another line is not what it should be.
pub fn read_ledger<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, StoreError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(StoreError::Io { path: path.to_owned(), source }),
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let read = |(at, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| StoreError::Content {
            path: path.to_owned(),
            what: format!("line {}: {error}", at + 1),
        })
    };
    whole.lines().enumerate().map(read).collect()
}
