//! A liar at work: what all its connections share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::seal::Finder;
use super::spec::{FramingName, Liar, Lie, On, Rate, Tell};
use super::story::{self, Memory};
use super::told::{Link, Log, Telling, Way};

/// A liar and what it has seen and told.
#[derive(Debug)]
pub struct Running {
    /// What it was told to do.
    pub spec: Liar,
    /// Where its records go.
    pub log: Log,
    /// Connections that came through, since the beginning.
    pub connections: AtomicU64,
    /// Connections that are open now.
    pub open: AtomicU64,
    /// Connections on which messages could not be told apart any more.
    pub opaque: AtomicU64,
    finder: Finder,
    memory: Mutex<Memory>,
    /// How often each lie could have been told.
    chances: Vec<AtomicU64>,
    began: Instant,
}

impl Running {
    /// Begins. The liar has been checked.
    pub fn new(spec: Liar) -> Running {
        Running {
            log: Log::default(),
            connections: AtomicU64::new(0),
            open: AtomicU64::new(0),
            opaque: AtomicU64::new(0),
            finder: spec.pattern.finder(),
            memory: Mutex::default(),
            chances: spec.lies.iter().map(|_| AtomicU64::new(0)).collect(),
            began: Instant::now(),
            spec,
        }
    }

    /// The time since it began.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Which lies are told on that way of that link, by place. Lies that need messages belong to
    /// the exchange and are listed with the requests.
    pub fn lies_on(&self, link: &Link, way: Way) -> Vec<usize> {
        let applies = |lie: &Lie| {
            if lie.tell.needs_framing() {
                let chosen = story::is_meant(&lie.to, self.spec.seed, link.dialler);
                return way == Way::Requests && chosen;
            }
            let says = match link.outgoing {
                true => Way::Requests,
                false => Way::Replies,
            };
            let on = match lie.on {
                On::Requests => way == Way::Requests,
                On::Replies => way == Way::Replies,
                On::Says => way == says,
                On::Hears => way != says,
                On::Both => true,
            };
            on && story::is_meant(&lie.to, self.spec.seed, hearer(link, way))
        };
        let all = self.spec.lies.iter().enumerate();
        all.filter(|(_, lie)| applies(lie)).map(|(at, _)| at).collect()
    }

    /// Are the seals on a connection of any interest?
    pub fn watches_seals(&self) -> bool {
        self.spec.lies.iter().any(|lie| lie.tell.is_about_seals())
    }

    /// Can messages be told apart?
    pub fn is_framed(&self) -> bool {
        self.spec.framing != FramingName::None
    }

    /// Does this lie lie at the moment, in a message with that word?
    pub fn is_awake(&self, lie: usize, word: Option<&str>, now: Duration) -> bool {
        let lie = &self.spec.lies[lie];
        let in_window = lie.window.is_none_or(|window| {
            let period = u128::from(window.lie_ms) + u128::from(window.honest_ms);
            now.as_millis() % period < u128::from(window.lie_ms)
        });
        let begins = |list: &[String]| {
            word.is_some_and(|word| list.iter().any(|start| word.starts_with(start.as_str())))
        };
        in_window && (lie.words.is_empty() || begins(&lie.words)) && !begins(&lie.spare)
    }

    /// Is it told this time? Counts the chance.
    pub fn strikes(&self, lie: usize) -> bool {
        let chance = self.chances[lie].fetch_add(1, Ordering::Relaxed);
        match self.spec.lies[lie].rate {
            Rate::Every(n) => (chance + 1).is_multiple_of(n),
            Rate::OneIn(1) => true,
            Rate::OneIn(n) => self.drawn(lie, &chance.to_be_bytes()).is_multiple_of(n),
        }
    }

    /// Is it told on this connection? The same answer whenever it is asked.
    pub fn strikes_link(&self, lie: usize, link: &Link) -> bool {
        match self.spec.lies[lie].rate {
            Rate::Every(n) => (link.connection + 1).is_multiple_of(n),
            Rate::OneIn(1) => true,
            Rate::OneIn(n) => self.drawn(lie, &link.connection.to_be_bytes()).is_multiple_of(n),
        }
    }

    /// Is it told about this seal? The same answer from every liar with the same seed, if the rate
    /// is a probability.
    fn strikes_seal(&self, lie: usize, seal: &[u8]) -> bool {
        match self.spec.lies[lie].rate {
            Rate::Every(_) => self.strikes(lie),
            Rate::OneIn(1) => true,
            Rate::OneIn(n) => self.drawn(lie, seal).is_multiple_of(n),
        }
    }

    /// A number for a choice of that lie.
    pub fn drawn(&self, lie: usize, about: &[u8]) -> u64 {
        story::draw(self.spec.seed, &[b"lie", &(lie as u64).to_be_bytes(), about])
    }

    /// Takes note of the seals in these bytes, and lies about them. Answers how many bytes are
    /// settled, see [`Finder::replace`].
    pub fn reseal(&self, bytes: &mut [u8], last: bool, place: &Place<'_>) -> usize {
        self.finder.replace(bytes, last, |seal| self.judge(seal, place))
    }

    /// What is said instead of a seal. The first lie that has something to say wins.
    fn judge(&self, seal: &[u8], place: &Place<'_>) -> Option<Vec<u8>> {
        let pattern = &self.finder.pattern;
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.is_made(seal) {
            // An echo of our own lie.
            return None;
        }
        memory.see(pattern, seal);
        for &at in place.lies {
            let lie = &self.spec.lies[at];
            let seed = self.spec.seed;
            let awake = || self.is_awake(at, place.word, place.now);
            if !lie.tell.is_about_seals() || !awake() || !self.strikes_seal(at, seal) {
                continue;
            }
            let other = match &lie.tell {
                Tell::Corrupt(part) => {
                    let other = story::flipped(pattern, seed, *part, seal);
                    other.inspect(|other| memory.make(other))
                }
                Tell::Substitute(how) => memory.instead(pattern, seed, how, seal),
                Tell::Equivocate(how) => {
                    let mut hearer = hearer(&place.link, place.way);
                    if !self.spec.by_connection {
                        hearer.set_port(0);
                    }
                    memory.story(pattern, seed, how, seal, hearer)
                }
                _ => None,
            };
            let Some(other) = other.filter(|other| other != seal) else { continue };
            drop(memory);
            let telling = Telling {
                before: seal,
                after: &other,
                seal: Some((seal, &other)),
                detail: place.word.unwrap_or_default().to_owned(),
            };
            self.tell(at, place.link, place.way, place.now, &telling);
            return Some(other);
        }
        None
    }

    /// Writes down a lie that is about to be told.
    pub fn tell(&self, lie: usize, link: Link, way: Way, now: Duration, telling: &Telling<'_>) {
        let at_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.log.tell(at_ns, link, way, self.spec.lies[lie].tell.name(), telling);
    }
}

/// Where bytes are.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// On which connection.
    pub link: Link,
    /// In which direction.
    pub way: Way,
    /// In a message with which word.
    pub word: Option<&'a str>,
    /// Which lies could be told there.
    pub lies: &'a [usize],
    /// When.
    pub now: Duration,
}

/// Who hears what goes that way.
fn hearer(link: &Link, way: Way) -> std::net::SocketAddr {
    match way {
        Way::Requests => link.listener,
        Way::Replies => link.dialler,
    }
}
