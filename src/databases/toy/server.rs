//! A toy node.
//!
//! A key holds a list of values: a set is the list, a register its last element. The log has one
//! JSON line for each change and is written before the answer; a node reads it again at its start.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use perjury_history::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::client::ToyClient;
use super::{Ask, Bug, Config, Say};
use crate::databases::Refusal;

/// How far the copies lag behind when reads are stale.
const LAG: Duration = Duration::from_millis(150);
/// How long a node waits for the primary before it says so, or takes over.
const PATIENCE: Duration = Duration::from_millis(400);
/// One write in so many meets the planted bug.
const ONE_IN: u64 = 16;

struct Node {
    config: Config,
    data: RefCell<HashMap<String, Vec<Value>>>,
    log: RefCell<File>,
    writes: RefCell<u64>,
    primary: RefCell<usize>,
}

/// Serves until the process is killed. `path` is the node's configuration.
///
/// # Errors
/// The configuration, the log or the port cannot be used.
pub fn serve(path: &Path) -> io::Result<()> {
    let config: Config = serde_json::from_slice(&std::fs::read(path)?)?;
    let data = replay(Path::new(&config.log))?;
    let log = File::options().create(true).append(true).open(&config.log)?;
    let node = Rc::new(Node {
        config,
        data: RefCell::new(data),
        log: RefCell::new(log),
        writes: RefCell::new(0),
        primary: RefCell::new(0),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, accept(node))
}

/// Reads the log again. A last line that breaks off was never acknowledged: it is cut away, or the
/// next change would be appended to it and lost with it.
fn replay(path: &Path) -> io::Result<HashMap<String, Vec<Value>>> {
    let mut data = HashMap::new();
    let mut whole = 0;
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(data),
        Err(error) => return Err(error),
    };
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Ok((key, content)) = serde_json::from_slice::<(String, Vec<Value>)>(line) else {
            break;
        };
        if !line.ends_with(b"\n") {
            break;
        }
        data.insert(key, content);
        whole += line.len() as u64;
    }
    File::options().write(true).open(path)?.set_len(whole)?;
    Ok(data)
}

async fn accept(node: Rc<Node>) -> io::Result<()> {
    let me = node.config.nodes[node.config.me];
    let listener = TcpListener::bind(me).await?;
    println!("node {} serves on {me}, bug {:?}", node.config.me, node.config.bug);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let node = Rc::clone(&node);
        tokio::task::spawn_local(async move {
            if let Err(error) = converse(&node, stream).await {
                println!("connection: {error}");
            }
        });
    }
}

async fn converse(node: &Rc<Node>, mut stream: TcpStream) -> io::Result<()> {
    let (reading, mut writing) = stream.split();
    let mut lines = BufReader::new(reading).lines();
    let mut onward = None;
    while let Some(line) = lines.next_line().await? {
        let say = match serde_json::from_str(&line) {
            Ok(ask) => answer(node, ask, &mut onward).await,
            Err(error) => Say::Refused(format!("not understood: {error}")),
        };
        let mut text = serde_json::to_vec(&say)?;
        text.push(b'\n');
        writing.write_all(&text).await?;
    }
    Ok(())
}

async fn answer(node: &Rc<Node>, ask: Ask, onward: &mut Option<ToyClient>) -> Say {
    let me = node.config.me;
    match ask {
        Ask::Role => Say::Role { primary: *node.primary.borrow() == me },
        Ask::Replicate(key, content) => {
            // A primary takes no orders: that is what makes a split brain stay split.
            if *node.primary.borrow() != me {
                node.data.borrow_mut().insert(key, content);
            }
            Say::Done
        }
        Ask::Read(key) if node.config.bug == Bug::StaleReads => Say::Value(node.read(&key)),
        Ask::ReadAll(key) if node.config.bug == Bug::StaleReads => Say::Elements(node.all(&key)),
        ask if *node.primary.borrow() == me => apply(node, ask).await,
        ask => forward(node, ask, onward).await,
    }
}

/// Sends the call on to the primary. A follower with the split-brain bug takes over when it hears
/// nothing: the second node for itself, the others send to that one.
async fn forward(node: &Rc<Node>, ask: Ask, onward: &mut Option<ToyClient>) -> Say {
    let primary = node.config.nodes[*node.primary.borrow()];
    let trying = send_on(onward, primary, &ask);
    let result = tokio::time::timeout(PATIENCE, trying).await;
    let refusal = match result {
        Ok(Ok(say)) => return say,
        Ok(Err(refusal)) => refusal,
        Err(_) => Refusal::Indefinite(perjury_history::Cause::new("timeout", "primary is silent")),
    };
    *onward = None;
    if node.config.bug == Bug::SplitBrain && node.config.nodes.len() > 1 {
        println!("primary is silent; node 1 takes over");
        *node.primary.borrow_mut() = 1;
    }
    match refusal {
        Refusal::Definite(cause) => Say::Refused(cause.to_string()),
        Refusal::Indefinite(cause) | Refusal::Unmodelled(cause) => Say::Lost(cause.to_string()),
    }
}

async fn send_on(
    onward: &mut Option<ToyClient>,
    primary: SocketAddr,
    ask: &Ask,
) -> Result<Say, Refusal> {
    if onward.is_none() {
        *onward = Some(ToyClient::open(primary).await.map_err(Refusal::Definite)?);
    }
    match onward {
        Some(client) => client.ask(ask).await,
        None => unreachable!("opened above"),
    }
}

async fn apply(node: &Rc<Node>, ask: Ask) -> Say {
    match ask {
        Ask::Read(key) => Say::Value(node.read(&key)),
        Ask::ReadAll(key) => Say::Elements(node.all(&key)),
        Ask::Write(key, value) => change(node, key, value, true).await,
        Ask::Add(key, element) => change(node, key, element, false).await,
        Ask::Cas(key, from, to) => {
            if node.read(&key) != from {
                return Say::Swapped(false);
            }
            match change(node, key, to, true).await {
                Say::Done => Say::Swapped(true),
                other => other,
            }
        }
        Ask::Role | Ask::Replicate(..) => Say::Refused("not for a primary".into()),
    }
}

async fn change(node: &Rc<Node>, key: String, value: Value, replace: bool) -> Say {
    let turn = {
        let mut writes = node.writes.borrow_mut();
        *writes += 1;
        *writes
    };
    let struck = turn % ONE_IN == 0;
    if struck && node.config.bug == Bug::LostWrites {
        return Say::Done;
    }
    if let Err(error) = node.store(&key, value.clone(), replace) {
        return Say::Lost(format!("log: {error}"));
    }
    if struck && node.config.bug == Bug::DuplicateApply {
        let (node, key) = (Rc::clone(node), key.clone());
        tokio::task::spawn_local(async move {
            tokio::time::sleep(LAG).await;
            if node.store(&key, value, replace).is_ok() {
                replicate(&node, &key).await;
            }
        });
    }
    if node.config.bug == Bug::StaleReads {
        let node = Rc::clone(node);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(LAG).await;
            replicate(&node, &key).await;
        });
    } else {
        replicate(node, &key).await;
    }
    Say::Done
}

/// Copies a key to the others, as far as they answer: they serve no reads of their own.
async fn replicate(node: &Node, key: &str) {
    let content = node.all(key);
    let copies = node.config.nodes.iter().enumerate().filter(|(at, _)| *at != node.config.me);
    let mut tasks = tokio::task::JoinSet::new();
    for (_, peer) in copies {
        let (peer, ask) = (*peer, Ask::Replicate(key.to_owned(), content.clone()));
        tasks.spawn(async move {
            let copying = async { ToyClient::open(peer).await.ok()?.ask(&ask).await.ok() };
            tokio::time::timeout(PATIENCE / 8, copying).await.ok().flatten()
        });
    }
    while tasks.join_next().await.is_some() {}
}

impl Node {
    fn read(&self, key: &str) -> Value {
        self.data.borrow().get(key).and_then(|list| list.last().cloned()).unwrap_or_default()
    }

    fn all(&self, key: &str) -> Vec<Value> {
        self.data.borrow().get(key).cloned().unwrap_or_default()
    }

    /// Logs a change, then makes it.
    fn store(&self, key: &str, value: Value, replace: bool) -> io::Result<()> {
        let mut content = if replace { Vec::new() } else { self.all(key) };
        content.push(value);
        let mut line = serde_json::to_vec(&(key, &content))?;
        line.push(b'\n');
        self.log.borrow_mut().write_all(&line)?;
        self.data.borrow_mut().insert(key.to_owned(), content);
        Ok(())
    }
}
