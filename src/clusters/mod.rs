//! Where a test runs: bringing nodes up, finding them again, and taking them down.
//!
//! A declaration ([`Spec`]) names one of four backends: namespaces on this machine (`local`),
//! containers (`docker`), machines that are there already (`ssh`), or plain processes without any
//! node (`processes`). [`up`] makes the nodes and answers an [`Inventory`], the only thing that a
//! run needs to know. This is not the place that talks to nodes (`remote`) or that installs a
//! database (`runner`).
//!
//! Invariant: whatever is made is written down in the state folder before it is made, so that
//! [`down`] finds and removes it even after kill -9 of the one who made it. What is not written
//! down there is never touched. On the host's own network nothing is changed.

mod address;
mod archive;
mod base;
mod docker;
mod dockerd;
mod doctor;
mod error;
mod host;
mod image;
mod inventory;
mod keys;
mod leftovers;
mod life;
mod local;
mod network;
mod node;
mod processes;
mod spec;
mod ssh;
mod state;
mod status;

use std::time::Instant;

pub use doctor::{Check, Lack, doctor};
pub use error::ClusterError;
pub use inventory::{Backend, Inventory, Limits, Member, Reach, SshLogin};
pub use leftovers::{Leftover, LeftoverKind, down_all, leftovers};
pub use network::enter_thread;
pub use spec::{DockerSpec, LocalSpec, ProcessesSpec, Spec, SshNode, SshSpec};
pub use ssh::ssh_argv;
pub use state::Places;
pub use status::{NodeState, NodeStatus, Status, inventory, list, status};

/// Told, in one line each, what is being done and how long it took; for a person to read.
pub type Say<'a> = &'a (dyn Fn(&str) + Sync);

/// Brings a cluster up and answers how to reach it. What was made is removed again if any of it
/// fails.
///
/// # Errors
/// The declaration asks for what cannot be, something is missing on this machine, a cluster of
/// that name is there already, or a node does not come up.
pub fn up(places: &Places, spec: &Spec, say: Say<'_>) -> Result<Inventory, ClusterError> {
    spec.check()?;
    let start = Instant::now();
    let home = places.claim(spec.name(), spec.backend())?;
    let result = match spec {
        Spec::Local(local) => local::up(places, &home, local, say),
        Spec::Docker(docker) => docker::up(places, &home, docker, say),
        Spec::Ssh(ssh) => ssh::up(&home, ssh, say),
        Spec::Processes(processes) => processes::up(processes),
    };
    let inventory = result.and_then(|inventory| {
        home.write_inventory(&inventory)?;
        Ok(inventory)
    });
    match inventory {
        Ok(inventory) => {
            say(&format!("cluster {}: up in {:.1?}", spec.name(), start.elapsed()));
            Ok(inventory)
        }
        Err(error) => {
            // The first error is the one to tell; what could not be removed stays written down.
            if let Err(second) = remove(places, home, say) {
                say(&format!("cluster {}: and then: {second}", spec.name()));
            }
            Err(error)
        }
    }
}

/// Takes a cluster down: everything that `up` made, also if it was cut off in the middle. Machines
/// of the `ssh` backend are only forgotten.
///
/// # Errors
/// There is no cluster of that name, somebody else is at work on it, or something of it cannot be
/// removed; it then stays written down, and taking it down may be tried again.
pub fn down(places: &Places, name: &str, say: Say<'_>) -> Result<(), ClusterError> {
    let start = Instant::now();
    let home = places.open(name)?;
    remove(places, home, say)?;
    say(&format!("cluster {name}: down in {:.1?}", start.elapsed()));
    Ok(())
}

fn remove(places: &Places, home: state::Home, say: Say<'_>) -> Result<(), ClusterError> {
    match home.record()?.backend {
        Backend::Local => local::down(&home)?,
        Backend::Docker => docker::down(places, &home, say)?,
        Backend::Ssh | Backend::Processes => (),
    }
    home.forget()
}
