//! Finding the agent's binary here and putting it on a node.
//!
//! Invariant: what is started on a node has the hash of the file here. It lies in a folder that
//! only its user can write, under its hash as its name, so one upload serves every run.

use std::env;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{AgentError, Command, Remote, RemoteError, Source, transfer};

/// Where the build of the static agent lies below a target directory.
const BUILT: &str = "x86_64-unknown-linux-gnu/agent/perjury-agent";

/// Makes the folder, says its path, and says the hash of the file in it if there is one.
const LOOK: &str = r#"
dir="/var/tmp/perjury-agent-$(id -u)"
mkdir -m 0700 -- "$dir" 2>/dev/null
if [ -L "$dir" ] || [ "$(stat -c '%u %a' -- "$dir")" != "$(id -u) 700" ]; then
    echo "$dir is not a directory of mode 0700 that belongs to user $(id -u): remove it" >&2
    exit 9
fi
echo "$dir"
if [ -x "$dir/$1" ]; then sha256sum < "$dir/$1"; fi
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

/// Puts the binary on a node, unless a file with its hash is there, and answers its path there.
pub async fn install_agent(remote: &dyn Remote, binary: &Path) -> Result<String, AgentError> {
    let place = remote.place();
    let bytes = std::fs::read(binary).map_err(|error| transfer::here(&place, binary, &error))?;
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let (folder, there) = look(remote, &hash).await?;
    let path = format!("{folder}/{hash}");
    if there.as_deref() == Some(hash.as_str()) {
        return Ok(path);
    }
    remote.upload(Source::Bytes(bytes), &path, 0o700, false).await?;
    let (_, there) = look(remote, &hash).await?;
    if there.as_deref() != Some(hash.as_str()) {
        let found = there.unwrap_or_else(|| "no file".to_string());
        let reason = format!("{path} has the wrong hash after its upload: {found}");
        return Err(RemoteError::Usage { place, reason }.into());
    }
    Ok(path)
}

/// The folder, and the hash of the file of that name in it.
async fn look(remote: &dyn Remote, hash: &str) -> Result<(String, Option<String>), RemoteError> {
    let place = remote.place();
    let output = remote.run(Command::new(["sh", "-c", LOOK, "look", hash])).await?;
    transfer::expect(&place, "looking for the agent", None, &output)?;
    let text = output.text();
    let mut lines = text.lines();
    let folder = lines.next().unwrap_or_default().to_string();
    let there = lines.next().and_then(|line| line.split_whitespace().next());
    Ok((folder, there.map(str::to_string)))
}
