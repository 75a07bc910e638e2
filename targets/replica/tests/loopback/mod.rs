//! Replicas as processes on loopback addresses of a test's own, whatever agrees inside of them: a
//! part of the tests of every server beside this package.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use replica::config::SigningKey;
use serde_json::{Value as Json, json};

/// So many replicas, each of which may be dead.
pub struct Cluster {
    program: &'static str,
    net: String,
    folder: tempfile::TempDir,
    replicas: Vec<Option<Child>>,
}

impl Cluster {
    /// Starts them, with the protocol's own part of their configuration, and waits until all are
    /// healthy. `net` is the first three bytes of their addresses.
    pub fn start(program: &'static str, net: &str, count: usize, protocol: &Json) -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        let hex = |bytes: [u8; 32]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let secret = |at: usize| SigningKey::from_bytes(&[at as u8 + 1; 32]);
        let replicas: Vec<Json> = (0..count)
            .map(|at| {
                json!({
                    "key": hex(secret(at).verifying_key().to_bytes()),
                    "peers": format!("{net}.{}:7100", at + 1),
                    "clients": format!("{net}.{}:7101", at + 1),
                })
            })
            .collect();
        for at in 0..count {
            let path = |name: &str| folder.path().join(format!("{name}-{at}"));
            std::fs::write(path("secret"), hex(secret(at).to_bytes())).unwrap();
            let config = json!({
                "me": at, "replicas": replicas, "secret": path("secret"), "store": path("store"),
                "idle-ms": var("IDLE").unwrap_or(100), "sync": var("SYNC").unwrap_or(0) == 1,
                "protocol": protocol,
            });
            std::fs::write(path("config"), config.to_string()).unwrap();
        }
        let replicas = std::iter::repeat_with(|| None).take(count).collect();
        let mut cluster = Cluster { program, net: net.to_owned(), folder, replicas };
        (0..count).for_each(|at| cluster.run(at));
        cluster.wait_until_healthy();
        cluster
    }

    /// Waits for all of them.
    pub fn wait_until_healthy(&self) {
        let end = Instant::now() + Duration::from_secs(30);
        while !(0..self.replicas.len()).all(|at| self.status(at)["healthy"] == true) {
            assert!(Instant::now() < end, "not healthy: {}", self.log(0));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn path(&self, name: &str, at: usize) -> PathBuf {
        self.folder.path().join(format!("{name}-{at}"))
    }

    pub fn run(&mut self, at: usize) {
        let log = std::fs::File::options().create(true).append(true).open(self.path("log", at));
        let log = log.unwrap();
        let child = Command::new(self.program)
            .arg(self.path("config", at))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.replicas[at] = Some(child.unwrap());
    }

    pub fn kill(&mut self, at: usize) {
        let mut child = self.replicas[at].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn log(&self, at: usize) -> String {
        let text = std::fs::read_to_string(self.path("log", at)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// One question on a connection of its own; null if there is no answer in time.
    pub fn ask(&self, at: usize, question: &Json, limit: Duration) -> Json {
        let Ok(mut stream) = TcpStream::connect(format!("{}.{}:7101", self.net, at + 1)) else {
            return Json::Null;
        };
        stream.set_read_timeout(Some(limit)).unwrap();
        let mut line = String::new();
        if stream.write_all(format!("{question}\n").as_bytes()).is_err()
            || BufReader::new(stream).read_line(&mut line).is_err()
        {
            return Json::Null;
        }
        serde_json::from_str(&line).unwrap_or_default()
    }

    pub fn done(&self, at: usize, question: &Json) -> Json {
        let answer = self.ask(at, question, Duration::from_secs(20));
        assert!(answer["done"].is_object(), "{question}: {answer}\n{}", self.log(at));
        answer["done"].clone()
    }

    pub fn status(&self, at: usize) -> Json {
        self.ask(at, &json!("status"), Duration::from_secs(2))["status"].clone()
    }

    pub fn height(&self, at: usize) -> u64 {
        self.status(at)["height"].as_u64().unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.replicas.iter_mut().flatten() {
            let _ended = child.kill();
            let _reaped = child.wait();
        }
    }
}

/// A number that is to be tried instead, from the environment.
pub fn var(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What writes to the one register.
pub fn write(value: &str) -> Json {
    json!({ "write": { "key": "k", "value": value } })
}

/// Four replicas that nothing is done to: what one took in all know and hold.
pub fn assert_agreement(cluster: &Cluster) {
    let read = json!({ "read": { "key": "k" } });
    assert_eq!(
        cluster.done(0, &read)["output"],
        json!({ "register": { "value": null, "version": null } })
    );
    for at in 0..4 {
        let text = format!("v{at} \"\\\n\u{0}é");
        let written = cluster.done(at, &write(&text));
        let seen = cluster.done((at + 1) % 4, &read);
        assert_eq!(
            seen["output"],
            json!({ "register": { "value": text, "version": written["at"] } })
        );
        assert!(seen["at"].as_u64() > written["at"].as_u64());
        // Every replica says the same of it, and holds it.
        for other in 0..4 {
            let outcome = json!({ "outcome": { "id": written["id"] } });
            assert_eq!(cluster.done(other, &outcome), written);
            let held = json!({ "committed": { "key": "k" } });
            let held = cluster.ask(other, &held, Duration::from_secs(5));
            assert_eq!(held["committed"]["value"], json!(text), "replica {other}");
        }
    }
    let cas = |from: Json, to: &str| json!({ "cas": { "key": "c", "from": from, "to": to } });
    assert_eq!(cluster.done(0, &cas(json!("x"), "y"))["output"], json!({ "swapped": false }));
    assert_eq!(cluster.done(1, &cas(Json::Null, "y"))["output"], json!({ "swapped": true }));
    for (at, element) in ["a", "b", "a"].iter().enumerate() {
        cluster.done(at, &json!({ "add": { "key": "s", "element": element } }));
    }
    let all = cluster.done(3, &json!({ "elements": { "key": "s" } }));
    assert_eq!(all["output"], json!({ "elements": ["a", "b"] }));
    let long = "x".repeat(4096);
    cluster.done(2, &write(&long));
    let refused = cluster.ask(2, &write(&format!("{long}x")), Duration::from_secs(5));
    assert!(refused["refused"].is_string(), "{refused}");
    let nonsense = cluster.ask(2, &json!({ "drop": {} }), Duration::from_secs(5));
    assert!(nonsense["refused"].is_string(), "{nonsense}");
}
