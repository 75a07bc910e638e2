//! A toy node.
//!
//! A key holds a list of values: a set is the list, a register its last element. Changes are
//! numbered. The log has one JSON line for the changes of a call, written before the answer; a node
//! reads it again at its start. The primary sends each change to the others, which also ask it for
//! what they missed; the higher number wins.

mod several;

use std::cell::{Cell, RefCell};
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
use super::insider::{Insider, Move};
use super::{Answer, Ask, Bug, Change, Config, Content, Say};
use crate::databases::Refusal;

/// How far the copies lag behind when reads are stale.
const LAG: Duration = Duration::from_millis(150);
/// How long a node waits for the primary before it says so, or takes over.
const PATIENCE: Duration = Duration::from_millis(400);
/// How often a follower asks for what it missed, and how much it gets at once.
const CATCH_UP: Duration = Duration::from_millis(250);
const MOST_CHANGES: usize = 1000;
/// One write in so many meets the planted bug.
const ONE_IN: u64 = 16;

struct Node {
    config: Config,
    data: RefCell<HashMap<String, Content>>,
    log: RefCell<File>,
    /// The number of the last change that it knows of.
    last: Cell<u64>,
    /// Of a follower: it has seen every change up to this number.
    whole: Cell<u64>,
    primary: Cell<usize>,
    /// Who lies in its name.
    insider: Option<Insider>,
}

/// Serves until the process is killed. `path` is the node's configuration.
///
/// # Errors
/// The configuration, the log or the port cannot be used.
pub fn serve(path: &Path) -> io::Result<()> {
    let config: Config = serde_json::from_slice(&std::fs::read(path)?)?;
    let data = replay(Path::new(&config.log))?;
    let log = File::options().create(true).append(true).open(&config.log)?;
    let last = data.values().map(|content| content.number).max().unwrap_or(0);
    let lie = config.lie.as_ref();
    let insider = lie.map(|(lie, truth)| Insider::new(*lie, Path::new(truth))).transpose()?;
    let node = Rc::new(Node {
        insider,
        config,
        data: RefCell::new(data),
        log: RefCell::new(log),
        last: Cell::new(last),
        whole: Cell::new(0),
        primary: Cell::new(0),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, accept(node))
}

/// Reads the log again. A last line that breaks off was never acknowledged: it is cut away, or the
/// next change would be appended to it and lost with it.
fn replay(path: &Path) -> io::Result<HashMap<String, Content>> {
    let mut data: HashMap<String, Content> = HashMap::new();
    let mut whole = 0;
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(data),
        Err(error) => return Err(error),
    };
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Ok(changes) = serde_json::from_slice::<Vec<Change>>(line) else { break };
        if !line.ends_with(b"\n") {
            break;
        }
        for change in changes {
            data.entry(change.key.clone()).or_default().take(change);
        }
        whole += line.len() as u64;
    }
    File::options().write(true).open(path)?.set_len(whole)?;
    Ok(data)
}

async fn accept(node: Rc<Node>) -> io::Result<()> {
    let me = node.config.nodes[node.config.me];
    let listener = TcpListener::bind(me).await?;
    println!("node {} serves on {me}, bug {:?}", node.config.me, node.config.bug);
    tokio::task::spawn_local(catch_up(Rc::clone(&node)));
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
            Ok(ask) => speak(node, ask, &mut onward).await?,
            Err(error) => node.says(Say::Refused(format!("not understood: {error}"))),
        };
        let mut text = serde_json::to_vec(&say)?;
        text.push(b'\n');
        writing.write_all(&text).await?;
    }
    Ok(())
}

/// Answers, or lies.
async fn speak(node: &Rc<Node>, ask: Ask, onward: &mut Option<ToyClient>) -> io::Result<Answer> {
    let Some(insider) = &node.insider else { return Ok(answer(node, ask, onward).await) };
    match insider.before(&ask, node.last.get() + 1, node.config.me)? {
        Move::Say(answer) => Ok(answer),
        Move::Honest => {
            let honest = answer(node, ask.clone(), onward).await;
            insider.after(&ask, honest, |key| node.other(key))
        }
        Move::Refuse => {
            answer(node, ask, onward).await;
            Ok(node.says(Say::Refused("not now".into())))
        }
        Move::Twice => {
            let (again, same) = (Rc::clone(node), ask.clone());
            tokio::task::spawn_local(async move {
                tokio::time::sleep(LAG).await;
                answer(&again, same, &mut None).await;
            });
            Ok(answer(node, ask, onward).await)
        }
    }
}

async fn answer(node: &Rc<Node>, ask: Ask, onward: &mut Option<ToyClient>) -> Answer {
    let me = node.config.me;
    match ask {
        Ask::Role => node.says(Say::Role { primary: node.primary.get() == me }),
        Ask::Since(number) => node.says(node.since(number)),
        Ask::Replicate(changes) => {
            changes.into_iter().for_each(|change| node.follow(change));
            node.says(Say::Done)
        }
        Ask::Peek(key) => Answer { local: true, ..node.value(&key) },
        Ask::PeekAll(key) => Answer { local: true, ..node.elements(&key) },
        Ask::Read(key) if node.config.bug == Bug::StaleReads => node.value(&key),
        Ask::ReadAll(key) if node.config.bug == Bug::StaleReads => node.elements(&key),
        ask if node.primary.get() == me => apply(node, ask).await,
        ask => forward(node, ask, onward).await,
    }
}

/// Sends the call on to the primary. A follower with the split-brain bug takes over when it hears
/// nothing: the second node for itself, the others send to that one.
async fn forward(node: &Rc<Node>, ask: Ask, onward: &mut Option<ToyClient>) -> Answer {
    let primary = node.config.nodes[node.primary.get()];
    let trying = send_on(onward, primary, &ask);
    let result = tokio::time::timeout(PATIENCE, trying).await;
    let refusal = match result {
        Ok(Ok(answer)) => return answer,
        Ok(Err(refusal)) => refusal,
        Err(_) => Refusal::Indefinite(perjury_history::Cause::new("timeout", "primary is silent")),
    };
    *onward = None;
    if node.config.bug == Bug::SplitBrain && node.config.nodes.len() > 1 {
        println!("primary is silent; node 1 takes over");
        node.primary.set(1);
    }
    node.says(match refusal {
        Refusal::Definite(cause) => Say::Refused(cause.to_string()),
        Refusal::Indefinite(cause) | Refusal::Unmodelled(cause) => Say::Lost(cause.to_string()),
    })
}

async fn send_on(
    onward: &mut Option<ToyClient>,
    primary: SocketAddr,
    ask: &Ask,
) -> Result<Answer, Refusal> {
    if onward.is_none() {
        *onward = Some(ToyClient::open(primary).await.map_err(Refusal::Definite)?);
    }
    match onward {
        Some(client) => client.ask(ask).await,
        None => unreachable!("opened above"),
    }
}

async fn apply(node: &Rc<Node>, ask: Ask) -> Answer {
    match ask {
        Ask::Read(key) => node.value(&key),
        Ask::ReadAll(key) => node.elements(&key),
        Ask::Write(key, value) => change(node, key, value, true).await,
        Ask::Add(key, element) => change(node, key, element, false).await,
        Ask::Delete(key) => delete(node, key).await,
        Ask::Put(pairs) => several::put(node, pairs).await,
        Ask::Get(keys) => several::get(node, &keys),
        Ask::Transfer(from, to, amount) => several::transfer(node, from, to, amount).await,
        Ask::Accounts => several::accounts(node),
        Ask::Cas(key, from, to) => {
            if node.read(&key) != from {
                return Answer { say: Say::Swapped(false), ..node.value(&key) };
            }
            let answer = change(node, key, to, true).await;
            match answer.say {
                Say::Done => Answer { say: Say::Swapped(true), ..answer },
                _ => answer,
            }
        }
        _ => node.says(Say::Refused("not for a primary".into())),
    }
}

/// Leaves nothing in place of what was there, so that the copies hear of it. Of nothing nothing is
/// left: no change.
async fn delete(node: &Rc<Node>, key: String) -> Answer {
    let before = node.read(&key);
    if before.is_nil() {
        return node.says(Say::Done);
    }
    let answer = change(node, key.clone(), Value::Nil, true).await;
    if node.config.bug == Bug::ResurrectedDeletes && answer.at.is_multiple_of(2) {
        let node = Rc::clone(node);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(LAG / 3).await;
            if node.read(&key).is_nil()
                && let Ok(made) = node.store(vec![(key, before, true)])
            {
                replicate(&node, &made).await;
            }
        });
    }
    answer
}

async fn change(node: &Rc<Node>, key: String, value: Value, replace: bool) -> Answer {
    let number = node.last.get() + 1;
    let done = Answer { at: number, version: Some(number), ..node.says(Say::Done) };
    let struck = number.is_multiple_of(ONE_IN);
    if struck && node.config.bug == Bug::LostWrites {
        node.last.set(number);
        return done;
    }
    let made = match node.store(vec![(key.clone(), value.clone(), replace)]) {
        Ok(made) => made,
        Err(error) => return node.says(Say::Lost(format!("log: {error}"))),
    };
    if struck && node.config.bug == Bug::DuplicateApply {
        let node = Rc::clone(node);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(LAG).await;
            if let Ok(made) = node.store(vec![(key, value, replace)]) {
                replicate(&node, &made).await;
            }
        });
    }
    if node.config.bug == Bug::StaleReads {
        let node = Rc::clone(node);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(LAG).await;
            replicate(&node, &made).await;
        });
    } else {
        replicate(node, &made).await;
    }
    done
}

/// Tells changes to the others, as far as they answer: they serve no reads of their own.
async fn replicate(node: &Node, changes: &[Change]) {
    let copies = node.config.nodes.iter().enumerate().filter(|(at, _)| *at != node.config.me);
    let mut tasks = tokio::task::JoinSet::new();
    for (_, peer) in copies {
        let (peer, ask) = (*peer, Ask::Replicate(changes.to_vec()));
        tasks.spawn(async move {
            let copying = async { ToyClient::open(peer).await.ok()?.ask(&ask).await.ok() };
            tokio::time::timeout(PATIENCE / 8, copying).await.ok().flatten()
        });
    }
    while tasks.join_next().await.is_some() {}
}

/// Asks the primary for what is missing, for ever: a node that was down has missed something.
async fn catch_up(node: Rc<Node>) {
    let mut onward = None;
    loop {
        // With the bug the copies have to lag.
        let lag = if node.config.bug == Bug::StaleReads { LAG * 8 } else { CATCH_UP };
        tokio::time::sleep(lag).await;
        let primary = node.primary.get();
        if primary == node.config.me {
            continue;
        }
        let ask = Ask::Since(node.whole.get());
        let asking = send_on(&mut onward, node.config.nodes[primary], &ask);
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(Ok(Answer { say: Say::Changes { changes, upto }, .. })) => {
                changes.into_iter().for_each(|(key, content)| node.copy(key, content));
                node.whole.set(upto);
            }
            _ => onward = None,
        }
    }
}

impl Node {
    fn says(&self, say: Say) -> Answer {
        let leads = self.primary.get() == self.config.me;
        let at = if leads { self.last.get() } else { self.whole.get() };
        Answer { say, at, version: None, by: self.config.me, local: false }
    }

    fn version(&self, key: &str) -> Option<u64> {
        self.data.borrow().get(key).map(|content| content.number)
    }

    fn value(&self, key: &str) -> Answer {
        Answer { version: self.version(key), ..self.says(Say::Value(self.read(key))) }
    }

    fn elements(&self, key: &str) -> Answer {
        Answer { version: self.version(key), ..self.says(Say::Elements(self.all(key))) }
    }

    /// The value of some other key.
    fn other(&self, key: &str) -> Option<Value> {
        let data = self.data.borrow();
        let other = data.iter().find(|(name, _)| name.as_str() != key);
        other.and_then(|(_, content)| content.values.last().cloned())
    }

    /// A primary takes no orders: that is what makes a split brain stay split.
    fn obeys(&self, number: u64) -> bool {
        let obeys = self.primary.get() != self.config.me;
        if obeys {
            self.last.set(self.last.get().max(number));
        }
        obeys
    }

    /// Makes a change of the primary, if it fits. What does not is caught up with later.
    fn follow(&self, change: Change) {
        if self.obeys(change.number) {
            let mut data = self.data.borrow_mut();
            let content = data.entry(change.key.clone()).or_default();
            let newer = content.number < change.number;
            if newer && (change.replace || content.number == change.after) {
                content.take(change);
            }
        }
    }

    /// Takes over what the primary holds of a key, if it is newer than what is there.
    fn copy(&self, key: String, content: Content) {
        if self.obeys(content.number) {
            let mut data = self.data.borrow_mut();
            if data.get(&key).is_none_or(|known| known.number < content.number) {
                data.insert(key, content);
            }
        }
    }

    /// The next changes after that number, in their order. All up to `upto` are among them.
    fn since(&self, number: u64) -> Say {
        let data = self.data.borrow();
        let mut changes: Vec<(&String, &Content)> =
            data.iter().filter(|(_, content)| content.number > number).collect();
        changes.sort_by_key(|(_, content)| content.number);
        let more = changes.len() > MOST_CHANGES;
        changes.truncate(MOST_CHANGES);
        let last = changes.last().map_or(number, |(_, content)| content.number);
        let upto = if more { last } else { self.last.get().max(last) };
        let owned = |(key, content): (&String, &Content)| (key.clone(), content.clone());
        Say::Changes { changes: changes.into_iter().map(owned).collect(), upto }
    }

    fn read(&self, key: &str) -> Value {
        let data = self.data.borrow();
        data.get(key).and_then(|content| content.values.last().cloned()).unwrap_or_default()
    }

    fn all(&self, key: &str) -> Vec<Value> {
        let data = self.data.borrow();
        data.get(key).map(|content| content.values.clone()).unwrap_or_default()
    }

    /// Logs the next changes in one line, then makes them: a key, a value, and whether it replaces
    /// what was there.
    fn store(&self, parts: Vec<(String, Value, bool)>) -> io::Result<Vec<Change>> {
        let mut changes: Vec<Change> = Vec::new();
        for (key, value, replace) in parts {
            let number = self.last.get() + 1 + changes.len() as u64;
            let same = changes.iter().rev().find(|change| change.key == key);
            let after = same.map_or(self.version(&key).unwrap_or(0), |change| change.number);
            changes.push(Change { key, number, after, value, replace });
        }
        let mut line = serde_json::to_vec(&changes)?;
        line.push(b'\n');
        self.last.set(self.last.get() + changes.len() as u64);
        self.log.borrow_mut().write_all(&line)?;
        for change in &changes {
            self.data.borrow_mut().entry(change.key.clone()).or_default().take(change.clone());
        }
        Ok(changes)
    }
}

impl Content {
    fn take(&mut self, change: Change) {
        if change.replace {
            self.values.clear();
        }
        self.number = change.number;
        self.values.push(change.value);
    }
}
