//! Anomalies of operations that prove them by themselves.
//!
//! Not the search for a smallest proof in a whole history: what is cited here is what a judgement
//! that forgets still has. The whole history, judged again, may tell the same anomaly better.

use perjury_history::{Anomaly, AnomalyKind, Key, Operation};

use crate::linearizable;
use crate::wording::known;
use crate::{Options, explain};

/// The anomaly that these operations prove together, from the initial value of the options.
pub(super) fn of(mut operations: Vec<Operation>, options: &Options) -> Anomaly {
    operations.sort_by_key(|operation| operation.invoked);
    operations.dedup_by_key(|operation| operation.invoked);
    let (finding, _) = linearizable::check(&operations, options);
    finding.anomalies.into_iter().next().unwrap_or_else(|| {
        let all: Vec<usize> = (0..operations.len()).collect();
        let key = operations.first().and_then(|operation| operation.call.key().cloned());
        explain::general(key, &all, None, &operations)
    })
}

/// The anomaly of one read, and why it is one.
pub(super) fn of_read(read: &Operation, key: &Key, kind: AnomalyKind, why: &str) -> Anomaly {
    Anomaly {
        kind,
        key: Some(key.clone()),
        witnesses: vec![read.invoked],
        nodes: known(std::iter::once(&read.node)),
        accused: Vec::new(),
        detail: format!("{}, but {why}.", explain::saw(read, key)),
    }
}
