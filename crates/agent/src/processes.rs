//! The processes of a service: which they are, and signals for exactly them.
//!
//! A process is named by its id and its start time, so that a number that the kernel has given to
//! somebody else is never signalled. A service is a [`Family`]: the process that was started, its
//! session, its descendants, and whatever still carries its mark in the environment (a program may
//! leave its session and its parent, but rarely its environment).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

/// The variable that marks the processes of a service or a command.
pub const MARK: &str = "PERJURY_SERVICE";

/// One line of `/proc/PID/stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The process's id.
    pub pid: u32,
    /// Its program's short name.
    pub command: String,
    /// `R`, `S`, `D`, `T` (stopped), `Z` (ended but not reaped), ...
    pub state: char,
    /// Its parent.
    pub parent: u32,
    /// Its session.
    pub session: u32,
    /// When it started, in clock ticks since the machine booted.
    pub start: u64,
}

impl Stat {
    /// Reads it; `None` if there is no such process (or no `/proc`).
    pub fn of(pid: u32) -> Option<Stat> {
        let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Stat::parse(pid, &String::from_utf8_lossy(&bytes))
    }

    /// The short name stands in parentheses and may itself hold blanks and parentheses.
    fn parse(pid: u32, text: &str) -> Option<Stat> {
        let (open, close) = (text.find('(')?, text.rfind(')')?);
        let fields: Vec<&str> = text.get(close + 1..)?.split_whitespace().collect();
        Some(Stat {
            pid,
            command: text.get(open + 1..close)?.to_string(),
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
        })
    }

    /// Has it ended?
    pub fn is_over(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Is it stopped?
    pub fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    /// Is it in a wait that no signal but SIGKILL ends?
    fn is_deaf(&self) -> bool {
        self.state == 'D'
    }
}

fn all() -> Vec<Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Stat::of(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// How the processes of a service are found again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// The process that was started. That of a service leads a session.
    pub pid: u32,
    /// Its start time, in clock ticks since the machine booted.
    pub start: u64,
    /// The value of [`MARK`] in its environment; no two services have the same.
    pub mark: String,
}

impl Family {
    /// Every living process of the service. None of them is anybody else's.
    pub fn members(&self) -> Vec<Stat> {
        let all = all();
        let leader = all.iter().find(|stat| stat.pid == self.pid && stat.start == self.start);
        // While any process is in the session, the kernel does not give its number away; but an
        // absent leader leaves no way to tell whose session it is now. Then only the mark counts.
        // (A command leads no session: then nobody is in it.)
        let in_session = |stat: &Stat| leader.is_some() && stat.session == self.pid;
        let mut members: BTreeSet<u32> = all
            .iter()
            // The kernel's own threads have no session and no environment.
            .filter(|stat| stat.session != 0 && (in_session(stat) || self.is_marked(stat.pid)))
            .map(|stat| stat.pid)
            .chain(leader.map(|stat| stat.pid))
            .collect();
        loop {
            let before = members.len();
            let children = all.iter().filter(|stat| members.contains(&stat.parent));
            let children: Vec<u32> = children.map(|stat| stat.pid).collect();
            members.extend(children);
            if members.len() == before {
                break;
            }
        }
        all.into_iter().filter(|stat| members.contains(&stat.pid) && !stat.is_over()).collect()
    }

    fn is_marked(&self, pid: u32) -> bool {
        let wanted = format!("{MARK}={}", self.mark);
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    }

    /// Stops all processes. A stopped process starts no others, so this comes to an end: when a
    /// look finds nothing that is not stopped. Answers who they are.
    ///
    /// Whoever made a child with `vfork` waits, deaf to this signal, until the child starts its
    /// program. So a child is not stopped before such a parent is, and goes on if it has been.
    pub fn freeze(&self, patience: Duration) -> Result<Vec<Stat>, String> {
        self.until(patience, Stat::is_stopped, |stat, members| {
            let parent = members.iter().find(|member| member.pid == stat.parent);
            match (parent.is_some_and(Stat::is_deaf), stat.is_stopped()) {
                (false, false) => Some(Signal::SIGSTOP),
                (true, true) => Some(Signal::SIGCONT),
                _ => None,
            }
        })
    }

    /// Continues all processes until none is stopped. Answers who they are.
    pub fn thaw(&self, patience: Duration) -> Result<Vec<Stat>, String> {
        let goes_on = |stat: &Stat| !stat.is_stopped();
        self.until(patience, goes_on, |stat, _| (!goes_on(stat)).then_some(Signal::SIGCONT))
    }

    /// Sends each process of every look its signal, until all of a look are so.
    fn until(
        &self,
        patience: Duration,
        is_so: impl Fn(&Stat) -> bool,
        signal: impl Fn(&Stat, &[Stat]) -> Option<Signal>,
    ) -> Result<Vec<Stat>, String> {
        let deadline = Instant::now() + patience;
        loop {
            let members = self.members();
            let others: Vec<&Stat> = members.iter().filter(|stat| !is_so(stat)).collect();
            if others.is_empty() {
                return Ok(members);
            }
            let signals = members.iter().filter_map(|stat| Some((stat, signal(stat, &members)?)));
            let signals: Vec<(&Stat, Signal)> = signals.collect();
            if Instant::now() >= deadline {
                let sent: BTreeSet<&str> = signals.iter().map(|(_, it)| it.as_str()).collect();
                let sent: Vec<&str> = sent.into_iter().collect();
                return Err(format!("{} after {}", list(&others), sent.join(" and ")));
            }
            for (stat, signal) in signals {
                send(stat, signal).map_err(|error| format!("{} {error}", list(&[stat])))?;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Kills all processes and sees them gone. They are frozen first: else some could have
    /// children and lose their parent between the look and the signal. Answers who they were.
    pub fn kill(&self, patience: Duration) -> Result<Vec<Stat>, String> {
        let deadline = Instant::now() + patience;
        // A process in an uninterruptible wait does not stop; it is killed all the same.
        let mut victims: BTreeMap<u32, Stat> = BTreeMap::new();
        for stat in self.freeze(patience / 2).unwrap_or_default() {
            victims.insert(stat.pid, stat);
        }
        loop {
            for stat in self.members() {
                victims.entry(stat.pid).or_insert(stat);
            }
            let left: Vec<&Stat> = victims.values().filter(|stat| is_alive(stat)).collect();
            if left.is_empty() {
                return Ok(victims.into_values().collect());
            }
            if Instant::now() >= deadline {
                return Err(format!("{} after SIGKILL", list(&left)));
            }
            for stat in left {
                send(stat, Signal::SIGKILL)
                    .map_err(|error| format!("{} {error}", list(&[stat])))?;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Sends a signal to all processes once. Answers who they are.
    pub fn signal(&self, signal: Signal) -> Result<Vec<Stat>, String> {
        let members = self.members();
        for stat in &members {
            send(stat, signal).map_err(|error| format!("{} {error}", list(&[stat])))?;
        }
        Ok(members)
    }
}

fn is_alive(stat: &Stat) -> bool {
    Stat::of(stat.pid).is_some_and(|now| now.start == stat.start && !now.is_over())
}

fn list(stats: &[&Stat]) -> String {
    let shown = stats.iter().map(|stat| format!("{} ({}) {}", stat.pid, stat.command, stat.state));
    format!("process {}", shown.collect::<Vec<_>>().join(", "))
}

/// Sends a signal to exactly this process. That it is gone is no error.
pub fn send(stat: &Stat, signal: Signal) -> io::Result<()> {
    let handle = match pidfd(stat.pid) {
        Ok(handle) => handle,
        Err(Errno::ESRCH) => return Ok(()),
        // A kernel before 5.3, or a filter that does not know the call.
        Err(Errno::ENOSYS | Errno::EPERM) => return send_by_number(stat, signal),
        Err(error) => return Err(error.into()),
    };
    // The handle now holds one process for good. Only if the start time is still the same is it
    // the one that is meant.
    if !is_alive(stat) {
        return Ok(());
    }
    match pidfd_send(&handle, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn send_by_number(stat: &Stat, signal: Signal) -> io::Result<()> {
    if !is_alive(stat) {
        return Ok(());
    }
    let pid = i32::try_from(stat.pid).map_err(|_| io::Error::from(Errno::ESRCH))?;
    match nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[expect(unsafe_code, reason = "neither std nor nix has pidfd_open")]
fn pidfd(pid: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: a plain system call on two integers; it touches no memory of ours.
    let raw = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::c_long::from(pid), 0) };
    let raw = i32::try_from(Errno::result(raw)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel just made this descriptor and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

#[expect(unsafe_code, reason = "neither std nor nix has pidfd_send_signal")]
fn pidfd_send(handle: &OwnedFd, signal: Signal) -> Result<(), Errno> {
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open while `handle` is borrowed; a null info is allowed and means
    // what `kill` would send.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            libc::c_long::from(handle.as_raw_fd()),
            signal as libc::c_long,
            info,
            0,
        )
    };
    Errno::result(result).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_is_read() {
        let numbers: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        let text = format!("7 (a) (b c) T 1 7 9 {}", numbers.join(" "));
        let stat = Stat::parse(7, &text).unwrap();
        assert_eq!((stat.command.as_str(), stat.state), ("a) (b c", 'T'));
        assert_eq!((stat.parent, stat.session, stat.start), (1, 9, 15));
        assert!(Stat::parse(7, "7 (a").is_none() && Stat::parse(7, "7 (a) T").is_none());
    }

    #[test]
    fn a_recycled_number_is_not_signalled() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let now = Stat::of(child.id()).unwrap();
        let former = Stat { start: now.start - 1, ..now.clone() };
        send(&former, Signal::SIGKILL).unwrap();
        send_by_number(&former, Signal::SIGKILL).unwrap();
        let mark = "nobody".to_string();
        let family = Family { pid: former.pid, start: former.start, mark };
        assert_eq!(family.kill(Duration::from_secs(1)), Ok(Vec::new()));
        assert!(is_alive(&now));
        send(&now, Signal::SIGKILL).unwrap();
        child.wait().unwrap();
        send(&now, Signal::SIGKILL).unwrap();
    }

    #[test]
    fn whoever_waits_for_a_child_that_has_not_started_its_program_is_stopped_too() {
        // This shell makes its children with vfork: until the child starts its program, the shell
        // is in an uninterruptible wait and no signal stops it.
        let mut command = std::process::Command::new("sh");
        command.args(["-c", "while :; do /bin/true; done"]);
        let mut child = command.spawn().unwrap();
        let start = Stat::of(child.id()).unwrap().start;
        let family = Family { pid: child.id(), start, mark: "busy".to_string() };
        let patience = Duration::from_secs(10);
        let mut held = Vec::new();
        for _ in 0..150 {
            held.push(family.freeze(patience).and_then(|_| family.thaw(patience)).err());
        }
        family.kill(patience).unwrap();
        child.wait().unwrap();
        assert_eq!(held.into_iter().flatten().collect::<Vec<_>>(), Vec::<String>::new());
    }
}
