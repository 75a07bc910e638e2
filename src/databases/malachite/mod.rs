//! Malachite's consensus 0.5: Tendermint's algorithm as a published library of effects, with the
//! small key-value server of `targets/malachite` around it.
//!
//! One of the servers that [`replicas`] drives.

mod signs;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::replicas::{self, Answers, Common, Reads, Replicas, Server, millis};

/// The library with its server.
pub const SERVER: Server = Server {
    name: "malachite",
    program: "malachite-node",
    variable: "PERJURY_MALACHITE",
    promise: "Byzantine fault tolerant, with quorums of more than two thirds: while at most f = \
              floor((n - 1) / 3) of n replicas are crashed or Byzantine, all transactions are \
              linearizable, and they go on",
    source: "informalsystems-malachitebft 0.5.0: README.md (\"Byzantine-fault tolerant (BFT) \
             consensus engine\"), core-types/src/threshold.rs (`TWO_F_PLUS_ONE`); E. Buchman, J. \
             Kwon, Z. Milosevic, The latest gossip on BFT consensus, arXiv 1807.04938",
    signs: signs::SIGNS,
};

/// The options of Malachite in a declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// How reads are made.
    pub reads: Reads,
    /// When the answer to a transaction is believed.
    pub answers: Answers,
    /// How long the proposer of the first round of a height has. Votes have half of it, and every
    /// further round a quarter more.
    #[serde(with = "crate::duration")]
    pub timeout: Duration,
    /// How long a proposer with nothing to propose waits before it proposes nothing. Less than
    /// `timeout`.
    #[serde(with = "crate::duration")]
    pub idle: Duration,
    /// Is everything on the disk before it counts? A killed replica forgets nothing without it; one
    /// that loses its power does.
    pub sync: bool,
    /// What the keys of the replicas are made of. They guard an experiment and nothing else.
    pub key_seed: String,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            reads: Reads::Ordered,
            answers: Answers::Quorum,
            timeout: Duration::from_secs(1),
            idle: Duration::from_millis(100),
            sync: false,
            key_seed: "perjury".into(),
        }
    }
}

impl Options {
    /// Replicas with these options, and the server that was built here.
    pub fn build(self) -> Replicas {
        self.build_with(replicas::program(&SERVER))
    }

    /// Replicas with a server of one's own.
    pub fn build_with(self, program: PathBuf) -> Replicas {
        let protocol = json!({ "timeout-ms": millis(self.timeout) });
        let common = Common {
            reads: self.reads,
            answers: self.answers,
            idle: self.idle,
            sync: self.sync,
            key_seed: self.key_seed,
        };
        Replicas::new(&SERVER, common, protocol, program)
    }
}
