//! Getting in through other hosts: `ProxyJump`, one hop and two, each strict about host keys.

use std::fs;
use std::time::{Duration, Instant};

use perjury::remote::{Command, HostKeyProblem, Remote, RemoteError, SshRemote, SshTarget};

use crate::server::{Server, server, user};
use crate::ssh_agent::Agent;

/// Three servers: two to jump over, and the one that is meant.
struct Road {
    servers: [Server; 3],
}

/// What `ssh` is told of each host.
#[derive(Clone, Copy)]
struct Said<'a> {
    identity: &'a str,
    known: &'a str,
}

const RIGHT: Said<'static> = Said { identity: "id", known: "known_hosts" };

impl Road {
    fn of(test: &str) -> Option<Road> {
        let servers = [server(test)?, server(test)?, server(test)?];
        for server in &servers {
            let key = fs::read_to_string(server.path("other_host.pub")).unwrap();
            let name = format!("[127.0.0.1]:{}", server.port);
            fs::write(server.path("known_wrong"), format!("{name} {key}")).unwrap();
            fs::write(server.path("known_none"), "").unwrap();
        }
        Some(Road { servers })
    }

    /// A target behind these jumps, `first` being the jump and `last` the target itself.
    fn target(&self, jumps: &str, said: [Said<'_>; 3], more: &str) -> SshTarget {
        let mut config = String::new();
        for ((name, server), said) in
            ["first", "second", "last"].iter().zip(&self.servers).zip(said)
        {
            config += &format!(
                "Host {name}\n HostName 127.0.0.1\n Port {}\n User {}\n IdentityFile {}\n \
                 IdentitiesOnly yes\n UserKnownHostsFile {}\n GlobalKnownHostsFile none\n \
                 StrictHostKeyChecking accept-new\n",
                server.port,
                user(),
                server.text_path(said.identity),
                server.text_path(said.known),
            );
        }
        config += &format!("Host last\n ProxyJump {jumps}\n{more}");
        let path = self.servers[2].path("jump_config");
        fs::write(&path, config).unwrap();
        let mut target = SshTarget::new("last");
        target.config = Some(path);
        target.connect_deadline = Duration::from_secs(5);
        target
    }

    /// How many logins each server has seen.
    fn logins(&self) -> [usize; 3] {
        self.servers.each_ref().map(|server| server.log().matches("Accepted publickey").count())
    }
}

async fn lets_in(target: &SshTarget) {
    let remote = SshRemote::new(target).unwrap();
    let big = Command::new(["cat"]).stdin(vec![7; 3 << 20]);
    assert_eq!(remote.run(big).await.unwrap().stdout.len(), 3 << 20);
}

async fn refusal(target: &SshTarget) -> RemoteError {
    SshRemote::new(target).unwrap().run(Command::new(["true"])).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_jump_and_two_lead_to_the_target() {
    let Some(road) = Road::of("ProxyJump") else { return };
    lets_in(&road.target("first", [RIGHT; 3], "")).await;
    assert_eq!(road.logins(), [1, 0, 1]);
    lets_in(&road.target("first,second", [RIGHT; 3], "")).await;
    assert_eq!(road.logins(), [2, 1, 2]);
    // The jump that stands for itself, with its user and port.
    let port = road.servers[0].port;
    let uri = format!("{}@127.0.0.1:{port}", user());
    let more = format!(
        "Host 127.0.0.1\n IdentityFile {}\n UserKnownHostsFile {}\n",
        road.servers[0].text_path("id"),
        road.servers[0].text_path("known_hosts")
    );
    lets_in(&road.target(&uri, [RIGHT; 3], &more)).await;
    assert_eq!(road.logins(), [3, 1, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_opens_the_jumps_and_the_target() {
    let Some(road) = Road::of("ProxyJump with an ssh-agent") else { return };
    // All three let one key in, which lies on the disk encrypted.
    let [first, second, last] = &road.servers;
    for server in [first, second] {
        fs::copy(last.path("authorized_keys"), server.path("authorized_keys")).unwrap();
        for file in ["locked", "locked.pub"] {
            fs::copy(last.path(file), server.path(file)).unwrap();
        }
    }
    let agent = Agent::with(last, &["locked"]);
    let locked = Said { identity: "locked", ..RIGHT };
    let more = format!("Host *\n IdentityAgent {}\n", agent.socket);
    lets_in(&road.target("first,second", [locked; 3], &more)).await;
    assert_eq!(road.logins(), [1, 1, 1]);
    drop(agent);
    let RemoteError::Auth { reason, .. } = refusal(&road.target("first", [locked; 3], &more)).await
    else {
        panic!()
    };
    assert!(reason.contains("Permission denied"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_that_is_not_the_known_one_is_no_way_in() {
    let Some(road) = Road::of("host keys of jumps") else { return };
    let of = |known| Said { known, ..RIGHT };
    for (jumps, said) in [
        ("first", [of("known_wrong"), RIGHT, RIGHT]),
        ("first,second", [of("known_wrong"), RIGHT, RIGHT]),
        ("first,second", [RIGHT, of("known_wrong"), RIGHT]),
        ("first", [of("known_none"), RIGHT, RIGHT]),
        ("first,second", [of("known_none"), RIGHT, RIGHT]),
        ("first,second", [RIGHT, of("known_none"), RIGHT]),
        ("first", [RIGHT, RIGHT, of("known_wrong")]),
        ("first,second", [RIGHT, RIGHT, of("known_none")]),
    ] {
        let known = said.map(|said| said.known);
        let started = Instant::now();
        let error = refusal(&road.target(jumps, said, "")).await;
        let RemoteError::HostKey { problem, message } = error else {
            panic!("{jumps} {known:?}: {error}")
        };
        let wrong = known.contains(&"known_wrong");
        let expected = if wrong { HostKeyProblem::Mismatch } else { HostKeyProblem::Unknown };
        assert_eq!(problem, expected, "{jumps} {known:?}: {message}");
        assert!(started.elapsed() < Duration::from_secs(4), "it tried again: {message}");
    }
    // Nothing was written down by `accept-new` either.
    for server in &road.servers {
        assert_eq!(fs::read_to_string(server.path("known_none")).unwrap(), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_that_refuses_says_so_and_leaves_no_process() {
    let Some(road) = Road::of("a jump that refuses") else { return };
    let stranger = Said { identity: "stranger", ..RIGHT };
    for (jumps, said) in
        [("first", [stranger, RIGHT, RIGHT]), ("first,second", [RIGHT, stranger, RIGHT])]
    {
        let error = refusal(&road.target(jumps, said, "")).await;
        let RemoteError::Auth { reason, .. } = error else { panic!("{jumps}: {error}") };
        assert!(reason.contains("Permission denied"), "{jumps}: {reason}");
    }
    // Nobody listens at the jump: that may change, so it is tried until the deadline.
    let more = "Host nobody\n HostName 127.0.0.1\n Port 1\n";
    let mut target = road.target("nobody", [RIGHT; 3], more);
    target.connect_deadline = Duration::from_millis(900);
    let error = refusal(&target).await;
    let RemoteError::Unreachable { attempts, reason, .. } = &error else { panic!("{error}") };
    assert!(*attempts > 1 && reason.contains("Connection refused"), "{error}");
    let folder = road.servers[2].folder.path().to_str().unwrap();
    let left = || {
        let all = std::process::Command::new("ps").args(["-eo", "args"]).output().unwrap();
        let all = String::from_utf8_lossy(&all.stdout).into_owned();
        all.lines().any(|line| line.contains("ssh -F") && line.contains(folder))
    };
    crate::server::eventually("no proxy is left", Duration::from_secs(5), || !left()).await;
}
