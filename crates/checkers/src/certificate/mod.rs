//! A proof that a history is linearizable, as a small file: for each object its operations in an
//! order that explains every answer.
//!
//! The file is JSON Lines. The first line names the format, the model and the initial value, every
//! other line an object and the `index`es of its invocations in their order:
//!
//! ```json
//! {"perjury-certificate":1,"model":"cas-register","initial":null,"objects":1}
//! {"key":"x","order":[0,4,2]}
//! ```
//!
//! `key` is null where transactions tie all objects together. What failed is not listed, what is in
//! doubt only if it took effect. The maker is the search; [`verify`] shares no code with it.

mod holders;
mod sequential;
mod verify;

pub use verify::{Refusal, verify};

use std::io::{self, BufRead, Write};

use perjury_history::{Index, Key, Operation, Value};
use serde::{Deserialize, Serialize};

use crate::ModelName;

/// The version of the format.
const VERSION: u32 = 1;

/// One order for each object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The specification that the orders obey.
    pub model: ModelName,
    /// What a register (or counter) holds at first.
    pub initial: Value,
    /// The objects.
    pub objects: Vec<Order>,
}

/// The operations on one object in the order in which they took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// The object; `None` for all objects together, where transactions span them.
    pub key: Option<Key>,
    /// The entries of the invocations.
    #[serde(rename = "order")]
    pub operations: Vec<Index>,
}

impl Order {
    pub(crate) fn of(key: Option<Key>, places: &[usize], operations: &[Operation]) -> Order {
        let operations = places.iter().map(|place| operations[*place].invoked).collect();
        Order { key, operations }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Header {
    perjury_certificate: u32,
    model: String,
    initial: Value,
    /// How many lines follow: a file that is cut off does not pass for a smaller one.
    objects: usize,
}

/// Why a certificate could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line is not what it should be.
    #[error("line {line} of the certificate: {what}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
}

impl Certificate {
    /// Writes the file.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let header = Header {
            perjury_certificate: VERSION,
            model: self.model.to_string(),
            initial: self.initial.clone(),
            objects: self.objects.len(),
        };
        serde_json::to_writer(&mut *out, &header)?;
        for object in &self.objects {
            out.write_all(b"\n")?;
            serde_json::to_writer(&mut *out, object)?;
        }
        out.write_all(b"\n")?;
        out.flush()
    }

    /// Reads the file.
    ///
    /// # Errors
    /// It cannot be read, is cut off, or is no certificate of a version that is known.
    pub fn read(source: impl BufRead) -> Result<Certificate, CertificateError> {
        let mut lines = source.lines();
        let fail = |line: usize, what: String| CertificateError::Line { line, what };
        let text = |number: usize, line: io::Result<String>| match line {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(fail(number, "not UTF-8".to_owned()))
            }
            line => Ok(line?),
        };
        let first = text(1, lines.next().unwrap_or(Ok(String::new())))?;
        let header: Header =
            serde_json::from_str(&first).map_err(|error| fail(1, error.to_string()))?;
        if header.perjury_certificate != VERSION {
            let what = format!("version {} is not known", header.perjury_certificate);
            return Err(fail(1, what));
        }
        let model = header.model.parse().map_err(|what| fail(1, what))?;
        let mut objects = Vec::new();
        for (number, line) in (2..).zip(lines) {
            let object = serde_json::from_str(&text(number, line)?);
            objects.push(object.map_err(|error| fail(number, error.to_string()))?);
        }
        if objects.len() != header.objects {
            let what = format!("{} objects follow, not {}", objects.len(), header.objects);
            return Err(fail(1, what));
        }
        Ok(Certificate { model, initial: header.initial, objects })
    }
}
