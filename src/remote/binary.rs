//! Finding the agent's binary here and bringing it to a node.
//!
//! Invariant: what runs on a node has the hash of the file here, and leaves nothing behind. Each
//! start brings a copy of its own, through the same channel as what is said to it afterwards; the
//! agent removes the file as soon as it runs. So no end of anything leaves it there, and two
//! controllers at one node never share a file. Only the shell that receives it can be killed
//! before: what that leaves, the next start removes.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use perjury_history::hex;
use sha2::{Digest, Sha256};

use super::{AgentError, Command, Output, Remote, RemoteError, transfer};

/// Where the build of the static agent lies below a target directory.
const BUILT: &str = "x86_64-unknown-linux-gnu/agent/perjury-agent";

/// How long the agent may take if it is to end by itself: `heal` may wait for another one.
const PATIENCE: Duration = Duration::from_secs(120);

/// The upload comes in whole blocks, so that the shell's `dd` takes exactly it and leaves what
/// follows for the agent. What follows the end of a program in its file does no harm.
const BLOCK: usize = 64 << 10;

/// Receives `$1` blocks with the hash `$2` and becomes that program with the other arguments. Its
/// folder bears the boot and the process that it belongs to; those of the dead are removed.
const RECEIVE: &str = r#"
blocks=$1 hash=$2 boot=
shift 2
read -r boot < /proc/sys/kernel/random/boot_id
mine="/var/tmp/perjury-agent-${boot%%-*}-$$"
for old in /var/tmp/perjury-agent-*-*; do
    if [ -L "$old" ] || [ ! -d "$old" ]; then continue; fi
    case $old in
        "$mine") ;;
        "${mine%-*}"-*) if [ -d "/proc/${old##*-}" ]; then continue; fi ;;
    esac
    rm -rf -- "$old"
done
trap 'rm -rf -- "$mine"' EXIT
trap 'exit 9' HUP INT TERM
umask 077
mkdir -- "$mine" || exit 9
limit=
if command -v timeout >/dev/null 2>&1; then limit='timeout 120'; fi
said=$($limit dd of="$mine/perjury-agent" bs=65536 count="$blocks" iflag=fullblock 2>&1) || {
    echo "$said" >&2
    exit 9
}
if [ "$(sha256sum < "$mine/perjury-agent")" != "$hash  -" ]; then
    echo "the agent did not arrive whole" >&2
    exit 9
fi
chmod 700 "$mine/perjury-agent" && "$mine/perjury-agent" version </dev/null >/dev/null || exit 9
exec "$mine/perjury-agent" "$@" --uploaded
"#;

/// The agent's binary on this machine: `$PERJURY_AGENT`, else `perjury-agent` beside this program,
/// else the static build in the target directory.
pub fn agent_binary() -> Result<PathBuf, AgentError> {
    if let Some(named) = env::var_os("PERJURY_AGENT") {
        let path = PathBuf::from(named);
        if path.is_file() {
            return Ok(path);
        }
        let tried = format!("$PERJURY_AGENT names {}, which is no file", path.display());
        return Err(AgentError::NoBinary { tried });
    }
    let candidates = candidates();
    if let Some(path) = candidates.iter().find(|path| path.is_file()) {
        return Ok(path.clone());
    }
    let tried: Vec<_> = candidates.iter().map(|path| path.display().to_string()).collect();
    Err(AgentError::NoBinary { tried: format!("looked for {}", tried.join(", ")) })
}

fn candidates() -> Vec<PathBuf> {
    let program = env::current_exe().unwrap_or_default();
    let folders: Vec<&Path> = program.ancestors().skip(1).collect();
    let mut all = Vec::new();
    // Cargo marks its target directory so. Below it, a perjury-agent beside this program is the
    // dynamic build, which may not run on a node: it comes last.
    let target = folders.iter().take(4).find(|folder| folder.join("CACHEDIR.TAG").is_file());
    if let Some(target) = target {
        all.push(target.join(BUILT));
    }
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(BUILT);
    if !all.contains(&built) {
        all.push(built);
    }
    let beside = folders.first().map(|folder| folder.join("perjury-agent"));
    match target {
        Some(_) => all.extend(beside),
        None => all.splice(0..0, beside).for_each(drop),
    }
    all
}

/// The command that brings the agent's binary to a node and runs it there with these arguments.
/// What is sent after the command's own input is for the agent.
pub(super) fn bring(
    place: &str,
    binary: &Path,
    arguments: &[&str],
) -> Result<Command, RemoteError> {
    let mut bytes = std::fs::read(binary).map_err(|error| transfer::here(place, binary, &error))?;
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    let blocks = (bytes.len() / BLOCK).to_string();
    let hash = hex(&Sha256::digest(&bytes));
    let words = ["sh", "-c", RECEIVE, "receive", &blocks, &hash];
    Ok(Command::new(words.iter().chain(arguments).copied()).stdin(bytes))
}

/// Runs the agent's binary on a node, to its end, and leaves nothing of it there.
///
/// # Errors
/// It cannot be brought there. That it fails is an [`Output`], not an error.
pub async fn run_agent(
    remote: &dyn Remote,
    binary: &Path,
    arguments: &[&str],
    sudo: bool,
) -> Result<Output, RemoteError> {
    let mut command = bring(&remote.place(), binary, arguments)?.timeout(PATIENCE);
    command.sudo = sudo;
    remote.run(command).await
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Child, Command as Program, Stdio};

    use super::*;

    /// Stands for the agent: says its arguments and where it is, and what it reads.
    const SCRIPT: &str = "#!/bin/sh\necho \"$0 $*\"\ncat\nexit 0\n";

    struct Sent {
        child: Child,
        bytes: Vec<u8>,
        folder: PathBuf,
    }

    fn send(arguments: &[&str]) -> Sent {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("script");
        std::fs::write(&file, SCRIPT.repeat(2500)).unwrap();
        let Command { argv, stdin, .. } = bring("here", &file, arguments).unwrap();
        let mut program = Program::new(&argv[0]);
        program.args(&argv[1..]).stdin(Stdio::piped());
        let child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let name = format!("perjury-agent-{}-{}", &boot[..8], child.id());
        Sent { child, bytes: stdin, folder: Path::new("/var/tmp").join(name) }
    }

    impl Sent {
        fn write(&mut self, bytes: &[u8]) {
            self.child.stdin.as_mut().unwrap().write_all(bytes).unwrap();
        }

        /// Sends half and waits until the node has it.
        fn half(&mut self) {
            let half = self.bytes[..self.bytes.len() / 2].to_vec();
            self.write(&half);
            while std::fs::read_dir(&self.folder).map_or(0, Iterator::count) == 0 {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        }

        fn end(self) -> (Option<i32>, String) {
            let output = self.child.wait_with_output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            (output.status.code(), String::from_utf8_lossy(&said).into_owned())
        }

        fn whole(mut self, more: &[u8]) -> (Option<i32>, String) {
            let bytes = std::mem::take(&mut self.bytes);
            self.write(&bytes);
            self.write(more);
            self.end()
        }
    }

    #[test]
    fn it_arrives_whole_and_hears_what_follows() {
        let sent = send(&["serve", "--state", "a b"]);
        let folder = sent.folder.clone();
        let (code, said) = sent.whole(b"for the agent");
        let path = folder.join("perjury-agent");
        let expected = format!("{} serve --state a b --uploaded\nfor the agent", path.display());
        assert_eq!((code, said), (Some(0), expected));
        // Removing itself is left to the agent, which this one is not.
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_arrives_in_part_or_damaged_is_not_run_and_not_left() {
        for damaged in [false, true] {
            let mut sent = send(&["serve"]);
            let folder = sent.folder.clone();
            sent.bytes[70_000] ^= 1;
            let length = sent.bytes.len() / if damaged { 1 } else { 2 };
            sent.bytes.truncate(length);
            let (code, said) = sent.whole(b"");
            assert_eq!((code, said.trim()), (Some(9), "the agent did not arrive whole"));
            assert!(!folder.exists());
        }
    }

    #[test]
    fn what_a_killed_upload_left_is_removed_and_one_under_way_is_not() {
        let mut dead = send(&["serve"]);
        dead.half();
        let mut alive = send(&["serve"]);
        alive.half();
        dead.child.kill().unwrap();
        let left = dead.folder.clone();
        dead.end();
        assert!(left.exists());
        // The process with that number lives, but it is of another boot.
        let earlier = Path::new("/var/tmp/perjury-agent-00000000-1");
        std::fs::create_dir_all(earlier).unwrap();
        let next = send(&["serve"]);
        let folder = next.folder.clone();
        assert_eq!(next.whole(b"").0, Some(0));
        assert!(!left.exists() && !earlier.exists() && alive.folder.exists());
        std::fs::remove_dir_all(folder).unwrap();
        let rest = alive.bytes.split_off(alive.bytes.len() / 2);
        let folder = alive.folder.clone();
        alive.bytes = rest;
        assert_eq!(alive.whole(b"").0, Some(0));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
