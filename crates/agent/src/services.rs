//! Programs that run in the background: start, look, signal, stop.
//!
//! Each is in the journal before it runs, so that the node can always kill it. A service that was
//! started once is known until the agent ends; starting it again under its name is a new life.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal as Number;

use crate::agent::{Agent, disk_failure, io_failure};
use crate::journal::{Change, Seq};
use crate::launch;
use crate::processes::{Family, MARK, Stat};
use crate::protocol::{
    Answer, Ended, Failure, FailureKind, ProcessSeen, Service, ServiceState, Signal,
};

/// How long the effect of a signal is waited for.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// All services of the agent's life, by name.
#[derive(Debug, Default)]
pub struct Services {
    all: Mutex<BTreeMap<String, Arc<Started>>>,
    /// One start at a time: else two could take the same name.
    starting: Mutex<()>,
}

#[derive(Debug)]
struct Started {
    family: Family,
    seq: Seq,
    ended: Mutex<Option<Ended>>,
    /// One signal at a time: a stop and its undoing must not overlap.
    signalling: Mutex<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Started {
    fn state(&self) -> ServiceState {
        match lock(&self.ended).clone() {
            Some(ended) => ServiceState::Ended { ended },
            None => ServiceState::Running { pid: self.family.pid },
        }
    }
}

impl Services {
    /// Starts a service.
    pub fn start(&self, agent: &Agent, service: &Service) -> Result<Answer, Failure> {
        let _one = lock(&self.starting);
        check(service)?;
        if let Some(started) = lock(&self.all).get(&service.name)
            && let ServiceState::Running { pid } = started.state()
        {
            return Err(Failure::bad_request(format!(
                "service {} already runs as process {pid}",
                service.name
            )));
        }
        let started = launch_one(agent, service)?;
        lock(&self.all).insert(service.name.clone(), started.clone());
        Ok(Answer::Service(started.state()))
    }

    fn find(&self, name: &str) -> Result<Arc<Started>, Failure> {
        lock(&self.all).get(name).cloned().ok_or_else(|| {
            Failure::new(FailureKind::NotFound, format!("no service {name} was started"))
        })
    }

    /// What a service is doing.
    pub fn status(&self, name: &str) -> ServiceState {
        self.find(name).map_or(ServiceState::NeverStarted, |started| started.state())
    }

    /// Sends a signal to all processes of a service and sees its effect.
    pub fn signal(&self, agent: &Agent, name: &str, signal: Signal) -> Result<Answer, Failure> {
        let started = self.find(name)?;
        let _one = lock(&started.signalling);
        let family = &started.family;
        let done = match signal {
            Signal::Kill => family.kill(PATIENCE),
            Signal::Term => family.signal(Number::SIGTERM),
            Signal::Cont => family.thaw(PATIENCE),
            Signal::Stop => {
                let change = Change::Stopped { name: name.to_string(), family: family.clone() };
                agent.journal().begin(change).map_err(|error| agent.journal_failure(&error))?;
                family.freeze(PATIENCE)
            }
        };
        let seen = done.map_err(|error| Failure::new(FailureKind::Timeout, error))?;
        if matches!(signal, Signal::Kill | Signal::Cont) {
            agent.forget_stops(family);
        }
        if seen.is_empty() && signal != Signal::Kill {
            let message = format!("service {name} has no process any more");
            return Err(Failure::new(FailureKind::NotFound, message));
        }
        if signal == Signal::Kill {
            self.await_end(&started, PATIENCE);
            agent.journal().healed(started.seq);
        }
        let processes = seen.iter().map(after).collect();
        Ok(Answer::Signalled { processes })
    }

    /// Does something while all processes of a service are stopped, and continues them unless they
    /// were stopped before.
    pub fn while_stopped<T>(
        &self,
        agent: &Agent,
        name: &str,
        act: impl FnOnce(&[Stat]) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let started = self.find(name)?;
        let _one = lock(&started.signalling);
        let family = &started.family;
        let was_stopped = agent.is_stopped(family);
        if !was_stopped {
            let change = Change::Stopped { name: name.to_string(), family: family.clone() };
            agent.journal().begin(change).map_err(|error| agent.journal_failure(&error))?;
        }
        let late = |why| Failure::new(FailureKind::Timeout, format!("service {name}: {why}"));
        let done = family.freeze(PATIENCE).map_err(late).and_then(|members| {
            if members.is_empty() {
                let message = format!("service {name} has no process any more");
                return Err(Failure::new(FailureKind::NotFound, message));
            }
            act(&members)
        });
        if !was_stopped {
            family.thaw(PATIENCE).map_err(late)?;
            agent.forget_stops(family);
        }
        done
    }

    /// Stops a service: SIGTERM to the process that was started, SIGKILL to all that is left.
    pub fn stop(
        &self,
        agent: &Agent,
        name: &str,
        grace: Duration,
    ) -> Result<ServiceState, Failure> {
        let started = self.find(name)?;
        let family = &started.family;
        // A stopped process cannot hear SIGTERM.
        let _ = family.thaw(PATIENCE);
        agent.forget_stops(family);
        if let Some(leader) = Stat::of(family.pid).filter(|stat| stat.start == family.start) {
            // The leader alone, as an init system does it: it knows how to end its children.
            let _ = crate::processes::send(&leader, Number::SIGTERM);
            self.await_end(&started, grace);
        }
        let killed = family.kill(PATIENCE);
        killed.map_err(|error| Failure::new(FailureKind::Timeout, error))?;
        self.await_end(&started, PATIENCE);
        agent.journal().healed(started.seq);
        Ok(started.state())
    }

    /// Waits until the waiter has seen the end of the process that was started.
    fn await_end(&self, started: &Started, limit: Duration) {
        let deadline = Instant::now() + limit;
        while lock(&started.ended).is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn check(service: &Service) -> Result<(), Failure> {
    if service.name.is_empty() || service.argv.first().is_none_or(String::is_empty) {
        return Err(Failure::bad_request("a service without a name or a program"));
    }
    if !Path::new(&service.log).is_absolute() {
        return Err(Failure::bad_request(format!(
            "the log {:?} is not an absolute path",
            service.log
        )));
    }
    Ok(())
}

fn launch_one(agent: &Agent, service: &Service) -> Result<Arc<Started>, Failure> {
    let log = Path::new(&service.log);
    let opened = OpenOptions::new().append(true).create(true).mode(0o644).open(log);
    let opened = opened.map_err(|error| disk_failure("open the log", log, &error))?;
    let mark = agent.new_mark();
    let mut command = launch::command(service);
    command.envs(&service.env).env(MARK, &mark).stderr(opened);
    if Stat::of(std::process::id()).is_none() {
        let message = "there is no /proc here, so a service could not be told from others";
        return Err(Failure::new(FailureKind::Unsupported, message));
    }
    let launched = |error| io_failure("start the launcher", Path::new(launch::PROGRAM), &error);
    let mut child = command.spawn().map_err(launched)?;
    let Some(stat) = Stat::of(child.id()) else {
        let _ = child.kill().and_then(|()| child.wait());
        return Err(Failure::new(FailureKind::Io, "the launcher vanished"));
    };
    let family = Family { pid: stat.pid, start: stat.start, mark };
    let change = Change::Service { name: service.name.clone(), family: family.clone() };
    let seq = match agent.journal().begin(change) {
        Ok(seq) => seq,
        Err(error) => {
            let _ = child.kill().and_then(|()| child.wait());
            return Err(agent.journal_failure(&error));
        }
    };
    // From here on the journal knows it, so it may go on.
    let mut complaint = String::new();
    if let Some(mut go) = child.stdin.take() {
        let _ = go.write_all(b"g");
    }
    if let Some(mut status) = child.stdout.take() {
        let _ = status.read_to_string(&mut complaint);
    }
    if !complaint.is_empty() {
        let _ = child.wait();
        agent.journal().healed(seq);
        return Err(launch_failure(&service.name, &complaint));
    }
    let started =
        Arc::new(Started { family, seq, ended: Mutex::new(None), signalling: Mutex::new(()) });
    let watched = started.clone();
    std::thread::spawn(move || {
        let end = child.wait().map_or_else(|error| Ended::Signaled(error.to_string()), ended);
        *lock(&watched.ended) = Some(end);
    });
    Ok(started)
}

/// The launcher says the number of the error, a colon, and what it was doing.
fn launch_failure(name: &str, complaint: &str) -> Failure {
    let (number, text) = complaint.split_once(": ").unwrap_or(("0", complaint));
    let kind = match number.parse().map(Errno::from_raw) {
        Ok(Errno::ENOENT | Errno::ENOTDIR) => FailureKind::NotFound,
        Ok(Errno::EACCES | Errno::EPERM) => FailureKind::NotPermitted,
        Ok(Errno::ENOEXEC) => FailureKind::Unsupported,
        Ok(Errno::UnknownErrno) => FailureKind::BadRequest,
        _ => FailureKind::Io,
    };
    Failure::new(kind, format!("service {name}: {text}"))
}

/// How a process ended, in the words of the protocol.
pub fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, Some(number)) => Ended::Signaled(
            Number::try_from(number)
                .map_or_else(|_| number.to_string(), |signal| signal.to_string()),
        ),
        (None, None) => Ended::Exited(-1),
    }
}

fn after(stat: &Stat) -> ProcessSeen {
    let now = Stat::of(stat.pid).filter(|now| now.start == stat.start && !now.is_over());
    let (pid, command) = (stat.pid, stat.command.clone());
    ProcessSeen { pid, command, state: now.map(|now| now.state) }
}
