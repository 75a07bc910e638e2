//! Judges one history file of any format that is known, and proves what it says:
//!
//! ```sh
//! cargo run -p perjury-checkers --example judge -- history.edn cas-register
//! ```

use std::path::Path;
use std::process::ExitCode;

use perjury_checkers::{ModelName, Options, judge_with_certificate, sentence, verify, worst};
use perjury_history::import::{self, Dialect};
use perjury_history::{Finding, Verdict};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (path, model) = match words.as_slice() {
        [path] => (path, None),
        [path, model] => (path, Some(model.as_str())),
        _ => {
            eprintln!("usage: judge FILE [MODEL]");
            return ExitCode::from(64);
        }
    };
    match judge(Path::new(path), model) {
        Ok(Verdict::Valid) => ExitCode::SUCCESS,
        Ok(Verdict::Invalid) => ExitCode::from(1),
        Ok(Verdict::Unknown) => ExitCode::from(2),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(3)
        }
    }
}

fn judge(path: &Path, model: Option<&str>) -> Result<Verdict, Box<dyn std::error::Error>> {
    // The format is told from the content; .gz and .zst are decompressed.
    let imported = import::read(path, None, &Dialect::default())?;
    let word = model.or(imported.model.as_deref()).ok_or("name the model")?;
    let options = Options::new(word.parse::<ModelName>()?);

    let (findings, certificate) = judge_with_certificate(&imported.history, &options);
    println!("{}", sentence(&findings, "the database", true));
    for anomaly in findings.iter().flat_map(|finding: &Finding| &finding.anomalies) {
        println!("{}: {}", anomaly.kind, anomaly.detail);
    }

    // What is legal comes with an order of the operations, to be checked without any search.
    if let Some(certificate) = certificate {
        verify(&imported.history, options.model, &options.initial, &certificate)?;
        println!("proved by an order of {} objects", certificate.objects.len());
    }
    Ok(worst(&findings))
}
