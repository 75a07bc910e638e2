//! A state folder of a test's own, and the looks at the machine that show that nothing is left.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use perjury::clusters::{self, Inventory, LocalSpec, NodeState, Places, Spec, ssh_argv};
use perjury::remote::{self};

/// The environment variables by which a test passes on to its child what it shall do.
pub(crate) const CHILD_STATE: &str = "PERJURY_TEST_STATE";
pub(crate) const CHILD_NAME: &str = "PERJURY_TEST_NAME";

/// A state folder, and what the machine looked like before.
pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) places: Places,
    pub(crate) before: Network,
}

/// What the host's own network has, line by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) links: BTreeSet<String>,
    pub(crate) routes: BTreeSet<String>,
    pub(crate) tables: BTreeSet<String>,
}

pub(crate) fn say(line: &str) {
    eprintln!("  {line}");
}

/// A bench, or the reason why there is none.
pub(crate) fn bench(test: &str, more: &[&str]) -> Option<Bench> {
    let mut missing = Vec::new();
    if !nix::unistd::geteuid().is_root() {
        missing.push("root".to_string());
    }
    for program in ["debootstrap", "ip", "nft", "unshare", "ssh"].iter().chain(more) {
        if !runs(program) {
            missing.push(program.to_string());
        }
    }
    if let Err(error) = remote::agent_binary() {
        missing.push(format!("the agent ({error})"));
    }
    if !missing.is_empty() {
        eprintln!("SKIPPED {test}: missing {}", missing.join(", "));
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let places = Places { state, ..Places::from_env() };
    Some(Bench { folder, places, before: Network::now() })
}

pub(crate) fn runs(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).output();
    found.is_ok_and(|output| output.status.success())
}

pub(crate) fn output_of(words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A name that no other test and no user has.
pub(crate) fn name(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{number}-{what}", std::process::id())
}

impl Network {
    pub(crate) fn now() -> Network {
        let lines = |words: &[&str]| {
            let output = output_of(words);
            output.lines().map(str::to_string).collect::<Vec<_>>().into_iter()
        };
        let links = output_of(&["ip", "-o", "link"]);
        // The state of a link may change by itself; its name may not.
        let link = |line: &str| line.split(": ").nth(1).unwrap_or_default().to_string();
        Network {
            links: links.lines().map(link).collect(),
            // Whether a docker that was here before builds something is its own affair.
            routes: lines(&["ip", "-o", "route", "show", "table", "all"])
                .filter(|line| !line.contains("dev docker0"))
                .collect(),
            tables: lines(&["nft", "list", "tables"]).collect(),
        }
    }
}

impl Bench {
    /// The host's network is as before. Other programs of this machine may be at work, so what is
    /// new has to stay for a while to count.
    pub(crate) fn assert_host_network_untouched(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let now = Network::now();
            if now == self.before {
                return;
            }
            assert!(Instant::now() < deadline, "before: {:#?}\nnow: {now:#?}", self.before);
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Nothing is left that bears a name of ours or lies in our state folder.
    pub(crate) fn assert_nothing_left(&self, name: &str) {
        let namespaces = output_of(&["ip", "netns", "list"]);
        assert!(!namespaces.contains(name), "{namespaces}");
        let state = self.places.state.display().to_string();
        assert_eq!(mounted_below(&state), Vec::<String>::new());
        assert_eq!(alive_with(&state), Vec::<String>::new());
        let clusters = self.places.state.join("clusters");
        let left: Vec<_> = fs::read_dir(&clusters).into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
        assert!(!self.places.state.join("docker").exists(), "the daemon's folder is left");
        let ours: Vec<_> =
            clusters::leftovers(&self.places).into_iter().filter(|left| left.ours).collect();
        assert!(ours.is_empty(), "{ours:?}");
        self.assert_host_network_untouched();
    }

    pub(crate) fn local(&self, name: &str, nodes: u16) -> Spec {
        let _ = self;
        Spec::Local(LocalSpec { name: name.into(), nodes, ..LocalSpec::default() })
    }

    pub(crate) fn up(&self, spec: &Spec) -> Inventory {
        clusters::up(&self.places, spec, &say).unwrap()
    }

    pub(crate) fn down(&self, name: &str) {
        clusters::down(&self.places, name, &say).unwrap();
    }

    /// Another process that runs one of the ignored tests below.
    pub(crate) fn child(&self, test: &str, name: &str) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                &format!("killed::{test}"),
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(CHILD_STATE, &self.places.state)
            .env(CHILD_NAME, name)
            .env("PERJURY_CACHE", &self.places.cache)
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    }
}

/// A test that fails leaves its cluster; it is taken down all the same.
impl Drop for Bench {
    fn drop(&mut self) {
        if let Err(error) = clusters::down_all(&self.places, &|_| ()) {
            eprintln!("  and then: {error}");
        }
    }
}

/// The mount points of this process below a folder.
pub(crate) fn mounted_below(folder: &str) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    points.filter(|point| point.starts_with(folder)).map(str::to_string).collect()
}

/// The living processes that name a folder in their arguments or have mounted something of it.
pub(crate) fn alive_with(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        let Ok(line) = fs::read(path.join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let mounts = fs::read_to_string(path.join("mountinfo")).unwrap_or_default();
        if line.contains(folder) || mounts.contains(folder) {
            found.push(format!("{}: {line}", path.display()));
        }
    }
    found
}

/// Runs a command in a node by `ssh`, with strict checks, and answers what it printed.
pub(crate) fn ssh(inventory: &Inventory, node: &str, command: &str) -> Result<String, String> {
    let mut argv = ssh_argv(inventory, &node.into()).unwrap();
    let at = argv.len() - 1;
    for option in ["BatchMode=yes", "ConnectTimeout=5"] {
        argv.splice(at..at, ["-o".to_string(), option.to_string()]);
    }
    argv.push(command.into());
    assert!(argv.iter().any(|word| word == "StrictHostKeyChecking=yes"), "{argv:?}");
    let output = Command::new(&argv[0]).args(&argv[1..]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_string();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(format!("{}: {}", output.status, text(&output.stderr))),
    }
}

/// What answers on the port of sshd if the host's own network is used. Some machine outside may
/// have that address, or pretend to.
pub(crate) fn greeting_from_host(address: std::net::IpAddr) -> Vec<u8> {
    let patience = Duration::from_millis(500);
    let Ok(mut stream) = TcpStream::connect_timeout(&(address, 22).into(), patience) else {
        return Vec::new();
    };
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut greeting = [0; 4];
    let read = stream.read(&mut greeting).unwrap_or(0);
    greeting[..read].to_vec()
}

/// Every node lets us in, and knows who it is.
pub(crate) fn assert_all_let_us_in(bench: &Bench, inventory: &Inventory) {
    for member in &inventory.nodes {
        let node = member.name.as_str();
        assert_eq!(ssh(inventory, node, "hostname").as_deref(), Ok(node));
    }
    let status = clusters::status(&bench.places, &inventory.name).unwrap();
    assert!(status.whole);
    assert!(status.nodes.iter().all(|node| node.state == NodeState::Up), "{status:?}");
}
