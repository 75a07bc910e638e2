//! Getting in with the keys of a real `ssh-agent`, whose keys lie on the disk encrypted or not at
//! all.
//!
//! Where the agent is comes from `$SSH_AUTH_SOCK` or from `IdentityAgent`. The former would have to
//! be set for this whole process, so another process does what needs it.

use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command as Program, Stdio};
use std::time::{Duration, Instant};

use perjury::remote::{Command, Remote, RemoteError, SshRemote, SshTarget};

use crate::server::{Server, must, server};

/// An agent that ends with the test.
pub(crate) struct Agent {
    pub(crate) socket: String,
    child: Child,
}

impl Agent {
    /// An agent that holds these keys of the server's folder. The encrypted ones are unlocked as a
    /// user does it: `ssh-add` asks a program for the passphrase.
    pub(crate) fn with(server: &Server, keys: &[&str]) -> Agent {
        let socket = server.text_path("agent.sock");
        // One that was killed leaves its socket, and the next one does not take it over.
        let _ = fs::remove_file(&socket);
        let mut program = Program::new("ssh-agent");
        program.args(["-D", "-a", &socket]).stdout(Stdio::null()).stderr(Stdio::null());
        let child = program.spawn().unwrap();
        let agent = Agent { socket, child };
        let deadline = Instant::now() + Duration::from_secs(10);
        while UnixStream::connect(&agent.socket).is_err() {
            assert!(Instant::now() < deadline, "no ssh-agent");
            std::thread::sleep(Duration::from_millis(5));
        }
        let ask = server.path("askpass");
        fs::write(&ask, "#!/bin/sh\necho 'open sesame'\n").unwrap();
        must(&["chmod", "700", ask.to_str().unwrap()]);
        for key in keys {
            let mut add = Program::new("setsid");
            add.args(["ssh-add", "-q", &server.text_path(key)]).stdin(Stdio::null());
            add.env("SSH_AUTH_SOCK", &agent.socket).env("SSH_ASKPASS", &ask);
            add.env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", "none");
            let output = add.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A target that names no key file but those of its configuration, and this agent.
fn target(server: &Server, agent: &str, more: &str) -> SshTarget {
    let config = format!("Host *\n IdentityAgent {agent}\n IdentityFile /no/such/key\n{more}");
    fs::write(server.path("agent_config"), config).unwrap();
    let mut target = server.target();
    target.identities = Vec::new();
    target.config = Some(server.path("agent_config"));
    target
}

async fn lets_in(target: &SshTarget) {
    let remote = SshRemote::new(target).unwrap();
    assert_eq!(remote.run(Command::new(["echo", "in"])).await.unwrap().text(), "in");
}

async fn refused(target: &SshTarget) -> String {
    let remote = SshRemote::new(target).unwrap();
    match remote.run(Command::new(["true"])).await.unwrap_err() {
        RemoteError::Auth { reason, .. } => reason,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_file_is_encrypted_opens_from_the_agent() {
    let Some(server) = server("an ssh-agent") else { return };
    let agent = Agent::with(&server, &["stranger", "locked"]);
    lets_in(&target(&server, &agent.socket, "")).await;
    // Also where the key is named, by its file or by its public half alone, and no other may be
    // offered.
    let mut named = target(&server, &agent.socket, "");
    named.identities = vec![server.path("locked")];
    lets_in(&named).await;
    let public = format!(" IdentityFile {}\n IdentitiesOnly yes\n", server.text_path("locked.pub"));
    lets_in(&target(&server, &agent.socket, &public)).await;
    named.identities = vec![server.path("stranger")];
    let reason = refused(&named).await;
    assert!(reason.contains("none of the 1 keys of the ssh-agent is accepted"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_the_environment_is_used() {
    const AGAIN: &str = "PERJURY_TEST_AGENT_OF";
    let Some(folder) = std::env::var_os(AGAIN).map(PathBuf::from) else {
        let Some(server) = server("an ssh-agent of the environment") else { return };
        let agent = Agent::with(&server, &["locked"]);
        fs::write(server.path("port"), server.port.to_string()).unwrap();
        let mut program = Program::new(std::env::current_exe().unwrap());
        program.args(["--exact", "ssh_agent::an_agent_of_the_environment_is_used"]);
        program.env(AGAIN, server.folder.path()).env("SSH_AUTH_SOCK", &agent.socket);
        // Without default keys.
        let output = program.env("HOME", server.folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    };
    let mut target = SshTarget::new("127.0.0.1");
    target.port = Some(fs::read_to_string(folder.join("port")).unwrap().parse().unwrap());
    target.known_hosts = vec![folder.join("known_hosts")];
    target.config = Some(PathBuf::from("/dev/null"));
    lets_in(&target).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_cannot_help_is_told_apart() {
    let Some(server) = server("ssh-agents that do not help") else { return };
    let gone = server.text_path("gone.sock");
    let reason = refused(&target(&server, &gone, "")).await;
    assert!(reason.contains(&gone) && reason.contains("does not answer"), "{reason}");
    assert!(reason.contains("ssh-add"), "{reason}");
    // A socket that is left of an agent which was killed.
    drop(UnixListener::bind(&gone).unwrap());
    let reason = refused(&target(&server, &gone, "")).await;
    assert!(reason.contains("does not answer"), "{reason}");
    let reason = refused(&target(&server, "none", "")).await;
    assert!(reason.contains("there is no key to try"), "{reason}");
    let agent = Agent::with(&server, &[]);
    let reason = refused(&target(&server, &agent.socket, "")).await;
    assert!(reason.contains("holds no key"), "{reason}");
    drop(agent);
    let agent = Agent::with(&server, &["stranger"]);
    let reason = refused(&target(&server, &agent.socket, "")).await;
    assert!(reason.contains("none of the 1 keys of the ssh-agent is accepted"), "{reason}");
    // The right key is at hand, but it is not the one that is named.
    let mut named = target(&server, &agent.socket, "");
    named.identities = vec![server.path("locked")];
    let reason = refused(&named).await;
    assert!(reason.contains("is encrypted"), "{reason}");
    assert!(reason.contains("none of the 1 keys of the ssh-agent belongs to"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_keys_of_an_agent_are_said_at_once() {
    let Some(server) = server("an ssh-agent of many keys") else { return };
    let names: Vec<String> = (0..8).map(|number| format!("wrong{number}")).collect();
    for name in &names {
        must(&["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", &server.text_path(name)]);
    }
    let mut keys: Vec<&str> = names.iter().map(String::as_str).collect();
    keys.push("locked");
    let agent = Agent::with(&server, &keys);
    let started = Instant::now();
    let reason = refused(&target(&server, &agent.socket, "")).await;
    assert!(reason.contains("hung up") && reason.contains("IdentitiesOnly"), "{reason}");
    assert!(started.elapsed() < Duration::from_secs(8), "it tried again: {reason}");
    // As that message says.
    let mut named = target(&server, &agent.socket, "");
    named.identities = vec![server.path("locked")];
    lets_in(&named).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_never_answers_holds_nobody_for_ever() {
    let Some(server) = server("a silent ssh-agent") else { return };
    let silent = server.text_path("silent.sock");
    let _listening = UnixListener::bind(&silent).unwrap();
    let mut target = target(&server, &silent, "");
    target.connect_deadline = Duration::from_secs(1);
    let started = Instant::now();
    let error = server.refusal(&target).await;
    assert!(matches!(error, RemoteError::Timeout { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
}
