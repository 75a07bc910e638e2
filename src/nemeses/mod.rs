//! What goes wrong: which faults, on which nodes, when, and how each is injected and undone.
//!
//! Choosing is pure ([`schedule`], [`Targets`], [`Shape`]): a seed and what the database says of
//! its primaries make concrete [`Fault`](perjury_history::Fault)s. Injecting ([`Hands`]) goes
//! through the agents, and an effect that was not seen is not counted.

mod grudge;
mod hands;
mod insiders;
mod liar;
mod lies;
mod rot;
mod schedule;
mod target;

use std::time::Duration;

use perjury_history::{Framing, Instead, Lie, Rot, Tell};
use serde::{Deserialize, Serialize};

pub use grudge::Shape;
pub use hands::{Hand, Hands};
pub use insiders::insiders;
pub use lies::Ledger;
pub use schedule::{Act, Step, schedule};
pub use target::Targets;

/// A declared nemesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Spec {
    /// Do the faults take turns, or does each keep its own rhythm?
    pub order: Order,
    /// How long the cluster gets to recover after the last heal, before the final reads.
    #[serde(with = "crate::duration")]
    pub settle: Duration,
    /// The faults.
    pub fault: Vec<Track>,
}

impl Default for Spec {
    fn default() -> Spec {
        Spec { order: Order::InTurn, settle: Duration::from_secs(3), fault: Vec::new() }
    }
}

impl Spec {
    /// Does anybody lie who knows the run's secret?
    pub fn has_insiders(&self) -> bool {
        let is_one = |lie: &Lie| {
            use Instead::Insider;
            matches!(lie.tell, Tell::Substitute(Insider) | Tell::Equivocate(Insider))
        };
        self.fault.iter().any(|track| match &track.inject {
            Word::Lie(deceit) => deceit.insider || deceit.lies.iter().any(is_one),
            _ => false,
        })
    }
}

/// How several faults are composed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// One at a time: the first, the second, ..., and again.
    #[default]
    InTurn,
    /// Each in its own rhythm, so that they overlap.
    Together,
}

/// One fault that recurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Track {
    /// From the end of one to the beginning of the next, on average.
    #[serde(with = "crate::duration", default = "five_seconds")]
    pub every: Duration,
    /// From its injection to its heal.
    #[serde(with = "crate::duration", default = "five_seconds")]
    pub hold: Duration,
    /// What.
    pub inject: Word,
}

fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

/// The registry: the word in a declaration and its options.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Word {
    /// Cut links between nodes.
    Partition(Cutting),
    /// SIGKILL, and start again.
    Kill(Whom),
    /// SIGSTOP and SIGCONT.
    Pause(Whom),
    /// SIGTERM and start again, at once.
    Restart(Whom),
    /// Nodes lie, by a proxy in their connections.
    Lie(Deceit),
    /// Bits turn over in memory or in files.
    Corrupt(Confusion),
}

/// The options of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cutting {
    /// Which links.
    pub shape: Shape,
}

/// The options of a fault of processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Whom {
    /// Which nodes.
    pub targets: Targets,
}

/// The options of lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Deceit {
    /// Which nodes lie.
    pub targets: Targets,
    /// To whom.
    pub deceive: Whomever,
    /// The lies; of those that could be told at a place, the first one is.
    pub lies: Vec<Lie>,
    /// All liars tell one story.
    #[serde(default)]
    pub collude: bool,
    /// The liars know the run's secret: what they forge has a valid code, and nobody wrote it.
    #[serde(default)]
    pub insider: bool,
    /// When other nodes become primaries while they lie, those lie instead.
    #[serde(default)]
    pub follow: bool,
    /// In the packets, with mended checksums, instead of by a proxy.
    #[serde(default)]
    pub wire: bool,
    /// Instead of the ports that the database says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<u16>>,
    /// Instead of the framing that the database says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framing: Option<Framing>,
}

/// The options of corruption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Confusion {
    /// Which nodes.
    pub targets: Targets,
    /// What happens there.
    pub what: Rot,
}

/// Who is deceived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whomever {
    /// Who is no node.
    Clients,
    /// All other nodes.
    Peers,
    /// These of the other nodes, whoever dialled.
    Nodes(Targets),
}

#[cfg(test)]
mod tests;
