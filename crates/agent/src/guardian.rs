//! The guardian: a parent that does nothing but heal if its worker dies.
//!
//! `serve` splits in two before it has any thread. The child works; the parent waits, passes
//! signals on, and adopts (as a subreaper) what the worker leaves behind. If both die at once, the
//! journal is left for `perjury-agent heal`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{ForkResult, Pid, fork, getpid};

use crate::agent::Agent;
use crate::journal::Journal;
use crate::lock::{LockError, StateDir};
use crate::protocol::Healed;
use crate::server::{CLEAN, UNHEALED};
use crate::{server, undo};

/// The state directory cannot be used, or another agent has it.
pub const NO_STATE: i32 = 3;
/// The worker died; what it had done was undone.
pub const WORKER_DIED: i32 = 4;

/// How long an earlier agent may take to heal and go.
const TAKE_OVER: Duration = Duration::from_secs(40);

static TOLD_TO_END: AtomicBool = AtomicBool::new(false);
static WORKER: AtomicI32 = AtomicI32::new(0);

/// Has a signal asked this process to end?
pub fn told_to_end() -> bool {
    TOLD_TO_END.load(Ordering::SeqCst)
}

/// `perjury-agent serve`: answers the exit code.
pub fn serve(state: &Path, lease: Duration) -> i32 {
    close_inherited();
    // An agent whose controller is gone ends within its lease, so one that lasts longer works for
    // somebody: two runs on one node would spoil each other.
    let state = match StateDir::await_free(state, lease + Duration::from_secs(1)) {
        Ok(state) => state,
        Err(error) => return refused(state, &error),
    };
    let prepared = handle_signals().and_then(|()| nix::sys::prctl::set_child_subreaper(true));
    if let Err(error) = prepared {
        eprintln!("perjury-agent: cannot prepare: {error}");
        return NO_STATE;
    }
    let guardian = getpid();
    match split() {
        Ok(ForkResult::Child) => work(state.path(), lease, guardian),
        Ok(ForkResult::Parent { child }) => guard(state, child),
        Err(error) => {
            eprintln!("perjury-agent: cannot start its worker: {error}");
            NO_STATE
        }
    }
}

fn work(state: &Path, lease: Duration, guardian: Pid) -> ! {
    // A panic in one thread must not leave the others half alive: the guardian heals.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
    match Agent::new(state) {
        Ok(agent) => server::serve(agent, lease, guardian),
        Err(error) => {
            eprintln!("perjury-agent: the journal cannot be read: {error}");
            std::process::exit(UNHEALED)
        }
    }
}

fn guard(state: StateDir, worker: Pid) -> i32 {
    WORKER.store(worker.as_raw(), Ordering::SeqCst);
    if told_to_end() {
        // It came before the number was known.
        let _ = nix::sys::signal::kill(worker, Signal::SIGTERM);
    }
    if let Err(error) = let_go() {
        eprintln!("perjury-agent: cannot let go of its streams: {error}");
    }
    let exited = loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, code)) if pid == worker => break Some(code),
            Ok(WaitStatus::Signaled(pid, ..)) if pid == worker => break None,
            Err(Errno::ECHILD) => break None,
            // Somebody adopted, or a signal.
            _ => {}
        }
    };
    WORKER.store(0, Ordering::SeqCst);
    if exited == Some(CLEAN) {
        state.leave();
        return CLEAN;
    }
    if exited.is_none() {
        let _ = writeln!(io::stderr(), "perjury-agent: the worker died; healing");
    }
    match heal_all(state) {
        Ok(healed) if healed.failed.is_empty() => match exited {
            None => WORKER_DIED,
            Some(_) => CLEAN,
        },
        Ok(healed) => {
            for text in healed.failed {
                let _ = writeln!(io::stderr(), "perjury-agent: not undone: {text}");
            }
            UNHEALED
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "perjury-agent: the journal cannot be read: {error}");
            UNHEALED
        }
    }
}

/// Undoes everything in the journal of a locked state directory, and leaves it.
fn heal_all(state: StateDir) -> io::Result<Healed> {
    let mut journal = Journal::open(state.path())?;
    let mut healed = undo::heal(&mut journal, |_| true);
    if let Err(error) = journal.finish() {
        healed.failed.push(format!("the journal cannot be removed: {error}"));
    }
    state.leave();
    Ok(healed)
}

/// `perjury-agent heal`: undoes everything in the journal and says what; answers the exit code.
/// Another agent at work on it is asked to heal and go if `take_over`, else it is left alone.
pub fn heal(path: &Path, take_over: bool) -> i32 {
    if !path.exists() {
        println!("nothing to heal: {} is not there", path.display());
        return CLEAN;
    }
    let taken = match take_over {
        true => StateDir::take_over(path, TAKE_OVER),
        false => StateDir::take(path),
    };
    let state = match taken {
        Ok(state) => state,
        Err(error) => return refused(path, &error),
    };
    match heal_all(state) {
        Ok(healed) => {
            for text in &healed.undone {
                println!("undone: {text}");
            }
            for text in &healed.failed {
                println!("not undone: {text}");
            }
            if healed.failed.is_empty() { CLEAN } else { UNHEALED }
        }
        Err(error) => {
            eprintln!("perjury-agent: the journal cannot be read: {error}");
            UNHEALED
        }
    }
}

fn refused(path: &Path, error: &LockError) -> i32 {
    let path = path.display();
    match error {
        LockError::Held(owner) => {
            let owner = owner.map_or_else(|| "unknown".to_string(), |pid| pid.to_string());
            eprintln!(
                "perjury-agent: the node is in use: another agent (process {owner}) is at work on \
                 {path}; wait for its run to end, or end it with `perjury heal --take-over`"
            );
        }
        LockError::Io(error) => eprintln!("perjury-agent: cannot use {path}: {error}"),
    }
    NO_STATE
}

/// The worker alone speaks with the controller: its end must be the end of the stream.
fn let_go() -> io::Result<()> {
    let nothing = File::options().read(true).write(true).open("/dev/null");
    match nothing {
        Ok(nothing) => {
            nix::unistd::dup2_stdin(&nothing)?;
            nix::unistd::dup2_stdout(&nothing)?;
        }
        // An empty root has no /dev/null; a pipe to nobody does as well.
        Err(_) => {
            let (reader, writer) = nix::unistd::pipe()?;
            nix::unistd::dup2_stdin(&reader)?;
            nix::unistd::dup2_stdout(&writer)?;
        }
    }
    Ok(())
}

#[expect(unsafe_code, reason = "fork is unsafe in a program with threads")]
fn split() -> nix::Result<ForkResult> {
    // SAFETY: this is called before any thread is made, so the child has no lock that nobody
    // holds and may go on like any program.
    unsafe { fork() }
}

/// Whoever started us may have left descriptors open; a service must not inherit them, as they
/// could keep a connection or a file system alive.
#[expect(unsafe_code, reason = "neither std nor nix has close_range")]
fn close_inherited() {
    // SAFETY: called first of all, when nothing of ours has a descriptor above the three streams.
    // A kernel without the call (before 5.9) leaves them open, which is no worse than before.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

extern "C" fn on_signal(_: i32) {
    TOLD_TO_END.store(true, Ordering::SeqCst);
    let worker = WORKER.load(Ordering::SeqCst);
    if worker > 0 {
        pass_on(worker);
    }
}

#[expect(unsafe_code, reason = "nix's kill reads errno, which a handler must not change")]
fn pass_on(worker: i32) {
    // SAFETY: kill is async-signal-safe; the worker is not reaped while its number is here.
    // errno is put back because the handler may have come between a call and its look at it.
    unsafe {
        let errno = *libc::__errno_location();
        libc::kill(worker, libc::SIGTERM);
        *libc::__errno_location() = errno;
    }
}

#[expect(unsafe_code, reason = "installing a signal handler is unsafe")]
fn handle_signals() -> nix::Result<()> {
    let action =
        SigAction::new(SigHandler::Handler(on_signal), SaFlags::SA_RESTART, SigSet::empty());
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        // SAFETY: the handler only uses atomics and kill, which are async-signal-safe.
        unsafe { sigaction(signal, &action) }?;
    }
    Ok(())
}
