//! PostgreSQL's client against a real server: what is in doubt, what is definite, and what a
//! flipped bit on the disk comes to.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

#[path = "common/postgres.rs"]
mod server;

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use perjury::databases::{Client, Database, Refusal, Spec, postgres};
use perjury_history::{Call, Cause, Node, Reply, Topology, Value};
use server::Server;

fn topology(addresses: &[u8]) -> Topology {
    let node = |(at, last): (usize, &u8)| Node {
        name: format!("n{}", at + 1).into(),
        address: IpAddr::V4(Ipv4Addr::new(127, 89, 0, *last)),
    };
    Topology { nodes: addresses.iter().enumerate().map(node).collect() }
}

fn write(key: &str, value: i64) -> Call {
    Call::Write { key: key.into(), value: Value::Int(value) }
}

fn read(key: &str) -> Call {
    Call::Read { key: key.into() }
}

fn value(number: i64) -> Result<Reply, Refusal> {
    Ok(Reply::Value(Value::Int(number)))
}

/// It may listen and not yet serve.
async fn connect(database: &dyn Database, topology: &Topology) -> Box<dyn Client> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match database.connect(&topology.nodes[0], topology).await {
            Ok(client) => return client,
            Err(cause) => assert!(Instant::now() < deadline, "{cause}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Sends a write and waits until its commit waits for the standby.
async fn stuck(
    server: &Server,
    mut client: Box<dyn Client>,
    call: Call,
) -> tokio::task::JoinHandle<Result<Reply, Refusal>> {
    let writing = tokio::spawn(async move { client.invoke(&call).await });
    let deadline = Instant::now() + Duration::from_secs(20);
    while waiting(server, "count(*)") == "0" {
        assert!(Instant::now() < deadline, "no commit waits for the standby");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    writing
}

/// Asks of all commits that wait for a standby.
fn waiting(server: &Server, what: &str) -> String {
    server.psql(&format!("SELECT {what} FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))
}

fn code(result: Result<Reply, Refusal>) -> (&'static str, String) {
    let (kind, Cause { code, .. }) = match result.unwrap_err() {
        Refusal::Definite(cause) => ("definite", cause),
        Refusal::Indefinite(cause) => ("indefinite", cause),
        Refusal::Unmodelled(cause) => ("unmodelled", cause),
    };
    (kind, code)
}

#[tokio::test]
async fn a_commit_that_gave_up_on_its_standby_is_in_doubt_though_the_server_calls_it_a_success() {
    // The synchronous standby is the second node, which does not exist.
    let topology = topology(&[1, 2]);
    let statement_timeout = Duration::from_millis(300);
    let options = postgres::Options { statement_timeout, ..Default::default() };
    let database = Spec::Postgres(options).build();
    let Some(server) = Server::start(database.as_ref(), &topology) else { return };
    let client = || connect(database.as_ref(), &topology);
    let cancelled = stuck(&server, client().await, write("x", 1)).await;
    // Its row is locked, and whoever wants it gives up in time, before any commit.
    let mut other = client().await;
    assert_eq!(code(other.invoke(&write("x", 2)).await), ("definite", "query-canceled".into()));
    assert!(other.is_open());
    assert_eq!(other.invoke(&read("x")).await, Ok(Reply::Value(Value::Nil)));
    // The time limit is the statement's, not the commit's: that goes on waiting.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(!cancelled.is_finished());
    waiting(&server, "pg_cancel_backend(pid)");
    assert_eq!(code(cancelled.await.unwrap()), ("indefinite", "warning".into()));
    assert_eq!(other.invoke(&read("x")).await, value(1));
    let terminated = stuck(&server, client().await, write("y", 3)).await;
    waiting(&server, "pg_terminate_backend(pid)");
    assert_eq!(code(terminated.await.unwrap()).0, "indefinite");
    assert_eq!(other.invoke(&read("y")).await, value(3));
}

/// Flips one bit of each `from` in the files of a table.
fn flip(file: &Path, from: &[u8]) -> usize {
    let mut bytes = std::fs::read(file).unwrap();
    let hits: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    for at in &hits {
        bytes[at + from.len() - 1] ^= 1;
    }
    std::fs::write(file, bytes).unwrap();
    hits.len()
}

/// What is read after a bit of the value 700000 has flipped on the disk.
async fn read_after_flip(last: u8, checksums: bool) -> Option<Result<Reply, Refusal>> {
    let topology = topology(&[last]);
    let database = Spec::Postgres(postgres::Options { checksums, ..Default::default() }).build();
    let mut server = Server::start(database.as_ref(), &topology)?;
    let mut client = connect(database.as_ref(), &topology).await;
    assert_eq!(client.invoke(&write("x", 700_000)).await, Ok(Reply::Done));
    // From here on the page is on the disk, and the log has nothing more to say about it.
    server.psql("CHECKPOINT");
    let path = server.psql("SELECT pg_relation_filepath('registers')");
    server.crash(|folder| assert_eq!(flip(&folder.join("data").join(path), b"700000"), 1));
    let mut client = connect(database.as_ref(), &topology).await;
    Some(client.invoke(&read("x")).await)
}

#[tokio::test]
async fn a_flipped_bit_on_the_disk_is_served_as_truth() {
    let Some(result) = read_after_flip(3, false).await else { return };
    assert_eq!(result, value(700_001));
}

#[tokio::test]
async fn a_flipped_bit_on_the_disk_is_refused_with_checksums() {
    let Some(result) = read_after_flip(4, true).await else { return };
    assert_eq!(code(result), ("definite", "data-corrupted".into()));
}
