//! What clients were shown, to be asked whether a lie reached one of them.

use std::collections::{BTreeSet, HashMap};

use perjury_history::{
    AnomalyKind, Call, Finding, History, Index, Key, Nanos, NodeName, Operation, Outcome, Reply,
    Value, pair, scrubbed,
};

use super::stated::meant;

/// How many operations around the time of a lie are looked at.
const MOST_AROUND: usize = 64;

/// The answers of a history, of the load and of the scrub.
pub(super) struct Answers {
    /// By their ends.
    operations: Vec<Operation>,
    /// By the value that was shown: places in `operations`.
    shown: HashMap<Value, Vec<usize>>,
    /// The answered reads of each key, by their ends.
    reads: HashMap<Key, Vec<usize>>,
    /// The keys that each value was to be written to.
    written: HashMap<Value, BTreeSet<Key>>,
    /// The operations that an anomaly cites.
    cited: BTreeSet<Index>,
    /// The operations that show, each with another one, that something was done twice.
    repeated: BTreeSet<Index>,
    /// Do clients speak to other nodes than that of their invocation?
    elsewhere: bool,
}

/// What was shown to a client, if anything was.
pub(super) type Seen = Option<Nanos>;

impl Answers {
    pub(super) fn new(history: &History, findings: &[Finding]) -> Answers {
        let mut operations = pair(&history.entries).unwrap_or_default();
        operations.extend(scrubbed(&history.entries).unwrap_or_default());
        operations.sort_by_key(ended);
        let mut shown: HashMap<Value, Vec<usize>> = HashMap::new();
        let mut reads: HashMap<Key, Vec<usize>> = HashMap::new();
        let mut written: HashMap<Value, BTreeSet<Key>> = HashMap::new();
        for (at, operation) in operations.iter().enumerate() {
            if let (Some(value), Some(key)) = (meant(&operation.call), operation.call.key()) {
                written.entry(value.clone()).or_default().insert(key.clone());
            }
            let values: &[Value] = match operation.outcome() {
                Some(Outcome::Ok(Reply::Value(value))) => std::slice::from_ref(value),
                Some(Outcome::Ok(Reply::Elements(elements))) => elements,
                _ => continue,
            };
            if let Some(key) = operation.call.key() {
                reads.entry(key.clone()).or_default().push(at);
            }
            for value in values {
                shown.entry(value.clone()).or_default().push(at);
            }
        }
        let anomalies = || findings.iter().flat_map(|finding| &finding.anomalies);
        let cited = anomalies().flat_map(|anomaly| &anomaly.witnesses).copied().collect();
        let is_repeated = |kind| {
            matches!(kind, AnomalyKind::DuplicateApplication | AnomalyKind::DuplicateElement)
        };
        let repeated = anomalies().filter(|anomaly| is_repeated(anomaly.kind));
        let repeated = repeated.filter_map(|anomaly| anomaly.witnesses.last().copied()).collect();
        let elsewhere = operations.iter().any(|one| one.answerer() != &one.node);
        Answers { operations, shown, reads, written, cited, repeated, elsewhere }
    }

    /// The end of the operation of that invocation.
    pub(super) fn ends(&self) -> HashMap<Index, Nanos> {
        self.operations.iter().map(|operation| (operation.invoked, ended(operation))).collect()
    }

    pub(super) fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Did any operation ask to write that?
    pub(super) fn is_genuine(&self, value: &Value) -> bool {
        self.written.contains_key(value)
    }

    /// When that value was first shown after `time`, in an answer that passes.
    pub(super) fn seen(
        &self,
        value: &Value,
        time: Nanos,
        passes: impl Fn(&Operation) -> bool,
    ) -> Seen {
        let all = self.shown.get(value)?.iter().map(|at| &self.operations[*at]);
        all.filter(|one| ended(one) >= time && passes(one)).map(ended).next()
    }

    /// Was it to be written to the key of this operation?
    pub(super) fn belongs(&self, value: &Value, operation: &Operation) -> bool {
        let keys = self.written.get(value);
        operation.call.key().is_some_and(|key| keys.is_some_and(|keys| keys.contains(key)))
    }

    /// Were both to be written, and never to the same key?
    pub(super) fn are_of_other_keys(&self, left: &Value, right: &Value) -> bool {
        match (self.written.get(left), self.written.get(right)) {
            (Some(left), Some(right)) => left.is_disjoint(right),
            _ => false,
        }
    }

    pub(super) fn is_cited(&self, operation: &Operation) -> bool {
        self.cited.contains(&operation.invoked)
    }

    /// The first answer after that time that shows that something was done twice.
    pub(super) fn repeated_after(&self, time: Nanos) -> Option<&Operation> {
        let first = self.operations.partition_point(|operation| ended(operation) < time);
        self.operations[first..].iter().find(|one| self.repeated.contains(&one.invoked))
    }

    /// Was a key that this value was to be written to read after that time?
    pub(super) fn is_read_after(&self, value: &Value, time: Nanos) -> bool {
        let keys = self.written.get(value).into_iter().flatten();
        keys.filter_map(|key| self.reads.get(key)?.last()).any(|at| {
            let operation = &self.operations[*at];
            operation.start >= time
        })
    }

    /// The operations that were open between those times, asked of that node or of any. Where
    /// clients go elsewhere, it is not known who left a call unanswered.
    pub(super) fn around<'a>(
        &'a self,
        node: Option<&'a NodeName>,
        from: Nanos,
        to: Nanos,
    ) -> impl Iterator<Item = &'a Operation> {
        let first = self.operations.partition_point(|operation| ended(operation) < from);
        let asked = move |operation: &&Operation| match node {
            None => true,
            Some(node) if operation.said.is_some() => operation.answerer() == node,
            Some(node) => operation.node == *node || self.elsewhere,
        };
        let rest = self.operations[first..].iter().filter(asked).take(MOST_AROUND);
        rest.filter(move |operation| operation.start <= to)
    }
}

/// When it ended, in doubt or not.
pub(super) fn ended(operation: &Operation) -> Nanos {
    operation.completion.as_ref().map_or(Nanos::MAX, |(_, time, _)| *time)
}

/// Is it a read that was answered?
pub(super) fn is_answered_read(operation: &Operation) -> bool {
    matches!(operation.call, Call::Read { .. } | Call::ReadAll { .. })
        && matches!(operation.outcome(), Some(Outcome::Ok(_)))
}
