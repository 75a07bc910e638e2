//! One operation of a history: what was asked, what was answered, and when.
//!
//! Not an event: call and return travel together, and a history is a slice of operations in any
//! order. The invariant is the closed interval, argued at [`Operation::interval`].

/// One operation of one client.
///
/// Times are in any unit, as long as all operations of a history use the same clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Operation<I, O> {
    /// Who called. Not used by the search; it is there for reports.
    pub client: u64,
    /// What was asked.
    pub input: I,
    /// What was answered. `None` is an indeterminate operation: no answer came, so it may have
    /// taken effect at any time after its call, even after the last return of the history, or
    /// never.
    pub output: Option<O>,
    /// When the call was made.
    pub call: u64,
    /// When the answer arrived. Ignored where `output` is `None`.
    pub ret: u64,
}

impl<I, O> Operation<I, O> {
    /// An operation that was answered with `output` at the time `ret`.
    pub fn completed(client: u64, input: I, output: O, call: u64, ret: u64) -> Self {
        Self { client, input, output: Some(output), call, ret }
    }

    /// An operation without an answer: timed out, lost connection, or still open at the end.
    pub fn indeterminate(client: u64, input: I, call: u64) -> Self {
        Self { client, input, output: None, call, ret: u64::MAX }
    }

    /// Whether no answer came.
    pub fn is_indeterminate(&self) -> bool {
        self.output.is_none()
    }

    /// First and last instant at which the operation may take effect, both inclusive; the second is
    /// `None` when there is no last instant.
    ///
    /// Why closed: a monotonic clock may give the same reading twice. Client 1 reads 1 and calls
    /// `put`; client 2 reads 2 and calls `get`; the `put` returns, client 1 reads 2 as well. Client
    /// 2 called before client 1 returned, but half-open intervals [1, 2) and [2, ...) would put the
    /// `put` wholly before the `get` and accuse the database of a stale read. Read as closed they
    /// overlap. The price is that an operation which really followed at the same reading counts as
    /// concurrent: a violation can be missed there, never invented. So equal times order calls
    /// before returns. For the same reason a return that precedes its own call (a broken clock)
    /// widens the interval to both readings instead of emptying it.
    pub fn interval(&self) -> (u64, Option<u64>) {
        if self.output.is_none() {
            return (self.call, None);
        }
        (self.call.min(self.ret), Some(self.call.max(self.ret)))
    }
}
