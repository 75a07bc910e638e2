//! The controller's end of a node's agent.
//!
//! It starts the agent, checks that it is the same build, passes requests on and closes it in
//! order. It does not know what the requests mean.
//!
//! Invariant: when the handle is gone, so is the agent's standard input, and then the node heals.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use perjury_agent::protocol::{Answer, Body, Failure, Healed, Hello};
use thiserror::Error;
use tokio::sync::oneshot;

use super::link::Link;
use super::{Ending, Pipe, Remote, RemoteError, Status, binary, command};

/// How long it may take to bring the agent to a node: less than a megabyte.
const UPLOAD: Duration = Duration::from_secs(40);

/// How an agent is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentOptions {
    /// The agent's binary here, as [`super::agent_binary`] answers it. Each start brings its own
    /// copy to the node.
    pub binary: PathBuf,
    /// The agent's folder on the node, for its journal: absolute, and one for each run.
    pub state_dir: String,
    /// If the node hears nothing for this long, it heals itself.
    pub lease: Duration,
    /// Run it as root, by sudo if need be. Without root it cannot cut.
    pub sudo: bool,
    /// How long it may take to start and answer, once it is on the node.
    pub start_timeout: Duration,
}

/// Why an agent did not do something.
#[derive(Clone, Debug, Error)]
pub enum AgentError {
    /// There is no binary to put on the nodes.
    #[error("no agent binary: {tried}; build it with `make agent`")]
    NoBinary {
        /// Where it was looked for.
        tried: String,
    },
    /// The node could not be reached or used.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The agent did not come up.
    #[error("{place}: the agent did not start: {reason}")]
    Start {
        /// Where.
        place: String,
        /// What it said.
        reason: String,
    },
    /// The agent is another build than the controller.
    #[error(
        "{place}: the agent is {theirs}, the controller needs {ours}; build both from the same \
         sources (`make agent`)"
    )]
    Version {
        /// Where.
        place: String,
        /// The agent's version.
        theirs: String,
        /// The controller's version.
        ours: String,
    },
    /// The agent refused or failed; nothing else is wrong with it.
    #[error("{place}: {failure}")]
    Refused {
        /// Where.
        place: String,
        /// What it said.
        #[source]
        failure: Failure,
    },
    /// No answer in time; whether it was done is not known.
    #[error("{place}: the agent did not answer within {limit:.1?}")]
    Timeout {
        /// Where.
        place: String,
        /// How long it had.
        limit: Duration,
    },
    /// The agent is gone; whether it was done is not known. The node heals itself.
    #[error("{place}: the agent is gone: {reason}")]
    Lost {
        /// Where.
        place: String,
        /// How that was noticed.
        reason: String,
    },
    /// The agent answered what was not asked: an error of ours.
    #[error("{place}: the agent's answer does not fit the question: {answer}")]
    Protocol {
        /// Where.
        place: String,
        /// The beginning of the answer.
        answer: String,
    },
}

/// A running agent on a node.
#[derive(Debug)]
pub struct AgentHandle {
    hello: Hello,
    link: Arc<Link>,
    ending: oneshot::Receiver<Ending>,
    /// Dropping it ends the thread that renews the lease.
    _renewing: std::sync::mpsc::Sender<()>,
}

impl AgentHandle {
    /// Starts the agent and asks who it is. Its version has to be ours.
    pub async fn start(
        remote: &dyn Remote,
        options: &AgentOptions,
    ) -> Result<AgentHandle, AgentError> {
        let place = remote.place();
        let lease = options.lease.as_secs().max(1).to_string();
        let serve = ["serve", "--state", &options.state_dir, "--lease", &lease];
        let mut command = binary::bring(&place, &options.binary, &serve)?;
        command.sudo = options.sudo;
        let Pipe { writer, reader, ending } = remote.pipe(command).await?;
        let link = Link::new(place.clone(), writer, reader);
        let renewing = link.renew(options.lease)?;
        let hello = match link.ask(Body::Hello, options.start_timeout + UPLOAD).await {
            Ok(Answer::Hello(hello)) => hello,
            Ok(other) => return Err(protocol(place, &other)),
            Err(AgentError::Lost { place, reason }) => {
                return Err(failed_start(place, reason, ending).await);
            }
            Err(error) => return Err(error),
        };
        let ours = perjury_agent::VERSION.to_string();
        if hello.version != ours {
            return Err(AgentError::Version { place, theirs: hello.version, ours });
        }
        Ok(AgentHandle { hello, link, ending, _renewing: renewing })
    }

    /// Who the agent is and what it can do.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Where it is, for messages.
    pub fn place(&self) -> &str {
        &self.link.place
    }

    /// Why the agent is gone, if it is.
    pub fn lost(&self) -> Option<String> {
        self.link.lost()
    }

    /// Asks the agent something and waits for the answer, but no longer than `timeout`.
    pub async fn request(&self, body: Body, timeout: Duration) -> Result<Answer, AgentError> {
        self.link.ask(body, timeout).await
    }

    /// Heals the node, ends the agent and waits until it has exited. Answers what was undone; what
    /// could not be undone is in [`Healed::failed`].
    pub async fn close(self, timeout: Duration) -> Result<Healed, AgentError> {
        let started = Instant::now();
        let place = self.link.place.clone();
        let healed = match self.request(Body::Heal { services: true }, timeout).await? {
            Answer::Healed(healed) => healed,
            other => return Err(protocol(place, &other)),
        };
        self.link.hang_up();
        let rest = timeout.saturating_sub(started.elapsed());
        match tokio::time::timeout(rest, self.ending).await {
            // Changes that stay in the journal make it exit with an error; they are in the answer.
            Ok(Ok(Ending { status: Status::Exited(_), .. })) => Ok(healed),
            Ok(Ok(Ending { status, stderr })) => {
                let reason = format!("it {status}: {}", command::complaint(&stderr));
                Err(AgentError::Lost { place, reason })
            }
            Ok(Err(_)) => {
                Err(AgentError::Lost { place, reason: "its end was not seen".to_string() })
            }
            Err(_) => Err(AgentError::Timeout { place, limit: timeout }),
        }
    }
}

fn protocol(place: String, answer: &Answer) -> AgentError {
    let answer: String = format!("{answer:?}").chars().take(200).collect();
    AgentError::Protocol { place, answer }
}

/// The error of an agent that ended before it said hello, with what it said instead.
async fn failed_start(
    place: String,
    reason: String,
    ending: oneshot::Receiver<Ending>,
) -> AgentError {
    let wait = Duration::from_secs(2);
    let Ok(Ok(Ending { status, stderr })) = tokio::time::timeout(wait, ending).await else {
        return AgentError::Start { place, reason };
    };
    let said = command::complaint(&stderr);
    if let Some(reason) = said.strip_prefix("sudo: ") {
        return RemoteError::Sudo { place, reason: reason.to_string() }.into();
    }
    if said.contains("No space left on device") || said.contains("Disk quota exceeded") {
        let path = "the agent".to_string();
        return RemoteError::DiskFull { place, path, reason: said }.into();
    }
    AgentError::Start { place, reason: format!("it {status}: {said}") }
}
