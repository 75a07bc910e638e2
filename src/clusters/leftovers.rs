//! What is left on this machine of clusters that nobody took down.
//!
//! Ours is what our state folder records or what lies in it; that is removed. What only bears a
//! name like ours may belong to another state folder, so it is reported and never touched.

use std::fs;

use super::dockerd::{Client, Daemon};
use super::{ClusterError, Places, Say, base, down, life, state};

/// Something that is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// What it is.
    pub kind: LeftoverKind,
    /// What it is, for a person: its name or number, and why it counts as left.
    pub what: String,
    /// Whether [`down_all`] removes it.
    pub ours: bool,
}

/// What is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftoverKind {
    /// A recorded cluster that did not come up whole, or did not survive a reboot.
    Cluster,
    /// A process of a node that no record knows.
    Process,
    /// A network namespace.
    Namespace,
    /// A docker daemon of ours that no cluster needs.
    Daemon,
    /// A container that no record knows.
    Container,
    /// A folder in the cache in which a build was cut off.
    Build,
}

/// Finds what is left. A cluster that is whole, or that somebody is at work on, is not.
pub fn leftovers(places: &Places) -> Vec<Leftover> {
    let mut found = Vec::new();
    clusters(places, &mut found);
    processes(places, &mut found);
    namespaces(places, &mut found);
    docker(places, &mut found);
    for path in base::cut_builds(places) {
        let what = format!("{}: a build that was cut off", path.display());
        found.push(Leftover { kind: LeftoverKind::Build, what, ours: true });
    }
    found
}

fn clusters(places: &Places, found: &mut Vec<Leftover>) {
    for name in places.names() {
        let Ok(home) = places.open(&name) else { continue };
        let whole = matches!(places.inventory(&name), Ok(Some(_)));
        let rebooted = home.record().is_ok_and(|record| record.is_of_earlier_boot());
        let what = match (whole, rebooted) {
            (false, _) => format!("cluster {name}: it did not come up whole"),
            (true, true) => format!("cluster {name}: it was up before this machine was started"),
            (true, false) => continue,
        };
        found.push(Leftover { kind: LeftoverKind::Cluster, what, ours: true });
    }
}

fn processes(places: &Places, found: &mut Vec<Leftover>) {
    let folder = places.clusters();
    for life in life::living_on(&folder) {
        let known = places.names().iter().any(|name| lives_in(places, name, life.pid));
        if !known {
            let what = format!("process {}: it uses {}", life.pid, folder.display());
            found.push(Leftover { kind: LeftoverKind::Process, what, ours: true });
        }
    }
}

/// Does a process belong to a recorded cluster?
fn lives_in(places: &Places, name: &str, pid: i32) -> bool {
    let folder = places.clusters().join(name);
    folder.is_dir() && life::living_on(&folder).iter().any(|life| life.pid == pid)
}

fn namespaces(places: &Places, found: &mut Vec<Leftover>) {
    let recorded: Vec<String> = places
        .names()
        .iter()
        .filter_map(|name| places.record(name).ok()?.namespace)
        .chain([Daemon::of(places).namespace()])
        .collect();
    for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("perjury") && !recorded.contains(&name) {
            let what = format!(
                "network namespace {name}: not recorded here; if no other state folder knows it, \
                 `ip netns del {name}`"
            );
            found.push(Leftover { kind: LeftoverKind::Namespace, what, ours: false });
        }
    }
}

fn docker(places: &Places, found: &mut Vec<Leftover>) {
    let composed = |name: &String| places.record(name).ok()?.compose;
    let projects: Vec<_> = places.names().iter().filter_map(composed).collect();
    if Daemon::of(places).runs() && !projects.iter().any(|compose| compose.own_daemon) {
        let what = "docker daemon of ours: no cluster needs it".into();
        found.push(Leftover { kind: LeftoverKind::Daemon, what, ours: true });
    }
    let list = ["ps", "--all", "--filter", "label=perjury.cluster", "--format"];
    let format = "{{.ID}} {{.Label \"com.docker.compose.project\"}}";
    let lines = Client::users().lines("asking docker", &[&list[..], &[format]].concat());
    for line in lines.unwrap_or_default() {
        let (id, project) = line.split_once(' ').unwrap_or((&line, ""));
        if !projects.iter().any(|compose| compose.project == project) {
            let what = format!(
                "container {id}: its project {project} is not recorded here; if no other state \
                 folder knows it, `docker rm -f {id}`"
            );
            found.push(Leftover { kind: LeftoverKind::Container, what, ours: false });
        }
    }
}

/// Takes down all recorded clusters, whole or not, and removes whatever else is left of ours.
///
/// # Errors
/// The first error; the rest is removed all the same.
pub fn down_all(places: &Places, say: Say<'_>) -> Result<(), ClusterError> {
    let mut first = Ok(());
    let mut keep = |result: Result<(), ClusterError>| {
        if first.is_ok() {
            first = result;
        }
    };
    for name in places.names() {
        keep(down(places, &name, say));
    }
    if places.names().is_empty() {
        for life in life::living_on(&places.clusters()) {
            keep(life.end(nix::sys::signal::Signal::SIGKILL));
        }
        keep(Daemon::of(places).stop());
    }
    for path in base::cut_builds(places) {
        keep(state::remove_tree(&path));
    }
    first
}
