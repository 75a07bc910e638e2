//! What is printed about one input, kept until it is its turn.

use std::fmt::Display;

use serde_json::Value as Json;

use crate::cli::{Exit, story};

/// What came of one input.
pub(super) struct Said {
    /// Lines for people, on standard error.
    lines: Vec<String>,
    /// The object for `--json`, on standard output.
    object: Option<Json>,
    /// What the input alone would exit with.
    pub(super) exit: Exit,
}

impl Said {
    pub(super) fn new(exit: Exit) -> Said {
        Said { lines: Vec::new(), object: None, exit }
    }

    /// It could not be judged.
    pub(super) fn failed(exit: Exit, what: String) -> Said {
        Said { lines: vec![format!("perjury: {what}")], object: None, exit }
    }

    /// It could not be judged, and this is why.
    pub(super) fn error(exit: Exit, error: &dyn std::error::Error) -> Said {
        Said::failed(exit, story(error))
    }

    /// One more line about the input of that name.
    pub(super) fn line(&mut self, name: &str, what: impl Display) {
        self.lines.push(format!("{name}: {what}"));
    }

    pub(super) fn object(&mut self, object: Json) {
        self.object = Some(object);
    }

    /// Something besides the verdict failed: that counts too, but never more than an anomaly.
    pub(super) fn also(&mut self, exit: Exit, error: &dyn std::error::Error) {
        self.lines.push(format!("perjury: {}", story(error)));
        self.exit = self.exit.worst(exit);
    }

    pub(super) fn print(&self, json: bool) {
        for line in &self.lines {
            eprintln!("{line}");
        }
        if let (true, Some(object)) = (json, &self.object) {
            println!("{object}");
        }
    }
}
