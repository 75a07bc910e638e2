//! `perjury report`: writes a run's report again.

use super::Exit;
use super::arguments::Report;
use crate::report;
use crate::store::RunFolder;

pub(super) fn run(options: &Report) -> Exit {
    let folder = match RunFolder::open(&options.folder) {
        Ok(folder) => folder,
        Err(error) => return Exit::Usage.because(&error),
    };
    let html = match report::render(&folder) {
        Ok(html) => html,
        Err(error) => return Exit::Infrastructure.because(&error),
    };
    let written = match &options.output {
        Some(path) => std::fs::write(path, &html)
            .map(|()| path.clone())
            .map_err(|source| crate::store::StoreError::Io { path: path.clone(), source }),
        None => folder.write_report(&html),
    };
    match written {
        Ok(path) => {
            println!("{}", path.display());
            Exit::Valid
        }
        Err(error) => Exit::Infrastructure.because(&error),
    }
}
