//! Reaching machines: over SSH against a real `sshd` of our own, and this machine itself.
//!
//! The server listens on 127.0.0.1 with its own keys and configuration in a temporary folder; no
//! configuration or key of the user's is read or changed.
#![allow(clippy::unwrap_used, reason = "helpers of tests are no #[test] functions")]

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use perjury::remote::{
    AgentError, AgentHandle, AgentOptions, Command, HostKeyProblem, LocalRemote, Remote,
    RemoteError, Source, SshRemote, SshTarget, Status, agent_binary, install_agent,
};
use perjury_agent::protocol::{Answer, Body, MakeDir, Run, Service, ServiceState};

const SSHD: &str = "/usr/sbin/sshd";

/// A server that ends with the test.
struct Server {
    folder: tempfile::TempDir,
    port: u16,
    sshd: Child,
}

fn must(argv: &[&str]) {
    let output = Program::new(argv[0]).args(&argv[1..]).output().unwrap();
    assert!(output.status.success(), "{argv:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// `None`, said loudly, if there is no `sshd` here.
fn server(test: &str) -> Option<Server> {
    if !Path::new(SSHD).exists() || Program::new("ssh-keygen").arg("-?").output().is_err() {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr().lock(), "\nSKIPPED {test}: no {SSHD} or ssh-keygen\n");
        return None;
    }
    if nix::unistd::geteuid().is_root() {
        fs::create_dir_all("/run/sshd").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    for (name, kind, passphrase) in [
        ("host_ed25519", "ed25519", ""),
        ("host_ecdsa", "ecdsa", ""),
        ("other_host", "ed25519", ""),
        ("id", "ed25519", ""),
        ("stranger", "ed25519", ""),
        ("locked", "ed25519", "open sesame"),
    ] {
        must(&["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", &path(name)]);
    }
    let public = |name: &str| fs::read_to_string(path(&format!("{name}.pub"))).unwrap();
    fs::write(path("authorized_keys"), public("id") + &public("locked")).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nHostKey {}\nAuthorizedKeysFile {}\n\
         PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 4:100:4\nUseDNS no\n",
        path("host_ed25519"),
        path("host_ecdsa"),
        path("authorized_keys"),
    );
    fs::write(path("sshd_config"), &config).unwrap();
    // Newer servers shut out whom they refused; older ones do not know the word.
    fs::write(path("newer"), config + "PerSourcePenalties no\n").unwrap();
    let newer = Program::new(SSHD).args(["-t", "-f", &path("newer")]).output().unwrap();
    let config = if newer.status.success() { path("newer") } else { path("sshd_config") };
    let log = fs::File::create(path("sshd.log")).unwrap();
    let mut program = Program::new(SSHD);
    program.args(["-D", "-e", "-f", &config]).stdin(Stdio::null()).stderr(log);
    let sshd = program.spawn().unwrap();
    let server = Server { folder, port, sshd };
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "{}", server.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    server.know(&["host_ed25519"]);
    Some(server)
}

impl Server {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text_path(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_string()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("sshd.log")).unwrap_or_default()
    }

    /// Writes the file of known hosts.
    fn know(&self, keys: &[&str]) {
        let line = |name: &&str| {
            let key = fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
            format!("[127.0.0.1]:{} {key}", self.port)
        };
        let lines: String = keys.iter().map(line).collect();
        let text = format!("# a comment\n\n@cert-authority * ssh-ed25519 AAAA\n{lines}");
        fs::write(self.path("known_hosts"), text).unwrap();
    }

    fn target(&self) -> SshTarget {
        let mut target = SshTarget::new("127.0.0.1");
        target.port = Some(self.port);
        target.user = Some(user());
        target.identities = vec![self.path("id")];
        target.known_hosts = vec![self.path("known_hosts")];
        target.config = Some(PathBuf::from("/dev/null"));
        target.connect_deadline = Duration::from_secs(10);
        target
    }

    fn remote(&self) -> SshRemote {
        SshRemote::new(&self.target()).unwrap()
    }

    async fn refusal(&self, target: &SshTarget) -> RemoteError {
        SshRemote::new(target).unwrap().run(Command::new(["true"])).await.unwrap_err()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

fn user() -> String {
    nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name
}

fn sh(script: &str) -> Command {
    Command::new(["sh", "-c", script])
}

const HOSTILE: &[&str] = &[
    "", " ", "'", "\"", "\\", "$HOME", "$(id)", "`id`", "a;b", "*", "~", "#", "!", "\n", "é", "-n",
];

/// The same for every kind of remote.
async fn behaves(remote: &dyn Remote, folder: &Path) {
    let argv = ["printf", "%s\\0"].iter().chain(HOSTILE).map(|word| word.to_string());
    let output = remote.run(Command::new(argv).env("A", "b c")).await.unwrap();
    let want: String = HOSTILE.iter().map(|word| format!("{word}\0")).collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), want);
    let output = remote.run(sh("cat; echo err >&2; exit 7").stdin("input")).await.unwrap();
    assert_eq!((output.status, output.stdout.as_slice()), (Status::Exited(7), &b"input"[..]));
    assert_eq!(output.stderr, b"err\n");
    let output = remote.run(sh("kill -KILL $$")).await.unwrap();
    assert_eq!(output.status, Status::Signaled("KILL".to_string()));
    let output = remote.run(sh("echo $WORD").env("WORD", "it's $HOME")).await.unwrap();
    assert_eq!(output.text(), "it's $HOME");
    let flood = sh("head -c 8000000 /dev/zero >&2; head -c 3000000 /dev/zero; echo end");
    let output = remote.run(flood).await.unwrap();
    assert_eq!((output.stderr.len(), output.stdout.len()), (8_000_000, 3_000_004));
    // Input that nobody reads is no error, and neither is much of it that comes straight back.
    let output = remote.run(Command::new(["true"]).stdin(vec![7; 4 << 20])).await.unwrap();
    assert!(output.status.success());
    let output = remote.run(Command::new(["cat"]).stdin(vec![7; 6 << 20])).await.unwrap();
    assert_eq!(output.stdout.len(), 6 << 20);
    copies(remote, folder).await;
    let pid = folder.join("pid");
    let script = format!("echo $$ > {}; exec sleep 60", pid.display());
    let started = Instant::now();
    let late = remote.run(sh(&script).timeout(Duration::from_millis(800))).await.unwrap_err();
    assert!(matches!(late, RemoteError::Timeout { .. }), "{late}");
    assert!(started.elapsed() < Duration::from_secs(3));
    assert!(remote.run(Command::new(["true"])).await.unwrap().status.success());
    let pid: i32 = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    eventually("what timed out is ended", Duration::from_secs(10), || !runs(pid)).await;
}

async fn copies(remote: &dyn Remote, folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let there = folder.join("it's a file");
    let text = there.to_str().unwrap();
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|number| (number * 7 % 251) as u8).collect();
    remote.upload(Source::Bytes(bytes.clone()), text, 0o640, false).await.unwrap();
    assert_eq!(fs::read(&there).unwrap(), bytes);
    assert_eq!(fs::metadata(&there).unwrap().permissions().mode() & 0o777, 0o640);
    let again = folder.join("again");
    let source = Source::File(there.clone());
    remote.upload(source, again.to_str().unwrap(), 0o600, false).await.unwrap();
    let here = folder.join("here");
    let size = remote.download(again.to_str().unwrap(), &here, false).await.unwrap();
    assert_eq!((size, fs::read(&here).unwrap()), (3_000_000, bytes));
    let error = remote.download("/no/such/file", &here, false).await.unwrap_err();
    assert!(matches!(&error, RemoteError::Usage { reason, .. } if reason.contains("No such file")));
}

fn runs(pid: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rfind(')').is_some_and(|end| !text[end + 2..].starts_with('Z'))
}

async fn eventually(what: &str, limit: Duration, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_ssh_programs_run_and_files_travel() {
    let Some(server) = server("SSH") else { return };
    behaves(&server.remote(), server.folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_this_machine_programs_run_and_files_travel() {
    let folder = tempfile::tempdir().unwrap();
    behaves(&LocalRemote, folder.path()).await;
}

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
        program.args(["--exact", "an_encrypted_key_opens_with_its_passphrase"]);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_there_is_an_error_of_its_own() {
    let Some(server) = server("a full disk") else { return };
    let disk = server.text_path("disk");
    fs::create_dir(&disk).unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", &disk];
    if !Program::new("mount").args(mount).output().unwrap().status.success() {
        eprintln!("\nSKIPPED a full disk: no tmpfs can be mounted\n");
        return;
    }
    let to = format!("{disk}/file");
    let bytes = Source::Bytes(vec![7; 1 << 20]);
    let error = server.remote().upload(bytes, &to, 0o600, false).await.unwrap_err();
    let left = fs::read_dir(&disk).unwrap().count();
    must(&["umount", &disk]);
    assert!(matches!(&error, RemoteError::DiskFull { path, .. } if *path == to), "{error}");
    assert_eq!(left, 0, "nothing half-written stays");
}

/// An agent of our own build, or `None`, said loudly.
fn binary(test: &str) -> Option<PathBuf> {
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

fn options(binary: &str, folder: &Path) -> AgentOptions {
    AgentOptions {
        binary: binary.to_string(),
        state_dir: folder.join("state").to_str().unwrap().to_string(),
        lease: Duration::from_secs(4),
        sudo: false,
        start_timeout: Duration::from_secs(10),
    }
}

const SOON: Duration = Duration::from_secs(10);

/// Starts a service in a directory of its own, and says where and which process.
async fn break_node(agent: &AgentHandle, folder: &Path) -> (PathBuf, i32) {
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
    let path = install_agent(remote, binary).await.unwrap();
    let agent = AgentHandle::start(remote, &options(&path, folder)).await.unwrap();
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
    let agent = AgentHandle::start(remote, &options(&path, folder)).await.unwrap();
    let (data, pid) = break_node(&agent, folder).await;
    drop(agent);
    eventually("it is healed", SOON, || !runs(pid) && !data.exists()).await;
    // An agent that dies is noticed at once.
    let agent = Arc::new(AgentHandle::start(remote, &options(&path, folder)).await.unwrap());
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
    let mut wrong = options("/no/such/agent", folder);
    wrong.start_timeout = Duration::from_secs(3);
    let error = AgentHandle::start(remote, &wrong).await.unwrap_err();
    let missing = matches!(error, AgentError::Start { .. } | AgentError::Remote(_));
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
    let path = install_agent(&remote, &binary).await.unwrap();
    let options = options(&path, server.folder.path());
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

fn ancestor_sshd(mut pid: i32) -> i32 {
    loop {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let (name, rest) = text.split_once('(').unwrap().1.rsplit_once(')').unwrap();
        if name.starts_with("sshd") {
            return pid;
        }
        pid = rest.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(pid > 1, "no sshd above the agent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binary_is_uploaded_once_and_checked() {
    use std::os::unix::fs::MetadataExt;
    let Some(server) = server("uploads by hash") else { return };
    let remote = server.remote();
    let local = server.path("program");
    fs::write(&local, format!("#!/bin/sh\n# {}\n", server.folder.path().display())).unwrap();
    let path = install_agent(&remote, &local).await.unwrap();
    let first = fs::metadata(&path).unwrap();
    assert_eq!(first.mode() & 0o777, 0o700);
    assert_eq!(install_agent(&remote, &local).await.unwrap(), path);
    assert_eq!(fs::metadata(&path).unwrap().ino(), first.ino(), "uploaded twice");
    fs::write(&path, "tampered with").unwrap();
    assert_eq!(install_agent(&remote, &local).await.unwrap(), path);
    assert_eq!(fs::read(&path).unwrap(), fs::read(&local).unwrap());
    fs::remove_file(&path).unwrap();
}
