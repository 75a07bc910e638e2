//! The task that carries out a schedule: chooses, has it recorded, injects, has that recorded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use perjury_history::{Corruption, Event, Fault, FaultId, NodeName, Topology};
use tokio::sync::watch;

use super::{Clock, Tell};
use crate::databases::Database;
use crate::nemeses::{Act, Hands, Shape, Spec, Step, Targets, Word};
use crate::remote::AgentError;
use crate::seed::Stream;

/// One question for the primaries takes no longer, and it is asked so often.
const PATIENCE: Duration = Duration::from_secs(2);
const TRIES: u32 = 10;
/// How often the primaries are looked for while a fault follows them.
const LOOK: Duration = Duration::from_millis(500);

/// The nemesis of a run.
pub struct Nemesis {
    /// What was declared.
    pub spec: Spec,
    /// Where it chooses from.
    pub topology: Topology,
    /// Whom it asks for primaries.
    pub database: Arc<dyn Database>,
    /// How it acts.
    pub hands: Hands,
    /// Where its choices come from.
    pub stream: Stream,
    /// Where its entries go.
    pub tell: Tell,
    /// Whose times the schedule means.
    pub clock: Clock,
    active: BTreeMap<FaultId, Fault>,
    followed: BTreeMap<FaultId, Followed>,
    /// For faults that nobody scheduled.
    next: u32,
}

/// A fault that moves with the primaries. In the history each move is the end of one fault and
/// the beginning of another.
struct Followed {
    /// Its place in the declaration.
    track: usize,
    /// The number of the fault that stands for it now.
    now: FaultId,
    /// Who held themselves for primary when that one began.
    primaries: Vec<NodeName>,
}

impl Nemesis {
    /// A nemesis that has done nothing yet.
    pub fn new(
        spec: Spec,
        topology: Topology,
        database: Arc<dyn Database>,
        hands: Hands,
        stream: Stream,
        tell: Tell,
        clock: Clock,
    ) -> Nemesis {
        let (active, followed) = (BTreeMap::new(), BTreeMap::new());
        Nemesis { spec, topology, database, hands, stream, tell, clock, active, followed, next: 0 }
    }

    /// Carries out the steps at their times, counted from now, until `over` says that the load is:
    /// the step of the moment is then still finished.
    ///
    /// # Errors
    /// An agent does not answer: the run is compromised. What is active stays so, for
    /// [`Nemesis::heal_all`].
    pub async fn run(
        &mut self,
        steps: &[Step],
        mut over: watch::Receiver<bool>,
    ) -> Result<(), AgentError> {
        let begin = self.clock.now();
        self.next = steps.iter().map(|step| step.id.0 + 1).max().unwrap_or(0);
        for step in steps {
            let due = self.clock.instant(begin + step.at);
            if self.wait(Some(due), &mut over).await? {
                return Ok(());
            }
            match step.act {
                Act::Inject(track) => self.inject(step.id, track).await?,
                Act::Heal => self.heal(step.id).await?,
            }
        }
        // The last one may be on until the load is over.
        while !self.followed.is_empty() {
            if self.wait(None, &mut over).await? {
                break;
            }
        }
        Ok(())
    }

    /// Waits until then, and meanwhile follows the primaries if a fault does. Is the load over?
    async fn wait(
        &mut self,
        due: Option<Instant>,
        over: &mut watch::Receiver<bool>,
    ) -> Result<bool, AgentError> {
        loop {
            let look = (!self.followed.is_empty()).then(|| Instant::now() + LOOK);
            let Some(next) = due.into_iter().chain(look).min() else { return Ok(false) };
            tokio::select! {
                () = tokio::time::sleep_until(next.into()) => {}
                // Either it says so, or nobody is left to say anything.
                _ = over.wait_for(|over| *over) => return Ok(true),
            }
            if due.is_some_and(|due| due <= Instant::now()) {
                return Ok(false);
            }
            self.follow().await?;
        }
    }

    /// Moves the faults that follow the primaries, if those are others now. Where nobody answers,
    /// or nobody leads at the moment, they stay.
    async fn follow(&mut self) -> Result<(), AgentError> {
        let asking = self.database.primaries(&self.topology);
        let mut primaries = tokio::time::timeout(PATIENCE, asking).await.unwrap_or_default();
        primaries.sort();
        if primaries.is_empty() {
            return Ok(());
        }
        let moved = |(_, followed): &(&FaultId, &Followed)| followed.primaries != primaries;
        let ids: Vec<FaultId> = self.followed.iter().filter(moved).map(|(id, _)| *id).collect();
        for id in ids {
            let Some(Followed { track, now, .. }) = self.followed.remove(&id) else { continue };
            self.heal(now).await?;
            let other = FaultId(self.next);
            self.next += 1;
            let text = format!("{now} follows the primary, as {other}");
            self.tell.tell(Event::Note(text)).await;
            self.followed.insert(id, Followed { track, now: other, primaries: primaries.clone() });
            self.inject_there(other, track, &primaries).await?;
        }
        Ok(())
    }

    /// Heals whatever is still on, the latest first.
    ///
    /// # Errors
    /// The first agent that does not answer; the others are healed all the same.
    pub async fn heal_all(&mut self) -> Result<(), AgentError> {
        let ids: Vec<FaultId> = self.active.keys().rev().copied().collect();
        let mut result = Ok(());
        for id in ids {
            let healed = self.heal(id).await;
            result = result.and(healed);
        }
        result
    }

    async fn inject(&mut self, id: FaultId, track: usize) -> Result<(), AgentError> {
        let word = &self.spec.fault[track].inject;
        let follows = matches!(word, Word::Lie(deceit) if deceit.follows());
        let mut primaries =
            if aims_at_primaries(word) { self.primaries().await } else { Vec::new() };
        primaries.sort();
        if follows {
            let primaries = primaries.clone();
            self.followed.insert(id, Followed { track, now: id, primaries });
        }
        self.inject_there(id, track, &primaries).await
    }

    async fn inject_there(
        &mut self,
        id: FaultId,
        track: usize,
        primaries: &[NodeName],
    ) -> Result<(), AgentError> {
        let fault = self.choose(track, primaries);
        self.tell.tell(Event::Inject { id, fault: fault.clone() }).await;
        // Recorded and remembered first: if the agent fails half way, it still gets healed.
        self.active.insert(id, fault.clone());
        let injection = self.hands.inject(id, &fault).await?;
        self.tell.tell(Event::Injected { id, injection }).await;
        Ok(())
    }

    async fn heal(&mut self, id: FaultId) -> Result<(), AgentError> {
        let id = self.followed.remove(&id).map_or(id, |followed| followed.now);
        let Some(fault) = self.active.get(&id).cloned() else { return Ok(()) };
        self.tell.tell(Event::Heal { id }).await;
        let injection = self.hands.heal(id, &fault).await?;
        self.active.remove(&id);
        if let Some(known) = self.hands.told(id) {
            // Only now is it known how many lies were told; none is no fault at all.
            self.tell.tell(Event::Injected { id, injection: known }).await;
        }
        self.tell.tell(Event::Healed { id, injection }).await;
        Ok(())
    }

    /// Who holds itself for primary. In the middle of an election nobody does: asked again for a
    /// while, so that a fault finds its target.
    async fn primaries(&self) -> Vec<NodeName> {
        for _ in 0..TRIES {
            let asking = self.database.primaries(&self.topology);
            let primaries = tokio::time::timeout(PATIENCE, asking).await.unwrap_or_default();
            if !primaries.is_empty() {
                return primaries;
            }
            tokio::time::sleep(PATIENCE / 10).await;
        }
        Vec::new()
    }

    fn choose(&mut self, track: usize, primaries: &[NodeName]) -> Fault {
        let word = self.spec.fault[track].inject.clone();
        let (topology, stream) = (&self.topology, &mut self.stream);
        let mut whom = |targets: &Targets| targets.choose(topology, primaries, stream);
        match word {
            Word::Kill(options) => Fault::Kill { nodes: whom(&options.targets) },
            Word::Pause(options) => Fault::Pause { nodes: whom(&options.targets) },
            Word::Restart(options) => Fault::Restart { nodes: whom(&options.targets) },
            Word::Partition(options) => Fault::Partition {
                shape: options.shape.name().to_owned(),
                cuts: options.shape.cuts(topology, primaries, stream),
            },
            Word::Lie(options) => {
                Fault::Lie(options.choose(topology, primaries, &self.database.wires(), stream))
            }
            Word::Corrupt(options) => {
                let nodes = whom(&options.targets);
                let seed = stream.below(1 << 53);
                Fault::Corrupt(Corruption { nodes, what: options.what, seed })
            }
        }
    }
}

fn aims_at_primaries(word: &Word) -> bool {
    match word {
        Word::Kill(options) | Word::Pause(options) | Word::Restart(options) => {
            options.targets.aims_at_primaries()
        }
        Word::Partition(options) => options.shape == Shape::IsolatePrimary,
        Word::Lie(options) => options.aims_at_primaries(),
        Word::Corrupt(options) => options.targets.aims_at_primaries(),
    }
}

#[cfg(test)]
#[path = "nemesis_tests.rs"]
mod tests;
