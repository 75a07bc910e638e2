//! No client retries, reconnects or goes elsewhere in secret: each call reaches the server exactly
//! once, whatever becomes of its reply, and the client's word about it is honest.
//!
//! A counting proxy stands in front of a real server on loopback. It looks for a value that only
//! one call carries, and counts how often it came by.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

#[path = "common/postgres.rs"]
mod server;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use perjury::databases::{
    Client, Database, Refusal, Spec, etcd, hotstuff, postgres, redis, replicas,
};
use perjury_history::{Call, Node, Reply, Topology, Value};

const PASS: u8 = 0;
const SWALLOW_REPLY: u8 = 1;
const RESET_AFTER_REQUEST: u8 = 2;
const BLACK_HOLE: u8 = 3;

/// Forwards one port, and misbehaves on demand.
struct Proxy {
    mode: AtomicU8,
    /// Connections with a lower number are somebody else's, and always pass.
    spared: AtomicUsize,
    connections: AtomicUsize,
    requests: Mutex<Vec<u8>>,
}

impl Proxy {
    fn start(listen: SocketAddr, forward: SocketAddr) -> Arc<Proxy> {
        let proxy = Arc::new(Proxy {
            mode: AtomicU8::new(PASS),
            spared: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            requests: Mutex::default(),
        });
        let listener = TcpListener::bind(listen).unwrap();
        let owner = Arc::clone(&proxy);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = owner.connections.fetch_add(1, SeqCst);
                let Ok(server) = TcpStream::connect(forward) else { continue };
                owner.pipe(number, stream, server);
            }
        });
        proxy
    }

    fn mode(&self, connection: usize) -> u8 {
        if connection < self.spared.load(SeqCst) { PASS } else { self.mode.load(SeqCst) }
    }

    fn pipe(self: &Arc<Proxy>, number: usize, client: TcpStream, server: TcpStream) {
        let (mut from_client, mut to_server) =
            (client.try_clone().unwrap(), server.try_clone().unwrap());
        let up = Arc::clone(self);
        std::thread::spawn(move || {
            let mut chunk = [0; 65_536];
            while let Ok(size @ 1..) = from_client.read(&mut chunk) {
                up.requests.lock().unwrap().extend_from_slice(&chunk[..size]);
                match up.mode(number) {
                    BLACK_HOLE => continue,
                    RESET_AFTER_REQUEST => {
                        let _ = to_server.write_all(&chunk[..size]);
                        std::thread::sleep(Duration::from_millis(50));
                        let _ = from_client.shutdown(Shutdown::Both);
                        return;
                    }
                    _ => {
                        let _ = to_server.write_all(&chunk[..size]);
                    }
                }
            }
            let _ = to_server.shutdown(Shutdown::Both);
        });
        let (mut from_server, mut to_client) = (server, client);
        let down = Arc::clone(self);
        std::thread::spawn(move || {
            let mut chunk = [0; 65_536];
            while let Ok(size @ 1..) = from_server.read(&mut chunk) {
                if down.mode(number) == PASS && to_client.write_all(&chunk[..size]).is_err() {
                    return;
                }
            }
            let _ = to_client.shutdown(Shutdown::Both);
        });
    }

    /// How often these bytes came from the client.
    fn count(&self, needle: &[u8]) -> usize {
        let seen = self.requests.lock().unwrap();
        seen.windows(needle.len()).filter(|window| *window == needle).count()
    }
}

/// A real server, killed at the end of the test.
struct Server {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(argv: impl Fn(&str) -> Vec<String>, port: SocketAddr) -> Option<Server> {
    let folder = tempfile::tempdir().unwrap();
    let argv = argv(folder.path().to_str().unwrap());
    if !std::path::Path::new(&argv[0]).is_file() {
        eprintln!("SKIPPED: {} is not installed", argv[0]);
        return None;
    }
    let child = Command::new(&argv[0])
        .args(&argv[1..])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server { child, _folder: folder };
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(port).is_err() {
        assert!(Instant::now() < deadline, "{port} does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(server)
}

fn address(last: u8, port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 88, 0, last)), port)
}

fn topology(last: u8) -> Topology {
    let node = Node { name: "n1".into(), address: address(last, 0).ip() };
    Topology { nodes: vec![node] }
}

fn write(value: i64) -> Call {
    Call::Write { key: "k".into(), value: Value::Int(value) }
}

/// `mark` is how the value 70000n looks on the wire.
async fn misbehave(
    database: &dyn Database,
    topology: &Topology,
    proxy: &Proxy,
    mark: impl Fn(i64) -> Vec<u8>,
) {
    for (mode, value) in
        [(SWALLOW_REPLY, 700_001), (RESET_AFTER_REQUEST, 700_002), (BLACK_HOLE, 700_003)]
    {
        proxy.mode.store(PASS, SeqCst);
        let mut client = connect(database, topology).await;
        assert_eq!(client.invoke(&write(1)).await, Ok(Reply::Done), "mode {mode}");
        proxy.mode.store(mode, SeqCst);
        let connections = proxy.connections.load(SeqCst);
        let call = write(value);
        let begin = Instant::now();
        let result = tokio::time::timeout(Duration::from_millis(1200), client.invoke(&call)).await;
        assert!(begin.elapsed() < Duration::from_secs(2));
        match result {
            // No answer at all: the worker calls that a doubt.
            Err(_) => assert_ne!(mode, RESET_AFTER_REQUEST),
            Ok(answer) => assert!(matches!(answer, Err(Refusal::Indefinite(_))), "{answer:?}"),
        }
        // Whatever wants to try again gets its chance.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        drop(client);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(proxy.count(&mark(value)), 1, "mode {mode}: sent exactly once");
        assert_eq!(proxy.connections.load(SeqCst), connections, "mode {mode}: no new connection");
    }
}

async fn connect(database: &dyn Database, topology: &Topology) -> Box<dyn Client> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match database.connect(&topology.nodes[0], topology).await {
            Ok(mut client) => {
                // It may be up and not yet serve.
                if client.invoke(&write(0)).await == Ok(Reply::Done) {
                    return client;
                }
            }
            Err(cause) => assert!(Instant::now() < deadline, "{cause}"),
        }
        assert!(Instant::now() < deadline, "it does not serve");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn the_etcd_client_sends_each_call_once() {
    let (real, front) = (address(2, 2379), address(1, 2379));
    let argv = |folder: &str| {
        let peer = format!("http://{}", address(2, 2380));
        let client = format!("http://{real}");
        let words = [
            "/usr/bin/etcd",
            "--data-dir",
            folder,
            "--listen-client-urls",
            &client,
            "--advertise-client-urls",
            &client,
            "--listen-peer-urls",
            &peer,
            "--initial-advertise-peer-urls",
            &peer,
            "--initial-cluster",
        ];
        let mut argv: Vec<String> = words.map(str::to_owned).to_vec();
        argv.push(format!("default={peer}"));
        argv
    };
    let Some(_server) = start(argv, real) else { return };
    let proxy = Proxy::start(front, real);
    let database = Spec::Etcd(etcd::Options::default()).build();
    // The gateway carries values in base64: six digits are two whole groups of it.
    let mark = |value: i64| base64(&value.to_string());
    misbehave(database.as_ref(), &topology(1), &proxy, mark).await;
}

/// Of a text whose length is a multiple of three.
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = text.as_bytes().chunks_exact(3);
    groups
        .flat_map(|group| {
            let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
            [18, 12, 6, 0].map(|shift| DIGITS[(bits >> shift & 63) as usize])
        })
        .collect()
}

#[tokio::test]
async fn the_redis_client_sends_each_call_once() {
    let (real, front) = (address(4, 6379), address(3, 6379));
    let argv = |_: &str| {
        let words =
            ["/usr/bin/redis-server", "--bind", "127.88.0.4", "--port", "6379", "--save", ""];
        words.map(str::to_owned).to_vec()
    };
    let Some(_server) = start(argv, real) else { return };
    let sentinel = address(3, 26379);
    let argv = |folder: &str| {
        let path = format!("{folder}/sentinel.conf");
        // It names the proxy as the primary.
        let text = "bind 127.88.0.3\nport 26379\nsentinel monitor perjury 127.88.0.3 6379 1\n\
                    sentinel down-after-milliseconds perjury 600000\n";
        std::fs::write(&path, text).unwrap();
        vec!["/usr/bin/redis-sentinel".to_owned(), path]
    };
    let proxy = Proxy::start(front, real);
    let Some(_sentinel) = start(argv, sentinel) else { return };
    // Its own connections to the primary are made now, and none later.
    tokio::time::sleep(Duration::from_secs(2)).await;
    proxy.spared.store(proxy.connections.load(SeqCst), SeqCst);
    let database = Spec::Redis(redis::Options::default()).build();
    let mark = |value: i64| value.to_string().into_bytes();
    misbehave(database.as_ref(), &topology(3), &proxy, mark).await;
}

fn postgres() -> postgres::Options {
    // Longer than the test's own limit: what it sees is the client's doing.
    postgres::Options { statement_timeout: Duration::from_secs(30), ..Default::default() }
}

#[tokio::test]
async fn the_postgres_client_sends_each_call_once() {
    let (real, front) = (address(6, 5432), address(5, 5432));
    let database = Spec::Postgres(postgres()).build();
    let Some(_server) = server::Server::start(database.as_ref(), &topology(6)) else { return };
    let proxy = Proxy::start(front, real);
    let mark = |value: i64| value.to_string().into_bytes();
    misbehave(database.as_ref(), &topology(5), &proxy, mark).await;
}

/// A replica of hotstuff_rs that says of everything that it is done. A real one is not built here.
fn replica(listen: SocketAddr) {
    let listener = TcpListener::bind(listen).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut writing = stream.try_clone().unwrap();
                for _ in BufReader::new(stream).lines().map_while(Result::ok) {
                    let answer = r#"{"done":{"id":"0-1-1","at":1,"height":1,"output":"done"}}"#;
                    let _gone = writeln!(writing, "{answer}");
                }
            });
        }
    });
}

#[tokio::test]
async fn the_hotstuff_client_sends_each_call_once() {
    let (real, front) = (address(18, replicas::CLIENT_PORT), address(17, replicas::CLIENT_PORT));
    replica(real);
    let proxy = Proxy::start(front, real);
    let database = Spec::Hotstuff(hotstuff::Options::default()).build();
    let mark = |value: i64| format!("\"{value}\"").into_bytes();
    misbehave(database.as_ref(), &topology(17), &proxy, mark).await;
}
