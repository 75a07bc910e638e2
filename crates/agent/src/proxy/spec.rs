//! What a liar is told: where it stands, what it looks for, which lies it tells.
//!
//! Data only. A lie is told on a *way* of a connection: the bytes of the requests (from who dialled
//! to who listened) or of the replies. For a node there is a second view, what it *says* and what
//! it *hears*, which does not depend on who dialled: etcd's replication stream is dialled by its
//! receiver.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::seal::Pattern;
use super::wire;

/// A proxy that lies, to be installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Liar {
    /// A name of the controller's choice, unique on the node.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// How messages are told apart on these connections.
    #[serde(default)]
    pub framing: FramingName,
    /// How the values of the workload look.
    #[serde(default)]
    pub pattern: Pattern,
    /// All its choices follow from this. Liars with one seed tell the same story.
    pub seed: u64,
    /// Who equivocates tells its stories by connection instead of by address: clients often share
    /// one address.
    #[serde(default)]
    pub by_connection: bool,
    /// Looked at in this order; the first one that tells wins. None: an honest proxy.
    #[serde(default)]
    pub lies: Vec<Lie>,
}

/// Where a liar stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Place {
    /// In front of an address. Whoever dials `listen` (loopback) reaches `forward` through it.
    Explicit {
        /// Where it listens; port 0 lets the system choose.
        listen: SocketAddr,
        /// Where it dials.
        forward: SocketAddr,
    },
    /// In the middle of the node's own connections, unseen by either end.
    Transparent {
        /// The ports that are dialled, here or there. None of them may be the controller's.
        ports: Vec<u16>,
        /// The other end.
        with: Who,
        /// Which connections, by who dialled.
        dialled_by: DialledBy,
    },
    /// In the packets themselves, of TCP and UDP; their checksums are mended. Only bits and values
    /// can be changed there.
    Wire {
        /// The ports that are dialled, here or there. None of them may be the controller's.
        ports: Vec<u16>,
        /// The other end.
        with: Who,
        /// Which connections, by who dialled.
        dialled_by: DialledBy,
    },
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DialledBy {
    /// The other end: what comes in.
    Them,
    /// This node: what goes out.
    Us,
    /// Whoever.
    #[default]
    Either,
}

/// A set of other ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Who {
    /// Everybody.
    #[default]
    Anyone,
    /// These addresses.
    Only(Vec<IpAddr>),
    /// Everybody but these addresses.
    Except(Vec<IpAddr>),
    /// One in so many, chosen by a keyed hash of address and port. Only for who is lied to.
    OneIn(u64),
}

/// How messages are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FramingName {
    /// Not at all: a stream of bytes, in which only seals are known.
    #[default]
    None,
    /// RESP2 and RESP3 (Redis).
    Resp,
    /// HTTP/1.1 with lengths or chunks.
    Http,
    /// PostgreSQL's protocol, version 3.
    Postgres,
}

/// One kind of lie, when it is told and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lie {
    /// What.
    pub tell: Tell,
    /// On which bytes.
    #[serde(default)]
    pub on: On,
    /// Who hears it; the others hear the truth.
    #[serde(default)]
    pub to: Who,
    /// How often.
    #[serde(default)]
    pub rate: Rate,
    /// Lies and honesty in turns; absent: always a liar.
    #[serde(default)]
    pub window: Option<Window>,
    /// Only in messages whose word begins with one of these (`GET`, `POST /v3/kv/put`,
    /// `UPDATE`); none: in all. Needs a framing.
    #[serde(default)]
    pub words: Vec<String>,
    /// Never in messages whose word begins with one of these, such as a health check. Needs a
    /// framing.
    #[serde(default)]
    pub spare: Vec<String>,
}

impl Lie {
    /// A lie that is told always, to everybody, on the bytes that it is usually told on.
    pub fn always(tell: Tell) -> Lie {
        let (words, spare) = (Vec::new(), Vec::new());
        let (on, to, rate) = (On::default(), Who::default(), Rate::default());
        Lie { tell, on, to, rate, window: None, words, spare }
    }
}

/// The bytes of a connection that a lie is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// From who dialled to who listened.
    Requests,
    /// From who listened to who dialled.
    Replies,
    /// What this node sends. An explicit proxy stands for the node that it forwards to.
    #[default]
    Says,
    /// What this node receives.
    Hears,
    /// All of it.
    Both,
}

/// How often a lie is told where it could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Rate {
    /// With the probability 1/n. About a seal it is drawn from the seal, so that every liar with
    /// this seed draws alike and a seal has one story.
    OneIn(u64),
    /// Every n-th time, counted over all connections.
    Every(u64),
}

impl Default for Rate {
    fn default() -> Rate {
        Rate::OneIn(1)
    }
}

/// Lies for a while, honest for a while, from the installation on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// How long it lies, in milliseconds.
    pub lie_ms: u64,
    /// How long it is honest then, in milliseconds.
    pub honest_ms: u64,
}

/// The lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Tell {
    /// A message is lost: the request, or the reply to it. Replies carry no number in these
    /// protocols, so after a lost one the connection stays silent. Needs a framing.
    Omit(Omit),
    /// The connection is accepted and swallows everything.
    BlackHole,
    /// Late by a fixed time and up to `jitter_ms` more.
    Delay {
        /// Milliseconds.
        ms: u64,
        /// Milliseconds.
        jitter_ms: u64,
    },
    /// So many bytes, then a pause, and so on: a gray failure.
    Drip {
        /// At least one.
        bytes: usize,
        /// Milliseconds.
        every_ms: u64,
    },
    /// A request is done twice; the second reply is swallowed. Needs a framing.
    Duplicate,
    /// A request overtakes the one before it on its connection; the replies keep their order.
    /// Needs a framing.
    Reorder {
        /// How long the first waits for the second, in milliseconds; then it goes on honestly.
        hold_ms: u64,
    },
    /// A bit is flipped.
    Corrupt(Part),
    /// Another value instead of the true one, of equal length.
    Substitute(Instead),
    /// Two stories: each listener hears its own, always the same one.
    Equivocate(Instead),
    /// A write is answered with success and never forwarded. Needs a framing.
    Acknowledge,
    /// "There is no such key" becomes success with this value. Needs a framing.
    Default {
        /// The value.
        value: String,
    },
    /// A request is answered with an error. Needs a framing.
    Refuse {
        /// What the error says.
        text: String,
        /// It is done all the same. Else it never reaches the server.
        done: bool,
    },
    /// The connection ends in the middle of a message, or of a stream within its first so many
    /// bytes where there is no framing.
    Truncate {
        /// At least two.
        within: u64,
    },
}

/// What is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Omit {
    /// Requests: never done.
    Requests,
    /// Replies of every kind: done, but never answered.
    Replies,
    /// Only the replies to writes.
    Acknowledgements,
}

/// Where a bit is flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Part {
    /// In what a seal says; its code then does not fit it.
    Body,
    /// In the code of a seal.
    Code,
    /// Anywhere, one bit in each block of so many bytes of the stream.
    Stream {
        /// At least one.
        block: u64,
    },
}

/// What stands in for a seal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Instead {
    /// Well-formed, with a made-up code: nobody wrote it, and anyone can tell.
    Forged,
    /// One of these: validly coded by the controller, and nobody wrote it. Only those of the same
    /// key are used.
    Insider(Vec<String>),
    /// The latest seal seen for another key.
    Misdirected,
    /// An older seal seen for the same key.
    Replayed,
}

impl Tell {
    /// The word for it in records.
    pub fn name(&self) -> &'static str {
        match self {
            Tell::Omit(Omit::Requests) => "omit-request",
            Tell::Omit(Omit::Replies) => "omit-reply",
            Tell::Omit(Omit::Acknowledgements) => "omit-acknowledgement",
            Tell::BlackHole => "black-hole",
            Tell::Delay { .. } => "delay",
            Tell::Drip { .. } => "drip",
            Tell::Duplicate => "duplicate",
            Tell::Reorder { .. } => "reorder",
            Tell::Corrupt(_) => "corrupt",
            Tell::Substitute(Instead::Forged) => "forge",
            Tell::Substitute(Instead::Insider(_)) => "forge-insider",
            Tell::Substitute(Instead::Misdirected) => "misdirect",
            Tell::Substitute(Instead::Replayed) => "replay",
            Tell::Equivocate(_) => "equivocate",
            Tell::Acknowledge => "acknowledge",
            Tell::Default { .. } => "default",
            Tell::Refuse { .. } => "refuse",
            Tell::Truncate { .. } => "truncate",
        }
    }

    /// Can it only be told where messages are told apart?
    pub fn needs_framing(&self) -> bool {
        match self {
            Tell::Omit(_)
            | Tell::Duplicate
            | Tell::Reorder { .. }
            | Tell::Acknowledge
            | Tell::Refuse { .. }
            | Tell::Default { .. } => true,
            Tell::BlackHole
            | Tell::Delay { .. }
            | Tell::Drip { .. }
            | Tell::Corrupt(_)
            | Tell::Substitute(_)
            | Tell::Equivocate(_)
            | Tell::Truncate { .. } => false,
        }
    }

    /// Is it about seals?
    pub fn is_about_seals(&self) -> bool {
        match self {
            Tell::Corrupt(part) => !matches!(part, Part::Stream { .. }),
            Tell::Substitute(_) | Tell::Equivocate(_) => true,
            _ => false,
        }
    }
}

impl Liar {
    /// What is wrong with it, where, and how to mend that.
    pub fn check(&self) -> Result<(), String> {
        self.pattern.check()?;
        if let Place::Transparent { ports, with, .. } | Place::Wire { ports, with, .. } =
            &self.place
        {
            if ports.is_empty() {
                return Err("no ports: say which of them are dialled".into());
            }
            if matches!(with, Who::OneIn(_)) {
                return Err("`with` takes addresses; a share of listeners goes into `to`".into());
            }
        }
        for lie in &self.lies {
            self.check_lie(lie).map_err(|why| format!("lie {}: {why}", lie.tell.name()))?;
        }
        Ok(())
    }

    fn check_lie(&self, lie: &Lie) -> Result<(), String> {
        let framed = self.framing != FramingName::None;
        if matches!(self.place, Place::Wire { .. }) {
            wire::check(lie)?;
            if framed {
                return Err("packets are no messages; leave the framing out".into());
            }
        }
        if !framed && lie.tell.needs_framing() {
            return Err("it needs to tell messages apart; set the framing to resp, http or \
                        postgres"
                .into());
        }
        let chooses = !lie.words.is_empty() || !lie.spare.is_empty();
        if !framed && chooses {
            return Err("words are of messages; set the framing to resp, http or postgres".into());
        }
        let zero = match (&lie.tell, lie.rate, &lie.to) {
            (_, Rate::OneIn(0) | Rate::Every(0), _) | (_, _, Who::OneIn(0)) => "its rate",
            (Tell::Drip { bytes: 0, .. }, ..) => "its number of bytes",
            (Tell::Corrupt(Part::Stream { block: 0 }), ..) => "its block",
            (Tell::Truncate { within: 0 | 1 }, ..) => return Err("within is at least 2".into()),
            _ => "",
        };
        if !zero.is_empty() {
            return Err(format!("{zero} is zero; it is at least 1"));
        }
        if lie.window.is_some_and(|window| window.lie_ms == 0) {
            return Err("its window has no time to lie in".into());
        }
        if let Tell::Substitute(Instead::Insider(pool)) | Tell::Equivocate(Instead::Insider(pool)) =
            &lie.tell
        {
            for seal in pool {
                if !self.pattern.is_seal(seal.as_bytes()) {
                    return Err(format!("{seal:?} in the pool is no seal of the pattern"));
                }
            }
        }
        Ok(())
    }
}
