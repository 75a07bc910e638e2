//! `perjury heal`: undoes what a dead run left on the nodes.

use super::Exit;
use super::arguments::Heal;
use crate::clusters::{self, Inventory, Places};
use crate::config::{Kind, load};
use crate::remote::{AgentError, agent_binary, run_agent};
use crate::runner::{remote, state_dir};

pub(super) fn run(options: &Heal) -> Exit {
    let spec: clusters::Spec = match load(Kind::Cluster, &options.cluster) {
        Ok(spec) => spec,
        Err(error) => return Exit::Usage.because(&error),
    };
    let places = Places::from_env();
    let inventory = match clusters::inventory(&places, spec.name()) {
        Ok(Some(inventory)) => inventory,
        Ok(None) => {
            eprintln!(
                "perjury: cluster {} is not up whole; `perjury cluster down {0}` removes it",
                spec.name()
            );
            return Exit::Infrastructure;
        }
        Err(error) => return Exit::Infrastructure.because(&error),
    };
    if let Err(error) = clusters::enter_thread(&inventory) {
        return Exit::Infrastructure.because(&error);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Exit::Infrastructure.because(&error),
    };
    match runtime.block_on(heal(&inventory, options.take_over)) {
        Ok(true) => Exit::Valid,
        Ok(false) => Exit::Infrastructure,
        Err(error) => Exit::Infrastructure.because(&error),
    }
}

async fn heal(inventory: &Inventory, take_over: bool) -> Result<bool, AgentError> {
    let binary = agent_binary()?;
    let mut all = true;
    for member in &inventory.nodes {
        let remote = remote(member)?;
        let state = state_dir(&inventory.name, member);
        let mut words = vec!["heal", "--state", &state];
        words.extend(take_over.then_some("--take-over"));
        let sudo = matches!(member.reach, clusters::Reach::Ssh(_));
        let output = run_agent(remote.as_ref(), &binary, &words, sudo).await?;
        let text = output.text();
        let said = text.trim();
        let said = if said.is_empty() { "nothing to heal" } else { said };
        println!("{}: {said}", member.name);
        if !output.status.success() {
            eprintln!("perjury: {}: {}", member.name, output.complaint());
            all = false;
        }
    }
    Ok(all)
}
