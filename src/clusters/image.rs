//! The image of the docker nodes: built on the declared base, or on the base tree where no registry
//! is in reach.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use perjury_history::hex;
use sha2::{Digest, Sha256};

use super::dockerd::Client;
use super::state::Home;
use super::{ClusterError, DockerSpec, Places, Say, base, host, node, state};

const DOCKERFILE: &str = include_str!("../../clusters/docker/Dockerfile");
const COMPOSE: &str = include_str!("../../clusters/docker/compose.yaml");
const START: &str = include_str!("../../clusters/docker/start.sh");
const IMPORT: &str = include_str!("import.sh");

/// The folder with `compose.yaml` and `Dockerfile`: the user's, or ours written out.
pub(super) fn directory(home: &Home, spec: &DockerSpec) -> Result<PathBuf, ClusterError> {
    if let Some(directory) = &spec.directory {
        return std::path::absolute(directory).map_err(ClusterError::io(directory));
    }
    let folder = home.path.join("docker");
    state::make_folders(&folder)?;
    for (name, content) in [
        ("Dockerfile", DOCKERFILE),
        ("compose.yaml", COMPOSE),
        ("start.sh", START),
        ("sshd.conf", node::SSHD),
    ] {
        let path = folder.join(name);
        fs::write(&path, content).map_err(ClusterError::io(&path))?;
    }
    Ok(folder)
}

/// The name of an image with all packages, built if it is not there.
pub(super) fn image(
    places: &Places,
    spec: &DockerSpec,
    directory: &Path,
    (client, own_daemon): (&Client, bool),
    say: Say<'_>,
) -> Result<String, ClusterError> {
    let name = format!("perjury-node:{}", recipe(spec, directory)?);
    if exists(client, &name) {
        return Ok(name);
    }
    let build = |base: Option<&str>| build(client, spec, directory, &name, base);
    let start = Instant::now();
    if own_daemon {
        // It has no way out.
        build(Some(&import(places, spec, client, say)?))?;
    } else {
        say("node image: building it, once; it takes some minutes");
        if let Err(error) = build(spec.base.as_deref()) {
            if !state::is_root() {
                return Err(error);
            }
            say(&format!("node image: {error}; building it on the base tree instead"));
            build(Some(&import(places, spec, client, say)?))?;
        }
    }
    say(&format!("node image: built in {:.1?}", start.elapsed()));
    Ok(name)
}

fn build(
    client: &Client,
    spec: &DockerSpec,
    directory: &Path,
    name: &str,
    base: Option<&str>,
) -> Result<(), ClusterError> {
    let mut command = client.program("docker");
    // Without its plugin the client has only the old builder, and wants to be asked for it.
    if client.lines("asking docker", &["buildx", "version"]).is_err() {
        command.env("DOCKER_BUILDKIT", "0");
    }
    command.args(["build", "--tag", name]);
    command.args(["--build-arg", &format!("PACKAGES={}", spec.packages.join(" "))]);
    if let Some(base) = base {
        command.args(["--build-arg", &format!("BASE={base}")]);
    }
    host::run("building the node image", command.arg(directory)).map(|_| ())
}

/// Makes an image of the base tree with the packages, and answers its name.
fn import(
    places: &Places,
    spec: &DockerSpec,
    client: &Client,
    say: Say<'_>,
) -> Result<String, ClusterError> {
    let lower = base::lower(places, &spec.packages, say)?;
    let top = lower[0].file_name().unwrap_or_default().to_string_lossy();
    let name = format!("perjury-base:{top}");
    if exists(client, &name) {
        return Ok(name);
    }
    let root = places.state.join("import");
    state::make_folders(&root)?;
    let mut command = client.prepare(base::isolated(IMPORT));
    command.arg(&name).arg(&root).args(&lower);
    let result = host::run("importing the base tree", &mut command);
    state::remove_tree(&root)?;
    result.map(|_| name)
}

fn exists(client: &Client, image: &str) -> bool {
    client.lines("asking docker", &["image", "inspect", "--format", "{{.Id}}", image]).is_ok()
}

/// A tag that changes with whatever the image is made of, as far as it is known here.
fn recipe(spec: &DockerSpec, directory: &Path) -> Result<String, ClusterError> {
    let mut hasher = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(directory).map_err(ClusterError::io(directory))? {
        files.push(entry.map_err(ClusterError::io(directory))?.path());
    }
    files.sort();
    for path in files.iter().filter(|path| path.is_file()) {
        add(&fs::read(path).map_err(ClusterError::io(path))?);
    }
    add(spec.base.as_deref().unwrap_or_default().as_bytes());
    add(spec.packages.join(" ").as_bytes());
    Ok(hex(&hasher.finalize()[..6]))
}
