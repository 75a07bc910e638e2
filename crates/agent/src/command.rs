//! Commands that run to their end.
//!
//! Each is its own process group, which is killed as a whole on a timeout or when the agent ends.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::agent::{Agent, io_failure};
use crate::journal::{Change, Seq};
use crate::processes::{Family, MARK, Stat};
use crate::protocol::{Answer, Ended, Failure, FailureKind, Ran, Run};
use crate::services;

/// The beginning of an output, shared with the thread that reads it.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<(Vec<u8>, bool)>>);

/// Runs a command.
pub fn run(agent: &Agent, request: &Run) -> Result<Answer, Failure> {
    let Some(program) = request.argv.first().filter(|program| !program.is_empty()) else {
        return Err(Failure::bad_request("a command without a program"));
    };
    let mut command = Command::new(program);
    command.args(&request.argv[1..]).envs(&request.env).process_group(0);
    if let Some(cwd) = &request.cwd {
        if !Path::new(cwd).is_dir() {
            let message = format!("the working directory {cwd} is not there");
            return Err(Failure::new(FailureKind::NotFound, message));
        }
        command.current_dir(cwd);
    }
    if let Some(user) = request.user {
        command.uid(user.uid).gid(user.gid);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let deadline = Instant::now() + Duration::from_millis(request.timeout_ms);
    let entered = agent.enter()?;
    let mark = agent.new_mark();
    command.env(MARK, &mark);
    let (mut child, leader) = start(agent, &mut command)
        .map_err(|error| io_failure("run", Path::new(program), &error))?;
    let noted = note(agent, program, child.id(), mark);
    drop(entered);
    let input = request.stdin.0.clone();
    if let Some(mut stdin) = child.stdin.take() {
        // A thread, because a command may write much before it reads; and it may not read at all.
        std::thread::spawn(move || drop(stdin.write_all(&input)));
    }
    let (ended, ends) = mpsc::channel();
    let stdout = collect(child.stdout.take(), ended.clone());
    let stderr = collect(child.stderr.take(), ended);
    let status = wait(agent, &mut child, leader, &ends, deadline);
    if let Some(seq) = noted {
        agent.journal().healed(seq);
    }
    let status = status.map_err(|error| io_failure("wait for", Path::new(program), &error))?;
    let ((stdout, more), (stderr, still_more)) = (stdout.read(), stderr.read());
    Ok(Answer::Ran(Ran {
        ended: status.map_or(Ended::TimedOut, services::ended),
        stdout: stdout.into(),
        stderr: stderr.into(),
        truncated: more || still_more,
    }))
}

/// Starts it and registers it in one step, so that the end of the agent finds it.
fn start(agent: &Agent, command: &mut Command) -> std::io::Result<(Child, i32)> {
    let mut commands = agent.commands();
    let child = command.spawn()?;
    let leader = i32::try_from(child.id()).unwrap_or(i32::MAX);
    commands.insert(leader);
    Ok((child, leader))
}

/// Lets the guardian find it if the worker is killed. Without `/proc`, or on a full disk, it is
/// run all the same: it changes nothing that the journal has to undo.
fn note(agent: &Agent, program: &str, pid: u32, mark: String) -> Option<Seq> {
    let Stat { pid, start, .. } = Stat::of(pid)?;
    let family = Family { pid, start, mark };
    agent.journal().note(Change::Command { name: program.to_string(), family }).ok()
}

/// Waits for the end of both outputs and of the command; `None` if it had to be killed.
fn wait(
    agent: &Agent,
    child: &mut Child,
    leader: i32,
    ends: &Receiver<()>,
    deadline: Instant,
) -> std::io::Result<Option<ExitStatus>> {
    let left = || deadline.saturating_duration_since(Instant::now());
    let silent = (0..2).all(|_| ends.recv_timeout(left()).is_ok());
    let mut pause = Duration::from_micros(100);
    loop {
        // Reaped and forgotten in one step: a number in the set is always its own.
        let mut commands = agent.commands();
        // A background child that holds the outputs is part of the command.
        let status = if silent { child.try_wait()? } else { None };
        if status.is_some() {
            commands.remove(&leader);
            return Ok(status);
        }
        if left().is_zero() {
            let _ = killpg(Pid::from_raw(leader), Signal::SIGKILL);
            child.wait()?;
            commands.remove(&leader);
            drop(commands);
            for _ in 0..2 {
                // Who left the group may hold the outputs for longer; they are not waited for.
                let _ = ends.recv_timeout(Duration::from_millis(200));
            }
            return Ok(None);
        }
        drop(commands);
        std::thread::sleep(pause.min(left()));
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn collect<R: Read + Send + 'static>(reader: Option<R>, ended: mpsc::Sender<()>) -> Kept {
    let kept = Kept::default();
    let shared = kept.clone();
    std::thread::spawn(move || {
        let mut piece = vec![0; 16 << 10];
        if let Some(mut reader) = reader {
            while let Ok(length @ 1..) = reader.read(&mut piece) {
                shared.add(&piece[..length]);
            }
        }
        // Nobody waits any more if it took too long.
        let _ = ended.send(());
    });
    kept
}

impl Kept {
    fn add(&self, piece: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = Ran::MOST_OUTPUT - kept.0.len();
        kept.0.extend_from_slice(&piece[..piece.len().min(room)]);
        kept.1 |= piece.len() > room;
    }

    fn read(&self) -> (Vec<u8>, bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
