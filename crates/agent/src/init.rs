//! `perjury-agent init`: the first process of a node that is a set of namespaces.
//!
//! It starts one program, passes SIGTERM on to it, and reaps whatever ends, for ever: the node
//! lives until it is killed from outside, even if the program ends.

use std::process::Command;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::wait;

static CHILD: AtomicI32 = AtomicI32::new(0);

/// Returns only if the program cannot be started.
pub fn init(argv: &[String]) -> i32 {
    if let Err(error) = handle_term() {
        eprintln!("perjury-agent: init: {error}");
        return 1;
    }
    let Some((program, arguments)) = argv.split_first() else {
        eprintln!("perjury-agent: init: no program");
        return 2;
    };
    match Command::new(program).args(arguments).spawn() {
        Ok(child) => CHILD.store(i32::try_from(child.id()).unwrap_or(0), Ordering::SeqCst),
        Err(error) => {
            eprintln!("perjury-agent: init: cannot run {program}: {error}");
            return 127;
        }
    }
    loop {
        match wait() {
            Err(Errno::ECHILD) => std::thread::sleep(Duration::from_millis(200)),
            Ok(status) if status.pid().is_some_and(|pid| pid.as_raw() == child()) => {
                // Its number may soon be somebody else's.
                CHILD.store(0, Ordering::SeqCst);
            }
            _ => {}
        }
    }
}

fn child() -> i32 {
    CHILD.load(Ordering::SeqCst)
}

#[expect(unsafe_code, reason = "nix's kill reads errno, which a handler must not change")]
extern "C" fn on_term(_: i32) {
    let child = child();
    if child > 0 {
        // SAFETY: kill is async-signal-safe; errno is put back for the code that was interrupted.
        unsafe {
            let errno = *libc::__errno_location();
            libc::kill(child, libc::SIGTERM);
            *libc::__errno_location() = errno;
        }
    }
}

#[expect(unsafe_code, reason = "installing a signal handler is unsafe")]
fn handle_term() -> nix::Result<()> {
    let action = SigAction::new(SigHandler::Handler(on_term), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler only uses an atomic and kill.
    unsafe { sigaction(Signal::SIGTERM, &action) }.map(drop)
}
