//! A few operations around one lie, and what is to be said of it.

use std::net::SocketAddr;

use perjury_history::{
    Call, Cause, Deceived, Entry, Framing, Header, Index, Lying, Node, Reply, Topology,
};

use super::*;

const NODES: [&str; 3] = ["n1", "n2", "n3"];

fn address(at: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, at], 7))
}

/// A history in which the entries are a second apart.
struct Made(Vec<Event>);

impl Made {
    fn lying() -> Made {
        let lying = Lying {
            nodes: vec!["n1".into()],
            deceived: Deceived::Clients,
            ports: vec![7],
            framing: Framing::None,
            lies: Vec::new(),
            seed: 1,
            collude: false,
            wire: false,
        };
        Made(vec![Event::Inject { id: FaultId(1), fault: Fault::Lie(lying) }])
    }

    fn call(mut self, process: u64, node: &str, call: Call, outcome: Outcome) -> Made {
        let index = Index(self.0.len() as u64);
        self.0.push(Event::Invoke { process, node: node.into(), call });
        self.0.push(Event::Complete { process, call: index, outcome, said: None });
        self
    }

    fn write(self, value: &str) -> Made {
        let call = Call::Write { key: "k".into(), value: value.into() };
        self.call(1, "n1", call, Outcome::Ok(Reply::Done))
    }

    fn read(self, node: &str, value: &str) -> Made {
        let call = Call::Read { key: "k".into() };
        self.call(2, node, call, Outcome::Ok(Reply::Value(value.into())))
    }

    fn event(mut self, event: Event) -> Made {
        self.0.push(event);
        self
    }

    fn history(self) -> History {
        let node = |(at, name): (usize, &&str)| Node {
            name: (*name).into(),
            address: address(at as u8 + 1).ip(),
        };
        let nodes = Topology { nodes: NODES.iter().enumerate().map(node).collect() };
        let entry = |(at, event): (usize, Event)| Entry {
            index: Index(at as u64),
            time: at as u64 * 1_000_000_000,
            event,
        };
        History {
            header: Some(Header::new("r", "register", nodes)),
            entries: self.0.into_iter().enumerate().map(entry).collect(),
            ..History::default()
        }
    }
}

fn told(lie: &str, seconds: f64, seals: Option<(&str, &str)>, dialler: u8) -> LieTold {
    LieTold {
        fault: FaultId(1),
        node: "n1".into(),
        time: (seconds * 1e9) as u64,
        within: 1_000_000,
        number: 0,
        connection: 0,
        dialler: address(dialler),
        listener: address(1),
        outgoing: false,
        request: false,
        lie: lie.into(),
        before: Value::Nil,
        after: Value::Nil,
        seal_before: seals.map(|(before, _)| before.into()),
        seal_after: seals.map(|(_, after)| after.into()),
        detail: String::new(),
    }
}

/// What became of one lie.
fn fate(made: Made, lie: LieTold, claimed: &Claimed<'_>) -> LieFate {
    let lies = [lie];
    let truth = Truth { lies: &lies, ..Truth::default() };
    let accounting = account(&made.history(), &[], truth, claimed).unwrap();
    assert_eq!(accounting.lies.len(), 1);
    accounting.lies[0].clone()
}

fn forged() -> LieTold {
    told("forge", 2.5, Some(("a", "b")), 9)
}

#[test]
fn a_forged_value_is_accepted_by_who_reads_it_masked_by_the_truth_and_else_not_reached() {
    let none = Claimed::default();
    let accepted = fate(Made::lying().write("a").read("n1", "b"), forged(), &none);
    assert_eq!((accepted.fate, accepted.accepted), (Fate::Accepted, 1));
    assert_eq!(accepted.first_seen, Some(4_000_000_000));
    let masked = fate(Made::lying().write("a").read("n2", "a"), forged(), &none);
    assert_eq!((masked.fate, masked.masked, masked.class), (Fate::Masked, 1, None));
    let idle = fate(Made::lying().write("a"), forged(), &none);
    assert_eq!((idle.fate, idle.not_reached), (Fate::NotReached, 1));
}

#[test]
fn an_older_value_is_a_lie_only_where_the_liar_said_it_while_it_lied() {
    let replay = || told("replay", 4.5, Some(("b", "a")), 9);
    let none = Claimed::default();
    let made = || Made::lying().write("a").write("b");
    assert_eq!(fate(made().read("n1", "a"), replay(), &none).fate, Fate::Masked);
    let late = LieTold { within: 2_000_000_000, ..replay() };
    assert_eq!(fate(made().read("n1", "a"), late.clone(), &none).fate, Fate::Accepted);
    assert_eq!(fate(made().read("n2", "a"), late, &none).fate, Fate::Masked);
}

#[test]
fn another_keys_value_is_given_to_who_asked_for_this_one() {
    let misdirected =
        || LieTold { within: 2_000_000_000, ..told("misdirect", 4.5, Some(("a", "c")), 9) };
    let none = Claimed::default();
    let made = || {
        let call = Call::Write { key: "other".into(), value: "c".into() };
        Made::lying().write("a").call(1, "n1", call, Outcome::Ok(Reply::Done))
    };
    assert_eq!(fate(made().read("n1", "c"), misdirected(), &none).fate, Fate::Accepted);
    let call = Call::Read { key: "other".into() };
    let honest = made().call(2, "n1", call, Outcome::Ok(Reply::Value("c".into())));
    let masked = fate(honest.read("n1", "a"), misdirected(), &none);
    assert_eq!((masked.fate, masked.accepted), (Fate::Masked, 0));
}

#[test]
fn what_the_database_says_of_damage_is_a_rejection_and_what_comes_before_it_is_none() {
    let claimed = Claimed { signs: &["crc"], ..Claimed::default() };
    let refused = |made: Made| {
        let outcome = Outcome::Fail(Cause::new("internal", "crc mismatch"));
        made.call(3, "n1", Call::Read { key: "k".into() }, outcome)
    };
    let rejected = fate(refused(Made::lying().write("a")), forged(), &claimed);
    assert_eq!((rejected.fate, rejected.class), (Fate::Rejected, Some(Class::Refused)));
    let early = LieTold { time: 9_000_000_000, ..forged() };
    let fate = fate(refused(Made::lying().write("a")), early, &claimed);
    assert_eq!(fate.fate, Fate::NotReached);
}

#[test]
fn a_process_that_ended_by_itself_noticed_and_another_nodes_did_not() {
    let ended = |node: &str| {
        let note = format!("{node}: the database exited with 1, by itself");
        Made::lying().write("a").event(Event::Note(note))
    };
    let none = Claimed::default();
    assert_eq!(fate(ended("n1"), forged(), &none).fate, Fate::Rejected);
    assert_eq!(fate(ended("n3"), forged(), &none).fate, Fate::NotReached);
    // On a link both of its ends may notice.
    let between = told("forge", 2.5, Some(("a", "b")), 3);
    assert_eq!(fate(ended("n3"), between, &none).fate, Fate::Rejected);
}

#[test]
fn a_fault_that_told_nothing_is_not_tested_and_nobody_is_charged() {
    let injection = Injection::Skipped("0 lies told: not tested".into());
    let made = Made::lying().event(Event::Injected { id: FaultId(1), injection });
    let accounting = account(&made.history(), &[], Truth::default(), &Claimed::default()).unwrap();
    assert!(accounting.lies.is_empty() && accounting.charged.is_empty());
    assert_eq!(accounting.untold.len(), 1);
    assert!(
        account(&Made(Vec::new()).history(), &[], Truth::default(), &Claimed::default()).is_none()
    );
}

#[test]
fn an_acknowledgement_of_what_was_not_done_is_accepted_by_who_got_it() {
    let forged = LieTold { within: 1_000_000_000, ..told("acknowledge", 1.5, None, 9) };
    let fate = fate(Made::lying().write("a"), forged, &Claimed::default());
    assert_eq!((fate.fate, fate.accepted), (Fate::Accepted, 1));
}
