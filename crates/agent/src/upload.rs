//! The agent's own file on a node that it was brought to.
//!
//! It is removed as soon as the agent runs: a program needs no name to go on, and starts itself
//! again by `/proc/self/exe`. So no end of the agent, however sudden, leaves it behind.

use std::fs;
use std::io;
use std::path::Path;

/// What the name of a folder begins with that is made for an upload, and for nothing else.
const FOLDER: &str = "perjury-agent-";

/// Removes the running program and its folder. Only the controller's uploads are removed: whatever
/// lies elsewhere is somebody's own.
pub fn remove() {
    let removed = fs::read_link("/proc/self/exe").and_then(|file| remove_file(&file));
    if let Err(error) = removed {
        // It runs all the same; what is left is said, and removed by the next one.
        eprintln!("perjury-agent: its upload stays on the node: {error}");
    }
}

fn remove_file(file: &Path) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if !name.starts_with(FOLDER) {
        let text = format!("{} is not in the folder of an upload", file.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    fs::remove_file(file)?;
    fs::remove_dir(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_upload_is_removed() {
        let base = tempfile::tempdir().unwrap();
        for (name, removed) in [("perjury-agent-1a-7", true), ("bin", false)] {
            let folder = base.path().join(name);
            fs::create_dir(&folder).unwrap();
            let file = folder.join("perjury-agent");
            fs::write(&file, "").unwrap();
            assert_eq!(remove_file(&file).is_ok(), removed);
            assert_eq!((file.exists(), folder.exists()), (!removed, !removed));
        }
    }
}
