//! One connection through a liar without sockets: what is fed in, what comes out, what was told.
#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::Arc;
use std::time::Duration;

use perjury_agent::proxy::spec::{FramingName, Liar, Lie, Place, Tell};
use perjury_agent::proxy::{Link, Pattern, Running, Session, Told, WAYS, Way};

pub const MS: Duration = Duration::from_millis(1);

/// A seal with a six-letter key and an eight-letter write.
pub fn seal(key: &str, write: &str) -> String {
    let seal = format!("pj1runrunrn{key}{write}procsmacmacmacmacm");
    assert_eq!(seal.len(), 43);
    seal
}

pub fn liar(framing: FramingName, lies: Vec<Lie>) -> Liar {
    let listen = "127.0.0.1:0".parse().unwrap();
    Liar {
        name: "l".into(),
        place: Place::Explicit { listen, forward: listen },
        framing,
        pattern: Pattern::default(),
        seed: 7,
        by_connection: false,
        lies,
    }
}

pub fn link(connection: u64, dialler: &str) -> Link {
    let (dialler, listener) = (dialler.parse().unwrap(), "10.0.0.1:6379".parse().unwrap());
    Link { connection, dialler, listener, outgoing: false }
}

pub struct Tape {
    pub running: Arc<Running>,
    pub session: Session,
    pub now: Duration,
}

impl Tape {
    pub fn new(framing: FramingName, lies: Vec<Lie>) -> Tape {
        Tape::of(liar(framing, lies), link(0, "10.0.0.9:5000"))
    }

    pub fn tell(framing: FramingName, tell: Tell) -> Tape {
        Tape::new(framing, vec![Lie::always(tell)])
    }

    pub fn of(liar: Liar, link: Link) -> Tape {
        liar.check().unwrap();
        Tape::on(&Arc::new(Running::new(liar)), link)
    }

    /// A further connection of the same liar.
    pub fn on(running: &Arc<Running>, link: Link) -> Tape {
        let session = Session::new(Arc::clone(running), link);
        Tape { running: Arc::clone(running), session, now: Duration::ZERO }
    }

    pub fn ask(&mut self, bytes: impl AsRef<[u8]>) {
        self.session.take(Way::Requests, bytes.as_ref(), self.now);
    }

    pub fn answer(&mut self, bytes: impl AsRef<[u8]>) {
        self.session.take(Way::Replies, bytes.as_ref(), self.now);
    }

    /// What the one who listens gets by now.
    pub fn server(&mut self) -> String {
        self.drain(Way::Requests)
    }

    /// What the one who dialled gets by now.
    pub fn client(&mut self) -> String {
        self.drain(Way::Replies)
    }

    pub fn drain(&mut self, way: Way) -> String {
        let outlet = self.session.outlet(way);
        let mut all = Vec::new();
        loop {
            let ready = outlet.ready(self.now).to_vec();
            if ready.is_empty() {
                return String::from_utf8_lossy(&all).into_owned();
            }
            outlet.sent(ready.len(), self.now);
            all.extend(ready);
        }
    }

    pub fn wait(&mut self, time: Duration) {
        self.now += time;
        self.session.tick(self.now);
    }

    pub fn end(&mut self) {
        for way in WAYS {
            self.session.end(way, self.now);
        }
    }

    pub fn told(&self) -> Vec<Told> {
        self.running.log.fetch(0)
    }

    /// The words of the lies, in order.
    pub fn words(&self) -> Vec<String> {
        self.told().into_iter().map(|told| told.lie).collect()
    }
}
