//! Getting in: host keys that fail closed, keys with and without a passphrase, aliases, patience.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::process::Command as Program;
use std::time::{Duration, Instant};

use perjury::remote::{Command, HostKeyProblem, Remote, RemoteError, SshRemote, SshTarget};

use crate::server::{must, server, user};

#[tokio::test(flavor = "multi_thread")]
async fn host_keys_fail_closed() {
    let Some(server) = server("host keys") else { return };
    let target = server.target();
    // The server prefers another type of key than the one that is known: no false alarm.
    for known in [&["host_ecdsa"][..], &["host_ed25519"], &["other_host", "host_ed25519"]] {
        server.know(known);
        server.remote().run(Command::new(["true"])).await.unwrap();
    }
    must(&["ssh-keygen", "-q", "-H", "-f", &server.text_path("known_hosts")]);
    server.remote().run(Command::new(["true"])).await.unwrap();
    server.know(&["other_host"]);
    let RemoteError::HostKey { problem, message } = server.refusal(&target).await else { panic!() };
    assert_eq!(problem, HostKeyProblem::Mismatch);
    assert!(message.contains("SHA256:") && message.contains("ssh-keygen -R"), "{message}");
    fs::write(server.path("known_hosts"), "").unwrap();
    let RemoteError::HostKey { problem, message } = server.refusal(&target).await else { panic!() };
    assert_eq!(problem, HostKeyProblem::Unknown);
    assert!(message.contains("ssh-keyscan -p"), "{message}");
    server.know(&["host_ed25519", "host_ecdsa"]);
    let key = fs::read_to_string(server.path("host_ed25519.pub")).unwrap();
    let known = fs::read_to_string(server.path("known_hosts")).unwrap();
    fs::write(server.path("known_hosts"), format!("{known}@revoked * {key}")).unwrap();
    let RemoteError::HostKey { message, .. } = server.refusal(&target).await else { panic!() };
    assert!(message.contains("revoked"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_open_or_say_why_not() {
    let Some(server) = server("keys") else { return };
    let with = |identity: &str, passphrase_env: Option<&str>| {
        let mut target = server.target();
        target.identities = vec![server.path(identity)];
        target.passphrase_env = passphrase_env.map(str::to_string);
        target
    };
    let auth = |error: RemoteError| match error {
        RemoteError::Auth { reason, .. } => reason,
        other => panic!("{other}"),
    };
    let reason = auth(server.refusal(&with("locked", None)).await);
    assert!(reason.contains("is encrypted and no passphrase is at hand"), "{reason}");
    let reason = auth(server.refusal(&with("locked", Some("PERJURY_TEST_NO_SUCH"))).await);
    assert!(reason.contains("$PERJURY_TEST_NO_SUCH is not set"), "{reason}");
    // `HOME` is set to something, which is not the passphrase.
    let reason = auth(server.refusal(&with("locked", Some("HOME"))).await);
    assert!(reason.contains("wrong passphrase"), "{reason}");
    let reason = auth(server.refusal(&with("stranger", None)).await);
    assert!(reason.contains("stranger"), "{reason}");
    let reason = auth(server.refusal(&with("no-such-key", None)).await);
    assert!(reason.contains("No such file"), "{reason}");
}

/// Setting a variable of this process would race with other tests, so another process does it.
#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_key_opens_with_its_passphrase() {
    const AGAIN: &str = "PERJURY_TEST_PASSPHRASE";
    if std::env::var_os(AGAIN).is_none() {
        let me = std::env::current_exe().unwrap();
        let mut program = Program::new(me);
        program.args(["--exact", "login::an_encrypted_key_opens_with_its_passphrase"]);
        let output = program.env(AGAIN, "open sesame").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let Some(server) = server("passphrase") else { return };
    let mut target = server.target();
    target.identities = vec![server.path("locked")];
    target.passphrase_env = Some(AGAIN.to_string());
    let remote = SshRemote::new(&target).unwrap();
    assert!(remote.run(Command::new(["true"])).await.unwrap().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_connections_survive_a_server_that_refuses_some() {
    let Some(server) = server("many connections") else { return };
    // All that the server allows to begin at once are taken by visitors that say nothing. There
    // are some more of them, because a place may still be taken by whoever came before.
    let visit = |_| TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let visitors: Vec<TcpStream> = (0..8).map(visit).collect();
    let tasks: Vec<_> = (0..15)
        .map(|number| {
            let remote = server.remote();
            tokio::spawn(async move {
                remote.run(Command::new(["echo".to_string(), number.to_string()])).await
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let refused = tasks.iter().filter(|task| !task.is_finished()).count();
    assert!(refused > 0, "nobody was refused: {}", server.log());
    drop(visitors);
    let started = Instant::now();
    for (number, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap().unwrap().text(), number.to_string());
    }
    eprintln!("{refused} refused connections made in {:.1?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_unreachable_within_the_deadline() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut target = SshTarget::new("127.0.0.1");
    target.port = Some(port);
    target.config = Program::new("ssh").arg("-V").output().is_ok().then(|| "/dev/null".into());
    target.connect_deadline = Duration::from_millis(700);
    let started = Instant::now();
    let error = SshRemote::new(&target).unwrap().run(Command::new(["true"])).await.unwrap_err();
    let RemoteError::Unreachable { attempts, .. } = &error else { panic!("{error}") };
    assert!(*attempts > 1 && started.elapsed() < Duration::from_secs(2), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn aliases_and_proxies_of_the_configuration_work() {
    let Some(server) = server("configuration") else { return };
    let config = format!(
        "Host n1\n HostName 127.0.0.1\n Port {}\n User {}\n IdentityFile {}\n IdentitiesOnly yes\n \
         UserKnownHostsFile {}\nHost n2\n HostKeyAlias elsewhere\n ProxyCommand bash -c \
         'exec 3<>/dev/tcp/127.0.0.1/{}; cat <&3 & cat >&3; kill $!'\n User {}\n IdentityFile {}\n \
         UserKnownHostsFile {}\n",
        server.port,
        user(),
        server.text_path("id"),
        server.text_path("known_hosts"),
        server.port,
        user(),
        server.text_path("id"),
        server.text_path("known_elsewhere"),
    );
    fs::write(server.path("config"), config).unwrap();
    let key = fs::read_to_string(server.path("host_ed25519.pub")).unwrap();
    fs::write(server.path("known_elsewhere"), format!("elsewhere {key}")).unwrap();
    for alias in ["n1", "n2"] {
        let mut target = SshTarget::new(alias);
        target.config = Some(server.path("config"));
        target.connect_deadline = Duration::from_secs(5);
        let remote = SshRemote::new(&target).unwrap();
        let output = remote.run(Command::new(["echo", alias])).await.unwrap();
        assert_eq!(output.text(), alias);
    }
}
