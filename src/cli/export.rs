//! `perjury export`: a history in another tool's format.

use std::io::{BufWriter, Write};

use super::Exit;
use super::arguments::Export;
use crate::store::RunFolder;
use perjury_history::import::{self, Dialect};
use perjury_history::{FileError, History};

pub(super) fn run(options: &Export) -> Exit {
    let history = match read(options) {
        Ok(history) => history,
        Err(error) => return Exit::Infrastructure.because(&error),
    };
    let written = match &options.output {
        Some(path) => std::fs::File::create(path).and_then(|file| {
            let mut file = BufWriter::new(file);
            perjury_history::export::edn(&history, &mut file)?;
            file.flush()
        }),
        None => perjury_history::export::edn(&history, &mut std::io::stdout().lock()),
    };
    match written {
        Ok(()) => Exit::Valid,
        Err(error) => Exit::Infrastructure.because(&error),
    }
}

fn read(options: &Export) -> Result<History, FileError> {
    let path = match RunFolder::open(&options.path) {
        Ok(folder) => folder.history_path(),
        Err(_) => options.path.clone(),
    };
    import::read(&path, None, &Dialect::default()).map(|imported| imported.history)
}
