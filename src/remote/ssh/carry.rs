//! A pipe on a channel: bytes both ways until the program ends.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, error::TryRecvError};

use super::run::{Broken, PIECE, Program};
use crate::remote::{Ending, Status};

/// The host is asked for a sign of life this often; firewalls forget silent connections.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// How long a program may go on after its input has ended: an agent needs time to heal.
const AFTER_INPUT: Duration = Duration::from_secs(120);

/// The ends of a pipe that the thread holds.
pub(super) struct Ends {
    /// Sent before anything else.
    pub(super) first: Vec<u8>,
    pub(super) outgoing: mpsc::Receiver<Vec<u8>>,
    pub(super) incoming: mpsc::Sender<Vec<u8>>,
    /// Readable when there is something outgoing, or when its sender is gone.
    pub(super) wake: UnixStream,
}

/// Carries until the program ends, and says how it did.
pub(super) fn carry(program: &mut Program<'_>, ends: Ends, keep: &dyn Fn()) -> Ending {
    let mut stderr = Vec::new();
    let status = match carry_on(program, ends, keep, &mut stderr) {
        Ok(status) => status,
        Err(Broken::Late) => Status::Lost("it went on although its input had ended".to_string()),
        Err(Broken::Lost(reason)) => Status::Lost(reason),
        Err(Broken::Here(error)) => Status::Lost(error.to_string()),
    };
    Ending { status, stderr }
}

fn carry_on(
    program: &mut Program<'_>,
    mut ends: Ends,
    keep: &dyn Fn(),
    stderr: &mut Vec<u8>,
) -> Result<Status, Broken> {
    let mut piece = vec![0; PIECE];
    let mut pending = std::mem::take(&mut ends.first);
    let mut sent = 0;
    let mut deadline: Option<Instant> = None;
    let mut kept = Instant::now();
    loop {
        if deadline.is_some_and(|at| Instant::now() >= at) {
            return Err(Broken::Late);
        }
        if kept.elapsed() >= KEEPALIVE {
            kept = Instant::now();
            keep();
        }
        let mut moved = false;
        if sent == pending.len() && deadline.is_none() {
            match ends.outgoing.try_recv() {
                Ok(bytes) => (pending, sent) = (bytes, 0),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => {
                    deadline = Some(Instant::now() + AFTER_INPUT);
                    program.end_input()?;
                }
            }
        }
        if sent < pending.len() {
            let length = program.write(&pending[sent..])?;
            sent += length;
            moved |= length > 0;
        }
        if let Some(length) = program.read(0, &mut piece)? {
            moved = true;
            // When nobody listens any more it is still drained: a blocked agent cannot heal.
            let _ = ends.incoming.blocking_send(piece[..length].to_vec());
        }
        if let Some(length) = program.read(1, &mut piece)? {
            moved = true;
            stderr.extend_from_slice(&piece[..length]);
            stderr.drain(..stderr.len().saturating_sub(Ending::MOST_STDERR));
        }
        if moved {
            continue;
        }
        if program.is_closed()? {
            return program.status();
        }
        program.wait(Some(ends.wake.as_fd()), deadline);
        drain(&mut ends.wake, &mut piece);
    }
}

/// Empties the wake-up socket, which does not block.
fn drain(wake: &mut UnixStream, piece: &mut [u8]) {
    while let Ok(1..) = wake.read(piece) {}
}
