//! A running program with both its ends open, whatever carries it.
//!
//! Bytes only: the frames of the agent are cut elsewhere. Dropping the [`PipeWriter`] closes the
//! program's standard input, which is how an agent learns that it has to heal.

use std::fmt;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::Status;

/// A program that is running.
#[derive(Debug)]
pub struct Pipe {
    /// To its standard input.
    pub writer: PipeWriter,
    /// From its standard output.
    pub reader: PipeReader,
    /// How it ended, once it has. Sent after the last bytes of its output.
    pub ending: oneshot::Receiver<Ending>,
}

/// How a piped program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Its status.
    pub status: Status,
    /// The end of its standard error.
    pub stderr: Vec<u8>,
}

impl Ending {
    /// How many bytes of standard error are kept.
    pub const MOST_STDERR: usize = 64 << 10;
}

/// The pieces of standard output, in order, of any size.
pub type PipeReader = mpsc::Receiver<Vec<u8>>;

/// The way to standard input. Dropping it closes the input.
pub struct PipeWriter {
    /// An `Option` only so that drop can close it before it wakes the carrier.
    sender: Option<mpsc::Sender<Vec<u8>>>,
    /// Tells a carrier that sleeps on something else that there is work.
    wake: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// The other end is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl PipeWriter {
    /// A writer for a carrier that receives from the other end of `sender`.
    pub(crate) fn new(
        sender: mpsc::Sender<Vec<u8>>,
        wake: Option<Arc<dyn Fn() + Send + Sync>>,
    ) -> PipeWriter {
        PipeWriter { sender: Some(sender), wake }
    }

    /// Sends bytes; waits while too many are under way.
    pub async fn send(&self, bytes: Vec<u8>) -> Result<(), Closed> {
        let sender = self.sender.as_ref().ok_or(Closed)?;
        sender.send(bytes).await.map_err(|_| Closed)?;
        self.wake();
        Ok(())
    }

    /// Sends bytes if there is room; says whether.
    pub fn try_send(&self, bytes: Vec<u8>) -> bool {
        let sent = self.sender.as_ref().is_some_and(|sender| sender.try_send(bytes).is_ok());
        self.wake();
        sent
    }

    fn wake(&self) {
        if let Some(wake) = &self.wake {
            wake();
        }
    }
}

impl Drop for PipeWriter {
    fn drop(&mut self) {
        self.sender = None;
        self.wake();
    }
}

impl fmt::Debug for PipeWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PipeWriter")
    }
}
