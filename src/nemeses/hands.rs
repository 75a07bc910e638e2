//! Injects and heals faults on real nodes, through their agents, and looks whether it worked.
//!
//! Every answer is an [`Injection`]: *installed* only when the effect was seen, *skipped* when
//! nothing was broken, *indeterminate* when nobody knows. A node that cannot be reached is no
//! fault of the database: it ends in [`AgentError`], and the run is compromised.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use perjury_agent::protocol::{Answer, Body, FailureKind, ServiceState, Signal};
use perjury_history::{Cut, Fault, FaultId, Injection, NodeName};
use tokio::task::JoinSet;

use super::lies::{Ledger, Lies};
use super::rot::Shower;
use crate::databases::Plan;
use crate::remote::{AgentError, AgentHandle};

/// No single request to an agent takes longer.
const LIMIT: Duration = Duration::from_secs(20);
/// How long SIGTERM has before SIGKILL when a database is restarted.
const GRACE_MS: u64 = 5000;
/// How often the counters of a cut are looked at before it is called without effect.
const LOOKS: u32 = 5;

/// What is needed to act on one node.
pub struct Hand {
    /// Its agent.
    pub agent: Arc<AgentHandle>,
    /// What runs there.
    pub plan: Plan,
    /// All addresses under which other nodes may know it.
    pub addresses: Vec<IpAddr>,
}

/// What is needed to act on all nodes.
pub struct Hands {
    pub(super) nodes: BTreeMap<NodeName, Hand>,
    pub(super) lies: Lies,
    cuts: BTreeMap<FaultId, Vec<Cut>>,
    pub(super) showers: BTreeMap<FaultId, Shower>,
}

/// Sends one request to each of several nodes at the same time.
pub(super) async fn each(
    requests: Vec<(NodeName, Arc<AgentHandle>, Body)>,
) -> Vec<(NodeName, Result<Answer, AgentError>)> {
    let mut tasks = JoinSet::new();
    for (name, agent, body) in requests {
        tasks.spawn(async move {
            let answer = agent.request(body, LIMIT).await;
            (name, answer)
        });
    }
    let mut answers = tasks.join_all().await;
    answers.sort_by(|left, right| left.0.cmp(&right.0));
    answers
}

/// Does a node refuse because it cannot, so that the fault is to be skipped?
pub(super) fn is_inability(kind: FailureKind) -> bool {
    use FailureKind::{BadRequest, NotFound, NotPermitted, Unsupported};
    matches!(kind, BadRequest | NotFound | NotPermitted | Unsupported)
}

impl Hands {
    /// The hands of a cluster. Lies that are told are written to the ledger; those of insiders
    /// come from the pool.
    pub fn new(nodes: BTreeMap<NodeName, Hand>, ledger: Ledger, pool: Vec<String>) -> Hands {
        let (cuts, showers) = (BTreeMap::new(), BTreeMap::new());
        Hands { nodes, lies: Lies::new(ledger, pool), cuts, showers }
    }

    /// Injects a fault and looks whether it took effect.
    ///
    /// # Errors
    /// An agent does not answer, or could not do what it should for a reason that is not the
    /// fault's.
    pub async fn inject(&mut self, id: FaultId, fault: &Fault) -> Result<Injection, AgentError> {
        match fault {
            Fault::Partition { cuts, .. } => self.cut(id, cuts).await,
            Fault::Kill { nodes } => self.signal(nodes, Signal::Kill).await,
            Fault::Pause { nodes } => self.signal(nodes, Signal::Stop).await,
            Fault::Restart { nodes } => self.restart(nodes).await,
            Fault::Lie(lying) => self.lie(id, lying).await,
            Fault::Corrupt(corruption) => self.corrupt(id, corruption).await,
        }
    }

    /// Undoes a fault and looks whether that worked.
    ///
    /// # Errors
    /// As [`Hands::inject`].
    pub async fn heal(&mut self, id: FaultId, fault: &Fault) -> Result<Injection, AgentError> {
        match fault {
            Fault::Partition { cuts, .. } => {
                self.cuts.remove(&id);
                self.apply_cuts(cuts).await?;
                Ok(Injection::Installed("the links are open again".into()))
            }
            Fault::Kill { nodes } => self.start(nodes).await,
            Fault::Pause { nodes } => self.signal(nodes, Signal::Cont).await,
            Fault::Restart { .. } => Ok(Injection::Installed("it runs again since then".into())),
            Fault::Lie(_) => self.honest(id).await,
            Fault::Corrupt(corruption) => self.outlast(id, corruption).await,
        }
    }

    /// The nodes whose database does not run, and what its process came to.
    ///
    /// # Errors
    /// An agent does not answer.
    pub async fn fallen(&self) -> Result<Vec<(NodeName, ServiceState)>, AgentError> {
        let status = |name: &str| Body::Status { name: name.to_owned() };
        let asked = self.nodes.iter().flat_map(|(name, hand)| {
            let services = hand.plan.services.iter();
            services.map(|service| (name.clone(), Arc::clone(&hand.agent), status(&service.name)))
        });
        let mut fallen = Vec::new();
        for (name, answer) in each(asked.collect()).await {
            match answer? {
                Answer::Service(ServiceState::Running { .. }) => {}
                Answer::Service(state) => fallen.push((name, state)),
                _ => {}
            }
        }
        Ok(fallen)
    }

    fn hand(&self, name: &NodeName) -> Option<&Hand> {
        self.nodes.get(name)
    }

    pub(super) fn requests(
        &self,
        nodes: &[NodeName],
        body: impl Fn(&Hand) -> Option<Body>,
    ) -> Vec<(NodeName, Arc<AgentHandle>, Body)> {
        nodes
            .iter()
            .filter_map(|name| {
                let hand = self.hand(name)?;
                Some((name.clone(), Arc::clone(&hand.agent), body(hand)?))
            })
            .collect()
    }

    pub(super) async fn signal(
        &self,
        nodes: &[NodeName],
        signal: Signal,
    ) -> Result<Injection, AgentError> {
        let body = |hand: &Hand| {
            let name = hand.plan.services.first()?.name.clone();
            Some(Body::Signal { name, signal })
        };
        let mut seen = Vec::new();
        let mut idle = Vec::new();
        for (name, answer) in each(self.requests(nodes, body)).await {
            match answer {
                Ok(Answer::Signalled { processes }) if !processes.is_empty() => {
                    let pids: Vec<String> =
                        processes.iter().map(|process| process.pid.to_string()).collect();
                    seen.push(format!("{name} (pid {})", pids.join(", ")));
                }
                Ok(_) => idle.push(format!("{name}: nothing ran")),
                Err(AgentError::Refused { failure, .. })
                    if failure.kind == FailureKind::NotFound =>
                {
                    idle.push(format!("{name}: {}", failure.message));
                }
                Err(error) => return Err(error),
            }
        }
        let what = match signal {
            Signal::Kill => "killed and seen gone",
            Signal::Stop => "stopped and seen so",
            Signal::Cont => "continued and seen running",
            Signal::Term => "asked to end",
        };
        Ok(summed(what, &seen, &idle))
    }

    pub(super) async fn start(&self, nodes: &[NodeName]) -> Result<Injection, AgentError> {
        let body = |hand: &Hand| Some(Body::Start(hand.plan.services.first()?.clone()));
        let mut seen = Vec::new();
        for (name, answer) in each(self.requests(nodes, body)).await {
            match answer {
                Ok(Answer::Service(ServiceState::Running { pid })) => {
                    seen.push(format!("{name} (pid {pid})"));
                }
                Ok(other) => seen.push(format!("{name}: {other:?}")),
                // Someone else's heal was faster: it runs, which is what was wanted.
                Err(AgentError::Refused { failure, .. })
                    if failure.kind == FailureKind::BadRequest =>
                {
                    seen.push(format!("{name}: {}", failure.message));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(summed("started", &seen, &[]))
    }

    async fn restart(&self, nodes: &[NodeName]) -> Result<Injection, AgentError> {
        self.end(nodes).await?;
        self.start(nodes).await
    }

    /// Asks the databases of these nodes to end, and sees that they do.
    pub(super) async fn end(&self, nodes: &[NodeName]) -> Result<(), AgentError> {
        let stop = |hand: &Hand| {
            let name = hand.plan.services.first()?.name.clone();
            Some(Body::Stop { name, grace_ms: GRACE_MS })
        };
        // Whoever does not end when it is asked to is ended by the stop that follows.
        let ask = |hand: &Hand| hand.plan.stop.clone().map(Body::Run);
        for (_, answer) in each(self.requests(nodes, ask)).await {
            answer?;
        }
        for (_, answer) in each(self.requests(nodes, stop)).await {
            answer?;
        }
        Ok(())
    }

    async fn cut(&mut self, id: FaultId, cuts: &[Cut]) -> Result<Injection, AgentError> {
        if cuts.is_empty() {
            return Ok(Injection::Skipped("there is no link to cut".into()));
        }
        self.cuts.insert(id, cuts.to_vec());
        match self.apply_cuts(cuts).await {
            Ok(()) => self.verify(cuts).await,
            Err(AgentError::Refused { failure, .. })
                if matches!(failure.kind, FailureKind::Unsupported | FailureKind::NotPermitted) =>
            {
                self.cuts.remove(&id);
                self.apply_cuts(cuts).await.ok();
                Ok(Injection::Skipped(failure.message))
            }
            Err(error) => Err(error),
        }
    }

    /// Makes the nodes of these cuts drop what all partitions of the moment say together.
    async fn apply_cuts(&self, touched: &[Cut]) -> Result<(), AgentError> {
        let body = |name: &NodeName| -> Body {
            let present = self.cuts.values().flatten().filter(|cut| cut.node == *name);
            let mut drop_from: Vec<IpAddr> =
                present.flat_map(|cut| &cut.from).flat_map(|from| self.addresses(from)).collect();
            drop_from.sort();
            drop_from.dedup();
            if drop_from.is_empty() { Body::Mend } else { Body::Cut { drop_from } }
        };
        let requests = touched.iter().filter_map(|cut| {
            let agent = Arc::clone(&self.hand(&cut.node)?.agent);
            Some((cut.node.clone(), agent, body(&cut.node)))
        });
        for (_, answer) in each(requests.collect()).await {
            answer?;
        }
        Ok(())
    }

    /// Lets each cut-off node send to those that should not hear it, and looks whether they
    /// dropped that.
    async fn verify(&self, cuts: &[Cut]) -> Result<Injection, AgentError> {
        let links: usize = cuts.iter().map(|cut| cut.from.len()).sum();
        let mut quiet = Vec::new();
        for _ in 0..LOOKS {
            self.probe(cuts).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
            quiet = self.quiet(cuts).await?;
            if quiet.is_empty() {
                let text = format!("{links} directed links cut, each seen dropping packets");
                return Ok(Injection::Installed(text));
            }
        }
        let text =
            format!("{} of {links} links dropped nothing: {}", quiet.len(), quiet.join(", "));
        Ok(if quiet.len() == links {
            Injection::Skipped(text)
        } else {
            Injection::Indeterminate(text)
        })
    }

    async fn probe(&self, cuts: &[Cut]) -> Result<(), AgentError> {
        let mut to: BTreeMap<NodeName, Vec<IpAddr>> = BTreeMap::new();
        for cut in cuts {
            for from in &cut.from {
                to.entry(from.clone()).or_default().extend(self.addresses(&cut.node));
            }
        }
        let senders: Vec<NodeName> = to.keys().cloned().collect();
        let requests = senders.iter().filter_map(|name| {
            let agent = Arc::clone(&self.hand(name)?.agent);
            Some((name.clone(), agent, Body::Probe { to: to.remove(name)? }))
        });
        for (_, answer) in each(requests.collect()).await {
            answer?;
        }
        Ok(())
    }

    /// The links on which nothing was dropped yet.
    async fn quiet(&self, cuts: &[Cut]) -> Result<Vec<String>, AgentError> {
        let nodes: Vec<NodeName> = cuts.iter().map(|cut| cut.node.clone()).collect();
        let mut quiet = Vec::new();
        for (name, answer) in each(self.requests(&nodes, |_| Some(Body::CutCounters))).await {
            let Answer::Counters { dropped } = answer? else { continue };
            for from in cuts.iter().filter(|cut| cut.node == name).flat_map(|cut| &cut.from) {
                let packets: u64 =
                    self.addresses(from).iter().filter_map(|address| dropped.get(address)).sum();
                if packets == 0 {
                    quiet.push(format!("{from} to {name}"));
                }
            }
        }
        Ok(quiet)
    }

    pub(super) fn addresses(&self, name: &NodeName) -> Vec<IpAddr> {
        self.hand(name).map(|hand| hand.addresses.clone()).unwrap_or_default()
    }
}

fn summed(what: &str, seen: &[String], idle: &[String]) -> Injection {
    let idle_text = idle.join(", ");
    match (seen.is_empty(), idle.is_empty()) {
        (false, true) => Injection::Installed(format!("{what}: {}", seen.join(", "))),
        (false, false) => {
            Injection::Installed(format!("{what}: {}; but {idle_text}", seen.join(", ")))
        }
        (true, false) => Injection::Skipped(idle_text),
        (true, true) => Injection::Skipped("no node is meant".into()),
    }
}
