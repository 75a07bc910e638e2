//! The start of a server: its one argument, and a number that no other start has.

use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

/// `NAME CONFIG.json | --version`: prints what it is, or runs.
pub fn start(name: &str, version: &str, run: impl FnOnce(&Path) -> io::Result<()>) -> ExitCode {
    let argument = std::env::args().nth(1);
    match argument.as_deref() {
        Some("--version") => {
            println!("{version}");
            ExitCode::SUCCESS
        }
        Some(path) => match run(Path::new(path)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{name}: {path}: {error}");
                ExitCode::FAILURE
            }
        },
        None => {
            eprintln!("usage: {name} CONFIG.json | --version");
            ExitCode::from(64)
        }
    }
}

/// A number that no other start has.
///
/// # Errors
/// The system has no random numbers.
pub fn draw() -> io::Result<u64> {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}
