//! Anomalies of operations that prove them by themselves.
//!
//! Not the search for a smallest proof in a whole history: what is cited here is what a judgement
//! that forgets still has. The whole history, judged again, may tell the same anomaly better.

use perjury_history::{Anomaly, AnomalyKind, Key, Operation};

use crate::linearizable;
use crate::wording::known;
use crate::{Options, explain, patterns};

/// The anomaly that these operations prove together, from the initial value of the options. They
/// are `whole` if nothing on their object was forgotten.
pub(super) fn of(mut operations: Vec<Operation>, options: &Options, whole: bool) -> Anomaly {
    operations.sort_by_key(|operation| operation.invoked);
    operations.dedup_by_key(|operation| operation.invoked);
    let (finding, _) = linearizable::check(&operations, options);
    let anomaly = finding.anomalies.into_iter().next().unwrap_or_else(|| {
        let all: Vec<usize> = (0..operations.len()).collect();
        let key = operations.first().and_then(|operation| operation.call.key().cloned());
        explain::general(key, &all, None, &operations)
    });
    if whole || anomaly.kind != AnomalyKind::PhantomValue {
        return anomaly;
    }
    let cited = operations.iter().filter(|one| anomaly.witnesses.contains(&one.invoked));
    let read = cited.filter(|one| patterns::seen(one).is_some()).min_by_key(|one| one.end());
    match (read, &anomaly.key) {
        (Some(read), Some(key)) => of_unknown(read, key),
        _ => anomaly,
    }
}

/// A read of what is not known to have been written, where writes were forgotten.
pub(super) fn of_unknown(read: &Operation, key: &Key) -> Anomaly {
    let why = "nobody had written it, or it had been replaced before the read began";
    of_read(read, key, AnomalyKind::NonLinearizable, why)
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
