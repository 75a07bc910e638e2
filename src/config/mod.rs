//! Declarations: TOML to specs, and nothing else. The only home of the `toml` crate.
//!
//! A declaration composes words that the code defines. Whatever is not known is refused with its
//! line, its column and the nearest word that is known. Names (`--workload register`) are looked
//! up as a path, then in the folder for their kind, then among the declarations that are built in.

mod builtin;
mod error;
mod run;
mod suite;
mod workload;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

pub use builtin::{Kind, built_in, names};
pub use error::ConfigError;
pub use run::{Names, RUN_SCHEMA, RunSpec};
pub use suite::{Expect, Suite, SuiteRun};
pub use workload::WorkloadSpec;

/// Reads one declaration.
///
/// # Errors
/// There is none of that name, or it does not say what it should.
pub fn load<T: DeserializeOwned>(kind: Kind, name: &str) -> Result<T, ConfigError> {
    let (origin, text) = find(kind, name)?;
    parse(&origin, &text)
}

/// Reads a resolved run, as it stands in a run folder.
///
/// # Errors
/// The file cannot be read, or it does not say what it should.
pub fn load_run(path: &Path) -> Result<RunSpec, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let spec: RunSpec = parse(&path.display().to_string(), &text)?;
    spec.check_schema(path)?;
    Ok(spec)
}

/// Reads TOML. `origin` is what messages call it.
///
/// # Errors
/// [`ConfigError::Parse`].
pub fn parse<T: DeserializeOwned>(origin: &str, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::parse(origin, text, &error))
}

/// Writes TOML.
///
/// # Errors
/// [`ConfigError::Write`]: a value that TOML cannot express.
pub fn write<T: serde::Serialize>(value: &T) -> Result<String, ConfigError> {
    toml::to_string_pretty(value).map_err(|error| ConfigError::Write(error.to_string()))
}

fn find(kind: Kind, name: &str) -> Result<(String, String), ConfigError> {
    let file = format!("{name}.toml");
    let candidates = [PathBuf::from(name), Path::new(kind.folder()).join(&file)];
    for path in candidates {
        if path.extension().is_some_and(|end| end == "toml") && path.is_file() {
            let text = std::fs::read_to_string(&path)
                .map_err(|source| ConfigError::Read { path: path.clone(), source })?;
            return Ok((path.display().to_string(), text));
        }
    }
    match built_in(kind, name) {
        Some(text) => Ok((format!("{}/{file} (built in)", kind.folder()), text.to_owned())),
        None => Err(ConfigError::unknown(kind, name)),
    }
}

#[cfg(test)]
mod tests;
