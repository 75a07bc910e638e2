//! After any end of an agent or its controller, the node holds nothing that was brought there.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal::{SIGKILL, SIGSTOP};
use nix::unistd::Pid;
use perjury::remote::{AgentHandle, LocalRemote, Remote, run_agent};

use crate::agent::{SOON, ancestor_sshd, binary, break_node, options, parent};
use crate::server::{eventually, runs, server};

/// A way in which it all may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The controller closes the agent in order.
    Close,
    /// The controller is gone: its end of the pipe is.
    Drop,
    /// The connection is cut under both.
    Cut,
    /// The worker is killed.
    Worker,
    /// The whole agent is killed at once, and somebody says `perjury heal` later.
    Agent,
}

fn kill(pid: i32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(Pid::from_raw(pid), signal).unwrap();
}

/// The uploads of these processes that are still on the node.
fn uploads(of: &[i32]) -> Vec<String> {
    let folders = ["/var/tmp", "/tmp", "/run"].into_iter().filter_map(|dir| fs::read_dir(dir).ok());
    let names = folders.flatten().flatten().map(|entry| entry.file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    let is_one = |name: &String| {
        let of = of.iter().any(|pid| name.ends_with(&format!("-{pid}")));
        of && name.starts_with("perjury-agent-")
    };
    names.filter(is_one).collect()
}

async fn ends_without_trace(remote: &dyn Remote, binary: &Path, folder: &Path, end: End) {
    let options = options(binary, folder);
    let agent = AgentHandle::start(remote, &options).await.unwrap();
    let (data, pid) = break_node(&agent, folder).await;
    let worker = i32::try_from(agent.hello().pid).unwrap();
    let guardian = parent(worker);
    // Gone while it works, so no end can leave it.
    assert_eq!(uploads(&[worker, guardian]), Vec::<String>::new(), "{end:?}");
    // It starts services all the same: it needs no file for that.
    assert!(runs(pid));
    match end {
        End::Close => drop(agent.close(SOON).await.unwrap()),
        End::Drop => drop(agent),
        End::Cut => kill(ancestor_sshd(worker), SIGKILL),
        End::Worker => kill(worker, SIGKILL),
        End::Agent => {
            kill(guardian, SIGSTOP);
            kill(worker, SIGKILL);
            kill(guardian, SIGKILL);
            // Nobody is left to heal it.
            eventually("they are gone", SOON, || !runs(worker) && !runs(guardian)).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(runs(pid) && data.exists());
            let words = ["heal", "--state", &options.state_dir];
            let output = run_agent(remote, binary, &words, false).await.unwrap();
            assert!(output.status.success() && output.text().contains("service db killed"));
        }
    }
    let state = Path::new(&options.state_dir);
    let healed = || !runs(pid) && !data.exists() && !state.exists() && !runs(guardian);
    eventually("all is as before", SOON, healed).await;
    assert_eq!(uploads(&[worker, guardian]), Vec::<String>::new(), "{end:?}");
    let left: Vec<_> = fs::read_dir(folder).unwrap().flatten().map(|e| e.file_name()).collect();
    // The log is where the caller wanted it, here outside of the directory that is removed.
    assert_eq!(left, ["db.log"], "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_end_over_ssh_leaves_a_trace() {
    let Some(server) = server("traces over SSH") else { return };
    let Some(binary) = binary("traces over SSH") else { return };
    for end in [End::Close, End::Drop, End::Cut, End::Worker, End::Agent] {
        let folder = tempfile::tempdir().unwrap();
        ends_without_trace(&server.remote(), &binary, folder.path(), end).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_end_on_this_machine_leaves_a_trace() {
    let Some(binary) = binary("traces on this machine") else { return };
    for end in [End::Close, End::Drop, End::Worker, End::Agent] {
        let folder = tempfile::tempdir().unwrap();
        ends_without_trace(&LocalRemote, &binary, folder.path(), end).await;
    }
}

/// Two controllers with one binary: neither takes the other's away.
#[tokio::test(flavor = "multi_thread")]
async fn two_controllers_do_not_disturb_each_other() {
    let Some(server) = server("two controllers") else { return };
    let Some(binary) = binary("two controllers") else { return };
    let one = |number: u32| {
        let (remote, binary) = (server.remote(), binary.clone());
        tokio::spawn(async move {
            for _ in 0..4 {
                let folder = tempfile::tempdir().unwrap();
                let options = options(&binary, folder.path());
                let agent = AgentHandle::start(&remote, &options).await.unwrap();
                let (data, pid) = break_node(&agent, folder.path()).await;
                assert!(runs(pid), "controller {number}");
                agent.close(SOON).await.unwrap();
                assert!(!runs(pid) && !data.exists());
            }
        })
    };
    for task in [one(1), one(2), one(3)] {
        task.await.unwrap();
    }
}
