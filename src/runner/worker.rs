//! One worker: a task with one client, which carries out one call after the other.
//!
//! This is the only place where what a client says becomes an outcome. The rules
//! (docs/outcomes.md): no connection, so nothing was sent: `fail`. Refused for sure: `fail`.
//! Anything doubtful, a timeout too: `info`, but `fail` for a call that can change nothing. After
//! anything doubtful the connection is dropped: a late reply must not be taken for the next one's.

use std::sync::Arc;
use std::time::Duration;

use perjury_history::{Call, Cause, Index, Nanos, Outcome, Reply, Testimony};
use tokio::sync::mpsc;

use super::Clock;
use crate::databases::{Boxed, Client, Refusal};

/// Opens the connection of a worker.
pub type Connect =
    Arc<dyn Fn(usize) -> Boxed<'static, Result<Box<dyn Client>, Cause>> + Send + Sync>;

/// After a connection that could not be made, the worker rests this long: a closed loop must not
/// spin on a dead node.
const REST: Duration = Duration::from_millis(100);

/// An order to a worker.
pub(super) struct Order {
    pub(super) index: Index,
    pub(super) call: Call,
}

/// What came of an order.
pub(super) struct Report {
    pub(super) worker: usize,
    pub(super) index: Index,
    pub(super) call: Call,
    pub(super) time: Nanos,
    pub(super) outcome: Outcome,
    pub(super) said: Option<Box<Testimony>>,
}

pub(super) struct Worker {
    pub(super) number: usize,
    pub(super) clock: Clock,
    pub(super) connect: Connect,
    pub(super) timeout: Duration,
    pub(super) reports: mpsc::UnboundedSender<Report>,
}

impl Worker {
    pub(super) async fn run(self, mut orders: mpsc::Receiver<Order>) {
        let mut client = None;
        while let Some(Order { index, call }) = orders.recv().await {
            let mut open = OpenOrder { worker: &self, index, call, outcome: None, said: None };
            let (outcome, said) = self.carry_out(&mut client, &open.call).await;
            open.said = said;
            open.outcome = Some(outcome);
        }
    }

    async fn carry_out(
        &self,
        client: &mut Option<Box<dyn Client>>,
        call: &Call,
    ) -> (Outcome, Option<Box<Testimony>>) {
        if client.is_none() {
            match tokio::time::timeout(self.timeout, (self.connect)(self.number)).await {
                Ok(Ok(fresh)) => *client = Some(fresh),
                Ok(Err(cause)) => {
                    tokio::time::sleep(REST).await;
                    return (Outcome::Fail(cause), None);
                }
                Err(_) => {
                    return (Outcome::Fail(timeout("no connection", self.timeout)), None);
                }
            }
        }
        let Some(open) = client else { unreachable!("it was opened above") };
        let doubt = match ask(open.as_mut(), call, self.timeout).await {
            Asked::Answered(reply, said) => return (Outcome::Ok(reply), said),
            Asked::Refused(cause) => {
                if !open.is_open() {
                    *client = None;
                }
                return (Outcome::Fail(cause), None);
            }
            Asked::Doubtful(cause) => cause,
        };
        *client = None;
        // A reply outside the contract is reported as such, also to a read.
        if call.is_read_only() && doubt.code != Cause::UNMODELLED {
            (Outcome::Fail(doubt), None)
        } else {
            (Outcome::Info(doubt), None)
        }
    }
}

/// What a client said to one call.
pub(super) enum Asked {
    /// The reply, and what it said of itself, if anything.
    Answered(Reply, Option<Box<Testimony>>),
    /// It had no effect and never will.
    Refused(Cause),
    /// It may have had one. The client is of no use any more: a late reply would be taken for the
    /// next one's.
    Doubtful(Cause),
}

/// Asks once, and waits no longer than that.
pub(super) async fn ask(client: &mut dyn Client, call: &Call, limit: Duration) -> Asked {
    match tokio::time::timeout(limit, client.invoke(call)).await {
        Ok(Ok(reply)) => {
            let said = client.testimony();
            Asked::Answered(reply, (!said.is_empty()).then(|| Box::new(said)))
        }
        Ok(Err(Refusal::Definite(cause))) => Asked::Refused(cause),
        Ok(Err(Refusal::Indefinite(cause))) => Asked::Doubtful(cause),
        Ok(Err(Refusal::Unmodelled(cause))) => {
            Asked::Doubtful(Cause::new(Cause::UNMODELLED, cause.to_string()))
        }
        Err(_) => Asked::Doubtful(timeout("no answer", limit)),
    }
}

/// Reports when it is dropped, so that a client that panics still leaves an honest `info`.
struct OpenOrder<'a> {
    worker: &'a Worker,
    index: Index,
    call: Call,
    outcome: Option<Outcome>,
    said: Option<Box<Testimony>>,
}

impl Drop for OpenOrder<'_> {
    fn drop(&mut self) {
        let panicked = || Outcome::Info(Cause::new("client-panicked", "a bug in the client"));
        // The interpreter may be gone already; then nobody wants to know.
        let _ = self.worker.reports.send(Report {
            worker: self.worker.number,
            index: self.index,
            call: self.call.clone(),
            time: self.worker.clock.now(),
            outcome: self.outcome.take().unwrap_or_else(panicked),
            said: self.said.take(),
        });
    }
}

fn timeout(what: &str, limit: Duration) -> Cause {
    Cause::new("timeout", format!("{what} within {} ms", limit.as_millis()))
}
