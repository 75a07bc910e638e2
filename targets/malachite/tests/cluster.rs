//! Real replicas, as processes on loopback addresses: what they agree on, and what a crash does.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use ed25519_dalek::SigningKey;
use serde_json::{Value as Json, json};

struct Cluster {
    net: u8,
    folder: tempfile::TempDir,
    replicas: Vec<Option<Child>>,
}

impl Cluster {
    fn start(net: u8, count: usize) -> Cluster {
        let folder = tempfile::tempdir().unwrap();
        let hex = |bytes: [u8; 32]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let secret = |at: usize| SigningKey::from_bytes(&[at as u8 + 1; 32]);
        let replicas: Vec<Json> = (0..count)
            .map(|at| {
                json!({
                    "key": hex(secret(at).verifying_key().to_bytes()),
                    "peers": format!("127.98.{net}.{}:7100", at + 1),
                    "clients": format!("127.98.{net}.{}:7101", at + 1),
                })
            })
            .collect();
        for at in 0..count {
            let path = |name: &str| folder.path().join(format!("{name}-{at}"));
            std::fs::write(path("secret"), hex(secret(at).to_bytes())).unwrap();
            let config = json!({
                "me": at, "replicas": replicas, "secret": path("secret"), "store": path("store"),
                "idle-ms": var("IDLE").unwrap_or(100), "sync": var("SYNC").unwrap_or(0) == 1,
                "protocol": { "timeout-ms": var("TIMEOUT").unwrap_or(1000) },
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
        let child = Command::new(env!("CARGO_BIN_EXE_malachite-node"))
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
        let Ok(mut stream) = TcpStream::connect(format!("127.98.{}.{}:7101", self.net, at + 1))
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
    let cluster = Cluster::start(10, 4);
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

/// A dead proposer costs a timeout in every fourth height, and no more.
#[test]
fn four_replicas_less_one_go_on_and_the_one_that_was_away_catches_up() {
    let mut cluster = Cluster::start(11, 4);
    let written = cluster.done(0, &write("before"));
    cluster.kill(3);
    let (begin, height) = (Instant::now(), cluster.height(0));
    let (mut done, mut slowest) = (0, Duration::ZERO);
    while begin.elapsed() < Duration::from_secs(var("SECONDS").unwrap_or(10)) {
        let asked = Instant::now();
        cluster.done(0, &write("during"));
        slowest = slowest.max(asked.elapsed());
        done += 1;
    }
    let heights = cluster.height(0) - height;
    println!("{done} writes in {heights} heights and {:?}, {slowest:?} at most", begin.elapsed());
    assert!(done > 3, "{done} writes");
    let last = cluster.done(0, &write("last"));
    cluster.run(3);
    let end = Instant::now() + Duration::from_secs(30);
    while cluster.status(3).is_null() {
        assert!(Instant::now() < end, "no answer: {}", cluster.log(3));
        std::thread::sleep(Duration::from_millis(100));
    }
    // It has all, and forgot nothing.
    for known in [&written, &last] {
        let outcome = json!({ "outcome": { "id": known["id"] } });
        assert_eq!(cluster.done(3, &outcome), *known);
    }
    // And it takes part: with another one dead, its vote is needed.
    cluster.kill(0);
    cluster.done(1, &write("without the first"));
    cluster.done(3, &write("by the one that was away"));
}

#[test]
fn two_dead_of_four_stop_everything_and_all_killed_at_once_forget_nothing() {
    let mut cluster = Cluster::start(12, 4);
    let written = cluster.done(0, &write("before"));
    cluster.kill(2);
    cluster.kill(3);
    let waiting = cluster.ask(0, &write("during"), Duration::from_secs(20));
    assert!(waiting["undecided"].is_string(), "{waiting}");
    cluster.kill(0);
    cluster.kill(1);
    (0..4).for_each(|at| cluster.run(at));
    let end = Instant::now() + Duration::from_secs(30);
    while !(0..4).all(|at| cluster.status(at)["healthy"] == true) {
        assert!(Instant::now() < end, "not healthy: {}", cluster.log(0));
        std::thread::sleep(Duration::from_millis(100));
    }
    for at in 0..4 {
        let outcome = json!({ "outcome": { "id": written["id"] } });
        assert_eq!(cluster.done(at, &outcome), written, "replica {at}");
    }
    let again = cluster.done(2, &write("after"));
    assert!(again["at"].as_u64() > written["at"].as_u64());
}
