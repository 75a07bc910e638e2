//! Making nodes lie and honest again, and writing down every lie that was told.
//!
//! While a lie is on, its records are fetched again and again, so that none has to go unfetched,
//! and appended to the ledger, `lies.jsonl`. A liar that told nothing has tested nothing: that is
//! said as *skipped* once it is known.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use perjury_agent::protocol::{Answer, Body};
use perjury_agent::proxy::{Deeds, Told, Way};
use perjury_history::{FaultId, Injection, Instead, LieTold, Lying, NodeName, Tell, Value};
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::hands::{Hands, each, is_inability};
use super::liar;
use crate::remote::{AgentError, AgentHandle};

/// No single request takes longer.
const LIMIT: Duration = Duration::from_secs(20);
/// How often records are fetched.
const FETCH: Duration = Duration::from_millis(200);
/// How long the first lie is waited for before the load goes on without it being seen.
const FIRST: Duration = Duration::from_secs(2);

/// Where the ground truth goes.
#[derive(Clone, Debug)]
pub struct Ledger {
    path: PathBuf,
    began: Instant,
}

impl Ledger {
    /// A file that is made with the first lie; times in it count from `began`.
    pub fn new(path: PathBuf, began: Instant) -> Ledger {
        Ledger { path, began }
    }

    /// Another file in the same folder, on the same clock.
    pub(super) fn beside(&self, name: &str) -> Ledger {
        Ledger { path: self.path.with_file_name(name), began: self.began }
    }

    /// The time of the run.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) async fn append(&self, lies: &[impl Serialize]) -> std::io::Result<()> {
        if lies.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        for lie in lies {
            serde_json::to_writer(&mut text, lie)?;
            text.push(b'\n');
        }
        let mut options = tokio::fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(&self.path).await?;
        file.write_all(&text).await?;
        file.flush().await
    }
}

/// What is known of one lie while it is on.
#[derive(Debug, Default)]
struct Known {
    deeds: BTreeMap<NodeName, Deeds>,
    /// The ledger could not be written.
    unwritten: Option<String>,
}

impl Known {
    fn told(&self) -> u64 {
        self.deeds.values().flat_map(|deeds| deeds.told.values()).sum()
    }

    /// For a person: what was told, on how many connections, and what is missing.
    fn text(&self) -> String {
        let sum = |of: fn(&Deeds) -> u64| self.deeds.values().map(of).sum::<u64>();
        let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
        for (kind, count) in self.deeds.values().flat_map(|deeds| &deeds.told) {
            *kinds.entry(kind).or_default() += count;
        }
        let kinds: Vec<String> =
            kinds.into_iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let mut text = format!(
            "{} lies told on {} connections, {} of before cut over",
            self.told(),
            sum(|deeds| deeds.connections),
            sum(|deeds| deeds.cut_over),
        );
        if !kinds.is_empty() {
            text += &format!(": {}", kinds.join(", "));
        }
        for (count, what) in [
            (sum(|deeds| deeds.kept), "connections of before go on without the liar"),
            (sum(|deeds| deeds.opaque), "connections could not be read as messages"),
            (sum(|deeds| deeds.lost), "records of lies are lost"),
        ] {
            if count > 0 {
                text += &format!("; {count} {what}");
            }
        }
        if let Some(why) = &self.unwritten {
            text += &format!("; the records could not be written: {why}");
        }
        text
    }
}

struct Active {
    name: String,
    liars: Vec<(NodeName, Arc<AgentHandle>)>,
    known: Arc<Mutex<Known>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), AgentError>>,
}

/// The lies of a run.
pub(super) struct Lies {
    ledger: Ledger,
    /// What insiders may say.
    pool: Vec<String>,
    active: BTreeMap<FaultId, Active>,
    finished: BTreeMap<FaultId, Injection>,
}

impl Lies {
    pub(super) fn new(ledger: Ledger, pool: Vec<String>) -> Lies {
        Lies { ledger, pool, active: BTreeMap::new(), finished: BTreeMap::new() }
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}

impl Hands {
    /// Makes nodes lie. Installed means: a lie was seen to be told.
    pub(super) async fn lie(
        &mut self,
        id: FaultId,
        lying: &Lying,
    ) -> Result<Injection, AgentError> {
        if let Some(why) = self.cannot(lying) {
            return Ok(Injection::Skipped(why));
        }
        let name = format!("fault-{}", id.0);
        let all: Vec<NodeName> = self.nodes.keys().cloned().collect();
        let addresses = |node: &NodeName| self.addresses(node);
        let liars: Vec<(NodeName, Arc<AgentHandle>)> = lying
            .nodes
            .iter()
            .filter_map(|node| Some((node.clone(), Arc::clone(&self.nodes.get(node)?.agent))))
            .collect();
        let request = |(node, agent): &(NodeName, Arc<AgentHandle>)| {
            let liar = liar::liar(&name, lying, node, &all, &addresses, &self.lies.pool);
            (node.clone(), Arc::clone(agent), Body::Lie(liar))
        };
        let mut refused = None;
        let mut failed = None;
        let mut known = Known::default();
        for (node, answer) in each(liars.iter().map(request).collect()).await {
            match answer {
                Ok(Answer::Deeds(deeds)) => drop(known.deeds.insert(node, deeds)),
                Ok(_) => {}
                Err(AgentError::Refused { failure, .. }) if is_inability(failure.kind) => {
                    refused = Some(format!("{node}: {failure}"));
                }
                Err(error) => failed = Some(error),
            }
        }
        if refused.is_some() || failed.is_some() {
            let lied = liars.into_iter().filter(|(node, _)| known.deeds.contains_key(node));
            recant(&name, lied.collect()).await?;
            return failed.map_or_else(|| Ok(Injection::Skipped(refused.unwrap_or_default())), Err);
        }
        self.watch(id, name, liars, known).await
    }

    /// Why this cannot be told at all.
    fn cannot(&self, lying: &Lying) -> Option<String> {
        let nobody = match &lying.deceived {
            perjury_history::Deceived::Nodes(nodes) => nodes.is_empty(),
            _ => false,
        };
        let insider = |lie: &perjury_history::Lie| {
            use Instead::Insider;
            matches!(lie.tell, Tell::Substitute(Insider) | Tell::Equivocate(Insider))
        };
        let all = self.nodes.keys();
        let shared = all.flat_map(|node| self.addresses(node)).any(|one| one.is_loopback());
        let why = match () {
            () if lying.nodes.is_empty() => "no node is meant",
            () if nobody => "nobody is left to deceive",
            () if shared => {
                "these nodes share the loopback interface, where nobody's connections can be told \
                 apart; take a cluster whose nodes have networks of their own"
            }
            () if lying.ports.is_empty() => {
                "the database does not say on which ports it speaks; add `ports` to the lie"
            }
            () if self.lies.pool.is_empty() && lying.lies.iter().any(insider) => {
                "the values of this run are no text seals: an insider has none to tell"
            }
            () => return None,
        };
        Some(why.to_owned())
    }

    /// Begins to fetch records, and waits a moment for the first.
    async fn watch(
        &mut self,
        id: FaultId,
        name: String,
        liars: Vec<(NodeName, Arc<AgentHandle>)>,
        known: Known,
    ) -> Result<Injection, AgentError> {
        let known = Arc::new(Mutex::new(known));
        let (stop, stopped) = watch::channel(false);
        let collector = Collector {
            fault: id,
            name: name.clone(),
            liars: liars.clone(),
            known: Arc::clone(&known),
            ledger: self.lies.ledger.clone(),
            next: BTreeMap::new(),
        };
        let task = tokio::spawn(collector.collect(stopped));
        let begun = Instant::now();
        let told = || lock(&known).told();
        while told() == 0 && begun.elapsed() < FIRST && !task.is_finished() {
            tokio::time::sleep(FETCH / 10).await;
        }
        let text = lock(&known).text();
        let first = format!("the first seen after {:.0?}; so far {text}", begun.elapsed());
        let injection = match told() {
            0 => Injection::Indeterminate(format!("so far {text}")),
            _ => Injection::Installed(first),
        };
        self.lies.active.insert(id, Active { name, liars, known, stop, task });
        Ok(injection)
    }

    /// Makes nodes honest again, and finds out what they told.
    pub(super) async fn honest(&mut self, id: FaultId) -> Result<Injection, AgentError> {
        let Some(active) = self.lies.active.remove(&id) else {
            return Ok(Injection::Installed("nobody lied".into()));
        };
        let Active { name, liars, known, stop, task } = active;
        let count = liars.len();
        recant(&name, liars).await?;
        stop.send_replace(true);
        match task.await {
            Ok(collected) => collected?,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
        let known = lock(&known);
        let told = match (known.told(), &known.unwritten) {
            (0, _) => Injection::Skipped(format!("{}: not tested", known.text())),
            (_, Some(_)) => Injection::Indeterminate(known.text()),
            (_, None) => Injection::Installed(known.text()),
        };
        self.lies.finished.insert(id, told);
        Ok(Injection::Installed(format!("{count} liars removed, and their redirects seen gone")))
    }

    /// What a lie that was healed had come to; none if it was no lie, or was never installed.
    pub fn told(&mut self, id: FaultId) -> Option<Injection> {
        self.lies.finished.remove(&id)
    }
}

fn lock(known: &Mutex<Known>) -> std::sync::MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn recant(name: &str, liars: Vec<(NodeName, Arc<AgentHandle>)>) -> Result<(), AgentError> {
    let body = || Body::Recant { name: name.to_owned() };
    let requests = liars.into_iter().map(|(node, agent)| (node, agent, body())).collect();
    let mut result = Ok(());
    for (_, answer) in each(requests).await {
        result = result.and(answer.map(drop));
    }
    result
}

/// Fetches the records of one lie from all its liars.
struct Collector {
    fault: FaultId,
    name: String,
    liars: Vec<(NodeName, Arc<AgentHandle>)>,
    known: Arc<Mutex<Known>>,
    ledger: Ledger,
    next: BTreeMap<NodeName, u64>,
}

impl Collector {
    /// Goes on until it is told to stop, and then until nothing is left.
    async fn collect(mut self, mut stopped: watch::Receiver<bool>) -> Result<(), AgentError> {
        loop {
            let last = *stopped.borrow();
            let mut rest: BTreeSet<NodeName> =
                self.liars.iter().map(|(node, _)| node.clone()).collect();
            while !rest.is_empty() {
                let busy = self.fetch(&rest).await?;
                rest.retain(|node| busy.contains(node));
            }
            if last {
                return Ok(());
            }
            // Without anybody left to stop it, it stops.
            let wait = stopped.wait_for(|stop| *stop);
            if let Ok(Err(_)) = tokio::time::timeout(FETCH, wait).await {
                return Ok(());
            }
        }
    }

    /// Fetches once from these; answers those that had something.
    async fn fetch(&mut self, from: &BTreeSet<NodeName>) -> Result<BTreeSet<NodeName>, AgentError> {
        let mut busy = BTreeSet::new();
        for (node, agent) in self.liars.iter().filter(|(node, _)| from.contains(node)) {
            let next = self.next.get(node).copied().unwrap_or(0);
            let before = self.ledger.began.elapsed();
            let body = Body::Lies { name: self.name.clone(), from: next };
            let Answer::Lies(lies) = agent.request(body, LIMIT).await? else { continue };
            let within = self.ledger.began.elapsed().saturating_sub(before);
            let time = |told: &Told| {
                let age = Duration::from_nanos(lies.deeds.now_ns.saturating_sub(told.at_ns));
                before.saturating_sub(age)
            };
            if let Some(last) = lies.records.last() {
                self.next.insert(node.clone(), last.number + 1);
                busy.insert(node.clone());
                let records: Vec<LieTold> = lies
                    .records
                    .iter()
                    .map(|told| line(self.fault, node, told, time(told), within))
                    .collect();
                if let Err(error) = self.ledger.append(&records).await {
                    let path = self.ledger.path.display();
                    lock(&self.known).unwritten = Some(format!("{path}: {error}"));
                }
            }
            lock(&self.known).deeds.insert(node.clone(), lies.deeds);
        }
        Ok(busy)
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Text, or the raw bytes where it is none.
pub(super) fn value(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::Text(text.into()),
        Err(_) => Value::Raw(bytes.into()),
    }
}

fn line(fault: FaultId, node: &NodeName, told: &Told, time: Duration, within: Duration) -> LieTold {
    LieTold {
        fault,
        node: node.clone(),
        time: nanos(time),
        within: nanos(within),
        number: told.number,
        connection: told.link.connection,
        dialler: told.link.dialler,
        listener: told.link.listener,
        outgoing: told.link.outgoing,
        request: told.way == Way::Requests,
        lie: told.lie.clone(),
        before: value(&told.before.0),
        after: value(&told.after.0),
        seal_before: told.seal_before.clone(),
        seal_after: told.seal_after.clone(),
        detail: told.detail.clone(),
    }
}
