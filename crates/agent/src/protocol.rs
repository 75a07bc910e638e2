//! What the controller can ask of an agent, and what it is answered.
//!
//! Both sides use these types: the controller as a library, the agent as itself. A message is JSON
//! in a frame (see [`crate::frame`]). Requests are answered in any order; the id pairs them up. A
//! request whose id was already seen is not done again: the first answer is sent once more. Ids
//! start at 1 and grow.
//!
//! Invariant: a change to the node that has to be undone is in the undo journal, on disk, before
//! it is made. Addresses are numeric, users are numeric: an agent resolves no names.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::corruption::{Corrupted, FileDamage, MemoryFlip, Snapshot};
use crate::proxy::spec::Liar;
use crate::proxy::{Deeds, Lies};

/// The most bytes that one [`Write`] or [`Read`] may carry (base64 has to fit a frame).
pub const MAX_CHUNK: usize = 8 << 20;

/// A question to the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Chosen by the controller: unique in the life of the agent, from 1, growing.
    pub id: u64,
    /// What is asked.
    pub body: Body,
}

/// An answer of the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The id of the request.
    pub id: u64,
    /// What came of it.
    pub result: Result<Answer, Failure>,
}

/// Everything that can be asked. Each request also renews the lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Body {
    /// Who are you and what can you do? Answered by [`Answer::Hello`].
    Hello,
    /// Only renew the lease. Answered by [`Answer::Done`].
    Renew,
    /// Run a command to its end. Answered by [`Answer::Ran`].
    Run(Run),
    /// Write or append to a file. Answered by [`Answer::Done`].
    Write(Write),
    /// Read a piece of a file. Answered by [`Answer::Chunk`].
    Read(Read),
    /// Make a directory and its parents. Answered by [`Answer::Done`].
    MakeDir(MakeDir),
    /// Start a service in the background. Answered by [`Answer::Service`].
    Start(Service),
    /// What is a service doing? Answered by [`Answer::Service`].
    Status {
        /// The name that it was started under.
        name: String,
    },
    /// Send a signal to all processes of a service. Answered by [`Answer::Signalled`].
    Signal {
        /// The name that it was started under.
        name: String,
        /// Which signal.
        signal: Signal,
    },
    /// Stop a service with SIGTERM and, after the grace, SIGKILL. Answered by [`Answer::Service`].
    Stop {
        /// The name that it was started under.
        name: String,
        /// How long to wait between the two, in milliseconds.
        grace_ms: u64,
    },
    /// Drop all that comes from these addresses, instead of what was dropped before. Answered by
    /// [`Answer::Cut`].
    Cut {
        /// The addresses; none means that nothing is dropped.
        drop_from: Vec<IpAddr>,
    },
    /// How much did the present cut drop? Answered by [`Answer::Counters`].
    CutCounters,
    /// Send some datagrams, so that the counters of the receivers move. Answered by
    /// [`Answer::Probed`].
    Probe {
        /// The receivers.
        to: Vec<IpAddr>,
    },
    /// Remove the cut. Answered by [`Answer::Done`] once it is verified gone.
    Mend,
    /// Install a proxy that lies. Answered by [`Answer::Deeds`], once connections go through it.
    Lie(Liar),
    /// The lies of a proxy from a number on; those before it are thereby received. Answered by
    /// [`Answer::Lies`].
    Lies {
        /// Its name.
        name: String,
        /// The first number that is wanted.
        from: u64,
    },
    /// Remove a proxy; its records can still be asked for. Answered by [`Answer::Deeds`].
    Recant {
        /// Its name.
        name: String,
    },
    /// Turn bits over in the memory of a service. Answered by [`Answer::Corrupted`].
    FlipMemory(MemoryFlip),
    /// Corrupt files. Answered by [`Answer::Corrupted`].
    DamageFiles(FileDamage),
    /// Keep a copy of a directory. Answered by [`Answer::Done`].
    TakeCopy(Snapshot),
    /// Put a copy of a directory back. Answered by [`Answer::Done`].
    RestoreCopy(Snapshot),
    /// Undo what was done to the node. Answered by [`Answer::Healed`].
    Heal {
        /// Undo everything: kill the services and the running commands and remove the directories
        /// too. Else only the faults: the cut is removed, stopped processes are continued, and
        /// corruption that was asked to revert reverts.
        services: bool,
    },
}

/// A command to run to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The program and its arguments; no shell is involved.
    pub argv: Vec<String>,
    /// What it reads on standard input.
    #[serde(default)]
    pub stdin: Bytes,
    /// Added to the agent's own environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Where it runs; the agent's own directory if absent.
    #[serde(default)]
    pub cwd: Option<String>,
    /// After this long its whole process group is killed, in milliseconds.
    pub timeout_ms: u64,
    /// Whom it runs as; the agent's own user if absent.
    #[serde(default)]
    pub user: Option<Account>,
}

/// A numeric user and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
}

/// Bytes for a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// Where; absolute.
    pub path: String,
    /// What, at most [`MAX_CHUNK`] of them.
    pub bytes: Bytes,
    /// The permission bits, such as `0o644`.
    pub mode: u32,
    /// Whom the file belongs to; the agent's own user if absent.
    #[serde(default)]
    pub owner: Option<Account>,
    /// Add to the end of the file. Else the file is replaced in one step: a reader sees the old
    /// or the new content, never a part.
    #[serde(default)]
    pub append: bool,
}

/// Which piece of a file to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// Which file; absolute.
    pub path: String,
    /// From which byte, from 0.
    pub offset: u64,
    /// How many bytes at the most; never more than [`MAX_CHUNK`].
    pub max_bytes: u64,
}

/// A directory to make. It is no error if it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MakeDir {
    /// Where; absolute.
    pub path: String,
    /// The permission bits of the last component, such as `0o755`.
    pub mode: u32,
    /// Whom the last component belongs to; the agent's own user if absent.
    #[serde(default)]
    pub owner: Option<Account>,
    /// Remove it with all that is in it when the node is healed. Refused for a directory that was
    /// there before the agent made it, and for paths with fewer than two components.
    #[serde(default)]
    pub remove_on_heal: bool,
}

/// A program that runs in the background until it is stopped or the node is healed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// A name of the controller's choice, unique on the node.
    pub name: String,
    /// The program and its arguments; no shell is involved.
    pub argv: Vec<String>,
    /// Added to the agent's own environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Where it runs; `/` if absent.
    #[serde(default)]
    pub cwd: Option<String>,
    /// The file that its standard output and error are appended to; absolute.
    pub log: String,
    /// Whom it runs as; the agent's own user if absent.
    #[serde(default)]
    pub user: Option<Account>,
    /// What it may use.
    #[serde(default)]
    pub limits: Limits,
}

/// What a service may use; absent means the agent's own limit. A limit above the hard limit of the
/// node is lowered to that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Open files.
    #[serde(default)]
    pub open_files: Option<u64>,
    /// Address space, in bytes.
    #[serde(default)]
    pub address_space: Option<u64>,
    /// Size of a core dump, in bytes.
    #[serde(default)]
    pub core: Option<u64>,
}

/// The signals that a service can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signal {
    /// SIGKILL. Verified: all processes are gone.
    Kill,
    /// SIGSTOP. Verified: all processes are stopped. Healing continues them.
    Stop,
    /// SIGCONT. Verified: no process is stopped.
    Cont,
    /// SIGTERM. Not verified: what a program does with it is its own affair.
    Term,
}

/// Every kind of answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// It was done.
    Done,
    /// To [`Body::Hello`].
    Hello(Hello),
    /// To [`Body::Run`].
    Ran(Ran),
    /// To [`Body::Read`].
    Chunk(Chunk),
    /// To [`Body::Start`], [`Body::Status`] and [`Body::Stop`].
    Service(ServiceState),
    /// To [`Body::Signal`]: the processes that it was sent to. If the effect could not be seen,
    /// the request fails instead.
    Signalled {
        /// Every process of the service and its state afterwards.
        processes: Vec<ProcessSeen>,
    },
    /// To [`Body::Cut`]: it is in force, and this was seen.
    Cut {
        /// The name of the packet filter's table, or of the chain.
        table: String,
        /// How many sources are dropped.
        rules: u64,
    },
    /// To [`Body::CutCounters`].
    Counters {
        /// Packets dropped, by source, since the cut was made.
        dropped: BTreeMap<IpAddr, u64>,
    },
    /// To [`Body::Probe`].
    Probed {
        /// How many datagrams left for each address.
        sent: BTreeMap<IpAddr, u64>,
    },
    /// To [`Body::Lie`] and [`Body::Recant`].
    Deeds(Deeds),
    /// To [`Body::Lies`].
    Lies(Lies),
    /// To [`Body::FlipMemory`] and [`Body::DamageFiles`].
    Corrupted(Corrupted),
    /// To [`Body::Heal`].
    Healed(Healed),
}

/// Who the agent is and what it can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// The agent's [`crate::VERSION`].
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Its effective user id.
    pub uid: u32,
    /// The kernel's release, such as `6.1.0-18-amd64`.
    pub kernel: String,
    /// The machine architecture, such as `x86_64`.
    pub machine: String,
    /// The node's own idea of its name.
    pub hostname: String,
    /// Can it cut connections (the `nft` program is there and permitted)?
    pub cut: Ability,
    /// Does it hold CAP_NET_ADMIN?
    pub net_admin: bool,
    /// Can it signal the processes of any user?
    pub signal: Ability,
    /// Can it start services and identify them (needs `/proc`)?
    pub services: Ability,
    /// The memory of the node, in bytes.
    pub memory_bytes: u64,
    /// Free space where the state directory is, in bytes.
    pub disk_free_bytes: u64,
    /// What an earlier agent had left behind in the same state directory, now undone.
    pub healed: Healed,
}

/// Whether something can be done here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ability {
    /// It can.
    Yes,
    /// It cannot, for this reason.
    No(String),
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ran {
    /// How it ended.
    pub ended: Ended,
    /// Its standard output, at most [`Ran::MOST_OUTPUT`] bytes.
    pub stdout: Bytes,
    /// Its standard error, at most [`Ran::MOST_OUTPUT`] bytes.
    pub stderr: Bytes,
    /// Was there more output than is kept? The beginning is kept.
    pub truncated: bool,
}

impl Ran {
    /// How many bytes of each stream are kept.
    pub const MOST_OUTPUT: usize = 1 << 20;
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ended {
    /// It exited with this code.
    Exited(i32),
    /// A signal ended it; its name, such as `SIGKILL`.
    Signaled(String),
    /// It took too long, and its whole process group was killed.
    TimedOut,
}

/// A piece of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// The bytes from the asked offset on; empty at or after the end.
    pub bytes: Bytes,
    /// The size of the file at this moment, in bytes.
    pub size: u64,
}

/// What a service is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ServiceState {
    /// No service of that name was started.
    NeverStarted,
    /// It runs.
    Running {
        /// The process that was started.
        pid: u32,
    },
    /// The process that was started has ended.
    Ended {
        /// How.
        ended: Ended,
    },
}

/// A process that was signalled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessSeen {
    /// Its id.
    pub pid: u32,
    /// Its program's short name. Hostile text: a program names itself.
    pub command: String,
    /// Its state as in `/proc/PID/stat` (`T` is stopped); absent if it is gone.
    pub state: Option<char>,
}

/// What was undone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Healed {
    /// Each change that was undone, in words, the latest change first.
    pub undone: Vec<String>,
    /// Each change that could not be undone and why; it stays in the journal.
    pub failed: Vec<String>,
}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// What a caller can decide on.
    pub kind: FailureKind,
    /// What went wrong, where, and how to mend it if that is known.
    pub message: String,
}

impl Failure {
    /// A failure from its kind and message.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into() }
    }

    /// A request that makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Failure {
        Failure::new(FailureKind::BadRequest, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The node does not let the agent do it.
    NotPermitted,
    /// The file, program or service is not there.
    NotFound,
    /// No space is left.
    DiskFull,
    /// It took too long.
    Timeout,
    /// The node cannot do it: a program or a part of the kernel is missing.
    Unsupported,
    /// The request makes no sense; asking again will not help.
    BadRequest,
    /// Any other failure of the operating system.
    Io,
}
