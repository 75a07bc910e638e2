//! The controller's side of an agent, for tests: frames on the pipes of a child process.
#![allow(dead_code, reason = "each test file uses a part")]

pub mod pair;

use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use perjury_agent::frame;
use perjury_agent::protocol::{
    Answer, Body, Failure, Request, Response, Run, Service, ServiceState,
};

pub const AGENT: &str = env!("CARGO_BIN_EXE_perjury-agent");

/// An agent and the pipes to it.
pub struct Agent {
    pub child: Child,
    pub stdin: Option<ChildStdin>,
    pub stdout: ChildStdout,
    pub next: u64,
}

impl Agent {
    pub fn start(state: &Path) -> Agent {
        Agent::start_by(Command::new(AGENT), state, 30)
    }

    /// `command` is the agent's program or something that runs it.
    pub fn start_by(mut command: Command, state: &Path, lease: u64) -> Agent {
        command.args(["serve", "--state"]).arg(state).args(["--lease", &lease.to_string()]);
        Agent::start_by_whole(command)
    }

    /// `command` is complete.
    pub fn start_by_whole(mut command: Command) -> Agent {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("agent starts");
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        Agent { child, stdin, stdout, next: 1 }
    }

    pub fn send(&mut self, body: Body) -> u64 {
        let id = self.next;
        self.next += 1;
        self.send_as(id, body);
        id
    }

    pub fn send_as(&mut self, id: u64, body: Body) {
        frame::write(self.stdin.as_mut().unwrap(), &Request { id, body }).unwrap();
    }

    pub fn receive(&mut self) -> Response {
        let json = frame::read(&mut self.stdout).unwrap().expect("an answer");
        serde_json::from_slice(&json).unwrap()
    }

    pub fn ask(&mut self, body: Body) -> Result<Answer, Failure> {
        let id = self.send(body);
        let response = self.receive();
        assert_eq!(response.id, id);
        response.result
    }

    pub fn start_service(&mut self, service: &Service) -> u32 {
        match self.ask(Body::Start(service.clone())).unwrap() {
            Answer::Service(ServiceState::Running { pid }) => pid,
            other => panic!("{other:?}"),
        }
    }

    /// The process that works; the child is its guardian.
    pub fn worker(&self) -> i32 {
        let pid = self.child.id();
        let children = format!("/proc/{pid}/task/{pid}/children");
        let text = std::fs::read_to_string(children).unwrap();
        text.split_whitespace().next().expect("a worker").parse().unwrap()
    }

    /// Kills both processes of the agent, so that nobody is left to heal, and sees them gone.
    pub fn kill_both(&mut self) {
        use nix::sys::signal::Signal::{SIGKILL, SIGSTOP};
        let worker = self.worker();
        let guardian = i32::try_from(self.child.id()).unwrap();
        // The guardian is stopped first, so that it cannot see its worker die.
        kill(guardian, SIGSTOP);
        kill(worker, SIGKILL);
        kill(guardian, SIGKILL);
        self.wait();
        // A process that is dying still holds the lock of its state directory.
        // Its first thread may be over before the others.
        let threads =
            |pid: i32| std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
        let is_over = || state(worker.try_into().unwrap()).is_none() && threads(worker) <= 1;
        eventually("the worker is gone", is_over);
    }

    pub fn close(mut self) -> ExitStatus {
        self.stdin = None;
        self.wait()
    }

    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the agent does not end");
    }

    /// Sends something that is no frame.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub fn input_number(&self) -> i32 {
        self.stdin.as_ref().unwrap().as_raw_fd()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.child.wait();
    }
}

pub fn shell(script: &str) -> Body {
    let argv = ["sh", "-c", script].map(str::to_string).to_vec();
    Body::Run(Run { argv, timeout_ms: 10_000, ..Run::default() })
}

/// A service that runs a shell script.
pub fn service(name: &str, folder: &Path, script: &str) -> Service {
    Service {
        name: name.to_string(),
        argv: ["sh", "-c", script].map(str::to_string).to_vec(),
        env: Default::default(),
        cwd: None,
        log: path(folder, &format!("{name}.log")),
        user: None,
        limits: Default::default(),
    }
}

pub fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_string()
}

/// The state of a process; `None` if it is gone or not reaped yet.
pub fn state(pid: u32) -> Option<char> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let state = text[text.rfind(')')? + 2..].chars().next()?;
    (state != 'Z').then_some(state)
}

pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("never: {what}");
}

pub fn kill(pid: i32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Runs a program and insists that it succeeds.
pub fn must(argv: &[&str]) -> String {
    let output = Command::new(argv[0]).args(&argv[1..]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{argv:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn has(program: &str) -> bool {
    let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    folders.iter().any(|folder| PathBuf::from(folder).join(program).is_file())
}

/// Can this be tried here: as root, with these programs? If not, that is said.
pub fn possible(test: &str, programs: &[&str]) -> bool {
    let why = match programs.iter().find(|program| !has(program)) {
        _ if !is_root() => "not root".to_owned(),
        Some(program) => format!("{program} is not installed"),
        None => return true,
    };
    skipped(test, &why);
    false
}

/// Says in the test's output that something was not tested. Never silent.
pub fn skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "\nSKIPPED {test}: {why}\n");
}
