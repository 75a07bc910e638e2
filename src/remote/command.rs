//! A program to run on a node, and what came of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A program with its arguments. There is no shell in it: what a shell would expand stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What it reads on standard input.
    pub stdin: Vec<u8>,
    /// Added to its environment. Names are limited to letters, digits and `_`.
    pub env: BTreeMap<String, String>,
    /// It is given up after this long.
    pub timeout: Duration,
    /// It has to run as root: through `sudo -n` if the user is not root.
    pub sudo: bool,
}

impl Command {
    /// The timeout of a new command.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// A command with no input, as the user itself, and with the usual timeout.
    pub fn new<I, S>(argv: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Command {
            argv: argv.into_iter().map(Into::into).collect(),
            stdin: Vec::new(),
            env: BTreeMap::new(),
            timeout: Command::TIMEOUT,
            sudo: false,
        }
    }

    /// The same with this on standard input.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Command {
        self.stdin = bytes.into();
        self
    }

    /// The same with this in its environment.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Command {
        self.env.insert(name.into(), value.into());
        self
    }

    /// The same with another timeout.
    pub fn timeout(mut self, timeout: Duration) -> Command {
        self.timeout = timeout;
        self
    }

    /// The same as root.
    pub fn sudo(mut self) -> Command {
        self.sudo = true;
        self
    }
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It exited with this code.
    Exited(i32),
    /// A signal ended it; its name without `SIG`, such as `KILL`.
    Signaled(String),
    /// The connection was lost before it was known; the reason. Only a pipe ends so: a job whose
    /// end is not known is an error.
    Lost(String),
}

impl Status {
    /// Did it exit with 0?
    pub fn success(&self) -> bool {
        *self == Status::Exited(0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Exited(code) => write!(f, "exited with {code}"),
            Status::Signaled(name) => write!(f, "was ended by SIG{name}"),
            Status::Lost(reason) => write!(f, "was lost: {reason}"),
        }
    }
}

/// What a program left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// How it ended.
    pub status: Status,
    /// The beginning of its standard output: at most [`Output::MOST`] bytes.
    pub stdout: Vec<u8>,
    /// The beginning of its standard error: at most [`Output::MOST`] bytes.
    pub stderr: Vec<u8>,
}

/// Adds a piece to what is kept of an output.
pub(crate) fn keep(kept: &mut Vec<u8>, piece: &[u8]) {
    let room = Output::MOST - kept.len().min(Output::MOST);
    kept.extend_from_slice(&piece[..piece.len().min(room)]);
}

impl Output {
    /// How many bytes of each stream are kept.
    pub const MOST: usize = 64 << 20;

    /// The standard output as text without the last line break; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.stdout);
        text.trim_end_matches('\n').to_string()
    }

    /// The end of the standard error as text, for messages: at most 2000 bytes.
    pub fn complaint(&self) -> String {
        complaint(&self.stderr)
    }
}

/// The end of some error output as text, for messages: at most 2000 bytes.
pub(crate) fn complaint(stderr: &[u8]) -> String {
    const MOST: usize = 2000;
    let start = stderr.len().saturating_sub(MOST);
    String::from_utf8_lossy(&stderr[start..]).trim().to_string()
}
