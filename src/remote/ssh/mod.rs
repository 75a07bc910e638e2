//! A machine over SSH.
//!
//! Each connection is owned by a thread of its own and carries one channel at a time: ssh2 corrupts
//! the stream of a session that two threads use, and one slow channel would hold up the others. A
//! job takes an idle connection or makes a new one; a pipe has a connection to itself, so a job
//! that times out (which costs its connection) never takes an agent with it.
//!
//! Invariant: host keys are always checked, and what does not match fails closed.

mod auth;
mod carry;
mod config;
mod connect;
mod hostkey;
mod run;
mod stream;
mod worker;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use config::Resolved;
use worker::{Connection, Refused};

use super::{Boxed, Command, Job, Output, Pipe, Remote, RemoteError, quote, transfer};

/// Which host, and how to get in. What is `None` or empty comes from `~/.ssh/config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshTarget {
    /// A name, an address or an alias of `~/.ssh/config`.
    pub host: String,
    /// Its port.
    pub port: Option<u16>,
    /// The user there.
    pub user: Option<String>,
    /// Private key files, instead of those of the configuration.
    pub identities: Vec<PathBuf>,
    /// The environment variable that holds the passphrase of encrypted key files.
    pub passphrase_env: Option<String>,
    /// Files of known host keys, instead of those of the configuration.
    pub known_hosts: Vec<PathBuf>,
    /// A file to read instead of `~/.ssh/config`.
    pub config: Option<PathBuf>,
    /// Connecting is tried again for this long.
    pub connect_deadline: Duration,
}

impl SshTarget {
    /// For how long connecting is tried if nothing else is said.
    pub const CONNECT_DEADLINE: Duration = Duration::from_secs(30);

    /// A host with everything else as configured for `ssh`.
    pub fn new(host: impl Into<String>) -> SshTarget {
        SshTarget {
            host: host.into(),
            port: None,
            user: None,
            identities: Vec::new(),
            passphrase_env: None,
            known_hosts: Vec::new(),
            config: None,
            connect_deadline: SshTarget::CONNECT_DEADLINE,
        }
    }
}

/// A machine over SSH. Connections are made when they are needed.
#[derive(Debug)]
pub struct SshRemote {
    resolved: Arc<Resolved>,
    idle: Mutex<Vec<Connection>>,
}

impl SshRemote {
    /// How many idle connections are kept.
    const MOST_IDLE: usize = 2;

    /// Resolves the target through `ssh -G`, if `ssh` is there. Does not connect.
    pub fn new(target: &SshTarget) -> Result<SshRemote, RemoteError> {
        let resolved = Arc::new(config::resolve(target)?);
        Ok(SshRemote { resolved, idle: Mutex::new(Vec::new()) })
    }

    /// The user, host and port that it comes to.
    pub fn address(&self) -> (&str, &str, u16) {
        (&self.resolved.user, &self.resolved.host, self.resolved.port)
    }

    fn take_idle(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn put_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < SshRemote::MOST_IDLE {
            idle.push(connection);
        }
    }

    /// The line for the remote shell. `timeout` there outlives ours by a second, so that ours is
    /// the one that counts and the program does not run on for ever.
    fn line(&self, command: &Command, limit: bool) -> Result<String, RemoteError> {
        let become_root = command.sudo && self.resolved.user != "root";
        let limit = limit.then(|| command.timeout.as_secs().saturating_add(1));
        quote::line(&self.place(), command, become_root, limit)
    }

    async fn run_job(&self, job: Job) -> Result<Output, RemoteError> {
        let line = self.line(&job.command, true)?;
        let sudo = job.command.sudo;
        let job = Arc::new(job);
        let mut output = None;
        // An idle connection may have died unnoticed. It is replaced only if the program was
        // certainly not started.
        while let Some(mut connection) = self.take_idle() {
            match connection.run(job.clone(), line.clone()).await {
                Ok(done) => {
                    self.put_back(connection);
                    output = Some(done);
                    break;
                }
                Err(Refused::NotStarted(_)) => {}
                Err(Refused::Failed(error)) => return Err(error),
            }
        }
        let output = match output {
            Some(output) => output,
            None => {
                let mut connection = Connection::open(self.resolved.clone()).await?;
                let done = connection.run(job, line).await;
                let done = done.map_err(|refused| match refused {
                    Refused::NotStarted(error) | Refused::Failed(error) => error,
                })?;
                self.put_back(connection);
                done
            }
        };
        match transfer::sudo_refusal(&output) {
            Some(reason) if sudo => Err(RemoteError::Sudo { place: self.place(), reason }),
            _ => Ok(output),
        }
    }
}

impl Remote for SshRemote {
    fn place(&self) -> String {
        self.resolved.place()
    }

    fn execute(&self, job: Job) -> Boxed<'_, Result<Output, RemoteError>> {
        Box::pin(self.run_job(job))
    }

    fn pipe(&self, command: Command) -> Boxed<'_, Result<Pipe, RemoteError>> {
        Box::pin(async move {
            let line = self.line(&command, false)?;
            worker::open_pipe(self.resolved.clone(), command, line).await
        })
    }
}
