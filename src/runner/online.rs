//! Judges the history while the run goes on, in a thread of its own.
//!
//! It reads the file that the interpreter writes, so neither waits for the other: when judging
//! takes longer, what is not judged yet lies on the disk. The invariant: nothing is passed over. A
//! run that ends before all was judged has lost nothing, as the whole history is judged anyway.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use perjury_checkers::{Budget, Online, Options, Proof};
use perjury_history::{Entries, FileError};
use tokio::sync::watch;

/// How long to wait for more where the file ends.
const REST: Duration = Duration::from_millis(20);

/// Why a history cannot be judged while it is made.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// Its file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// No thread could be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// Its header names no model that is known.
    #[error("{0}")]
    Model(String),
}

/// What has come of it so far.
#[derive(Clone, Debug, Default)]
pub enum Seen {
    /// Nothing.
    #[default]
    Nothing,
    /// An anomaly.
    Proved(Proof),
    /// It cannot be judged, and this is why.
    Failed(String),
}

/// A judgement that follows a history file. Dropping it ends it.
pub struct Follower {
    seen: watch::Receiver<Seen>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Begins to follow the history at this path, whose header was written.
    ///
    /// # Errors
    /// The file is no history, or there is no thread to be had.
    pub fn start(path: &Path) -> Result<Follower, FollowError> {
        let entries = Entries::open(path)?;
        let model = entries.header().model.parse().map_err(FollowError::Model)?;
        let over = Arc::new(AtomicBool::new(false));
        let budget = Budget { cancel: Arc::clone(&over), ..Budget::default() };
        let online = Online::new(Options { budget, ..Options::new(model) });
        let (tell, seen) = watch::channel(Seen::Nothing);
        let stop = Arc::clone(&over);
        let thread = std::thread::Builder::new()
            .name("online".into())
            .spawn(move || follow(entries, online, &stop, &tell))?;
        Ok(Follower { seen, over, thread: Some(thread) })
    }

    /// What came of it so far.
    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Returns when there is something to say; never, if nothing comes of it.
    pub async fn something(&mut self) -> Seen {
        let said = self.seen.wait_for(|seen| !matches!(seen, Seen::Nothing)).await;
        match said {
            Ok(seen) => seen.clone(),
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.over.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // It ends within moments, and a panic in there is no reason to fail a run.
            let _ = thread.join();
        }
    }
}

fn follow(mut entries: Entries, mut online: Online, over: &AtomicBool, tell: &watch::Sender<Seen>) {
    while !over.load(Relaxed) {
        let entry = match entries.read() {
            Ok(Some(entry)) => entry,
            Ok(None) => {
                std::thread::sleep(REST);
                continue;
            }
            Err(error) => {
                tell.send_replace(Seen::Failed(error.to_string()));
                return;
            }
        };
        match online.push(&entry) {
            Ok(None) => {}
            Ok(Some(proof)) => {
                tell.send_replace(Seen::Proved(proof.clone()));
                return;
            }
            Err(why) => {
                tell.send_replace(Seen::Failed(why));
                return;
            }
        }
    }
}

/// What a run says that ends because of a proof, in its history.
pub(super) fn note(proof: &Proof) -> String {
    let Proof { at, anomaly } = proof;
    format!("the load was ended: what was answered up to {at} proves a {}", anomaly.kind)
}
