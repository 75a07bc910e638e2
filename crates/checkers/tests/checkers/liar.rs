//! A simulated store of three or four nodes, of which one may lie in one way: no liar, no anomaly;
//! a liar is found, and nobody else is proved guilty. The ground truth is the liar that was drawn.
//!
//! The store is linearizable by construction: each operation takes effect at one instant between
//! its call and its end. Some operations end in doubt (and may take effect later, or never) or in a
//! definite failure; nodes lag behind with their own copies, and are restarted from older ones.

use std::collections::BTreeMap;

use perjury_checkers::{ModelName, Options, judge};
use perjury_history::seal::{Form, Seals};
use perjury_history::{
    Anomaly, Call, Cause, Confidence, Counter, Event, Fault, FaultId, Header, History, Index,
    Injection, Key, Node, NodeName, Outcome, Phase, Reply, Testimony, Token, Topology, Value,
    Verdict,
};

use crate::histories::Made;
use crate::prng::Prng;

const SEEDS: u64 = 200;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    None,
    Flip,
    Forge,
    Misdirect,
    Replay,
    Equivocate,
    FakeAck,
    Twice,
    Refuse,
    BadCopy,
}

const LIES: [Lie; 9] = [
    Lie::Flip,
    Lie::Forge,
    Lie::Misdirect,
    Lie::Replay,
    Lie::Equivocate,
    Lie::FakeAck,
    Lie::Twice,
    Lie::Refuse,
    Lie::BadCopy,
];

#[test]
fn without_a_liar_nothing_is_found_in_200_seeds() {
    for seed in 0..SEEDS {
        let history = Store::new(seed, Lie::None).run();
        let findings = judge(&history, &Options::new(ModelName::CasRegister));
        assert!(findings.len() >= 10, "all checkers have something to look at");
        for finding in findings {
            assert_eq!(finding.verdict, Verdict::Valid, "seed {seed}: {finding:#?}");
        }
    }
}

#[test]
fn every_liar_is_found_and_no_other_node_is_proved_guilty() {
    for lie in LIES {
        let (mut told, mut named, mut wronged) = (0, 0, 0);
        for seed in 0..SEEDS {
            let mut store = Store::new(seed, lie);
            let liar = store.liar.clone();
            let lies = store.play();
            let history = store.finish();
            if lies == 0 {
                continue;
            }
            told += 1;
            let findings = judge(&history, &Options::new(ModelName::CasRegister));
            let anomalies: Vec<&Anomaly> =
                findings.iter().flat_map(|finding| &finding.anomalies).collect();
            assert!(!anomalies.is_empty(), "{lie:?}, seed {seed}: {lies} lies and no anomaly");
            let accused = |confidence: Confidence| {
                let all = anomalies.iter().flat_map(|anomaly| &anomaly.accused);
                all.filter(move |accused| accused.confidence == confidence)
            };
            for proved in accused(Confidence::Proved) {
                assert_eq!(proved.node, liar, "{lie:?}, seed {seed}: {anomalies:#?}");
            }
            let sure = || accused(Confidence::Proved).chain(accused(Confidence::Implicated));
            named += u32::from(sure().any(|accused| accused.node == liar));
            wronged += u32::from(sure().any(|accused| accused.node != liar));
        }
        println!("{lie:?}: all {told} found, liar named in {named}, another one in {wronged}");
        assert!(told >= 150, "{lie:?}: only {told} runs had a lie");
        assert!(wronged * 50 <= told, "{lie:?}: an innocent was implicated in {wronged}");
        assert!(named * 10 >= told * 9, "{lie:?}: named in {named} of {told}");
    }
}

/// An operation under way.
struct Open {
    index: Index,
    call: Call,
    node: NodeName,
    /// How many more ticks until it takes effect, and from then on until it ends.
    effect: u64,
    end: u64,
    done: Option<(Outcome, Token)>,
}

struct Store {
    prng: Prng,
    lie: Lie,
    liar: NodeName,
    nodes: Vec<NodeName>,
    seals: Seals,
    made: Made,
    time: u64,
    written: u64,
    /// Every change: key and value; its number is its place, from 1.
    log: Vec<(Key, Value)>,
    /// How much of the log each node has.
    copies: BTreeMap<NodeName, usize>,
    open: BTreeMap<u64, Open>,
    next_process: u64,
    lies: u32,
}

impl Store {
    fn new(seed: u64, lie: Lie) -> Store {
        let mut prng = Prng(seed * 77 + 5);
        let count = 3 + prng.below(2);
        let nodes: Vec<NodeName> = (1..=count).map(|at| NodeName::from(format!("n{at}"))).collect();
        let liar = nodes[prng.below(count) as usize].clone();
        Store {
            seals: Seals::of_run(&format!("sim-{seed}"), "1", Form::Text),
            copies: nodes.iter().map(|node| (node.clone(), 0)).collect(),
            prng,
            lie,
            liar,
            nodes,
            made: Made::default(),
            time: 0,
            written: 0,
            log: Vec::new(),
            open: BTreeMap::new(),
            next_process: 0,
            lies: 0,
        }
    }

    fn run(mut self) -> History {
        self.play();
        self.finish()
    }

    fn key(&mut self) -> Key {
        Key::from(format!("k{}", self.prng.below(3)))
    }

    /// The state of a key among the first `upto` changes: its version and value.
    fn state(&self, key: &Key, upto: usize) -> (Option<u64>, Value) {
        let last = self.log[..upto].iter().rposition(|(of, _)| of == key);
        match last {
            Some(at) => (Some(at as u64 + 1), self.log[at].1.clone()),
            None => (None, Value::Nil),
        }
    }

    fn play(&mut self) -> u32 {
        self.made.push(0, Event::Phase(Phase::Load));
        let mut fault = 0;
        for _ in 0..260 {
            self.time += 1_000_000;
            if self.open.len() < 5 {
                self.invoke();
            }
            self.step();
            let node = self.nodes[self.prng.below(self.nodes.len() as u64) as usize].clone();
            let behind = self.copies[&node];
            let more = self.prng.below((self.log.len() - behind + 1) as u64) as usize;
            self.copies.insert(node.clone(), behind + more);
            if self.prng.below(60) == 0 {
                self.restart(FaultId(fault), node);
                fault += 1;
            }
        }
        while !self.open.is_empty() {
            self.time += 1_000_000;
            self.step();
        }
        self.scrub();
        self.lies
    }

    /// A node comes back with an older copy.
    fn restart(&mut self, id: FaultId, node: NodeName) {
        let fault = Fault::Kill { nodes: vec![node.clone()] };
        let seen = || Injection::Installed("seen".into());
        for event in [
            Event::Inject { id, fault },
            Event::Injected { id, injection: seen() },
            Event::Heal { id },
            Event::Healed { id, injection: seen() },
        ] {
            self.made.push(self.time, event);
        }
        let older = self.prng.below(self.copies[&node] as u64 + 1) as usize;
        self.copies.insert(node, older);
    }

    fn invoke(&mut self) {
        let process = self.next_process;
        self.next_process += 1;
        let node = self.nodes[self.prng.below(self.nodes.len() as u64) as usize].clone();
        let key = self.key();
        let (_, now) = self.state(&key, self.log.len());
        let mut seal = |key: &Key| {
            self.written += 1;
            self.seals.seal(key, self.written, process)
        };
        let call = match self.prng.below(4) {
            0 => Call::Write { value: seal(&key), key },
            1 => Call::Cas { from: now, to: seal(&key), key },
            _ => Call::Read { key },
        };
        let event = Event::Invoke { process, node: node.clone(), call: call.clone() };
        let index = self.made.push(self.time, event);
        let (effect, end) = (self.prng.below(4), self.prng.below(4));
        self.open.insert(process, Open { index, call, node, effect, end, done: None });
    }

    fn step(&mut self) {
        let processes: Vec<u64> = self.open.keys().copied().collect();
        for process in processes {
            let Some(mut open) = self.open.remove(&process) else { continue };
            if open.done.is_none() && open.effect == 0 {
                open.done = Some(self.carry_out(&open));
            } else if open.done.is_none() {
                open.effect -= 1;
            } else if open.end == 0 {
                self.end(process, open);
                continue;
            } else {
                open.end -= 1;
            }
            self.open.insert(process, open);
        }
    }

    fn carry_out(&mut self, open: &Open) -> (Outcome, Token) {
        let key = open.call.key().unwrap().clone();
        let lying = open.node == self.liar;
        let (version, now) = self.state(&key, self.log.len());
        let token =
            |at: u64, version| Token { counter: Counter::Revision, scope: "c".into(), at, version };
        let at = self.log.len() as u64;
        let value = match &open.call {
            Call::Write { value, .. } => value.clone(),
            Call::Cas { from, to, .. } if *from == now => to.clone(),
            Call::Cas { .. } => return (Outcome::Ok(Reply::Swapped(false)), token(at, version)),
            _ => return (Outcome::Ok(Reply::Value(now)), token(at, version)),
        };
        if self.prng.below(25) == 0 {
            return (Outcome::Fail(Cause::new("refused", "")), token(at, version));
        }
        let number = at + 1;
        let reply = match &open.call {
            Call::Write { .. } => Reply::Done,
            _ => Reply::Swapped(true),
        };
        let tells = lying && self.prng.below(3) == 0;
        if tells && self.lie == Lie::FakeAck {
            self.lies += 1;
            return (Outcome::Ok(reply), token(number, Some(number)));
        }
        self.log.push((key.clone(), value.clone()));
        if tells && self.lie == Lie::Twice {
            self.lies += 1;
            self.log.push((key, value));
        } else if tells && self.lie == Lie::Refuse {
            self.lies += 1;
            return (Outcome::Fail(Cause::new("refused", "")), token(at, version));
        }
        (Outcome::Ok(reply), token(number, Some(number)))
    }

    fn end(&mut self, process: u64, open: Open) {
        let (mut outcome, mut token) = open.done.clone().unwrap();
        let reads = matches!(open.call, Call::Read { .. });
        if !reads && self.prng.below(12) == 0 {
            outcome = Outcome::Info(Cause::new("timeout", ""));
        }
        if open.node == self.liar && reads && self.prng.below(3) == 0 {
            let key = open.call.key().unwrap().clone();
            self.tell(&key, &mut outcome, &mut token);
        }
        let node = open.node.as_str().replace('n', "member-");
        let said = matches!(outcome, Outcome::Ok(_)).then(|| {
            Box::new(Testimony { member: Some(node), token: Some(token), ..Testimony::default() })
        });
        let event = Event::Complete { process, call: open.index, outcome, said };
        self.made.push(self.time, event);
    }

    /// Lies about a read, if there is something to lie about.
    fn tell(&mut self, key: &Key, outcome: &mut Outcome, token: &mut Token) {
        let Outcome::Ok(Reply::Value(value)) = outcome else { return };
        if value.is_nil() {
            return;
        }
        let before = value.clone();
        match self.lie {
            Lie::Flip => *value = self.flipped(value),
            Lie::Forge => *value = Value::from(format!("{}abcdefghijklm", "pj1").as_str()),
            Lie::Misdirect => {
                let other = self.log.iter().find(|(of, _)| of != key);
                *value = other.map_or(before.clone(), |(_, other)| other.clone());
            }
            // What the key was long ago, with the versions of then.
            Lie::Replay if token.at > 6 => {
                let upto = token.at as usize - 6;
                let (version, old) = self.state(key, upto);
                (*value, token.at, token.version) = (old, upto as u64, version);
            }
            // What it was long ago, with the versions of now.
            Lie::Equivocate => {
                let first = self.log.iter().find(|(of, _)| of == key);
                *value = first.map_or(before.clone(), |(_, first)| first.clone());
            }
            _ => {}
        }
        self.lies += u32::from(*value != before);
    }

    fn flipped(&mut self, value: &Value) -> Value {
        let mut bytes = value.encode().unwrap().into_bytes();
        let bit = self.prng.below(bytes.len() as u64 * 8) as usize;
        bytes[bit / 8] ^= 1 << (bit % 8);
        Value::parse(&bytes)
    }

    fn scrub(&mut self) {
        self.made.push(self.time, Event::Phase(Phase::Scrub));
        let bad = self.flipped(&self.seals.seal(&"k0".into(), 1, 0));
        let mut copy = None;
        for round in 0..2 {
            for node in self.nodes.clone() {
                for key in ["k0", "k1", "k2"].map(Key::from) {
                    self.time += 1_000_000;
                    let upto = match round {
                        0 => self.copies[&node],
                        _ => self.log.len(),
                    };
                    let (version, mut value) = self.state(&key, upto);
                    if self.lie == Lie::BadCopy && node == self.liar && key.as_str() == "k0" {
                        value = copy.get_or_insert(bad.clone()).clone();
                        self.lies += 1;
                    }
                    self.ask(&node, key, value, upto as u64, version);
                }
            }
        }
    }

    fn ask(&mut self, node: &NodeName, key: Key, value: Value, at: u64, version: Option<u64>) {
        let process = self.next_process;
        self.next_process += 1;
        let event = Event::Invoke { process, node: node.clone(), call: Call::Read { key } };
        let call = self.made.push(self.time, event);
        self.time += 1_000_000;
        let counter = Counter::Revision;
        let token = Some(Token { counter, scope: "c".into(), at, version });
        let said = Some(Box::new(Testimony { local: true, token, ..Testimony::default() }));
        let outcome = Outcome::Ok(Reply::Value(value));
        self.made.push(self.time, Event::Complete { process, call, outcome, said });
    }

    fn finish(self) -> History {
        let mut history = self.made.history;
        let node = |(at, name): (usize, NodeName)| Node {
            name,
            address: std::net::IpAddr::from([10, 0, 0, at as u8 + 1]),
        };
        history.header = Some(Header {
            seals: Some(self.seals),
            ..Header::new(
                "simulated",
                "cas-register",
                Topology { nodes: self.nodes.into_iter().enumerate().map(node).collect() },
            )
        });
        history
    }
}
