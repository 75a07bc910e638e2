//! The worker: reads requests, does each on a thread of its own, and heals when it has to go.
//!
//! It goes when its input ends, when the lease runs out, on SIGTERM, SIGINT or SIGHUP, when an
//! answer cannot be written any more, and when its guardian is gone.

use std::io::{self, Write};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::unistd::{Pid, getppid};
use serde::Deserialize;

use crate::agent::Agent;
use crate::memory::{Admission, Memory};
use crate::protocol::{Answer, Body, Failure, Request, Response};
use crate::{command, corruption, files, frame, guardian, hello, network};

/// The lease, the signals and the guardian are looked at this often.
const LOOK: Duration = Duration::from_millis(50);

/// How many requests may be under way.
const MOST_RUNNING: usize = 512;

/// Everything was undone.
pub const CLEAN: i32 = 0;
/// Something could not be undone and stays in the journal.
pub const UNHEALED: i32 = 1;

struct Worker {
    agent: Agent,
    memory: Mutex<Memory>,
    output: Mutex<io::Stdout>,
    renewed: Mutex<Instant>,
    ending: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until the end of standard input. Ends the process.
pub fn serve(agent: Agent, lease: Duration, guardian: Pid) -> ! {
    let worker = Arc::new(Worker {
        agent,
        memory: Mutex::default(),
        output: Mutex::new(io::stdout()),
        renewed: Mutex::new(Instant::now()),
        ending: AtomicBool::new(false),
    });
    let watched = worker.clone();
    std::thread::spawn(move || watched.watch(lease, guardian));
    let mut input = io::stdin().lock();
    loop {
        match frame::read(&mut input) {
            Ok(Some(json)) => worker.clone().receive(&json),
            Ok(None) => worker.end("its input ended"),
            Err(error) => worker.end(&format!("its input cannot be read: {error}")),
        }
    }
}

impl Worker {
    fn watch(&self, lease: Duration, guardian: Pid) {
        loop {
            std::thread::sleep(LOOK);
            if lock(&self.renewed).elapsed() > lease {
                self.end("the lease ran out");
            }
            if guardian::told_to_end() {
                self.end("it was told to end");
            }
            if getppid() != guardian {
                self.end("its guardian is gone");
            }
        }
    }

    /// Heals and ends the process. Only the first caller does; the others wait for that.
    fn end(&self, reason: &str) -> ! {
        if self.ending.swap(true, Ordering::SeqCst) {
            loop {
                std::thread::park();
            }
        }
        let healed = self.agent.heal_for_good();
        for text in &healed.failed {
            // The controller may still listen to standard error; if not, the journal has it.
            let _ = writeln!(io::stderr(), "perjury-agent: {reason}; not undone: {text}");
        }
        exit(if healed.failed.is_empty() { CLEAN } else { UNHEALED })
    }

    fn receive(self: Arc<Worker>, json: &[u8]) {
        *lock(&self.renewed) = Instant::now();
        let Request { id, body } = match serde_json::from_slice(json) {
            Ok(request) => request,
            Err(error) => return self.refuse_junk(json, &error),
        };
        if is_harmless(&body) {
            // Done as often as it is asked; its answer may be large and is not remembered.
            let run = move || self.send(&Response { id, result: self.answer(&body) });
            std::thread::spawn(run);
            return;
        }
        let mut memory = lock(&self.memory);
        if memory.running() >= MOST_RUNNING {
            drop(memory);
            let failure =
                Failure::bad_request(format!("{MOST_RUNNING} requests are under way already"));
            return self.send(&Response { id, result: Err(failure) });
        }
        let admission = memory.admit(id);
        drop(memory);
        match admission {
            Admission::New => drop(std::thread::spawn(move || self.perform(id, &body))),
            Admission::Running => {}
            Admission::Done(frame) => self.write(&frame),
            Admission::Forgotten => {
                let failure =
                    Failure::bad_request(format!("request {id} is too old to be repeated"));
                self.send(&Response { id, result: Err(failure) });
            }
        }
    }

    fn refuse_junk(&self, json: &[u8], error: &serde_json::Error) {
        #[derive(Deserialize)]
        struct Id {
            id: u64,
        }
        let id = serde_json::from_slice::<Id>(json).map_or(0, |found| found.id);
        let failure = Failure::bad_request(format!("a request that cannot be read: {error}"));
        self.send(&Response { id, result: Err(failure) });
    }

    fn perform(&self, id: u64, body: &Body) {
        let frame = Arc::new(encode(&Response { id, result: self.answer(body) }));
        let times = lock(&self.memory).answered(id, frame.clone());
        for _ in 0..times {
            self.write(&frame);
        }
    }

    fn answer(&self, body: &Body) -> Result<Answer, Failure> {
        let agent = &self.agent;
        match body {
            Body::Hello => Ok(Answer::Hello(hello::hello(agent))),
            Body::Renew => Ok(Answer::Done),
            Body::Read(request) => files::read(request),
            Body::Status { name } => Ok(Answer::Service(agent.services.status(name))),
            Body::CutCounters => network::counters(agent),
            Body::Probe { to } => Ok(network::probe(to)),
            Body::Lies { name, from } => agent.proxies.lies(name, *from).map(Answer::Lies),
            Body::Run(request) => command::run(agent, request),
            Body::Stop { name, grace_ms } => {
                drop(agent.enter()?);
                let grace = Duration::from_millis(*grace_ms);
                agent.services.stop(agent, name, grace).map(Answer::Service)
            }
            Body::Heal { services } => Ok(Answer::Healed(agent.heal(*services))),
            Body::Write(_)
            | Body::MakeDir(_)
            | Body::Start(_)
            | Body::Signal { .. }
            | Body::Cut { .. }
            | Body::Lie(_)
            | Body::Recant { .. }
            | Body::Mend
            | Body::FlipMemory(_)
            | Body::DamageFiles(_)
            | Body::TakeCopy(_)
            | Body::RestoreCopy(_) => self.change(body),
        }
    }

    /// What changes the node, and is short: it holds off healing while it does.
    fn change(&self, body: &Body) -> Result<Answer, Failure> {
        let agent = &self.agent;
        let _entered = agent.enter()?;
        match body {
            Body::Write(request) => files::write(request),
            Body::MakeDir(request) => files::make_dir(agent, request),
            Body::Start(service) => agent.services.start(agent, service),
            Body::Signal { name, signal } => agent.services.signal(agent, name, *signal),
            Body::Cut { drop_from } => network::cut(agent, drop_from),
            Body::Mend => network::mend(agent),
            Body::Lie(liar) => agent.proxies.install(agent, liar).map(Answer::Deeds),
            Body::Recant { name } => agent.proxies.remove(agent, name).map(Answer::Deeds),
            Body::FlipMemory(request) => corruption::flip(agent, request),
            Body::DamageFiles(request) => corruption::damage(agent, request),
            Body::TakeCopy(request) => corruption::take(agent, request),
            Body::RestoreCopy(request) => corruption::restore(agent, request),
            other => Err(Failure::bad_request(format!("{other:?} changes nothing"))),
        }
    }

    fn send(&self, response: &Response) {
        self.write(&encode(response));
    }

    fn write(&self, frame: &[u8]) {
        let mut output = lock(&self.output);
        let written = output.write_all(frame).and_then(|()| output.flush());
        drop(output);
        if let Err(error) = written {
            self.end(&format!("its answers cannot be written: {error}"));
        }
    }
}

/// Does it change nothing? Then it may be done twice.
fn is_harmless(body: &Body) -> bool {
    match body {
        Body::Hello | Body::Renew | Body::Read(_) | Body::Status { .. } | Body::CutCounters => true,
        Body::Lies { .. } => true,
        Body::Run(_)
        | Body::Write(_)
        | Body::MakeDir(_)
        | Body::Start(_)
        | Body::Signal { .. }
        | Body::Stop { .. }
        | Body::Cut { .. }
        | Body::Lie(_)
        | Body::Recant { .. }
        | Body::Probe { .. }
        | Body::Mend
        | Body::FlipMemory(_)
        | Body::DamageFiles(_)
        | Body::TakeCopy(_)
        | Body::RestoreCopy(_)
        | Body::Heal { .. } => false,
    }
}

fn encode(response: &Response) -> Vec<u8> {
    frame::encode(response).unwrap_or_else(|error| {
        let failure = Failure::bad_request(format!("the answer cannot be sent: {error}"));
        frame::encode(&Response { id: response.id, result: Err(failure) }).unwrap_or_default()
    })
}
