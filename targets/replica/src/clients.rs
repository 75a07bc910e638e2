//! The clients' side: one JSON object a line, one answer a line, in order.
//!
//! ```text
//! {"write":{"key":"k","value":"v"}}
//!     {"done":{"id":"0-00000000000000a1-1","at":0,"height":7,"output":"done"}}
//! {"read":{"key":"k"}}
//!     {"done":{...,"output":{"register":{"value":"v","version":0}}}}
//! {"cas":{"key":"k","from":null,"to":"v"}}
//!     {"done":{...,"output":{"swapped":false}}}
//! {"add":{"key":"s","element":"e"}}
//!     {"done":{...,"output":"done"}}
//! {"elements":{"key":"s"}}
//!     {"done":{...,"output":{"elements":["e"]}}}
//! {"outcome":{"id":"0-00000000000000a1-1"}}
//!     the same `done`, from another replica
//! {"committed":{"key":"k"}}
//!     {"committed":{"height":7,"transactions":1,"value":"v","version":0}}
//! {"committed-elements":{"key":"s"}}
//!     {"committed-elements":{"height":7,"transactions":2,"elements":["e"]}}
//! "status"
//!     {"status":{...}}
//! ```
//!
//! The first five go through consensus and are answered after their block is committed here. `at`
//! is the place of a transaction in the one order, from 0; `version` that of the last write of a
//! register; `transactions` says how many places are taken in the copy that is answered from.
//! `refused` means: not proposed, and it never will be. `undecided` means: waited for, and nothing
//! is known of it; it may still be committed.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Resolved;
use crate::journal::Journal;
use crate::machine::{count_key, element_key, outcome_key, register_key, total_key};
use crate::network::Links;
use crate::pool::Pool;
use crate::transaction::{Id, Operation, Outcome, Output, Transaction, decode};

/// How long a client waits for its transaction.
const PATIENCE: Duration = Duration::from_secs(10);
/// A replica that has committed nothing for so long does not call itself healthy.
const STALLED: Duration = Duration::from_secs(5);
/// The longest line: three strings, each byte of which JSON may write as six.
const MOST_LINE: u64 = 128 << 10;

/// What a client asks.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Ask {
    Question(Question),
    Operation(Operation),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Question {
    Outcome { id: String },
    Committed { key: String },
    CommittedElements { key: String },
    Status,
}

/// What it is answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Done {
        id: String,
        at: u64,
        height: u64,
        output: Shown,
    },
    Committed {
        height: Option<u64>,
        transactions: u64,
        value: Option<String>,
        version: Option<u64>,
    },
    CommittedElements {
        height: Option<u64>,
        transactions: u64,
        elements: Vec<String>,
    },
    Status(Status),
    Refused(String),
    Undecided(String),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Shown {
    Done,
    Register { value: Option<String>, version: Option<u64> },
    Swapped(bool),
    Elements(Vec<String>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Status {
    replica: usize,
    replicas: usize,
    view: u64,
    /// The place of the replica that leads this view.
    leader: usize,
    /// The height of the last committed block.
    height: Option<u64>,
    /// How many transactions were carried out.
    transactions: u64,
    /// Was a block committed lately?
    healthy: bool,
}

/// What a replica has committed, and who leads: what a server owes the desk.
pub trait Committed: Send + Sync + 'static {
    /// All of it at one moment.
    type State<'a>: State;

    /// What is committed now.
    fn state(&self) -> Self::State<'_>;

    /// The place of the replica that leads a view.
    fn leader(&self, view: u64) -> usize;
}

/// What was committed up to one height.
pub trait State {
    /// That height, if anything was committed.
    fn height(&self) -> Option<u64>;

    /// What the machine holds at a key of `machine`.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;
}

/// What is behind the port for clients.
pub struct Desk<P, C> {
    /// The replica.
    pub own: Resolved<P>,
    /// Drawn at its start.
    pub boot: u64,
    /// Its transactions so far.
    pub next: AtomicU64,
    /// Where transactions go.
    pub pool: Arc<Pool>,
    /// The way to the others.
    pub links: Links,
    /// What is committed.
    pub committed: C,
    /// Where views are known.
    pub journal: Arc<Journal>,
}

/// Serves clients for ever.
///
/// # Errors
/// The port cannot be used.
pub fn serve<P, C>(desk: Desk<P, C>) -> io::Result<()>
where
    P: Send + Sync + 'static,
    C: Committed,
{
    let address = desk.own.config.replicas[desk.own.config.me].clients;
    let listener = TcpListener::bind(address)?;
    desk.journal.say(&format!("replica {} serves clients on {address}", desk.own.config.me));
    let desk = Arc::new(desk);
    for stream in listener.incoming() {
        let desk = Arc::clone(&desk);
        thread::spawn(move || {
            // Clients come and go; what was asked stays asked.
            let _gone = stream.and_then(|stream| desk.converse(stream));
        });
    }
    Ok(())
}

impl<P, C: Committed> Desk<P, C> {
    fn converse(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut writing = stream.try_clone()?;
        let mut reading = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            (&mut reading).take(MOST_LINE).read_until(b'\n', &mut line)?;
            if line.last() != Some(&b'\n') {
                return Ok(());
            }
            let answer = match serde_json::from_slice(&line) {
                Ok(Ask::Operation(operation)) => self.carry_out(operation),
                Ok(Ask::Question(question)) => self.answer(question),
                Err(error) => Answer::Refused(format!("not understood: {error}")),
            };
            let mut text = serde_json::to_vec(&answer)?;
            text.push(b'\n');
            writing.write_all(&text)?;
        }
    }

    fn carry_out(&self, operation: Operation) -> Answer {
        if let Err(why) = operation.check() {
            return Answer::Refused(why);
        }
        let origin = u16::try_from(self.own.config.me).unwrap_or(u16::MAX);
        let id = Id { origin, boot: self.boot, number: self.next.fetch_add(1, Relaxed) };
        let transaction = Transaction::new(id, operation, &self.own.secret);
        let told = self.pool.watch(id);
        if !self.pool.insert(transaction.clone()) {
            self.pool.unwatch(id, told);
            return Answer::Refused("too many transactions wait".into());
        }
        self.links.gossip(&transaction);
        self.wait(id, told)
    }

    fn wait(&self, id: Id, told: std::sync::mpsc::Receiver<()>) -> Answer {
        let answered = told.recv_timeout(PATIENCE);
        if answered.is_err() {
            self.pool.unwatch(id, told);
        }
        self.outcome(id).unwrap_or_else(|| {
            Answer::Undecided(format!("{id} was not committed in {} s", PATIENCE.as_secs()))
        })
    }

    fn answer(&self, question: Question) -> Answer {
        match question {
            Question::Outcome { id } => match id.parse() {
                Ok(id) => {
                    // First the watch, then the look: in between it cannot be missed.
                    let told = self.pool.watch(id);
                    match self.outcome(id) {
                        Some(answer) => {
                            self.pool.unwatch(id, told);
                            answer
                        }
                        None => self.wait(id, told),
                    }
                }
                Err(why) => Answer::Refused(why),
            },
            Question::Committed { key } => {
                let state = self.committed.state();
                let held = state.get(&register_key(&key));
                let held: Option<(String, u64)> = held.and_then(|bytes| decode(&bytes));
                let (value, version) = held.unzip();
                let transactions = number(&state, &total_key());
                Answer::Committed { height: state.height(), transactions, value, version }
            }
            Question::CommittedElements { key } => {
                let state = self.committed.state();
                let count = number(&state, &count_key(&key));
                let elements = elements(&state, &key, count);
                let transactions = number(&state, &total_key());
                Answer::CommittedElements { height: state.height(), transactions, elements }
            }
            Question::Status => Answer::Status(self.status()),
        }
    }

    /// What came of a transaction, if it is committed here.
    fn outcome(&self, id: Id) -> Option<Answer> {
        let state = self.committed.state();
        let found: Outcome = decode(&state.get(&outcome_key(id))?)?;
        let output = match found.output {
            Output::Done => Shown::Done,
            Output::Value(value, version) => Shown::Register { value, version },
            Output::Swapped(swapped) => Shown::Swapped(swapped),
            Output::Elements(key, count) => Shown::Elements(elements(&state, &key, count)),
        };
        Some(Answer::Done { id: id.to_string(), at: found.at, height: found.height, output })
    }

    fn status(&self) -> Status {
        let state = self.committed.state();
        let height = state.height();
        let view = self.journal.view.load(Relaxed);
        Status {
            replica: self.own.config.me,
            replicas: self.own.keys.len(),
            view,
            leader: self.committed.leader(view),
            height,
            transactions: number(&state, &total_key()),
            healthy: height.is_some() && self.journal.since_commit() < STALLED,
        }
    }
}

fn number(state: &impl State, key: &[u8]) -> u64 {
    state.get(key).and_then(|bytes| decode(&bytes)).unwrap_or(0)
}

fn elements(state: &impl State, key: &str, count: u64) -> Vec<String> {
    let element = |at| state.get(&element_key(key, at)).and_then(|e| decode(&e));
    (0..count).filter_map(element).collect()
}
