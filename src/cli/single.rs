//! One run, carried out in a thread of its own: a thread enters the cluster's network, the process
//! stays where it is.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::watch;

use super::Exit;
use super::judge::JudgeError;
use super::progress::Live;
use crate::clusters::{self, ClusterError, Inventory, Places};
use crate::config::RunSpec;
use crate::runner::{self, Progress, RunError, Watcher};
use crate::store::{Environment, RunFolder, StoreError};

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum TestError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Judge(#[from] JudgeError),
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
}

/// The cluster of a run: one that is up already, or a new one, which is then ours to take down.
pub(super) fn cluster(
    places: &Places,
    spec: &RunSpec,
    ours: &mut Vec<String>,
) -> Result<Inventory, ClusterError> {
    let name = spec.cluster.name();
    if clusters::list(places).iter().any(|known| known == name)
        && let Some(inventory) = clusters::inventory(places, name)?
    {
        return Ok(inventory);
    }
    let inventory = clusters::up(places, &spec.cluster, &|text| eprintln!("{text}"))?;
    ours.push(name.to_owned());
    Ok(inventory)
}

/// Carries out a run. With a `signal` its progress is shown, and the first interruption asks for an
/// orderly end and is noted there. Without one it is quiet, and an interruption ends the program:
/// the nodes heal themselves.
///
/// # Errors
/// There is no complete record of it.
pub(super) fn carry_out(
    spec: &RunSpec,
    inventory: &Inventory,
    results: &Path,
    signal: Option<&Arc<AtomicU8>>,
) -> Result<(RunFolder, Environment), TestError> {
    std::thread::scope(|scope| {
        let body = || in_thread(spec, inventory, results, signal);
        match scope.spawn(body).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Nobody looks.
struct Quiet;

impl Watcher for Quiet {
    fn part(&self, _: &str) {}

    fn load(&self, _: Arc<Progress>, _: Duration) {}
}

fn in_thread(
    spec: &RunSpec,
    inventory: &Inventory,
    results: &Path,
    signal: Option<&Arc<AtomicU8>>,
) -> Result<(RunFolder, Environment), TestError> {
    clusters::enter_thread(inventory)?;
    let folder = RunFolder::create(results, spec)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let environment = runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        let Some(signal) = signal else {
            return Ok(runner::run(spec, inventory, &folder, stopped, &Quiet).await?);
        };
        let listening = listen(stop, Arc::clone(signal))?;
        let live = Live::new();
        let result = runner::run(spec, inventory, &folder, stopped, &live).await;
        listening.abort();
        Ok::<_, TestError>(result?)
    })?;
    Ok((folder, environment))
}

/// The first signal asks for an orderly end; the second ends at once, and the nodes heal
/// themselves because their agents lose us.
fn listen(
    stop: watch::Sender<bool>,
    signal: Arc<AtomicU8>,
) -> std::io::Result<tokio::task::JoinHandle<()>> {
    use tokio::signal::unix::{SignalKind, signal as on};
    let mut interrupt = on(SignalKind::interrupt())?;
    let mut terminate = on(SignalKind::terminate())?;
    Ok(tokio::spawn(async move {
        loop {
            let number = tokio::select! {
                _ = interrupt.recv() => 2,
                _ = terminate.recv() => 15,
            };
            if signal.swap(number, Relaxed) != 0 {
                eprintln!("perjury: ending at once; the nodes heal themselves");
                std::process::exit(i32::from(Exit::Interrupted(number).code()));
            }
            eprintln!("perjury: interrupted; healing, collecting and judging what there is");
            stop.send_replace(true);
        }
    }))
}
