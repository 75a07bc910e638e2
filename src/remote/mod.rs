//! Reaching a node: run programs, copy files, speak with the agent.
//!
//! [`Remote`] has two implementations: over SSH ([`SshRemote`]) and on this machine
//! ([`LocalRemote`]). Upon it stands [`AgentHandle`], the controller's end of a node's agent.
//! This is the only place that knows ssh2. It decides nothing about databases or faults.
//!
//! Invariant: everything ends. Connecting, running, copying and waiting all have a deadline, and
//! only connecting is tried again: what may have run once is never run twice.

mod agent;
mod binary;
mod command;
mod error;
mod link;
mod local;
mod pipe;
mod quote;
mod ssh;
mod transfer;

pub use agent::{AgentError, AgentHandle, AgentOptions};
pub use binary::{agent_binary, run_agent};
pub use command::{Command, Output, Status};
pub use error::{HostKeyProblem, RemoteError};
pub use local::LocalRemote;
pub use pipe::{Ending, Pipe, PipeReader, PipeWriter};
pub use ssh::{SshRemote, SshTarget};

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;

/// A future in a box, so that [`Remote`] can be a trait object.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A machine on which programs can be run. Cheap to share in an `Arc`; calls may overlap.
pub trait Remote: Send + Sync + fmt::Debug {
    /// Where this is, for messages, such as `ssh root@10.0.0.1:22`.
    fn place(&self) -> String;

    /// Runs a job to its end. A program that fails is an [`Output`], not an error.
    fn execute(&self, job: Job) -> Boxed<'_, Result<Output, RemoteError>>;

    /// Starts a program and keeps both its ends open. The command's `stdin` is sent first; its
    /// `timeout` is not used: the program runs until it ends, and an agent ends when the
    /// [`PipeWriter`] is dropped.
    fn pipe(&self, command: Command) -> Boxed<'_, Result<Pipe, RemoteError>>;

    /// Runs a program to its end. A program that fails is an [`Output`], not an error.
    fn run(&self, command: Command) -> Boxed<'_, Result<Output, RemoteError>> {
        self.execute(Job { command, input: None, output: None })
    }

    /// Writes a file in one step (temporary name, then rename), with these permission bits, such
    /// as `0o644`. The directory has to exist. As root if `sudo` says so.
    fn upload<'a>(
        &'a self,
        source: Source,
        to: &'a str,
        mode: u32,
        sudo: bool,
    ) -> Boxed<'a, Result<(), RemoteError>> {
        Box::pin(transfer::upload(self, source, to, mode, sudo))
    }

    /// Copies a file here and answers its size in bytes. As root if `sudo` says so.
    fn download<'a>(
        &'a self,
        from: &'a str,
        to: &'a Path,
        sudo: bool,
    ) -> Boxed<'a, Result<u64, RemoteError>> {
        Box::pin(transfer::download(self, from, to, sudo))
    }
}

/// A command and, if its input or output are too large for memory, files here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What to run.
    pub command: Command,
    /// A file here that it reads after the command's own `stdin`.
    pub input: Option<PathBuf>,
    /// A file here that its standard output goes to, instead of [`Output::stdout`].
    pub output: Option<PathBuf>,
}

/// What to upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The content of a file here.
    File(PathBuf),
}
