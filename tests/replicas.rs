//! The client of the replicated servers before replicas that lie, and a real run of each server
//! that is built.
//!
//! The liars are scripts on loopback addresses. What they are asked is counted: a transaction goes
//! to one replica, once, and the others are only asked what came of it.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use common::Bench;
use perjury::databases::hotstuff::Options;
use perjury::databases::replicas::{Answers, CLIENT_PORT, Reads, Server, program};
use perjury::databases::{Client, Database, Refusal, hotstuff, malachite};
use perjury_history::{Call, Node, Reply, Topology, Value};
use serde_json::{Value as Json, json};

/// All that this client speaks to.
const SERVERS: [&Server; 2] = [&hotstuff::SERVER, &malachite::SERVER];

/// What a scripted replica answers; `None`: it says nothing and closes.
type Script = fn(at: usize, question: &Json) -> Option<Json>;

struct Replicas {
    topology: Topology,
    /// Who was asked what, in order.
    asked: Arc<Mutex<Vec<(usize, Json)>>>,
}

fn start(net: u8, count: usize, script: Script) -> Replicas {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let mut nodes = Vec::new();
    for at in 0..count {
        let address = format!("127.88.{net}.{}", at + 1).parse().unwrap();
        nodes.push(Node { name: format!("n{}", at + 1).into(), address });
        let listener = TcpListener::bind((address, CLIENT_PORT)).unwrap();
        let asked = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let asked = Arc::clone(&asked);
                std::thread::spawn(move || {
                    let mut writing = stream.try_clone().unwrap();
                    for line in BufReader::new(stream).lines().map_while(Result::ok) {
                        let question: Json = serde_json::from_str(&line).unwrap();
                        asked.lock().unwrap().push((at, question.clone()));
                        let Some(answer) = script(at, &question) else { return };
                        writeln!(writing, "{answer}").unwrap();
                    }
                });
            }
        });
    }
    Replicas { topology: Topology { nodes }, asked }
}

impl Replicas {
    async fn client(&self, options: Options) -> Box<dyn Client> {
        let database = options.build_with("/none".into());
        database.connect(&self.topology.nodes[0], &self.topology).await.unwrap()
    }

    async fn invoke(&self, call: &Call) -> Result<Reply, Refusal> {
        self.client(Options::default()).await.invoke(call).await
    }

    fn asked(&self) -> Vec<(usize, Json)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn done(output: &Json) -> Json {
    json!({ "done": { "id": "0-0000000000000001-7", "at": 3, "height": 9, "output": output } })
}

fn value(text: &str) -> Json {
    done(&json!({ "register": { "value": text, "version": 1 } }))
}

fn read() -> Call {
    Call::Read { key: "k".into() }
}

fn write() -> Call {
    Call::Write { key: "k".into(), value: Value::Int(5) }
}

fn five() -> Result<Reply, Refusal> {
    Ok(Reply::Value(Value::Int(5)))
}

#[tokio::test]
async fn a_transaction_goes_to_one_replica_once_and_one_more_confirms_it() {
    let replicas = start(1, 4, |_, _| Some(done(&json!("done"))));
    assert_eq!(replicas.invoke(&write()).await, Ok(Reply::Done));
    let expected = [
        (0, json!({ "write": { "key": "k", "value": "5" } })),
        (1, json!({ "outcome": { "id": "0-0000000000000001-7" } })),
    ];
    assert_eq!(replicas.asked(), expected);
    let trusting = Options { answers: Answers::One, ..Options::default() };
    assert_eq!(replicas.client(trusting).await.invoke(&write()).await, Ok(Reply::Done));
    assert_eq!(replicas.asked().len(), 1, "one replica is believed");
}

#[tokio::test]
async fn a_lying_home_is_outvoted() {
    let replicas = start(2, 4, |at, _| Some(if at == 0 { value("666") } else { value("5") }));
    assert_eq!(replicas.invoke(&read()).await, five());
    let asked = replicas.asked();
    assert_eq!(asked.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 1, 2]);
    let trusting = Options { answers: Answers::One, ..Options::default() };
    let fooled = replicas.client(trusting).await.invoke(&read()).await;
    assert_eq!(fooled, Ok(Reply::Value(Value::Int(666))), "the control: it does lie");
}

#[tokio::test]
async fn a_liar_among_the_others_and_a_silent_one_are_passed_over() {
    let replicas = start(3, 4, |at, _| match at {
        1 => None,
        2 => Some(value("666")),
        _ => Some(value("5")),
    });
    assert_eq!(replicas.invoke(&read()).await, five());
}

#[tokio::test]
async fn two_liars_of_seven_that_tell_one_story_are_not_enough() {
    let replicas = start(4, 7, |at, _| Some(value(if at < 2 { "666" } else { "5" })));
    assert_eq!(replicas.invoke(&read()).await, five());
    assert_eq!(replicas.asked().len(), 5, "two lies and three truths");
}

#[tokio::test]
async fn what_nobody_confirms_is_in_doubt() {
    // The home invents a transaction that nobody has heard of.
    let replicas = start(5, 4, |at, _| match at {
        0 => Some(done(&json!("done"))),
        _ => Some(json!({ "undecided": "not committed" })),
    });
    let answer = replicas.invoke(&write()).await;
    assert!(matches!(&answer, Err(Refusal::Indefinite(cause)) if cause.code == "no-agreement"));
    assert_eq!(replicas.asked().len(), 4, "each was asked once");
}

#[tokio::test]
async fn a_refusal_is_definite_and_no_answer_is_a_doubt() {
    let replicas = start(6, 1, |_, question| match question["write"]["value"].as_str() {
        Some("5") => Some(json!({ "refused": "4097 bytes; at most 4096 are taken" })),
        Some("6") => Some(json!({ "undecided": "not committed in 10 s" })),
        Some("7") => Some(json!({ "done": { "id": 1 } })),
        _ => None,
    });
    let write = |number| Call::Write { key: "k".into(), value: Value::Int(number) };
    assert!(matches!(replicas.invoke(&write(5)).await, Err(Refusal::Definite(_))));
    assert!(matches!(replicas.invoke(&write(6)).await, Err(Refusal::Indefinite(_))));
    assert!(matches!(replicas.invoke(&write(7)).await, Err(Refusal::Unmodelled(_))));
    assert!(matches!(replicas.invoke(&write(8)).await, Err(Refusal::Indefinite(_))));
    assert_eq!(replicas.asked().len(), 4, "each was sent once");
}

#[tokio::test]
async fn copies_count_if_enough_are_equal_and_a_single_one_if_that_is_asked_for() {
    let replicas = start(7, 4, |at, _| {
        let copy = |value: &str, height: u64| {
            let mut content = json!({ "height": height, "value": value, "version": 1 });
            content["transactions"] = (height + 2).into();
            json!({ "committed": content })
        };
        Some(if at == 0 { copy("666", 9) } else { copy("5", at as u64) })
    });
    let with = |reads| Options { reads, ..Options::default() };
    // Heights differ, since replicas go on; the copy and its version are what counts.
    assert_eq!(replicas.client(with(Reads::Quorum)).await.invoke(&read()).await, five());
    assert_eq!(replicas.asked().len(), 3);
    let single = replicas.client(with(Reads::Single)).await.invoke(&read()).await;
    assert_eq!(single, Ok(Reply::Value(Value::Int(666))), "one replica can say anything");
    assert_eq!(replicas.asked().len(), 1);
}

#[tokio::test]
async fn a_set_is_read_as_what_was_added_to_it() {
    let replicas = start(8, 4, |_, _| Some(done(&json!("done"))));
    let add = Call::Add { key: "s".into(), element: Value::Int(1) };
    assert_eq!(replicas.invoke(&add).await, Ok(Reply::Done));
    let replicas = start(9, 4, |_, _| Some(done(&json!({ "elements": ["1", "x"] }))));
    let raw = Value::Raw(b"x".as_slice().into());
    let all = replicas.invoke(&Call::ReadAll { key: "s".into() }).await;
    assert_eq!(all, Ok(Reply::Elements(vec![Value::Int(1), raw])));
    // An answer to another question is none to this one.
    assert!(matches!(replicas.invoke(&read()).await, Err(Refusal::Unmodelled(_))));
}

/// Plain processes of this machine, with addresses of the backend: skipped while they are in use.
fn on_processes(bench: &Bench, server: &Server, program: &str) -> common::Ended {
    let (results, name) = (bench.results(), server.name);
    let words = format!(
        "test --cluster processes --database {name} --workload register --nemesis none \
         --time-limit 5s --seed 5 --json --results"
    );
    let mut words: Vec<&str> = words.split_whitespace().collect();
    words.push(results.to_str().unwrap());
    let mut command = bench.command(&words);
    common::Ended::of(command.env(server.variable, program).output().unwrap())
}

#[test]
fn a_server_that_is_not_built_is_named_with_the_way_to_build_it() {
    if perjury::remote::agent_binary().is_err() {
        eprintln!("SKIPPED: the agent is not built; run `make agent`");
        return;
    }
    for server in SERVERS {
        let absent = format!("/nowhere/{}", server.program);
        let ended = on_processes(&Bench::new(), server, &absent);
        let mend = format!("run `make {}`", server.name);
        ended.expect(3, &[&format!("{absent} is not there on this machine: {mend}")]);
    }
}

#[test]
fn five_replicas_without_faults_are_linearizable() {
    for server in SERVERS {
        let built = program(server);
        if !built.is_file() || perjury::remote::agent_binary().is_err() {
            let name = server.name;
            eprintln!("SKIPPED: the server or the agent is not built; run `make agent {name}`");
            continue;
        }
        let ended = on_processes(&Bench::new(), server, built.to_str().unwrap());
        let object = ended.json();
        assert_eq!(object["judgement"]["verdict"], "valid", "{object}\n{}", ended.stderr);
        assert_eq!(object["judgement"]["compromised"], Json::Null, "{object}");
    }
}
