//! The last step before a service's program: `perjury-agent launch`.
//!
//! The agent starts itself under this name, writes the new process into the journal, and only then
//! lets it go on by one byte on standard input. So there is no instant at which a service runs that
//! the journal does not know. What fails here is said on standard output, which the program itself
//! never sees: it gets the log for both its streams.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::Stdio;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, Signal};
use nix::unistd::{Gid, Uid};
use serde::{Deserialize, Serialize};

use crate::protocol::{Account, Limits, Service};

/// The agent's own program, even if its file has been removed since.
pub const PROGRAM: &str = "/proc/self/exe";

/// What has to be arranged, as one argument in JSON.
#[derive(Debug, Serialize, Deserialize)]
struct Arrangement {
    user: Option<Account>,
    cwd: String,
    limits: Limits,
}

/// The command that launches a service. Its log and environment are left to the caller.
pub fn command(service: &Service) -> std::process::Command {
    let cwd = service.cwd.clone().unwrap_or_else(|| "/".to_string());
    let arrangement = Arrangement { user: service.user, cwd, limits: service.limits };
    let json = serde_json::to_string(&arrangement).unwrap_or_default();
    let mut command = std::process::Command::new(PROGRAM);
    command.arg("launch").arg(json).arg("--").args(&service.argv);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Becomes the program. Returns only if that fails, and has then said why on standard output.
pub fn launch(arrangement: &str, argv: &[String]) -> i32 {
    let mut go = [0];
    if !matches!(std::io::stdin().read(&mut go), Ok(1)) {
        // The agent died before the journal knew us.
        return 127;
    }
    let mut status = match detach() {
        Ok(status) => status,
        Err(error) => {
            println!("cannot arrange its streams: {error}");
            return 127;
        }
    };
    let error = match become_program(arrangement, argv) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    // Nobody hears it if the agent is gone.
    let _ = status.write_all(error.as_bytes());
    127
}

/// Points standard input to nothing and standard output to the log (which is standard error);
/// answers what was standard output, to be closed by the program's start.
fn detach() -> std::io::Result<File> {
    let status = std::io::stdout().as_fd().try_clone_to_owned()?;
    let nothing = File::open("/dev/null")?;
    nix::unistd::dup2_stdin(&nothing)?;
    nix::unistd::dup2_stdout(std::io::stderr())?;
    Ok(File::from(status))
}

fn become_program(arrangement: &str, argv: &[String]) -> Result<std::convert::Infallible, String> {
    let say = |what: &str| {
        let what = what.to_string();
        move |error: nix::Error| format!("{}: {what}: {}", error as i32, error.desc())
    };
    let arrangement: Arrangement = serde_json::from_str(arrangement)
        .map_err(|error| format!("0: the arrangement cannot be read: {error}"))?;
    nix::unistd::setsid().map_err(say("setsid"))?;
    limit(Resource::RLIMIT_NOFILE, arrangement.limits.open_files)?;
    limit(Resource::RLIMIT_AS, arrangement.limits.address_space)?;
    limit(Resource::RLIMIT_CORE, arrangement.limits.core)?;
    if let Some(Account { uid, gid }) = arrangement.user {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        if (uid, gid) != (nix::unistd::geteuid(), nix::unistd::getegid()) {
            nix::unistd::setgroups(&[gid]).map_err(say("setgroups"))?;
            nix::unistd::setgid(gid).map_err(say("setgid"))?;
            nix::unistd::setuid(uid).map_err(say("setuid"))?;
        }
    }
    let cwd = arrangement.cwd.as_str();
    nix::unistd::chdir(cwd).map_err(say(&format!("cannot enter {cwd}")))?;
    SigSet::empty().thread_set_mask().map_err(say("signal mask"))?;
    default_sigpipe().map_err(say("SIGPIPE"))?;
    let words: Result<Vec<CString>, _> =
        argv.iter().map(|word| CString::new(word.as_str())).collect();
    let words = words.map_err(|_| "0: an argument with a NUL byte".to_string())?;
    let program = words.first().ok_or("0: no program")?;
    nix::unistd::execvp(program, &words).map_err(say(&format!("cannot run {:?}", argv[0])))
}

/// Sets the soft limit, and the hard one where that is possible.
fn limit(resource: Resource, wanted: Option<u64>) -> Result<(), String> {
    let Some(wanted) = wanted else { return Ok(()) };
    let hard = getrlimit(resource).map(|(_, hard)| hard).unwrap_or(wanted);
    let set = setrlimit(resource, wanted, wanted.max(hard))
        .or_else(|_| setrlimit(resource, wanted.min(hard), hard));
    set.map_err(|error| format!("{}: limit {resource:?}: {}", error as i32, error.desc()))
}

#[expect(unsafe_code, reason = "changing a signal's disposition is unsafe in general")]
fn default_sigpipe() -> nix::Result<()> {
    // SAFETY: no handler is installed or replaced by one; Rust's own runtime ignores SIGPIPE, and
    // that would be inherited by the program.
    unsafe { nix::sys::signal::signal(Signal::SIGPIPE, SigHandler::SigDfl) }.map(drop)
}
