//! One channel from the start of a program to its end.
//!
//! Standard output and error are read in turns without blocking, because a program that fills the
//! window of the one that is not read would hang. Input is written in blocking mode, in pieces that
//! fit the window: libssh2 must not be left with half a packet (it then refuses every other one).

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use ssh2::{Channel, Session};

use super::stream::Stream;
use crate::remote::{Status, command::keep};

/// The largest piece written or read at once.
pub(super) const PIECE: usize = 32 << 10;

/// Looked at again after this long even if nothing seems to happen.
const LOOK: Duration = Duration::from_millis(200);

/// libssh2's number for "not now".
const WOULD_BLOCK: i32 = -37;

/// Why a channel did not come to its end.
#[derive(Debug)]
pub(super) enum Broken {
    /// The deadline passed.
    Late,
    /// The connection is gone or of no use any more; the reason.
    Lost(String),
    /// A file on this side.
    Here(std::io::Error),
}

impl From<ssh2::Error> for Broken {
    fn from(error: ssh2::Error) -> Broken {
        Broken::Lost(error.to_string())
    }
}

/// A channel with a program on it.
pub(super) struct Program<'a> {
    session: &'a Session,
    stream: &'a Stream,
    pub(super) channel: Channel,
}

impl<'a> Program<'a> {
    /// Takes over a channel on which a program was started.
    pub(super) fn new(session: &'a Session, stream: &'a Stream, channel: Channel) -> Self {
        session.set_blocking(false);
        Program { session, stream, channel }
    }

    /// Writes as much as the other side takes now; 0 if it takes nothing.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let room = self.channel.write_window().remaining as usize;
        let length = bytes.len().min(room).min(PIECE);
        if length == 0 {
            return Ok(0);
        }
        self.session.set_blocking(true);
        let written = self.channel.write(&bytes[..length]);
        self.session.set_blocking(false);
        written.map_err(|error| Broken::Lost(error.to_string()))
    }

    /// Says that there is no more input.
    pub(super) fn end_input(&mut self) -> Result<(), Broken> {
        self.session.set_blocking(true);
        let sent = self.channel.send_eof();
        self.session.set_blocking(false);
        Ok(sent?)
    }

    /// Reads what is there of one stream: 0 for standard output, 1 for standard error. `None` if
    /// nothing is there.
    pub(super) fn read(&mut self, stream: i32, piece: &mut [u8]) -> Result<Option<usize>, Broken> {
        loop {
            match self.channel.stream(stream).read(piece) {
                Ok(0) => return Ok(None),
                Ok(length) => return Ok(Some(length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if !self.is_sending() {
                        return Ok(None);
                    }
                    // A half-sent packet has to go first, by this same call.
                    self.stream.wait_room(LOOK);
                }
                Err(error) => return Err(Broken::Lost(error.to_string())),
            }
        }
    }

    fn is_sending(&self) -> bool {
        use ssh2::BlockDirections::{Both, Outbound};
        matches!(self.session.block_directions(), Outbound | Both)
    }

    /// Has the host closed the channel, after all output was read? Only then is the status known.
    pub(super) fn is_closed(&mut self) -> Result<bool, Broken> {
        if !self.channel.eof() {
            return Ok(false);
        }
        match self.channel.wait_close() {
            Ok(()) => Ok(true),
            Err(error) if error.code() == ssh2::ErrorCode::Session(WOULD_BLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// How the program ended. The signal comes first: libssh2 answers exit code 0 for a program
    /// that was killed.
    pub(super) fn status(&self) -> Result<Status, Broken> {
        let signal = self.channel.exit_signal()?;
        match signal.exit_signal {
            Some(name) => Ok(Status::Signaled(name)),
            None => Ok(Status::Exited(self.channel.exit_status()?)),
        }
    }

    /// Waits for the host, or for `wake`, but never long.
    pub(super) fn wait(&self, wake: Option<BorrowedFd<'_>>, deadline: Option<Instant>) {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        self.stream.wait(wake, left.unwrap_or(LOOK).min(LOOK));
    }

    /// Closes the channel and lets the session block again, as others expect it.
    pub(super) fn close(mut self) -> Result<(), Broken> {
        self.session.set_blocking(true);
        Ok(self.channel.close()?)
    }
}

/// What goes in: some bytes, then perhaps a file.
pub(super) struct Input {
    pub(super) bytes: Vec<u8>,
    pub(super) sent: usize,
    pub(super) file: Option<File>,
    pub(super) ended: bool,
}

impl Input {
    /// Sends what there is room for; says whether anything was sent.
    fn advance(&mut self, program: &mut Program<'_>) -> Result<bool, Broken> {
        if self.ended {
            return Ok(false);
        }
        if self.sent == self.bytes.len()
            && let Some(file) = &mut self.file
        {
            self.bytes.resize(PIECE, 0);
            let length = file.read(&mut self.bytes).map_err(Broken::Here)?;
            self.bytes.truncate(length);
            self.sent = 0;
        }
        if self.sent == self.bytes.len() {
            self.ended = true;
            program.end_input()?;
            return Ok(true);
        }
        let sent = program.write(&self.bytes[self.sent..])?;
        self.sent += sent;
        Ok(sent > 0)
    }
}

/// Runs a program to its end: its status, output and error output. Output goes to `file` if given.
pub(super) fn to_end(
    program: &mut Program<'_>,
    mut input: Input,
    mut file: Option<File>,
    deadline: Instant,
) -> Result<(Status, Vec<u8>, Vec<u8>), Broken> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut piece = vec![0; PIECE];
    loop {
        if Instant::now() >= deadline {
            return Err(Broken::Late);
        }
        let mut moved = match input.advance(program) {
            Ok(moved) => moved,
            // A program that ends without reading its input closes the channel first.
            Err(Broken::Lost(_)) if program.channel.eof() => {
                input.ended = true;
                false
            }
            Err(error) => return Err(error),
        };
        if let Some(length) = program.read(0, &mut piece)? {
            moved = true;
            match &mut file {
                Some(file) => file.write_all(&piece[..length]).map_err(Broken::Here)?,
                None => keep(&mut stdout, &piece[..length]),
            }
        }
        if let Some(length) = program.read(1, &mut piece)? {
            moved = true;
            keep(&mut stderr, &piece[..length]);
        }
        if moved {
            continue;
        }
        if program.is_closed()? {
            return Ok((program.status()?, stdout, stderr));
        }
        program.wait(None, Some(deadline));
    }
}
