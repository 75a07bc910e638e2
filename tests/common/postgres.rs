//! A real PostgreSQL server on loopback, made by carrying out the driver's own plan.

use std::fs::Permissions;
use std::io::Write;
use std::net::{IpAddr, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use perjury::databases::{Database, Plan};
use perjury_agent::protocol::Account;
use perjury_history::Topology;

/// The server of the first node. Stopped in order at the end, so that it leaves no shared memory.
pub struct Server {
    plan: Plan,
    address: IpAddr,
    folder: tempfile::TempDir,
    child: Child,
}

impl Server {
    /// `None`, loudly, where it cannot be had: PostgreSQL does not run as root, and only root can
    /// start it as somebody else.
    pub fn start(database: &dyn Database, topology: &Topology) -> Option<Server> {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap();
        let plan = database.plan(&topology.nodes[0], topology, dir);
        if let Some(program) = plan.programs.iter().find(|it| !Path::new(&it.path).is_file()) {
            eprintln!("SKIPPED: {} is not installed", program.path);
            return None;
        }
        if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
            eprintln!("SKIPPED: only root can run a server as another user");
            return None;
        }
        for made in &plan.dirs {
            std::fs::create_dir_all(&made.path).unwrap();
            std::fs::set_permissions(&made.path, Permissions::from_mode(made.mode)).unwrap();
            let owner = made.owner.map(|owner| (owner.uid, owner.gid)).unzip();
            chown(&made.path, owner.0, owner.1).unwrap();
        }
        for file in &plan.files {
            std::fs::write(&file.path, &file.bytes.0).unwrap();
        }
        for step in &plan.prepare {
            let ended = run(&step.run.argv, step.run.user, &step.run.stdin.0, folder.path());
            assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        }
        let address = topology.nodes[0].address;
        let child = serve(&plan, address, folder.path());
        Some(Server { plan, address, folder, child })
    }

    /// Kills it and changes files below its folder before it starts again.
    #[allow(dead_code, reason = "not every test binary kills one")]
    pub fn crash(&mut self, change: impl FnOnce(&Path)) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        change(self.folder.path());
        self.child = serve(&self.plan, self.address, self.folder.path());
    }

    /// What an administrator's statement prints.
    #[allow(dead_code, reason = "not every test binary asks")]
    pub fn psql(&self, sql: &str) -> String {
        let psql = PathBuf::from(&self.plan.services[0].argv[0]).with_file_name("psql");
        let host = self.address.to_string();
        let ended = Command::new(psql)
            .args(["-h", &host, "-U", "postgres", "-XAt", "-c", sql])
            .output()
            .unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = &self.plan.stop {
            run(&stop.argv, stop.user, b"", self.folder.path());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(argv: &[String], user: Option<Account>, dir: &Path) -> Command {
    let user = user.unwrap();
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).current_dir(dir).uid(user.uid).gid(user.gid);
    command
}

fn run(argv: &[String], user: Option<Account>, input: &[u8], dir: &Path) -> Output {
    let mut command = command(argv, user, dir);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// Starts the server and waits until it takes connections.
fn serve(plan: &Plan, address: IpAddr, dir: &Path) -> Child {
    let service = &plan.services[0];
    let log = std::fs::File::create(&service.log).unwrap();
    let mut command = command(&service.argv, service.user, dir);
    let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect((address, 5432)).is_err() {
        let log = || std::fs::read_to_string(&service.log).unwrap_or_default();
        assert!(Instant::now() < deadline, "it does not listen: {}", log());
        std::thread::sleep(Duration::from_millis(50));
    }
    child
}
