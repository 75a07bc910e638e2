//! The ways in which f nodes are made to fail, one fault each, from the beginning of the load to
//! its end. The liars collude: they tell one story.

use std::time::Duration;

use perjury_history::{Aim, Damage, Files, Instead, Lie, Omit, On, Part, Rot, Tell};

use crate::nemeses::{Confusion, Deceit, Spec, Targets, Track, Whom, Whomever, Word};

/// One way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strategy {
    /// The word for `--lies`.
    pub(super) name: &'static str,
    /// What the nodes do.
    pub(super) what: &'static str,
    how: How,
}

#[derive(Clone, Copy, Debug)]
enum How {
    /// Lies to clients, of one in so many.
    Clients(fn() -> Tell, Option<On>, u64),
    /// Lies to the other nodes.
    Peers(fn() -> Tell, u64),
    /// Corruption, half-way through the load.
    Rot(fn() -> Rot),
    /// No lie: the nodes are killed.
    Crash,
}

fn forged() -> Tell {
    Tell::Substitute(Instead::Forged)
}

fn values() -> Aim {
    Aim::Values { keys: 2, one_copy: false }
}

const fn strategy(name: &'static str, what: &'static str, how: How) -> Strategy {
    Strategy { name, what, how }
}

/// All of them, in the order of the table.
pub(super) const ALL: &[Strategy] = &[
    strategy("crash", "are killed, for comparison", How::Crash),
    strategy("forge", "answer clients values that nobody wrote", How::Clients(forged, None, 10)),
    strategy(
        "corrupt",
        "answer clients values with a flipped bit",
        How::Clients(|| Tell::Corrupt(Part::Body), None, 10),
    ),
    strategy(
        "misdirect",
        "answer clients another key's value",
        How::Clients(|| Tell::Substitute(Instead::Misdirected), None, 5),
    ),
    strategy(
        "replay",
        "answer clients an older value",
        How::Clients(|| Tell::Substitute(Instead::Replayed), None, 5),
    ),
    strategy(
        "alter",
        "change what clients ask to be written",
        How::Clients(forged, Some(On::Hears), 10),
    ),
    strategy(
        "acknowledge",
        "acknowledge writes and never do them",
        How::Clients(|| Tell::Acknowledge, None, 10),
    ),
    strategy(
        "default",
        "answer 0 for keys that are not there",
        How::Clients(|| Tell::Default { value: "0".into() }, None, 2),
    ),
    strategy("duplicate", "do clients' requests twice", How::Clients(|| Tell::Duplicate, None, 5)),
    strategy(
        "omit",
        "do writes and withhold the acknowledgement",
        How::Clients(|| Tell::Omit(Omit::Acknowledgements), None, 10),
    ),
    strategy("silence", "swallow what clients say", How::Clients(|| Tell::BlackHole, None, 1)),
    strategy("peer-forge", "tell other nodes values that nobody wrote", How::Peers(forged, 10)),
    strategy(
        "peer-equivocate",
        "tell each other node a story of its own",
        How::Peers(|| Tell::Equivocate(Instead::Forged), 10),
    ),
    strategy(
        "peer-replay",
        "tell other nodes older values",
        How::Peers(|| Tell::Substitute(Instead::Replayed), 5),
    ),
    strategy("peer-silence", "swallow what other nodes say", How::Peers(|| Tell::BlackHole, 1)),
    strategy("memory", "have a bit turned over in memory", How::Rot(|| Rot::Memory(values()))),
    strategy(
        "disk",
        "have a bit turned over in their files, in a crash",
        How::Rot(|| {
            let damage = Damage::Flip(values());
            Rot::Files(Files { damage, suffix: String::new(), crash: true, stop: false })
        }),
    ),
    strategy("amnesia", "get older files back, in a crash", How::Rot(|| Rot::RollBack)),
];

impl Strategy {
    /// The way of that name.
    pub(super) fn find(name: &str) -> Option<Strategy> {
        ALL.iter().find(|one| one.name == name).copied()
    }

    /// Is anything false said or held? Else the nodes only crash.
    pub(super) fn is_byzantine(self) -> bool {
        !matches!(self.how, How::Crash)
    }

    /// Do they change what clients ask of them?
    pub(super) fn is_of_requests(self) -> bool {
        matches!(self.how, How::Clients(_, Some(On::Hears), _))
    }

    /// The nemesis that lets so many nodes do it, in a load of that length.
    pub(super) fn nemesis(self, f: usize, length: Duration) -> Spec {
        let targets = Targets::Count(f);
        let soon = Duration::from_millis(500);
        let (every, hold, inject) = match self.how {
            How::Crash => (soon, length, Word::Kill(Whom { targets })),
            How::Clients(tell, on, one_in) => {
                (soon, length, deceit(targets, Whomever::Clients, tell(), on, one_in))
            }
            How::Peers(tell, one_in) => {
                (soon, length, deceit(targets, Whomever::Peers, tell(), None, one_in))
            }
            How::Rot(what) => {
                // Values have to be there first, and to be read afterwards.
                let hold = length / 4;
                (length / 3, hold.max(soon), Word::Corrupt(Confusion { targets, what: what() }))
            }
        };
        // Corruption is once: the pause after it is longer than what is left.
        let fault = vec![Track { every, hold, inject }];
        Spec { settle: Duration::from_secs(2), fault, ..Spec::default() }
    }
}

fn deceit(targets: Targets, deceive: Whomever, tell: Tell, on: Option<On>, one_in: u64) -> Word {
    let lie = Lie {
        tell,
        on,
        one_in: (one_in > 1).then_some(one_in),
        every: None,
        to_one_in: None,
        turns: None,
        words: Vec::new(),
        spare: Vec::new(),
    };
    Word::Lie(Deceit {
        targets,
        deceive,
        lies: vec![lie],
        collude: true,
        follow: false,
        insider: false,
        wire: false,
        ports: None,
        framing: None,
    })
}
