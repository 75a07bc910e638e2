//! What the drivers of real databases share: how values look on the wire, and how long a question
//! that is not part of the load may take.

use std::time::Duration;

use perjury_history::{Cause, Value};

/// A question that is not part of the load has a short time limit of its own.
pub(super) async fn limited<T>(asking: impl Future<Output = Result<T, Cause>>) -> Result<T, Cause> {
    tokio::time::timeout(Duration::from_millis(800), asking)
        .await
        .unwrap_or_else(|_| Err(Cause::new("timeout", "no answer")))
}

/// A value as databases that hold text store it. Nil is never written.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Text(text) => text.to_string(),
        Value::Nil | Value::Raw(_) => String::new(),
    }
}
