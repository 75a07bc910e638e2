//! One connection to a replica: a line of JSON out, a line of JSON in.

use std::net::SocketAddr;

use perjury_history::Cause;
use serde::Deserialize;
use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::super::Refusal;

/// No answer is longer: a set of some hundred thousand elements.
const MOST: u64 = 64 << 20;

/// What a replica answers; `targets/replica/src/clients.rs` has the other end of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Answer {
    Done(Done),
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

/// A transaction that is committed. The same at every honest replica.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Done {
    /// Its name.
    pub id: String,
    /// Its place in the one order.
    pub at: u64,
    /// The height of its block.
    pub height: u64,
    /// What it found.
    pub output: Output,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Output {
    Done,
    Register { value: Option<String>, version: Option<u64> },
    Swapped(bool),
    Elements(Vec<String>),
}

/// How a replica is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Status {
    pub replica: usize,
    pub view: u64,
    pub leader: usize,
    pub height: Option<u64>,
    pub healthy: bool,
}

pub(super) struct Lines(BufReader<TcpStream>);

impl Lines {
    /// Connects. Nothing is sent yet.
    pub(super) async fn open(address: SocketAddr) -> Result<Lines, Cause> {
        let failed =
            |error: std::io::Error| Cause::new("no-connection", format!("{address}: {error}"));
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(Lines(BufReader::new(stream)))
    }

    /// Asks once.
    pub(super) async fn ask(&mut self, question: &Json) -> Result<Answer, Refusal> {
        let lost = |error: std::io::Error| {
            Refusal::Indefinite(Cause::new("connection-lost", error.to_string()))
        };
        let line = format!("{question}\n");
        self.0.get_mut().write_all(line.as_bytes()).await.map_err(lost)?;
        let mut answer = Vec::new();
        (&mut self.0).take(MOST).read_until(b'\n', &mut answer).await.map_err(lost)?;
        if answer.last() != Some(&b'\n') {
            let cause = Cause::new("connection-lost", "closed by the replica");
            return Err(Refusal::Indefinite(cause));
        }
        serde_json::from_slice(&answer).map_err(|error| {
            let text: String = String::from_utf8_lossy(&answer).chars().take(500).collect();
            Refusal::Unmodelled(Cause::new("not-understood", format!("{error}: {text}")))
        })
    }
}
