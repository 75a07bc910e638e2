//! `hotstuff_rs` 0.4: a published implementation of HotStuff, a Byzantine fault tolerant consensus,
//! with the small key-value server of `targets/hotstuff` on top of it.
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
    name: "hotstuff",
    program: "hotstuff-node",
    variable: "PERJURY_HOTSTUFF",
    promise: "safety and liveness while at most f = floor((n - 1) / 3) of n replicas are \
              crashed or Byzantine: all transactions are linearizable, and they go on",
    source: "hotstuff_rs 0.4.0: lib.rs (\"guaranteed to satisfy safety and liveness \
             invariants as long as no more than 1/3rd of the TotalPower of a ValidatorSet \
             is faulty\"), README.md (\"Provable Safety\")",
    signs: signs::SIGNS,
};

/// The options of `hotstuff_rs` in a declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// How reads are made.
    pub reads: Reads,
    /// When the answer to a transaction is believed.
    pub answers: Answers,
    /// How long a view may last, in seconds: the library loses fractions
    /// (`pacemaker/implementation.rs`, `as_secs`).
    pub view_seconds: u64,
    /// After how many views all replicas meet in one. The deadlines of the views count from the
    /// beginning of an epoch: in one of 2n views, a single lost proposal can stop everything for 2n
    /// seconds. With 1, each view has its own.
    pub epoch: u32,
    /// How long a replica looks at a block before it votes. With none, a replica that is a little
    /// slower than a quorum misses blocks and has to fetch them.
    #[serde(with = "crate::duration")]
    pub pace: Duration,
    /// How long a leader with nothing to propose waits before it proposes an empty block.
    #[serde(with = "crate::duration")]
    pub idle: Duration,
    /// Is everything on the disk before it counts? A killed replica forgets nothing without it; one
    /// that loses its power does.
    pub sync: bool,
    /// Without it, a replica that missed a block never catches up: `block_data` of the published
    /// library loses the content of every block (`block_tree/pluggables.rs`).
    pub mend_block_sync: bool,
    /// What the keys of the replicas are made of. They guard an experiment and nothing else.
    pub key_seed: String,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            reads: Reads::Ordered,
            answers: Answers::Quorum,
            view_seconds: 1,
            epoch: 1,
            pace: Duration::from_millis(20),
            idle: Duration::from_millis(100),
            sync: false,
            mend_block_sync: true,
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
        let protocol = json!({
            "epoch": self.epoch,
            "view-seconds": self.view_seconds,
            "pace-ms": millis(self.pace),
            "mend-block-sync": self.mend_block_sync,
        });
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
