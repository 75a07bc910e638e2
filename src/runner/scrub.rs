//! The scrub: at the end of a run every node is asked for its own copy of everything.
//!
//! Copies may lag, so the nodes are asked again until they agree, at most [`ROUNDS`] times; what
//! still differs then is judged by the checkers. A node that does not answer is left out: that it
//! is down is said elsewhere. Nothing here belongs to the load.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use perjury_history::{Call, Event, Key, Outcome, Phase, Reply, Topology, Value};

use super::interpreter::{Interpreter, InterpreterError, Stop};
use super::worker::{Asked, ask};
use crate::databases::Database;

/// How often all nodes are asked, and how long they have in between.
const ROUNDS: usize = 8;
const PAUSE: Duration = Duration::from_secs(1);
/// How long one answer may take, and all of them.
const LIMIT: Duration = Duration::from_secs(5);
const ALL: Duration = Duration::from_secs(60);

/// What one node holds; sorted where the order says nothing.
type Copies = BTreeMap<Key, Option<Reply>>;

/// Reads `keys` of every node, as far as the database lets one node be read.
pub(super) async fn scrub(
    interpreter: &mut Interpreter,
    database: &dyn Database,
    topology: &Topology,
    call: fn(Key) -> Call,
    stop: &Stop,
) -> Result<(), InterpreterError> {
    let keys = interpreter.keys();
    let local = topology.nodes.iter().any(|node| database.connect_local(node, topology).is_some());
    if keys.is_empty() || !local {
        return Ok(());
    }
    interpreter.record(&Event::Phase(Phase::Scrub))?;
    let deadline = Instant::now() + ALL;
    for round in 0..ROUNDS {
        if round > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let mut copies: Vec<Copies> = Vec::new();
        for node in &topology.nodes {
            let Some(connecting) = database.connect_local(node, topology) else { continue };
            let Ok(Ok(mut client)) = tokio::time::timeout(LIMIT, connecting).await else {
                continue;
            };
            let mut copy = Copies::new();
            let process = interpreter.fresh_process();
            for key in &keys {
                if *stop.borrow() || Instant::now() > deadline {
                    return Ok(());
                }
                let (node, call) = (node.name.clone(), call(key.clone()));
                let event = Event::Invoke { process, node, call: call.clone() };
                let index = interpreter.record(&event)?;
                let (outcome, said) = match ask(client.as_mut(), &call, LIMIT).await {
                    Asked::Answered(reply, said) => (Outcome::Ok(reply), said),
                    // A read has no effect; but its connection is not to be used any more.
                    Asked::Refused(cause) | Asked::Doubtful(cause) => (Outcome::Info(cause), None),
                };
                let over = matches!(outcome, Outcome::Info(_));
                copy.insert(key.clone(), content(&outcome));
                interpreter.record(&Event::Complete { process, call: index, outcome, said })?;
                if over {
                    break;
                }
            }
            copies.push(copy);
        }
        if copies.windows(2).all(|pair| pair[0] == pair[1]) {
            return Ok(());
        }
    }
    Ok(())
}

fn content(outcome: &Outcome) -> Option<Reply> {
    match outcome {
        Outcome::Ok(Reply::Elements(elements)) => {
            let mut elements: Vec<Value> = elements.clone();
            elements.sort();
            Some(Reply::Elements(elements))
        }
        Outcome::Ok(reply) => Some(reply.clone()),
        _ => None,
    }
}
