//! Real replicas, as processes on loopback addresses: what they agree on, and what a crash does.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use hotstuff_rs::types::crypto_primitives::SigningKey;
use serde_json::{Value as Json, json};

struct Cluster {
    net: u8,
    folder: tempfile::TempDir,
    replicas: Vec<Option<Child>>,
}

impl Cluster {
    fn start(net: u8, count: usize, epoch: u64) -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        let hex = |bytes: [u8; 32]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let secret = |at: usize| SigningKey::from_bytes(&[at as u8 + 1; 32]);
        let replicas: Vec<Json> = (0..count)
            .map(|at| {
                json!({
                    "key": hex(secret(at).verifying_key().to_bytes()),
                    "peers": format!("127.97.{net}.{}:7100", at + 1),
                    "clients": format!("127.97.{net}.{}:7101", at + 1),
                })
            })
            .collect();
        for at in 0..count {
            let path = |name: &str| folder.path().join(format!("{name}-{at}"));
            std::fs::write(path("secret"), hex(secret(at).to_bytes())).unwrap();
            let epoch = var("EPOCH").unwrap_or(epoch);
            let config = json!({
                "me": at, "replicas": replicas, "secret": path("secret"), "store": path("store"),
                "idle-ms": var("IDLE").unwrap_or(100), "sync": var("SYNC").unwrap_or(0) == 1,
                "protocol": {
                    "epoch": epoch, "view-seconds": var("VIEW").unwrap_or(1),
                    "pace-ms": var("PACE").unwrap_or(20),
                    "mend-block-sync": var("MEND").unwrap_or(1) == 1,
                },
            });
            std::fs::write(path("config"), config.to_string()).unwrap();
        }
        let mut cluster = Cluster {
            net,
            folder,
            replicas: std::iter::repeat_with(|| None).take(count).collect(),
        };
        (0..count).for_each(|at| cluster.run(at));
        let end = Instant::now() + Duration::from_secs(30);
        while !(0..count).all(|at| cluster.status(at)["healthy"] == true) {
            assert!(Instant::now() < end, "not healthy: {}", cluster.log(0));
            std::thread::sleep(Duration::from_millis(100));
        }
        cluster
    }

    fn path(&self, name: &str, at: usize) -> PathBuf {
        self.folder.path().join(format!("{name}-{at}"))
    }

    fn run(&mut self, at: usize) {
        let log = std::fs::File::options().create(true).append(true).open(self.path("log", at));
        let log = log.unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_hotstuff-node"))
            .arg(self.path("config", at))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.replicas[at] = Some(child.unwrap());
    }

    fn kill(&mut self, at: usize) {
        let mut child = self.replicas[at].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn log(&self, at: usize) -> String {
        let text = std::fs::read_to_string(self.path("log", at)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// One question on a connection of its own; null if there is no answer in time.
    fn ask(&self, at: usize, question: &Json, limit: Duration) -> Json {
        let Ok(mut stream) = TcpStream::connect(format!("127.97.{}.{}:7101", self.net, at + 1))
        else {
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

    fn done(&self, at: usize, question: &Json) -> Json {
        let answer = self.ask(at, question, Duration::from_secs(20));
        assert!(answer["done"].is_object(), "{question}: {answer}\n{}", self.log(at));
        answer["done"].clone()
    }

    fn status(&self, at: usize) -> Json {
        self.ask(at, &json!("status"), Duration::from_secs(2))["status"].clone()
    }

    fn height(&self, at: usize) -> u64 {
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

fn var(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn write(value: &str) -> Json {
    json!({ "write": { "key": "k", "value": value } })
}

#[test]
fn four_replicas_agree() {
    let cluster = Cluster::start(10, 4, 1);
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

/// hotstuff_rs commits a block after three consecutive views with a certificate, and a dead leader
/// takes two views of a round with it: of four, too few are left.
///
/// With an epoch of one view, every view ends in timeout votes, and a replica that comes back is
/// likely to be killed by one of them (README.md, "A vote that kills").
#[test]
fn four_replicas_less_one_commit_nothing_and_go_on_when_it_is_back() {
    let mut cluster = Cluster::start(11, 4, 8);
    let written = cluster.done(0, &write("before"));
    cluster.kill(3);
    std::thread::sleep(Duration::from_secs(2));
    let height = cluster.height(0);
    let waiting = cluster.ask(0, &write("during"), Duration::from_secs(20));
    assert!(waiting["undecided"].is_string(), "{waiting}");
    let later = cluster.height(0);
    assert_eq!(height, later, "nothing is committed");
    assert_eq!(cluster.status(0)["healthy"], false);
    cluster.run(3);
    let seen = cluster.done(0, &json!({ "read": { "key": "k" } }));
    assert_eq!(
        seen["output"]["register"]["value"], "during",
        "what was undecided is committed after all"
    );
    // The one that was away has both, and forgot nothing.
    let outcome = json!({ "outcome": { "id": written["id"] } });
    assert_eq!(cluster.done(3, &outcome), written);
    let id = json!({ "outcome": { "id": seen["id"] } });
    assert_eq!(cluster.done(3, &id), seen);
}

#[test]
fn seven_replicas_less_one_go_on() {
    let mut cluster = Cluster::start(12, 7, 1);
    cluster.done(0, &write("before"));
    cluster.kill(6);
    let begin = Instant::now();
    let height = cluster.height(0);
    while begin.elapsed() < Duration::from_secs(var("SECONDS").unwrap_or(20)) {
        let asked = Instant::now();
        let answer = cluster.ask(1, &write("during"), Duration::from_secs(20));
        println!("{:?} {}", asked.elapsed(), answer);
    }
    let blocks = cluster.height(0) - height;
    println!("{blocks} blocks in {:?}", begin.elapsed());
    assert!(blocks > 3, "{blocks} blocks");
    cluster.done(1, &write("after"));
}
