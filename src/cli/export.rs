//! `perjury export`: a history in another tool's format, or another tool's in ours.

use std::io::{self, BufWriter, Write};

use super::Exit;
use super::arguments::{Export, ExportTo};
use crate::store::RunFolder;
use perjury_history::FileError;
use perjury_history::export::NEEDS_REAL_TIME;
use perjury_history::import::{self, Dialect, Imported};

pub(super) fn run(options: &Export) -> Exit {
    let imported = match read(options) {
        Ok(imported) => imported,
        Err(error) => return Exit::Infrastructure.because(&error),
    };
    if options.to == ExportTo::JepsenEdn && !imported.history.order.is_real_time() {
        // Asked before the output is opened: what is there stays.
        eprintln!("perjury: {}: {NEEDS_REAL_TIME}", options.path.display());
        return Exit::Usage;
    }
    let written = match &options.output {
        Some(path) => std::fs::File::create(path)
            .and_then(|file| write(&imported, options.to, &mut BufWriter::new(file))),
        None => write(&imported, options.to, &mut BufWriter::new(io::stdout().lock())),
    };
    match written {
        Ok(()) => Exit::Valid,
        Err(error) => Exit::Infrastructure.because(&error),
    }
}

fn write(imported: &Imported, to: ExportTo, out: &mut impl Write) -> io::Result<()> {
    let history = &imported.history;
    match to {
        ExportTo::JepsenEdn => perjury_history::export::edn(history, out),
        ExportTo::Perjury => {
            let model = imported.model.as_deref().unwrap_or_default();
            perjury_history::write_history(history, model, out)
        }
    }
}

fn read(options: &Export) -> Result<Imported, FileError> {
    let path = match RunFolder::open(&options.path) {
        Ok(folder) => folder.history_path(),
        Err(_) => options.path.clone(),
    };
    import::read(&path, None, &Dialect::default())
}
