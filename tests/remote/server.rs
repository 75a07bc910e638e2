//! A real `sshd` with keys and a configuration of its own, and a few words that all tests use.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};
use std::time::{Duration, Instant};

use perjury::remote::{Command, Remote, RemoteError, SshRemote, SshTarget};

const SSHD: &str = "/usr/sbin/sshd";

/// A server that ends with the test.
pub(crate) struct Server {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
    sshd: Child,
}

pub(crate) fn must(argv: &[&str]) {
    let output = Program::new(argv[0]).args(&argv[1..]).output().unwrap();
    assert!(output.status.success(), "{argv:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// `None`, said loudly, if there is no `sshd` here.
pub(crate) fn server(test: &str) -> Option<Server> {
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
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text_path(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_string()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("sshd.log")).unwrap_or_default()
    }

    /// Writes the file of known hosts.
    pub(crate) fn know(&self, keys: &[&str]) {
        let line = |name: &&str| {
            let key = fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
            format!("[127.0.0.1]:{} {key}", self.port)
        };
        let lines: String = keys.iter().map(line).collect();
        let text = format!("# a comment\n\n@cert-authority * ssh-ed25519 AAAA\n{lines}");
        fs::write(self.path("known_hosts"), text).unwrap();
    }

    pub(crate) fn target(&self) -> SshTarget {
        let mut target = SshTarget::new("127.0.0.1");
        target.port = Some(self.port);
        target.user = Some(user());
        target.identities = vec![self.path("id")];
        target.known_hosts = vec![self.path("known_hosts")];
        target.config = Some(PathBuf::from("/dev/null"));
        target.connect_deadline = Duration::from_secs(10);
        target
    }

    pub(crate) fn remote(&self) -> SshRemote {
        SshRemote::new(&self.target()).unwrap()
    }

    pub(crate) async fn refusal(&self, target: &SshTarget) -> RemoteError {
        SshRemote::new(target).unwrap().run(Command::new(["true"])).await.unwrap_err()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

pub(crate) fn user() -> String {
    nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap().unwrap().name
}

pub(crate) fn sh(script: &str) -> Command {
    Command::new(["sh", "-c", script])
}

pub(crate) fn runs(pid: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    text.rfind(')').is_some_and(|end| !text[end + 2..].starts_with('Z'))
}

pub(crate) async fn eventually(what: &str, limit: Duration, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
