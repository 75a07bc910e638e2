//! The controller's end of a node's agent, here and over SSH.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::sync::Arc;
use std::time::{Duration, Instant};

use perjury::remote::{AgentError, AgentHandle, AgentOptions, LocalRemote, Remote, agent_binary};
use perjury_agent::protocol::{Answer, Body, MakeDir, Run, Service, ServiceState};

use crate::server::{eventually, runs, server};

/// An agent of our own build, or `None`, said loudly.
pub(crate) fn binary(test: &str) -> Option<PathBuf> {
    let found = agent_binary().ok().filter(|path| {
        let output = Program::new(path).arg("version").output();
        output.is_ok_and(|output| {
            String::from_utf8_lossy(&output.stdout).contains(perjury_agent::VERSION)
        })
    });
    if found.is_none() {
        eprintln!("\nSKIPPED {test}: no agent of this build; run `make agent`\n");
    }
    found
}

pub(crate) fn options(binary: &Path, folder: &Path) -> AgentOptions {
    AgentOptions {
        binary: binary.to_path_buf(),
        state_dir: folder.join("state").to_str().unwrap().to_string(),
        lease: Duration::from_secs(4),
        sudo: false,
        start_timeout: Duration::from_secs(10),
    }
}

pub(crate) const SOON: Duration = Duration::from_secs(10);

/// Starts a service in a directory of its own, and says where and which process.
pub(crate) async fn break_node(agent: &AgentHandle, folder: &Path) -> (PathBuf, i32) {
    let data = folder.join("data");
    let path = data.to_str().unwrap().to_string();
    let make = MakeDir { path, mode: 0o755, owner: None, remove_on_heal: true };
    agent.request(Body::MakeDir(make), SOON).await.unwrap();
    let service = Service {
        name: "db".to_string(),
        argv: vec!["sleep".to_string(), "300".to_string()],
        env: Default::default(),
        cwd: None,
        log: folder.join("db.log").to_str().unwrap().to_string(),
        user: None,
        limits: Default::default(),
    };
    match agent.request(Body::Start(service), SOON).await.unwrap() {
        Answer::Service(ServiceState::Running { pid }) => (data, pid.try_into().unwrap()),
        other => panic!("{other:?}"),
    }
}

async fn agent_behaves(remote: &dyn Remote, binary: &Path, folder: &Path) {
    let agent = AgentHandle::start(remote, &options(binary, folder)).await.unwrap();
    assert_eq!(agent.hello().version, perjury_agent::VERSION);
    let slow = Run {
        argv: ["sleep", "1"].map(str::to_string).to_vec(),
        timeout_ms: 5000,
        ..Run::default()
    };
    let started = Instant::now();
    let slow = agent.request(Body::Run(slow), SOON);
    let quick = agent.request(Body::Renew, SOON);
    let (slow, quick) = tokio::join!(slow, async { (quick.await, started.elapsed()) });
    assert!(slow.is_ok() && quick.0.is_ok() && quick.1 < Duration::from_millis(500));
    let (data, pid) = break_node(&agent, folder).await;
    // Longer than the lease: the handle renews it.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(runs(pid) && agent.lost().is_none());
    let healed = agent.close(SOON).await.unwrap();
    assert_eq!((healed.undone.len(), healed.failed.len()), (2, 0), "{healed:?}");
    assert!(!runs(pid) && !data.exists() && !folder.join("state").exists());
    // A handle that is dropped heals too.
    let agent = AgentHandle::start(remote, &options(binary, folder)).await.unwrap();
    let (data, pid) = break_node(&agent, folder).await;
    drop(agent);
    eventually("it is healed", SOON, || !runs(pid) && !data.exists()).await;
    // An agent that dies is noticed at once.
    let agent = Arc::new(AgentHandle::start(remote, &options(binary, folder)).await.unwrap());
    let (data, pid) = break_node(&agent, folder).await;
    let asker = agent.clone();
    let argv = ["sleep", "60"].map(str::to_string).to_vec();
    let sleep = Run { argv, timeout_ms: 60_000, ..Run::default() };
    let waiting =
        tokio::spawn(async move { asker.request(Body::Run(sleep), Duration::from_secs(60)).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let worker = i32::try_from(agent.hello().pid).unwrap();
    let killed = Instant::now();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(worker), nix::sys::signal::SIGKILL).unwrap();
    let error = waiting.await.unwrap().unwrap_err();
    eprintln!("{}: a dead agent noticed after {:.1?}", remote.place(), killed.elapsed());
    assert!(matches!(error, AgentError::Lost { .. }), "{error}");
    assert!(killed.elapsed() < Duration::from_secs(2) && agent.lost().is_some());
    eventually("the guardian healed", SOON, || !runs(pid) && !data.exists()).await;
    let mut wrong = options(Path::new("/no/such/agent"), folder);
    wrong.start_timeout = Duration::from_secs(3);
    let error = AgentHandle::start(remote, &wrong).await.unwrap_err();
    let missing = matches!(error, AgentError::Remote(_));
    assert!(missing, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_on_this_machine_heals() {
    let Some(binary) = binary("a local agent") else { return };
    let folder = tempfile::tempdir().unwrap();
    agent_behaves(&LocalRemote, &binary, folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_over_ssh_heals() {
    let Some(server) = server("an agent over SSH") else { return };
    let Some(binary) = binary("an agent over SSH") else { return };
    agent_behaves(&server.remote(), &binary, server.folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_ssh_session_heals_and_is_noticed() {
    let Some(server) = server("a killed session") else { return };
    let Some(binary) = binary("a killed session") else { return };
    let remote = server.remote();
    let options = options(&binary, server.folder.path());
    let agent = AgentHandle::start(&remote, &options).await.unwrap();
    let (data, pid) = break_node(&agent, server.folder.path()).await;
    // The agent's guardian is a child of a shell or of the session's sshd itself.
    let session = ancestor_sshd(i32::try_from(agent.hello().pid).unwrap());
    let killed = Instant::now();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(session), nix::sys::signal::SIGKILL).unwrap();
    eventually("it is noticed", SOON, || agent.lost().is_some()).await;
    eprintln!("a killed session noticed after {:.1?}", killed.elapsed());
    eventually("it is healed", SOON, || !runs(pid) && !data.exists()).await;
    eprintln!("and healed after {:.1?}", killed.elapsed());
    let error = agent.request(Body::Renew, SOON).await.unwrap_err();
    assert!(matches!(error, AgentError::Lost { .. }), "{error}");
}

pub(crate) fn ancestor_sshd(mut pid: i32) -> i32 {
    while !stat(pid).0.starts_with("sshd") {
        pid = parent(pid);
        assert!(pid > 1, "no sshd above the agent");
    }
    pid
}

pub(crate) fn parent(pid: i32) -> i32 {
    stat(pid).1
}

/// The name of a process and its parent.
fn stat(pid: i32) -> (String, i32) {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (name, rest) = text.split_once('(').unwrap().1.rsplit_once(')').unwrap();
    (name.to_string(), rest.split_whitespace().nth(1).unwrap().parse().unwrap())
}
