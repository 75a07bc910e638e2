//! One life of a process: a process id is used again, its id with its start time is not.
//!
//! Invariant: no signal goes to a process that is not the one that was written down.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::ClusterError;

/// How long a process may take to disappear. The last one of a node unmounts its overlay, and the
/// kernel writes all that is unwritten on the disk below before that ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process, told apart from all others that ever had its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Life {
    /// Its number, as the host counts.
    pub pid: i32,
    /// When it started, in clock ticks since the boot.
    pub start: u64,
    /// That boot.
    pub boot: String,
}

/// The kernel's id of the present boot.
pub(super) fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_string()
}

impl Life {
    /// The life that a process has now; `None` if there is no such process, or only its corpse.
    pub fn of(pid: i32) -> Option<Life> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let start = start_of(&stat)?;
        Some(Life { pid, start, boot: boot() })
    }

    /// Does it last?
    pub fn lasts(&self) -> bool {
        Life::of(self.pid).as_ref() == Some(self)
    }

    /// Ends it by a signal and waits until it is gone. Nothing happens if it is over.
    pub fn end(&self, signal: Signal) -> Result<(), ClusterError> {
        if self.lasts() {
            // An error means that it ended in between; whether it did is asked below.
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
        let deadline = Instant::now() + PATIENCE;
        while self.lasts() {
            if Instant::now() > deadline {
                return Err(ClusterError::Failed {
                    step: format!("ending process {}", self.pid),
                    what: format!("it is still there {PATIENCE:.0?} after {signal}"),
                });
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

/// The start time in the text of `/proc/PID/stat`; `None` for a process that is dead already.
fn start_of(stat: &str) -> Option<u64> {
    // The name is in parentheses and may hold blanks and parentheses itself.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    if matches!(fields.next()?, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// The processes that have mounted an overlay whose upper folder is below `folder`: those of nodes,
/// recorded or not. `folder` has been checked to be written the same in `mountinfo`.
pub(super) fn living_on(folder: &Path) -> Vec<Life> {
    let mark = format!("upperdir={}/", folder.display());
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let uses = |pid: &i32| {
        let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        mounts.contains(&mark)
    };
    pids.filter(uses).filter_map(Life::of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_the_22nd_field_whatever_the_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
        assert_eq!(start_of(&format!("7 (a) b) c) {rest}")), Some(4711));
        assert_eq!(start_of(&format!("7 (a) {}", rest.replace('S', "Z"))), None);
        assert_eq!(start_of("nonsense"), None);
    }

    #[test]
    fn a_process_ends_and_a_later_one_of_its_number_is_left_alone() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let life = Life::of(pid).unwrap();
        let other = Life { start: life.start + 1, ..life.clone() };
        assert!(life.lasts() && !other.lasts());
        other.end(Signal::SIGKILL).unwrap();
        assert!(life.lasts(), "the signal went to another life");
        life.end(Signal::SIGKILL).unwrap();
        assert!(!life.lasts());
        child.wait().unwrap();
        life.end(Signal::SIGKILL).unwrap();
    }
}
