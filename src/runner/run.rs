//! The sequence of a run: reach, provision, load under faults, heal, settle, read, collect, let go.
//!
//! Whatever happens, the nodes are healed and the logs are collected. A failure of the harness
//! before the load leaves a record without operations that says what failed; one during the load
//! stops it, and what was recorded is judged all the same: either run is *compromised*.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use perjury_history::seal::Seals;
use perjury_history::{Event, Header, NodeName, Phase, Topology, Writer};
use tokio::sync::watch;

use super::interpreter::{Interpreter, InterpreterError, Progress, Stop};
use super::online::{self, FollowError, Follower, Seen};
use super::probes;
use super::scrub::scrub;
use super::site::{self, ProvisionError, Site};
use super::{Clock, Connect, Nemesis};
use crate::clusters::Inventory;
use crate::config::{ConfigError, RunSpec};
use crate::databases::Database;
use crate::generators::{Rate, TimeLimit};
use crate::nemeses::{Hands, Ledger, Step, insiders, schedule};
use crate::store::{Ended, Environment, RunFolder, StoreError};
use crate::workloads::Mint;

/// How long a database may take to come up, and to recover at the end.
const READY: Duration = Duration::from_secs(60);
/// Of so many keys insiders have values.
const INSIDER_KEYS: u64 = 2048;
/// How long the final reads may take in all.
const FINAL: Duration = Duration::from_secs(60);

/// Why there is no run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The run's folder cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The history cannot be written.
    #[error(transparent)]
    Load(#[from] InterpreterError),
    /// The declaration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The history cannot be judged while the run goes on.
    #[error("cannot judge the run while it goes on: {0}")]
    Follow(#[from] FollowError),
}

/// Who is told how the run goes.
pub trait Watcher {
    /// The run enters a part; for a person to read.
    fn part(&self, text: &str);
    /// The load begins; these are its counters.
    fn load(&self, progress: Arc<Progress>, length: Duration);
}

/// Carries out a run. The history is closed and the folder sealed when this returns.
///
/// # Errors
/// The record cannot be written; the nodes are healed all the same.
pub async fn run(
    spec: &RunSpec,
    inventory: &Inventory,
    folder: &RunFolder,
    stop: Stop,
    watcher: &dyn Watcher,
) -> Result<Environment, RunError> {
    let begin = Instant::now();
    let database = spec.database.build();
    let topology = inventory.topology();
    let mut environment = Environment {
        perjury: env!("CARGO_PKG_VERSION").into(),
        started: crate::store::utc(SystemTime::now()),
        claims: database.claims(),
        controller: controller(),
        ..Environment::default()
    };
    watcher.part(&format!("reaching {} nodes", topology.nodes.len()));
    let (sites, provisioned) = match site::reach(inventory, database.as_ref(), &folder.id()).await {
        Ok(sites) => {
            let provisioned = provision(&sites, database.as_ref(), &topology, watcher).await;
            (sites, provisioned)
        }
        Err(error) => (Vec::new(), Err(error.into())),
    };
    environment.nodes = sites.iter().map(Site::info).collect();
    let experiment = Experiment { spec, folder, database, topology, watcher, stop: stop.clone() };
    let result = match provisioned {
        Ok(version) => {
            environment.database_version = version;
            folder.write_environment(&environment)?;
            experiment.carry_out(&sites).await
        }
        Err(error) => experiment.come_to_nothing(error.to_string()),
    };
    watcher.part("collecting logs and letting the nodes go");
    let problems = let_go(sites, folder).await;
    let compromised = result?.or(problems.into_iter().next());
    perjury_history::close(&folder.open_history_path()).map_err(StoreError::from)?;
    environment.ended = Some(Ended {
        took_ms: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
        interrupted: *stop.borrow(),
        compromised,
    });
    folder.write_environment(&environment)?;
    folder.seal()?;
    Ok(environment)
}

async fn provision(
    sites: &[Site],
    database: &dyn Database,
    topology: &Topology,
    watcher: &dyn Watcher,
) -> Result<String, ProvisionError> {
    watcher.part(&format!("starting {}", database.name()));
    let tasks = sites.iter().map(Site::provision);
    for result in join_all(tasks).await {
        result?;
    }
    site::wait_ready(sites, database, topology, READY).await?;
    let version = match sites.first() {
        Some(site) => site.first_line(database.version()).await,
        None => None,
    };
    Ok(version.unwrap_or_else(|| "unknown".into()))
}

/// Collects the logs and closes the agents. Answers what went wrong for the harness.
async fn let_go(sites: Vec<Site>, folder: &RunFolder) -> Vec<String> {
    let collected = join_all(sites.iter().map(|site| site.collect(folder))).await;
    let mut problems: Vec<String> = collected.into_iter().flatten().collect();
    for closed in join_all(sites.into_iter().map(Site::close)).await {
        match closed {
            Ok(failed) => problems.extend(failed),
            Err(error) => problems.push(error.to_string()),
        }
    }
    problems
}

/// Waits for several futures at the same time, and answers in their order.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut open: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut waiting = false;
        for (future, output) in &mut open {
            if output.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(result) => *output = Some(result),
                    std::task::Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    open.into_iter().filter_map(|(_, output)| output).collect()
}

fn controller() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("Linux {}, {cores} cores", release.trim())
}

/// The part of a run that is recorded.
struct Experiment<'a> {
    spec: &'a RunSpec,
    folder: &'a RunFolder,
    database: Arc<dyn Database>,
    topology: Topology,
    watcher: &'a dyn Watcher,
    stop: Stop,
}

impl Experiment<'_> {
    /// Begins the record with its header.
    fn begin_history(&self, model: &str, seals: Option<Seals>) -> Result<Writer, StoreError> {
        let header =
            Header { seals, ..Header::new(self.folder.id(), model, self.topology.clone()) };
        let path = self.folder.open_history_path();
        Writer::create(&path, &header).map_err(|source| StoreError::Io { path, source })
    }

    /// Judges the history while it is written.
    fn follow(&self) -> Result<Follower, RunError> {
        Ok(Follower::start(&self.folder.open_history_path())?)
    }

    /// The record of a run that failed before its load: what failed, and no operation. Answers it.
    fn come_to_nothing(&self, failed: String) -> Result<Option<String>, RunError> {
        let load = &self.spec.workload;
        let workload = load.load.build(load.concurrency, &Mint::new(None));
        let mut writer = self.begin_history(workload.model, None)?;
        let note = format!("before the load: {failed}");
        for event in [Event::Note(note), Event::Phase(Phase::End)] {
            writer.append(0, &event);
        }
        let path = self.folder.open_history_path();
        writer.flush().map_err(|source| StoreError::Io { path, source })?;
        Ok(Some(failed))
    }

    /// What insiders may say, if some are declared.
    fn pool(&self, seals: Option<&Seals>) -> Vec<String> {
        let keys = self.spec.workload.load.keys(INSIDER_KEYS);
        let seals = seals.filter(|_| self.spec.nemesis.has_insiders());
        seals.map(|seals| insiders(seals, &keys)).unwrap_or_default()
    }

    /// Answers what failed in the harness, if anything did.
    async fn carry_out(mut self, sites: &[Site]) -> Result<Option<String>, RunError> {
        let seed = self.spec.seed()?;
        let clock = Clock::start();
        let load = &self.spec.workload;
        let seals = load.values.seals(&self.folder.id(), &self.spec.seed);
        let workload = load.load.build(load.concurrency, &Mint::new(seals.clone()));
        let pool = self.pool(seals.as_ref());
        let writer = self.begin_history(workload.model, seals)?;
        let (mut interpreter, tell) = Interpreter::new(
            writer,
            clock,
            seed.stream("clients"),
            self.homes(),
            &self.connect(),
            load.timeout,
        );
        let steps = schedule(&self.spec.nemesis, load.time_limit, &mut seed.stream("schedule"));
        let probing = tokio::spawn(probes::probe(
            Arc::clone(&self.database),
            self.topology.clone(),
            tell.clone(),
        ));
        let mut nemesis = Nemesis::new(
            self.spec.nemesis.clone(),
            self.topology.clone(),
            Arc::clone(&self.database),
            Hands::new(
                site::hands(sites),
                Ledger::new(self.folder.lies_path(), clock.instant(0)),
                pool,
            ),
            seed.stream("nemesis"),
            tell,
            clock,
        );
        let mut follower = self.spec.online.then(|| self.follow()).transpose()?;
        self.watcher.part("load and faults");
        self.watcher.load(interpreter.progress(), load.time_limit);
        let limited = TimeLimit::new(workload.load, nanos(load.time_limit));
        let mut main = Rate::new(limited, load.rate);
        interpreter.record(&Event::Phase(Phase::Load))?;
        let Loaded { mut failed, proved } = self
            .under_faults(&mut interpreter, &mut main, &mut nemesis, &steps, &mut follower)
            .await?;
        drop(follower);
        probing.abort();
        self.watcher.part("healing");
        interpreter.record(&Event::Phase(Phase::Heal))?;
        let healed = interpreter.listen(nemesis.heal_all()).await?;
        failed = failed.or(healed.err().map(|error| error.to_string()));
        failed = failed.or(note_fallen(&mut interpreter, &nemesis).await?);
        if failed.is_none() && !proved && !*self.stop.borrow() {
            self.settle(&mut interpreter).await?;
            if let Some(last) = workload.last {
                self.watcher.part("final reads");
                interpreter.record(&Event::Phase(Phase::Final))?;
                let mut last = TimeLimit::new(last, nanos(FINAL));
                interpreter.run(&mut last, &mut self.stop).await?;
            }
            self.watcher.part("reading every node's own copy");
            let database = self.database.as_ref();
            let (topology, stop) = (&self.topology, &self.stop);
            scrub(&mut interpreter, database, topology, workload.scrub, stop).await?;
        }
        interpreter.record(&Event::Phase(Phase::End))?;
        Ok(failed)
    }

    /// Drives the load and the schedule of faults side by side. When the load ends, the step of
    /// the moment is still finished: an injection that is cut in two could not be healed in order.
    /// When a fault fails for a reason of the harness, or an anomaly is proved, the load ends.
    async fn under_faults(
        &self,
        interpreter: &mut Interpreter,
        load: &mut Rate<TimeLimit<crate::generators::Boxed>>,
        nemesis: &mut Nemesis,
        steps: &[Step],
        follower: &mut Option<Follower>,
    ) -> Result<Loaded, RunError> {
        let (halt, mut halted) = watch::channel(*self.stop.borrow());
        let (over, is_over) = watch::channel(false);
        let mut user = self.stop.clone();
        let mut stopped = Box::pin(async move {
            // Without anybody left to ask for a stop, none comes.
            if user.wait_for(|stop| *stop).await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        let mut faults = Box::pin(nemesis.run(steps, is_over));
        let mut outcome = None;
        let mut seen = Seen::Nothing;
        {
            let mut driving = Box::pin(interpreter.run(load, &mut halted));
            loop {
                tokio::select! {
                    driven = &mut driving => {
                        driven?;
                        break;
                    }
                    result = &mut faults, if outcome.is_none() => {
                        if result.is_err() {
                            halt.send_replace(true);
                        }
                        outcome = Some(result);
                    }
                    () = &mut stopped, if !*halt.borrow() => {
                        halt.send_replace(true);
                    }
                    said = something(follower), if matches!(seen, Seen::Nothing) => {
                        if matches!(said, Seen::Proved(_)) {
                            halt.send_replace(true);
                        }
                        seen = said;
                    }
                }
            }
        }
        over.send_replace(true);
        let outcome = match outcome {
            Some(outcome) => outcome,
            None => interpreter.listen(faults).await?,
        };
        let failed = outcome.err().map(|error| error.to_string());
        Ok(Loaded { failed, proved: self.note(interpreter, &seen)? })
    }

    /// Records what the judgement during the load came to. Did it prove an anomaly?
    fn note(&self, interpreter: &mut Interpreter, seen: &Seen) -> Result<bool, RunError> {
        let note = match seen {
            Seen::Nothing => return Ok(false),
            Seen::Proved(proof) => online::note(proof),
            // The whole history is judged all the same, and says what is wrong with it.
            Seen::Failed(why) => format!("not judged while it went on: {why}"),
        };
        self.watcher.part(&note);
        interpreter.record(&Event::Note(note))?;
        Ok(matches!(seen, Seen::Proved(_)))
    }

    /// Gives the cluster time, and then some more until it says that it is ready.
    async fn settle(&self, interpreter: &mut Interpreter) -> Result<(), RunError> {
        self.watcher.part("settling");
        interpreter.record(&Event::Phase(Phase::Settle))?;
        tokio::time::sleep(self.spec.nemesis.settle).await;
        let deadline = Instant::now() + READY;
        loop {
            let asking = self.database.ready(&self.topology);
            let what = match tokio::time::timeout(Duration::from_secs(5), asking).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(what)) => what,
                Err(_) => "no answer".into(),
            };
            if Instant::now() > deadline || *self.stop.borrow() {
                let note = format!("after healing the cluster did not recover: {what}");
                interpreter.record(&Event::Note(note))?;
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Workers are dealt out to the nodes in turn.
    fn homes(&self) -> Vec<NodeName> {
        let names = self.topology.names();
        (0..self.spec.workload.concurrency).map(|at| names[at % names.len()].clone()).collect()
    }

    fn connect(&self) -> Connect {
        let database = Arc::clone(&self.database);
        let topology = Arc::new(self.topology.clone());
        Arc::new(move |worker| {
            let (database, topology) = (Arc::clone(&database), Arc::clone(&topology));
            Box::pin(async move {
                let node = &topology.nodes[worker % topology.nodes.len()];
                database.connect(node, &topology).await
            })
        })
    }
}

/// How the main load ended.
struct Loaded {
    /// What failed in the harness.
    failed: Option<String>,
    /// Was an anomaly proved meanwhile?
    proved: bool,
}

/// What the judgement during the load has to say; never anything where there is none.
async fn something(follower: &mut Option<Follower>) -> Seen {
    match follower {
        Some(follower) => follower.something().await,
        None => std::future::pending().await,
    }
}

/// Records which services do not run although nothing holds them down any more.
async fn note_fallen(
    interpreter: &mut Interpreter,
    nemesis: &Nemesis,
) -> Result<Option<String>, RunError> {
    match nemesis.hands.fallen().await {
        Ok(fallen) => {
            for (node, state) in fallen {
                let note = format!("{node}: the database {}, by itself", site::describe(&state));
                interpreter.record(&Event::Note(note))?;
            }
            Ok(None)
        }
        Err(error) => Ok(Some(error.to_string())),
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX / 4)
}
