//! The connection to an agent: requests out, answers back to their askers.
//!
//! Requests may overlap; the answers find their askers by id. A thread of its own renews the lease,
//! so that neither a slow request nor a busy async runtime lets it run out, and it notices when
//! the agent falls silent.
//!
//! Invariant: who waits for an answer gets it, or hears at once that it will not come.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::time::{Duration, Instant};

use perjury_agent::frame::{self, Splitter};
use perjury_agent::protocol::{Answer, Body, Failure, Request, Response};
use tokio::sync::oneshot;

use super::{AgentError, PipeReader, PipeWriter, RemoteError};

/// What the handle, the reading task and the renewing thread share.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) place: String,
    next: AtomicU64,
    /// `None` once the agent's input is closed.
    writer: Mutex<Option<Arc<PipeWriter>>>,
    waiting: Mutex<Waiting>,
}

type Reply = Result<Answer, Failure>;

#[derive(Debug)]
struct Waiting {
    askers: HashMap<u64, oneshot::Sender<Reply>>,
    /// When the agent was last heard; `None` before its first word, which may take longer than the
    /// lease: it first undoes what an earlier one left.
    heard: Option<Instant>,
    /// Why no answer will come any more.
    lost: Option<String>,
}

impl Link {
    /// Takes over both ends of the agent and begins to listen.
    pub(super) fn new(place: String, writer: PipeWriter, reader: PipeReader) -> Arc<Link> {
        let waiting = Waiting { askers: HashMap::new(), heard: None, lost: None };
        let link = Arc::new(Link {
            place,
            next: AtomicU64::new(1),
            writer: Mutex::new(Some(Arc::new(writer))),
            waiting: Mutex::new(waiting),
        });
        tokio::spawn(listen(Arc::downgrade(&link), reader));
        link
    }

    /// Asks and waits for the answer, but no longer than `timeout`.
    pub(super) async fn ask(&self, body: Body, timeout: Duration) -> Result<Answer, AgentError> {
        let place = || self.place.clone();
        let (id, answer) = self.expect_answer()?;
        let frame = frame::encode(&Request { id, body }).map_err(|error| RemoteError::Usage {
            place: place(),
            reason: format!("a request that cannot be sent: {error}"),
        })?;
        let asked = async {
            let writer = self.writer().clone();
            if let Some(writer) = writer {
                // If it is closed, the end of the answers says why.
                let _ = writer.send(frame).await;
            }
            answer.await
        };
        match tokio::time::timeout(timeout, asked).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(failure))) => Err(AgentError::Refused { place: place(), failure }),
            Ok(Err(_)) => {
                Err(AgentError::Lost { place: place(), reason: self.lost().unwrap_or_default() })
            }
            Err(_) => {
                self.waiting().askers.remove(&id);
                Err(AgentError::Timeout { place: place(), limit: timeout })
            }
        }
    }

    /// Why no answer will come any more, if so.
    pub(super) fn lost(&self) -> Option<String> {
        self.waiting().lost.clone()
    }

    /// Closes the agent's standard input.
    pub(super) fn hang_up(&self) {
        self.writer().take();
    }

    fn writer(&self) -> MutexGuard<'_, Option<Arc<PipeWriter>>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect_answer(&self) -> Result<(u64, oneshot::Receiver<Reply>), AgentError> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting();
        if let Some(reason) = waiting.lost.clone() {
            return Err(AgentError::Lost { place: self.place.clone(), reason });
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        waiting.askers.insert(id, sender);
        Ok((id, receiver))
    }

    /// No answer will come any more: everybody who waits hears so at once.
    fn lose(&self, reason: String) {
        let mut waiting = self.waiting();
        waiting.lost.get_or_insert(reason);
        waiting.askers.clear();
        drop(waiting);
        self.writer().take();
    }

    fn deliver(&self, response: Response) {
        let mut waiting = self.waiting();
        waiting.heard = Some(Instant::now());
        if let Some(asker) = waiting.askers.remove(&response.id) {
            // An asker that gave up needs no answer.
            let _ = asker.send(response.result);
        }
    }

    /// Starts a thread that renews the lease four times in its length, and declares a silent agent
    /// lost: by then its lease has run out or is about to. It ends with what is answered here, or
    /// with the link.
    pub(super) fn renew(self: &Arc<Link>, lease: Duration) -> Result<mpsc::Sender<()>, AgentError> {
        let (stop, stopped) = mpsc::channel::<()>();
        let link = Arc::downgrade(self);
        let thread = std::thread::Builder::new().name("perjury-renew".to_string());
        let spawned = thread.spawn(move || {
            while stopped.recv_timeout(lease / 4) == Err(mpsc::RecvTimeoutError::Timeout) {
                let alive = link.upgrade().is_some_and(|link| link.renew_once(lease));
                if !alive {
                    return;
                }
            }
        });
        let failed = |error| RemoteError::Usage {
            place: "controller".to_string(),
            reason: format!("cannot start a thread: {error}"),
        };
        spawned.map(|_| stop).map_err(|error| failed(error).into())
    }

    /// Says whether there is still a lease to renew.
    fn renew_once(&self, lease: Duration) -> bool {
        let silent = self.waiting().heard.map(|at| at.elapsed());
        if let Some(silent) = silent.filter(|silent| *silent > lease) {
            self.lose(format!("no answer for {silent:.1?}"));
            return false;
        }
        let Some(writer) = self.writer().clone() else { return false };
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        if let Ok(frame) = frame::encode(&Request { id, body: Body::Renew }) {
            // A full pipe is not waited for: what fills it renews the lease as well.
            writer.try_send(frame);
        }
        true
    }
}

/// Hands out answers until the agent's output ends.
async fn listen(link: Weak<Link>, mut reader: PipeReader) {
    let mut splitter = Splitter::default();
    let mut reason = "its output ended".to_string();
    'reading: while let Some(piece) = reader.recv().await {
        let Some(link) = link.upgrade() else { return };
        splitter.push(&piece);
        loop {
            let frame = match splitter.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    let start = splitter.rest();
                    let start = String::from_utf8_lossy(&start[..start.len().min(200)]);
                    reason = format!("its output is not ours ({error}): {start:?}");
                    break 'reading;
                }
            };
            match serde_json::from_slice::<Response>(&frame) {
                Ok(response) => link.deliver(response),
                Err(error) => {
                    reason = format!("its answer cannot be read: {error}");
                    break 'reading;
                }
            }
        }
    }
    if let Some(link) = link.upgrade() {
        link.lose(reason);
    }
}
