//! Where certificates go, and whether one proves what it claims.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};

use perjury_checkers::{Certificate, verify as verify_certificate};

use super::inputs::Input;
use super::{Said, Settings, file, shown};
use crate::cli::Exit;
use crate::cli::arguments::Check;

/// The file or folder that `--certificate` names.
pub(super) struct Target<'a> {
    out: &'a Path,
    /// The names inside of the folder, one for each input; `None` where `out` is the file.
    names: Option<Vec<String>>,
}

/// A certificate could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub(super) struct Unwritten {
    path: PathBuf,
    source: io::Error,
}

impl<'a> Target<'a> {
    /// A folder if there are several inputs, or if it is one already.
    pub(super) fn open(out: &'a Path, inputs: &[Input]) -> Result<Target<'a>, Unwritten> {
        if inputs.len() == 1 && !out.is_dir() {
            return Ok(Target { out, names: None });
        }
        std::fs::create_dir_all(out)
            .map_err(|source| Unwritten { path: out.to_owned(), source })?;
        Ok(Target { out, names: Some(names(inputs)) })
    }

    /// Writes the certificate of an input, or says that there is none. A file that an earlier check
    /// left there goes: it would be taken for the proof of what is illegal now.
    pub(super) fn write(
        &self,
        at: usize,
        name: &str,
        certificate: Option<&Certificate>,
        said: &mut Said,
    ) {
        let path = match &self.names {
            None => self.out.to_owned(),
            Some(names) => self.out.join(&names[at]),
        };
        let written = match certificate {
            Some(certificate) => {
                File::create(&path).and_then(|file| certificate.write(&mut BufWriter::new(file)))
            }
            None => match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        };
        match (written, certificate) {
            (Err(source), _) => said.also(Exit::Infrastructure, &Unwritten { path, source }),
            (Ok(()), Some(_)) => said.line(name, format_args!("certificate {}", path.display())),
            (Ok(()), None) => said.line(name, "no certificate: no order was found"),
        }
    }
}

/// A file's name, and a number where two inputs have the same.
fn names(inputs: &[Input]) -> Vec<String> {
    let mut taken = HashSet::new();
    let mut unique = |input: &Input| {
        let stem = input.path().and_then(Path::file_name).unwrap_or_default();
        let stem = stem.to_string_lossy();
        let numbered = |number: usize| match number {
            1 => format!("{stem}.certificate.jsonl"),
            more => format!("{stem}.{more}.certificate.jsonl"),
        };
        let name = (1..).map(numbered).find(|name| !taken.contains(name)).unwrap_or_default();
        taken.insert(name.clone());
        name
    };
    inputs.iter().map(&mut unique).collect()
}

/// `--verify`: does the certificate prove that the history is linearizable?
pub(super) fn verify(
    certificate: &Path,
    path: &Path,
    settings: &Settings<'_>,
    options: &Check,
) -> Exit {
    let read = File::open(certificate)
        .map_err(perjury_checkers::CertificateError::from)
        .and_then(|file| Certificate::read(BufReader::new(file)));
    let proof = match read {
        Ok(proof) => proof,
        Err(error) => {
            // What is no certificate proves nothing; that is no anomaly and no missing file.
            let missing = matches!(error, perjury_checkers::CertificateError::Io(_));
            let exit = if missing { Exit::Infrastructure } else { Exit::Unknown };
            let what = format!("{}: {error}", certificate.display());
            let said = Said::failed(exit, what);
            said.print(options.json);
            return exit;
        }
    };
    let (imported, _) = match file::read(path, settings) {
        Ok(read) => read,
        Err(said) => {
            said.print(options.json);
            return said.exit;
        }
    };
    // The certificate names the model and the initial value, unless the command line insists.
    let model = settings.model.unwrap_or(proof.model);
    let initial = match options.initial.as_deref() {
        Some(_) => &settings.initial,
        None => &proof.initial,
    };
    let result = verify_certificate(&imported.history, model, initial, &proof);
    let exit = if result.is_ok() { Exit::Valid } else { Exit::Unknown };
    let mut said = Said::new(exit);
    let name = shown(path);
    match &result {
        Ok(()) => said.line(
            &name,
            format_args!("verified: linearizable as {model} from {initial}, by the certificate"),
        ),
        Err(refusal) => said.line(&name, format_args!("refused: {refusal}")),
    }
    said.object(serde_json::json!({
        "schema": 1,
        "path": path,
        "model": model.to_string(),
        "verified": result.is_ok(),
        "refusal": result.err().map(|refusal| refusal.to_string()),
        "exit": exit.code(),
    }));
    said.print(options.json);
    exit
}
