//! The nodes of a run, with their agents: reach them, provision the database, collect, let go.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use perjury_agent::protocol::{
    Ability, Answer, Body, Ended, FailureKind, MAX_CHUNK, Read, Run, Service, ServiceState, Write,
};
use perjury_history::{Node, NodeName, Topology};

use crate::clusters::{Inventory, Member, Reach};
use crate::databases::{Database, Plan, Program, Step, Upload};
use crate::nemeses::Hand;
use crate::remote::{
    AgentError, AgentHandle, AgentOptions, LocalRemote, Remote, SshRemote, SshTarget, agent_binary,
};
use crate::store::{NodeInfo, RunFolder};

/// A node that hears nothing from the controller for this long heals itself.
pub const LEASE: Duration = Duration::from_secs(15);
/// No single short request takes longer.
const LIMIT: Duration = Duration::from_secs(20);
/// Installing packages may take this long.
const INSTALL: Duration = Duration::from_secs(600);
/// Of each log at most so many bytes are kept: the end of it.
const MOST_LOG: u64 = 16 << 20;

/// Why the database could not be brought up.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// A node or its agent failed.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// A program is not on a node and cannot be installed.
    #[error("{node}: {program} is not there{why}")]
    Missing {
        /// The node.
        node: NodeName,
        /// Its path.
        program: String,
        /// What was tried, and how to mend it.
        why: String,
    },
    /// A command that prepares a node did not succeed.
    #[error("{node}: {command} failed{said}")]
    Prepare {
        /// The node.
        node: NodeName,
        /// The command.
        command: String,
        /// What it said, on lines of its own.
        said: String,
    },
    /// The database did not come up.
    #[error("{database} did not come up within {waited:.1?}: {what}{log}")]
    NotReady {
        /// Which.
        database: &'static str,
        /// How long it was waited for. A service that has ended is not waited for any longer.
        waited: Duration,
        /// What was still missing.
        what: String,
        /// The end of a log, on lines of its own.
        log: String,
    },
}

/// One node with its agent and what is to run there.
pub struct Site {
    pub(super) node: Node,
    pub(super) agent: Arc<AgentHandle>,
    pub(super) plan: Plan,
    addresses: Vec<IpAddr>,
}

/// The agent's folder on the nodes of a cluster. It depends on the cluster and not on the run, so
/// that the next agent, or `perjury heal`, finds what a dead one left.
pub fn state_dir(cluster: &str, member: &Member) -> String {
    format!("{}-agent", base(cluster, member))
}

/// The beginning of the path of everything that a run makes on a node: no folder of its own, so
/// that none is left.
fn base(cluster: &str, member: &Member) -> String {
    match &member.reach {
        Reach::Ssh(_) => format!("/var/tmp/perjury-{cluster}"),
        Reach::LocalProcess => {
            let base = std::env::temp_dir();
            format!("{}/perjury-{cluster}-{}", base.display(), member.name)
        }
    }
}

/// The way to run programs on a node.
///
/// # Errors
/// The SSH configuration makes no sense.
pub fn remote(member: &Member) -> Result<Box<dyn Remote>, AgentError> {
    Ok(match &member.reach {
        Reach::Ssh(login) => Box::new(SshRemote::new(&SshTarget::from(login))?),
        Reach::LocalProcess => Box::new(LocalRemote),
    })
}

/// Starts the agents and plans the database, on all nodes at the same time.
///
/// # Errors
/// The first node that cannot be reached or used.
pub async fn reach(
    inventory: &Inventory,
    database: &dyn Database,
    run: &str,
) -> Result<Vec<Site>, AgentError> {
    let binary = agent_binary()?;
    let topology = inventory.topology();
    let mut tasks = tokio::task::JoinSet::new();
    for (at, member) in inventory.nodes.iter().cloned().enumerate() {
        let options = AgentOptions {
            binary: binary.clone(),
            state_dir: state_dir(&inventory.name, &member),
            lease: LEASE,
            sudo: matches!(member.reach, Reach::Ssh(_)),
            start_timeout: LIMIT,
        };
        tasks.spawn(async move {
            let remote = remote(&member)?;
            let agent = AgentHandle::start(remote.as_ref(), &options).await?;
            Ok::<_, AgentError>((at, agent))
        });
    }
    let mut agents = Vec::new();
    let mut failed = None;
    while let Some(result) = tasks.join_next().await {
        match result {
            Ok(Ok(agent)) => agents.push(agent),
            Ok(Err(error)) => failed = failed.or(Some(error)),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    agents.sort_by_key(|(at, _)| *at);
    let site = |(at, agent): (usize, AgentHandle)| {
        let member = &inventory.nodes[at];
        let node = topology.nodes[at].clone();
        let dir = format!("{}-{run}", base(&inventory.name, member));
        Site {
            plan: database.plan(&node, &topology, &dir),
            agent: Arc::new(agent),
            addresses: [Some(member.address), member.other_address].into_iter().flatten().collect(),
            node,
        }
    };
    Ok(agents.into_iter().map(site).collect())
}

/// What the nemesis needs of these sites.
pub fn hands(sites: &[Site]) -> BTreeMap<NodeName, Hand> {
    let hand = |site: &Site| Hand {
        agent: Arc::clone(&site.agent),
        plan: site.plan.clone(),
        addresses: site.addresses.clone(),
    };
    sites.iter().map(|site| (site.node.name.clone(), hand(site))).collect()
}

impl Site {
    /// What is known of the node.
    pub fn info(&self) -> NodeInfo {
        let hello = self.agent.hello();
        let abilities =
            [("cut links", &hello.cut), ("signal", &hello.signal), ("services", &hello.services)];
        let missing = abilities.iter().filter_map(|(what, ability)| match ability {
            Ability::Yes => None,
            Ability::No(why) => Some(format!("{what}: {why}")),
        });
        NodeInfo {
            name: self.node.name.clone(),
            address: self.node.address,
            kernel: hello.kernel.clone(),
            memory_mib: hello.memory_bytes >> 20,
            missing: missing.collect(),
        }
    }

    /// Installs what is missing, writes the files and starts the services.
    ///
    /// # Errors
    /// A program is missing, or the node refuses something (a full disk, say).
    pub async fn provision(&self) -> Result<(), ProvisionError> {
        for program in &self.plan.programs {
            self.ensure(program).await?;
        }
        for dir in &self.plan.dirs {
            self.agent.request(Body::MakeDir(dir.clone()), LIMIT).await?;
        }
        for upload in &self.plan.uploads {
            self.upload(upload).await?;
        }
        for file in &self.plan.files {
            self.agent.request(Body::Write(file.clone()), LIMIT).await?;
        }
        for step in &self.plan.prepare {
            self.prepare(step).await?;
        }
        for service in &self.plan.services {
            self.agent.request(Body::Start(service.clone()), LIMIT).await?;
        }
        Ok(())
    }

    async fn upload(&self, upload: &Upload) -> Result<(), ProvisionError> {
        let bytes = tokio::fs::read(&upload.from).await.map_err(|_| ProvisionError::Missing {
            node: self.node.name.clone(),
            program: upload.from.display().to_string(),
            why: format!(" on this machine: {}", upload.mend),
        })?;
        for (at, piece) in bytes.chunks(MAX_CHUNK).enumerate() {
            let write = Write {
                path: upload.to.clone(),
                bytes: piece.to_vec().into(),
                mode: upload.mode,
                owner: None,
                append: at > 0,
            };
            self.agent.request(Body::Write(write), LIMIT).await?;
        }
        Ok(())
    }

    async fn prepare(&self, step: &Step) -> Result<(), ProvisionError> {
        let deadline = tokio::time::Instant::now() + Duration::from_millis(step.patience_ms);
        let limit = Duration::from_millis(step.run.timeout_ms) + LIMIT;
        loop {
            let said = match self.agent.request(Body::Run(step.run.clone()), limit).await? {
                Answer::Ran(ran) if ran.ended == Ended::Exited(0) => return Ok(()),
                Answer::Ran(ran) => String::from_utf8_lossy(&ran.stderr.0).into_owned(),
                _ => String::new(),
            };
            if tokio::time::Instant::now() >= deadline {
                return Err(ProvisionError::Prepare {
                    node: self.node.name.clone(),
                    command: step.run.argv.join(" "),
                    said: indented(&said),
                });
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn ensure(&self, program: &Program) -> Result<(), ProvisionError> {
        if self.has(&program.path).await? {
            return Ok(());
        }
        let missing = |why: String| ProvisionError::Missing {
            node: self.node.name.clone(),
            program: program.path.clone(),
            why,
        };
        let Some(package) = &program.package else {
            return Err(missing(", and no package brings it".into()));
        };
        let install = |argv: &[&str]| Run {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            env: [("DEBIAN_FRONTEND".to_owned(), "noninteractive".to_owned())].into(),
            timeout_ms: u64::try_from(INSTALL.as_millis()).unwrap_or(u64::MAX),
            ..Run::default()
        };
        let mut said = String::new();
        for argv in [
            &["apt-get", "-q", "update"] as &[&str],
            &["apt-get", "-qy", "--no-install-recommends", "install", package],
        ] {
            match self.agent.request(Body::Run(install(argv)), INSTALL + LIMIT).await {
                Ok(Answer::Ran(ran)) => {
                    said = String::from_utf8_lossy(&ran.stderr.0).trim().to_owned();
                }
                Ok(_) => {}
                Err(AgentError::Refused { failure, .. }) => said = failure.message,
                Err(error) => return Err(error.into()),
            }
        }
        if self.has(&program.path).await? {
            return Ok(());
        }
        let last = said.lines().last().unwrap_or_default();
        Err(missing(format!(
            ", and `apt-get install {package}` did not bring it ({last}); install it on the node"
        )))
    }

    async fn has(&self, path: &str) -> Result<bool, AgentError> {
        let argv = ["test", "-x", path].map(str::to_owned).to_vec();
        let run = Run { argv, timeout_ms: 10_000, ..Run::default() };
        let answer = self.agent.request(Body::Run(run), LIMIT).await?;
        Ok(matches!(answer, Answer::Ran(ran) if ran.ended == Ended::Exited(0)))
    }

    /// The first line that a program prints.
    pub async fn first_line(&self, argv: Vec<String>) -> Option<String> {
        let cwd = self.plan.dirs.first().map(|dir| dir.path.clone());
        let run = Run { argv, cwd, timeout_ms: 10_000, ..Run::default() };
        match self.agent.request(Body::Run(run), LIMIT).await {
            Ok(Answer::Ran(ran)) => {
                let text = String::from_utf8_lossy(&ran.stdout.0).into_owned();
                text.lines().next().map(str::to_owned)
            }
            _ => None,
        }
    }

    /// A service that has ended by itself, with the end of its log.
    async fn fallen(&self) -> Result<Option<String>, AgentError> {
        for service in &self.plan.services {
            let status = Body::Status { name: service.name.clone() };
            let state = match self.agent.request(status, LIMIT).await? {
                Answer::Service(ServiceState::Running { .. }) => continue,
                Answer::Service(state) => state,
                _ => continue,
            };
            let log = self.tail(&service.log, 2000).await;
            let how = describe(&state);
            let (node, name) = (&self.node.name, &service.name);
            return Ok(Some(format!("{node}: {name} {how}{}", indented(&log))));
        }
        Ok(None)
    }

    async fn tail(&self, path: &str, most: u64) -> String {
        let mut read = Read { path: path.to_owned(), offset: 0, max_bytes: 0 };
        let Ok(Answer::Chunk(end)) = self.agent.request(Body::Read(read.clone()), LIMIT).await
        else {
            return String::new();
        };
        read.offset = end.size.saturating_sub(most);
        read.max_bytes = most;
        match self.agent.request(Body::Read(read), LIMIT).await {
            Ok(Answer::Chunk(chunk)) => String::from_utf8_lossy(&chunk.bytes.0).into_owned(),
            _ => String::new(),
        }
    }

    /// Copies the logs into the run's folder. What cannot be had is said, not fatal.
    pub async fn collect(&self, folder: &RunFolder) -> Vec<String> {
        let mut complaints = Vec::new();
        let of_services = self.plan.services.iter().map(|service: &Service| &service.log);
        for path in of_services.chain(&self.plan.logs) {
            let name = path.rsplit('/').next().unwrap_or("log");
            let result = match self.fetch(path).await {
                Ok(Some(bytes)) => folder
                    .write_node_file(self.node.name.as_str(), name, &bytes)
                    .map_err(|error| error.to_string()),
                Ok(None) => Ok(()),
                Err(error) => Err(error.to_string()),
            };
            complaints.extend(result.err());
        }
        complaints
    }

    async fn fetch(&self, path: &str) -> Result<Option<Vec<u8>>, AgentError> {
        let mut read = Read { path: path.to_owned(), offset: 0, max_bytes: 0 };
        let size = match self.agent.request(Body::Read(read.clone()), LIMIT).await {
            Ok(Answer::Chunk(chunk)) => chunk.size,
            Ok(_) => 0,
            Err(AgentError::Refused { failure, .. }) if failure.kind == FailureKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        read.offset = size.saturating_sub(MOST_LOG);
        read.max_bytes = 1 << 20;
        while read.offset < size {
            match self.agent.request(Body::Read(read.clone()), LIMIT).await? {
                Answer::Chunk(chunk) if !chunk.bytes.0.is_empty() => {
                    read.offset += chunk.bytes.0.len() as u64;
                    bytes.extend_from_slice(&chunk.bytes.0);
                }
                _ => break,
            }
        }
        Ok(Some(bytes))
    }

    /// Heals the node and ends its agent.
    ///
    /// # Errors
    /// The agent is gone; the node heals itself when its lease runs out.
    pub async fn close(self) -> Result<Vec<String>, AgentError> {
        // Healing kills. A database that wants to be asked may keep something outside of its
        // directory (PostgreSQL: a segment of shared memory) that only an orderly end removes.
        if let Some(stop) = &self.plan.stop {
            self.agent.request(Body::Run(stop.clone()), LIMIT).await.ok();
        }
        match Arc::try_unwrap(self.agent) {
            Ok(agent) => Ok(agent.close(LIMIT).await?.failed),
            // Somebody still holds it: dropping it closes its standard input, and the node heals.
            Err(_) => Ok(Vec::new()),
        }
    }
}

/// Each line on a new line of its own.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("\n    {line}")).collect()
}

/// What became of a service, in words.
pub(super) fn describe(state: &ServiceState) -> String {
    match state {
        ServiceState::NeverStarted => "was never started".into(),
        ServiceState::Running { pid } => format!("runs (pid {pid})"),
        ServiceState::Ended { ended: Ended::Exited(code) } => format!("exited with {code}"),
        ServiceState::Ended { ended: Ended::Signaled(name) } => format!("was ended by {name}"),
        ServiceState::Ended { ended: Ended::TimedOut } => "was ended".into(),
    }
}

/// Waits until the database says that it is ready; fails early when a service has ended.
///
/// # Errors
/// [`ProvisionError::NotReady`], or an agent does not answer.
pub async fn wait_ready(
    sites: &[Site],
    database: &dyn Database,
    topology: &Topology,
    limit: Duration,
) -> Result<(), ProvisionError> {
    let started = tokio::time::Instant::now();
    loop {
        let asking = tokio::time::timeout(Duration::from_secs(5), database.ready(topology));
        let what = match asking.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(what)) => what,
            Err(_) => "no answer".into(),
        };
        let mut log = String::new();
        for site in sites {
            log.extend(site.fallen().await?.map(|fallen| format!("\n  {fallen}")));
        }
        let waited = started.elapsed();
        if !log.is_empty() || waited > limit {
            return Err(ProvisionError::NotReady { database: database.name(), waited, what, log });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
