//! Turning bits over in the memory and the files of nodes, and writing down every place.
//!
//! Corruption is not undone when its time is over: what a database does with it afterwards is the
//! question. It ends with the process, or goes with the directory that was made for the run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use perjury_agent::corruption::{
    Aim as AgentAim, Copies, Corrupted, Damage as AgentDamage, FileDamage, MemoryFlip, Place,
    Snapshot,
};
use perjury_agent::protocol::{Answer, Body, Signal};
use perjury_agent::proxy::Pattern;
use perjury_history::{
    Aim, Corruption, CorruptionMade, Damage, FaultId, Files, Injection, NodeName, Rot,
};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::hands::{Hand, Hands, each, is_inability};
use super::lies::{Ledger, nanos, value};
use crate::remote::{AgentError, AgentHandle};

/// The name of the ground truth, beside the ledger of lies.
const LEDGER: &str = "corruptions.jsonl";
/// How often bits turn over that do so every second.
const SECOND: Duration = Duration::from_secs(1);

fn aim(aim: &Aim) -> AgentAim {
    match aim {
        Aim::Values { keys, one_copy } => {
            let copies = if *one_copy { Copies::One } else { Copies::All };
            AgentAim::Live { pattern: Pattern::default(), keys: *keys, copies }
        }
        // Those of one second.
        Aim::Bits(bits) | Aim::PerSecond(bits) => AgentAim::Random { bits: *bits },
    }
}

fn damage(damage: &Damage) -> AgentDamage {
    match damage {
        Damage::Flip(which) => AgentDamage::Flip(aim(which)),
        Damage::Zero(blocks) => AgentDamage::Zero { blocks: *blocks },
        Damage::Misdirect(blocks) => AgentDamage::Misdirect { blocks: *blocks },
        Damage::Torn => AgentDamage::Torn,
        Damage::Truncate(bytes) => AgentDamage::Truncate { bytes: *bytes },
    }
}

/// What the agent of a node is asked to corrupt.
fn request(hand: &Hand, what: &Rot, seed: u64) -> Option<Body> {
    match what {
        Rot::Memory(which) => {
            let service = hand.plan.services.first()?.name.clone();
            let aim = aim(which);
            Some(Body::FlipMemory(MemoryFlip { service, aim, seed, revert: false }))
        }
        Rot::Files(files) => Some(Body::DamageFiles(FileDamage {
            path: hand.plan.data()?.to_owned(),
            suffix: files.suffix.clone(),
            kind: damage(&files.damage),
            seed,
            revert: false,
        })),
        Rot::RollBack => None,
    }
}

fn copy(hand: &Hand, id: FaultId) -> Option<Snapshot> {
    Some(Snapshot { path: hand.plan.data()?.to_owned(), name: format!("fault-{}", id.0) })
}

impl Hands {
    /// Corrupts. Installed means: a place was changed and read back.
    pub(super) async fn corrupt(
        &mut self,
        id: FaultId,
        corruption: &Corruption,
    ) -> Result<Injection, AgentError> {
        let nodes = &corruption.nodes;
        match &corruption.what {
            what if per_second(what) => self.shower(id, corruption).await,
            Rot::Memory(_) | Rot::Files(Files { crash: false, stop: false, .. }) => {
                self.rot(id, corruption).await
            }
            Rot::Files(Files { stop, .. }) => {
                if *stop {
                    self.end(nodes).await?;
                } else {
                    self.signal(nodes, Signal::Kill).await?;
                }
                let injection = self.rot(id, corruption).await;
                // Started again whatever came of it: nobody else will.
                let started = self.start(nodes).await?;
                Ok(said_too(injection?, &started))
            }
            Rot::RollBack => self.remember(id, nodes).await,
        }
    }

    /// The end of a corruption: only older files are put back now, in a crash.
    pub(super) async fn outlast(
        &mut self,
        id: FaultId,
        corruption: &Corruption,
    ) -> Result<Injection, AgentError> {
        if let Some(shower) = self.showers.remove(&id) {
            return shower.end().await;
        }
        if corruption.what != Rot::RollBack {
            return Ok(Injection::Installed("what was corrupted stays so".into()));
        }
        let nodes = &corruption.nodes;
        self.signal(nodes, Signal::Kill).await?;
        let restore = |hand: &Hand| Some(Body::RestoreCopy(copy(hand, id)?));
        let answers = each(self.requests(nodes, restore)).await;
        let started = self.start(nodes).await?;
        let (back, idle) = sorted(answers)?;
        let injection = match back.is_empty() {
            true => Injection::Skipped(idle.join(", ")),
            false => Injection::Installed(format!("{} got its older files", back.join(", "))),
        };
        Ok(said_too(injection, &started))
    }

    /// Keeps a copy of the data directories while the database stands still.
    async fn remember(&self, id: FaultId, nodes: &[NodeName]) -> Result<Injection, AgentError> {
        self.signal(nodes, Signal::Stop).await?;
        let take = |hand: &Hand| Some(Body::TakeCopy(copy(hand, id)?));
        let answers = each(self.requests(nodes, take)).await;
        self.signal(nodes, Signal::Cont).await?;
        let (kept, idle) = sorted(answers)?;
        Ok(match kept.is_empty() {
            true => Injection::Skipped(none_meant(idle)),
            false => Injection::Indeterminate(format!(
                "the files of {} are kept, and come back when the fault ends",
                kept.join(", ")
            )),
        })
    }

    async fn rot(&self, id: FaultId, corruption: &Corruption) -> Result<Injection, AgentError> {
        let body = |hand: &Hand| request(hand, &corruption.what, corruption.seed);
        let requests = self.requests(&corruption.nodes, body);
        Ok(told(&strike(id, &self.lies.ledger().beside(LEDGER), requests).await?))
    }

    /// Corrupts again in every second, until the fault ends.
    async fn shower(
        &mut self,
        id: FaultId,
        corruption: &Corruption,
    ) -> Result<Injection, AgentError> {
        let Corruption { nodes, what, seed } = corruption;
        if matches!(what, Rot::Files(files) if files.crash || files.stop) {
            let why = "bits turn over every second while the database runs; leave `crash` and \
                       `stop` out";
            return Ok(Injection::Skipped(why.into()));
        }
        let ledger = self.lies.ledger().beside(LEDGER);
        let requests = || self.requests(nodes, |hand: &Hand| request(hand, what, *seed));
        let first = strike(id, &ledger, requests()).await?;
        let injection = told(&first);
        if first.places.is_empty() {
            return Ok(injection);
        }
        let mut more = requests();
        let (stop, mut stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut all = first;
            // Without anybody left to stop it, it stops.
            while tokio::time::timeout(SECOND, stopped.wait_for(|stop| *stop)).await.is_err() {
                more.iter_mut().for_each(|(_, _, body)| reseed(body));
                let again = more
                    .iter()
                    .map(|(node, agent, body)| (node.clone(), Arc::clone(agent), body.clone()));
                all.add(strike(id, &ledger, again.collect()).await?);
            }
            Ok(all)
        });
        self.showers.insert(id, Shower { stop, task });
        Ok(injection)
    }
}

/// Corruption that goes on.
pub(super) struct Shower {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<Struck, AgentError>>,
}

impl Shower {
    async fn end(self) -> Result<Injection, AgentError> {
        self.stop.send_replace(true);
        let struck = match self.task.await {
            Ok(struck) => struck?,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        let count: usize = struck.places.values().map(Vec::len).sum();
        let text = format!("{count} bits in all, and they stay so; {}", told(&struck).reason());
        Ok(match struck.unwritten {
            None => Injection::Installed(text),
            Some(_) => Injection::Indeterminate(text),
        })
    }
}

/// What came of asking nodes to corrupt.
#[derive(Default)]
struct Struck {
    places: BTreeMap<NodeName, Vec<Place>>,
    /// Who could not, and why: the last time.
    idle: Vec<String>,
    /// Why the ground truth could not be written.
    unwritten: Option<String>,
}

impl Struck {
    fn add(&mut self, more: Struck) {
        for (node, places) in more.places {
            self.places.entry(node).or_default().extend(places);
        }
        self.idle = more.idle;
        self.unwritten = self.unwritten.take().or(more.unwritten);
    }
}

/// Other places in the next second.
fn reseed(body: &mut Body) {
    match body {
        Body::FlipMemory(MemoryFlip { seed, .. }) | Body::DamageFiles(FileDamage { seed, .. }) => {
            *seed = seed.wrapping_add(1);
        }
        _ => {}
    }
}

fn per_second(what: &Rot) -> bool {
    let is = |aim: &Aim| matches!(aim, Aim::PerSecond(_));
    match what {
        Rot::Memory(aim) => is(aim),
        Rot::Files(files) => matches!(&files.damage, Damage::Flip(aim) if is(aim)),
        Rot::RollBack => false,
    }
}

/// Asks these nodes to corrupt, and writes down what they did.
async fn strike(
    id: FaultId,
    ledger: &Ledger,
    requests: Vec<(NodeName, Arc<AgentHandle>, Body)>,
) -> Result<Struck, AgentError> {
    let before = ledger.now();
    let mut struck = Struck::default();
    for (node, answer) in each(requests).await {
        match answer {
            Ok(Answer::Corrupted(Corrupted { places: made, shortfall, .. })) => {
                if !shortfall.is_empty() {
                    struck.idle.push(format!("{node}: {shortfall}"));
                }
                if !made.is_empty() {
                    struck.places.insert(node, made);
                }
            }
            Ok(_) => {}
            Err(AgentError::Refused { failure, .. }) if is_inability(failure.kind) => {
                struck.idle.push(format!("{node}: {failure}"));
            }
            Err(error) => return Err(error),
        }
    }
    let now = ledger.now();
    let line = |node: &NodeName, place: &Place| CorruptionMade {
        fault: id,
        node: node.clone(),
        time: nanos(now),
        within: nanos(now.saturating_sub(before)),
        at: place.at.clone(),
        length: place.length,
        before: value(&place.before.0),
        after: value(&place.after.0),
    };
    let all = struck.places.iter().flat_map(|(node, made)| made.iter().map(move |one| (node, one)));
    let lines: Vec<CorruptionMade> = all.map(|(node, place)| line(node, place)).collect();
    struck.unwritten = ledger.append(&lines).await.err().map(|error| error.to_string());
    Ok(struck)
}

/// Who did it, and who would not, and why.
fn sorted(
    answers: Vec<(NodeName, Result<Answer, AgentError>)>,
) -> Result<(Vec<String>, Vec<String>), AgentError> {
    let mut done = Vec::new();
    let mut idle = Vec::new();
    for (node, answer) in answers {
        match answer {
            Ok(_) => done.push(node.to_string()),
            Err(AgentError::Refused { failure, .. }) => idle.push(format!("{node}: {failure}")),
            Err(error) => return Err(error),
        }
    }
    Ok((done, idle))
}

fn none_meant(idle: Vec<String>) -> String {
    if idle.is_empty() { "no node is meant".into() } else { idle.join(", ") }
}

fn told(struck: &Struck) -> Injection {
    let Struck { places, idle, unwritten } = struck;
    let some = |(node, made): (&NodeName, &Vec<Place>)| {
        let first = made.first()?;
        Some(format!("{node}: {} places, the first: {}", made.len(), first.at))
    };
    let seen: Vec<String> = places.iter().filter_map(some).collect();
    if seen.is_empty() {
        let why = none_meant(idle.clone());
        return Injection::Skipped(format!("nothing was corrupted: {why}"));
    }
    let mut text = seen.join("; ");
    if !idle.is_empty() {
        text += &format!("; but {}", idle.join(", "));
    }
    match unwritten {
        None => Injection::Installed(text),
        Some(why) => Injection::Indeterminate(format!("{text}; not recorded: {why}")),
    }
}

/// Adds what a second step came to.
fn said_too(injection: Injection, more: &Injection) -> Injection {
    let text = format!("{}; {}", injection.reason(), more.reason());
    match injection {
        Injection::Installed(_) => Injection::Installed(text),
        Injection::Skipped(_) => Injection::Skipped(text),
        Injection::Indeterminate(_) => Injection::Indeterminate(text),
    }
}
