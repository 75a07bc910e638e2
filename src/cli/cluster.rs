//! `perjury cluster`: up, down, status, ssh.

use std::os::unix::process::CommandExt;

use super::Exit;
use super::arguments::Cluster;
use crate::clusters::{self, ClusterError, NodeState, Places};
use crate::config::{Kind, load};

pub(super) fn run(command: &Cluster) -> Exit {
    let places = Places::from_env();
    let say = |text: &str| eprintln!("{text}");
    let result = match command {
        Cluster::Up { cluster } => {
            let spec: clusters::Spec = match load(Kind::Cluster, cluster) {
                Ok(spec) => spec,
                Err(error) => return Exit::Usage.because(&error),
            };
            clusters::up(&places, &spec, &say).map(|inventory| {
                for node in &inventory.nodes {
                    println!("{} {}", node.name, node.address);
                }
            })
        }
        Cluster::Down { all: true, .. } => clusters::down_all(&places, &say),
        Cluster::Down { name: Some(name), .. } => clusters::down(&places, name, &say),
        Cluster::Down { name: None, .. } => unreachable!("the parser asks for one of them"),
        Cluster::Status => status(&places),
        Cluster::Ssh { cluster, node, command } => ssh(&places, cluster, node, command),
    };
    match result {
        Ok(()) => Exit::Valid,
        Err(error @ ClusterError::Declaration { .. }) => Exit::Usage.because(&error),
        Err(error) => Exit::Infrastructure.because(&error),
    }
}

fn status(places: &Places) -> Result<(), ClusterError> {
    for name in clusters::list(places) {
        let status = clusters::status(places, &name)?;
        let whole = if status.whole { "up" } else { "incomplete: take it down" };
        println!("{name} ({:?}): {whole}", status.backend);
        for node in status.nodes {
            let state = match node.state {
                NodeState::Up => "up".into(),
                NodeState::Down(why) => format!("down: {why}"),
                NodeState::Address => "an address of this machine".into(),
            };
            println!("  {} {} {state}", node.name, node.address);
        }
    }
    for leftover in clusters::leftovers(places) {
        println!("left over: {leftover:?}");
    }
    Ok(())
}

fn ssh(places: &Places, cluster: &str, node: &str, command: &[String]) -> Result<(), ClusterError> {
    let inventory = clusters::inventory(places, cluster)?.ok_or_else(|| ClusterError::Failed {
        step: format!("logging in to {node}"),
        what: format!("cluster {cluster} did not come up whole: take it down and up again"),
    })?;
    let argv = clusters::ssh_argv(&inventory, &node.into())?;
    let error = std::process::Command::new(&argv[0]).args(&argv[1..]).args(command).exec();
    Err(ClusterError::Failed { step: format!("running {}", argv[0]), what: error.to_string() })
}
