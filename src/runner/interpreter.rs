//! The single loop that drives the load, and the only writer of the history.
//!
//! Each turn: take what has ended, ask the generator for what is due, write all of it with one
//! system call, and only then dispatch. So the kernel has every invocation before any database
//! sees it, and kill -9 of the controller loses nothing. Completions come before new operations:
//! to wait with them would invent concurrency. A worker whose operation ended in `info` goes on
//! under a new process number. The cost of a turn does not depend on the number of idle workers.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use perjury_history::{Event, Index, Key, Nanos, NodeName, Outcome, Process, Writer};
use tokio::sync::{mpsc, oneshot, watch};

use super::Clock;
use super::worker::{Connect, Order, Report, Worker};
use crate::generators::{Context, Free, Generator, Next};
use crate::seed::Stream;

/// Why the load ended early.
#[derive(Debug, thiserror::Error)]
pub enum InterpreterError {
    /// The history could not be written.
    #[error("cannot write the history: {0}")]
    Write(#[from] io::Error),
    /// A worker is gone: a client panicked.
    #[error("worker {0} died; this is a bug in its client")]
    Worker(usize),
}

/// What others may see while the load goes on.
#[derive(Debug, Default)]
pub struct Progress {
    /// Operations by outcome.
    pub ok: AtomicU64,
    /// Failed for sure.
    pub fail: AtomicU64,
    /// In doubt.
    pub info: AtomicU64,
}

/// Asks the load to end soon. Starts as `false`.
pub type Stop = watch::Receiver<bool>;

/// Lets others put entries into the history: the entry is in the kernel's hands when this answers.
#[derive(Clone)]
pub struct Tell(mpsc::UnboundedSender<(Event, oneshot::Sender<()>)>);

impl Tell {
    /// One whose events a test gets.
    #[cfg(test)]
    pub(super) fn overheard() -> (Tell, mpsc::UnboundedReceiver<(Event, oneshot::Sender<()>)>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Tell(sender), receiver)
    }

    /// Records an event. Answers false when the interpreter is gone.
    pub async fn tell(&self, event: Event) -> bool {
        let (sender, written) = oneshot::channel();
        self.0.send((event, sender)).is_ok() && written.await.is_ok()
    }
}

/// The loop's state, which lives through all phases of a run.
pub struct Interpreter {
    writer: Writer,
    clock: Clock,
    stream: Stream,
    progress: Arc<Progress>,
    homes: Vec<NodeName>,
    orders: Vec<mpsc::Sender<Order>>,
    reports: mpsc::UnboundedReceiver<Report>,
    told: mpsc::UnboundedReceiver<(Event, oneshot::Sender<()>)>,
    processes: Vec<Process>,
    keys: HashSet<Key>,
    free: Vec<u64>,
    open: usize,
    last: Nanos,
}

impl Interpreter {
    /// Starts one worker for each home node in `homes`. Must be called within a tokio runtime of
    /// one thread.
    pub fn new(
        writer: Writer,
        clock: Clock,
        stream: Stream,
        homes: Vec<NodeName>,
        connect: &Connect,
        timeout: Duration,
    ) -> (Interpreter, Tell) {
        let (sender, reports) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        let mut orders = Vec::new();
        let mut free = vec![0; homes.len().div_ceil(64)];
        for number in 0..homes.len() {
            let (order, inbox) = mpsc::channel(1);
            let worker = Worker {
                number,
                clock,
                connect: Arc::clone(connect),
                timeout,
                reports: sender.clone(),
            };
            tokio::spawn(worker.run(inbox));
            orders.push(order);
            free[number / 64] |= 1 << (number % 64);
        }
        let interpreter = Interpreter {
            writer,
            clock,
            stream,
            progress: Arc::default(),
            processes: (0..homes.len() as u64).collect(),
            keys: HashSet::new(),
            homes,
            orders,
            reports,
            told,
            free,
            open: 0,
            last: 0,
        };
        (interpreter, Tell(tell))
    }

    /// The counters of this load.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Records an event of the runner's own.
    ///
    /// # Errors
    /// The history cannot be written.
    pub fn record(&mut self, event: &Event) -> Result<Index, InterpreterError> {
        let index = self.append(self.clock.now(), event);
        self.writer.flush()?;
        Ok(index)
    }

    /// All objects that were asked for, in order.
    pub(super) fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.keys.iter().cloned().collect();
        keys.sort();
        keys
    }

    /// A process that has not spoken yet and that no worker speaks as.
    pub(super) fn fresh_process(&mut self) -> Process {
        let fresh = self.processes.iter().max().map_or(0, |most| most + 1);
        // Kept behind those of the workers, which are numbered by their place.
        self.processes.push(fresh);
        fresh
    }

    /// Drives the generator to its end, or until `stop`, and waits for every open operation.
    ///
    /// # Errors
    /// The history cannot be written, or a worker died.
    pub async fn run(
        &mut self,
        generator: &mut dyn Generator,
        stop: &mut Stop,
    ) -> Result<(), InterpreterError> {
        let mut batch = Vec::new();
        let mut written = Vec::new();
        let mut ended = false;
        loop {
            while let Ok(report) = self.reports.try_recv() {
                self.complete(report, generator);
            }
            while let Ok((event, waiting)) = self.told.try_recv() {
                self.append(self.clock.now(), &event);
                written.push(waiting);
            }
            ended |= *stop.borrow();
            let mut wake = None;
            if !ended {
                (ended, wake) = self.ask(generator, &mut batch);
            }
            self.writer.flush()?;
            for (worker, order) in batch.drain(..) {
                let sent = self.orders[worker].try_send(order);
                sent.map_err(|_| InterpreterError::Worker(worker))?;
            }
            for waiting in written.drain(..) {
                // Whoever told us may have gone away; the entry stands all the same.
                let _ = waiting.send(());
            }
            if ended && self.open == 0 {
                return Ok(());
            }
            self.wait(wake, stop, &mut written, generator).await?;
        }
    }

    /// Records what others tell until `until` ends: for the time between two loads.
    ///
    /// # Errors
    /// The history cannot be written.
    pub async fn listen<T>(
        &mut self,
        until: impl Future<Output = T>,
    ) -> Result<T, InterpreterError> {
        tokio::pin!(until);
        loop {
            tokio::select! {
                biased;
                Some((event, waiting)) = self.told.recv() => {
                    self.record(&event)?;
                    let _ = waiting.send(());
                }
                result = &mut until => return Ok(result),
            }
        }
    }

    /// Takes everything that is due from the generator. Has it ended, and if not, when is the next
    /// thing due?
    fn ask(
        &mut self,
        generator: &mut dyn Generator,
        batch: &mut Vec<(usize, Order)>,
    ) -> (bool, Option<Nanos>) {
        let now = self.clock.now();
        while self.open < self.orders.len() {
            let free = Free::new(&self.free, 0..self.orders.len());
            let context = Context { now, free, processes: &self.processes };
            match generator.next(&context, &mut self.stream) {
                Next::Op(worker, call) => {
                    self.free[worker / 64] &= !(1 << (worker % 64));
                    self.open += 1;
                    for key in call.keys() {
                        if !self.keys.contains(key) {
                            self.keys.insert(key.clone());
                        }
                    }
                    let node = self.homes[worker].clone();
                    let process = self.processes[worker];
                    let event = Event::Invoke { process, node, call };
                    let index = self.append(now, &event);
                    let Event::Invoke { call, .. } = event else { unreachable!("built above") };
                    batch.push((worker, Order { index, call }));
                }
                Next::At(time) => return (false, Some(time)),
                Next::Pending => return (false, None),
                Next::Done => return (true, None),
            }
        }
        (false, None)
    }

    async fn wait(
        &mut self,
        wake: Option<Nanos>,
        stop: &mut Stop,
        written: &mut Vec<oneshot::Sender<()>>,
        generator: &mut dyn Generator,
    ) -> Result<(), InterpreterError> {
        let due = wake.map(|time| tokio::time::Instant::from_std(self.clock.instant(time)));
        let stopped = *stop.borrow();
        tokio::select! {
            biased;
            report = self.reports.recv() => match report {
                Some(report) => self.complete(report, generator),
                None => return Err(InterpreterError::Worker(0)),
            },
            Some((event, waiting)) = self.told.recv() => {
                self.append(self.clock.now(), &event);
                written.push(waiting);
            }
            () = sleep_until(due), if due.is_some() => {}
            Ok(()) = stop.changed(), if !stopped => {}
        }
        Ok(())
    }

    fn complete(&mut self, report: Report, generator: &mut dyn Generator) {
        let Report { worker, index, call, time, outcome, said } = report;
        let counter = match &outcome {
            Outcome::Ok(_) => &self.progress.ok,
            Outcome::Fail(_) => &self.progress.fail,
            Outcome::Info(_) => &self.progress.info,
        };
        counter.fetch_add(1, Relaxed);
        generator.observe(worker, &call, &outcome);
        let process = self.processes[worker];
        if matches!(outcome, Outcome::Info(_)) {
            self.processes[worker] += self.orders.len() as u64;
        }
        self.append(time, &Event::Complete { process, call: index, outcome, said });
        self.free[worker / 64] |= 1 << (worker % 64);
        self.open -= 1;
    }

    /// Times never run backwards in the file. To record a completion later than it was seen only
    /// widens its interval, which is safe.
    fn append(&mut self, time: Nanos, event: &Event) -> Index {
        self.last = self.last.max(time);
        self.writer.append(self.last, event)
    }
}

/// Never returns without a time.
async fn sleep_until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
