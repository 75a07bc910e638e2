//! A transparent liar in a node of its own: what comes in and what goes out, connections of before,
//! and undoing it, whatever ends the agent.
#![allow(clippy::unwrap_used, reason = "helpers of tests are no #[test] functions")]

mod support;
#[path = "support/tape.rs"]
mod tape;

use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Instant;

use nix::sys::signal::Signal::SIGKILL;
use perjury_agent::protocol::{Answer, Body};
use perjury_agent::proxy::spec::{DialledBy, FramingName, Instead, Liar, Lie, Place, Tell, Who};
use perjury_agent::proxy::{Deeds, Told};
use support::pair::{Pair, ask};
use support::{AGENT, Agent, eventually, kill, must, possible};

const PROGRAMS: &[&str] = &["nft", "ip"];
use tape::seal;

const PORT: u16 = 7400;

/// The end that lies, and the one that is lied to.
const NODE: usize = 0;
const OTHER: usize = 1;

fn tables(pair: &Pair) -> String {
    pair.nft(NODE, &["list", "tables"])
}

fn forger(with: Who, dialled_by: DialledBy, on: perjury_agent::proxy::spec::On) -> Liar {
    let lie = Lie { on, ..Lie::always(Tell::Substitute(Instead::Forged)) };
    let place = Place::Transparent { ports: vec![PORT], with, dialled_by };
    Liar { place, ..tape::liar(FramingName::None, vec![lie]) }
}

fn lie(agent: &mut Agent, liar: &Liar) -> Deeds {
    match agent.ask(Body::Lie(liar.clone())).unwrap() {
        Answer::Deeds(deeds) => deeds,
        other => panic!("{other:?}"),
    }
}

fn told(agent: &mut Agent) -> Vec<Told> {
    match agent.ask(Body::Lies { name: "l".into(), from: 0 }).unwrap() {
        Answer::Lies(lies) => lies.records,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_comes_in_and_what_goes_out_is_lied_about() {
    use perjury_agent::proxy::spec::On;
    if !possible("a transparent liar", PROGRAMS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make("lw");
    let (ours, theirs) = (seal("keyaaa", "writeone"), seal("keybbb", "writetwo"));
    pair.serve(NODE, PORT, &ours);
    pair.serve(OTHER, PORT, &theirs);
    let mut agent = pair.agent(NODE, &folder.path().join("state"));
    let started = Instant::now();
    lie(&mut agent, &forger(Who::Anyone, DialledBy::Either, On::Replies));
    eprintln!("installed in {:.1?}", started.elapsed());
    let mut count = 0;
    for (from, to, truth, outgoing) in [
        (OTHER, "10.9.0.1", &ours, false),
        (OTHER, "[fd00:9::1]", &ours, false),
        (NODE, "10.9.0.2", &theirs, true),
        (NODE, "[fd00:9::2]", &theirs, true),
    ] {
        let mut socket = pair.connect(from, &format!("{to}:{PORT}"));
        let heard = ask(&mut socket).unwrap();
        let last = told(&mut agent).pop().expect("a lie");
        assert_eq!(last.seal_before.as_ref(), Some(truth), "{to}");
        assert_eq!(last.seal_after.as_ref(), Some(&heard), "{to}");
        // The original destination, whoever dialled it.
        assert_eq!(last.link.listener, format!("{to}:{PORT}").parse().unwrap());
        assert_eq!(last.link.dialler, socket.local_addr().unwrap());
        assert_eq!(last.link.outgoing, outgoing);
        count += 1;
        assert_eq!(last.number + 1, count);
    }
    // What a node says to itself is the truth.
    let mut own = pair.connect(NODE, &format!("127.0.0.1:{PORT}"));
    assert_eq!(ask(&mut own).unwrap(), ours);
    // Whoever dials the liar itself reaches nobody.
    let door = match agent.ask(Body::Lies { name: "l".into(), from: 0 }).unwrap() {
        Answer::Lies(lies) => lies.deeds.listens[0].port(),
        other => panic!("{other:?}"),
    };
    let mut direct = pair.connect(OTHER, &format!("10.9.0.1:{door}"));
    assert!(!matches!(direct.read(&mut [0]), Ok(1..)));
    let Answer::Deeds(deeds) = agent.ask(Body::Recant { name: "l".into() }).unwrap() else {
        panic!()
    };
    assert_eq!((deeds.told["forge"], tables(&pair).as_str()), (4, ""));
    let mut honest = pair.connect(OTHER, &format!("10.9.0.1:{PORT}"));
    assert_eq!(ask(&mut honest).unwrap(), ours);
    assert_eq!(agent.close().code(), Some(0));
}

#[test]
fn only_the_pair_that_is_meant_is_lied_to() {
    use perjury_agent::proxy::spec::On;
    if !possible("a lie on one ordered pair", PROGRAMS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make("lp");
    let more = ["ip", "-n", &pair.names[OTHER], "addr", "add", "10.9.0.3/24", "dev", "eth0"];
    must(&more);
    let truth = seal("keyaaa", "writeone");
    pair.serve(NODE, PORT, &truth);
    pair.serve(OTHER, PORT, &truth);
    let mut agent = pair.agent(NODE, &folder.path().join("state"));
    // What the node says to .3, whoever dialled; a second liar at the same time for .2.
    let only = |last: &str| Who::Only(vec![last.parse().unwrap()]);
    lie(&mut agent, &forger(only("10.9.0.3"), DialledBy::Either, On::Says));
    let mut second = forger(only("10.9.0.2"), DialledBy::Us, On::Hears);
    second.name = "second".into();
    lie(&mut agent, &second);
    let from = |address: &str| {
        let to: SocketAddr = format!("10.9.0.1:{PORT}").parse().unwrap();
        let from: IpAddr = address.parse().unwrap();
        pair.within(OTHER, || bound(from, to))
    };
    assert_eq!(ask(&mut from("10.9.0.2")).unwrap(), truth);
    assert_ne!(ask(&mut from("10.9.0.3")).unwrap(), truth);
    let dial = |to: &str| pair.connect(NODE, &format!("{to}:{PORT}"));
    // It says nothing false when it asks, and hears something false from .2.
    assert_eq!(ask(&mut dial("10.9.0.3")).unwrap(), truth);
    assert_ne!(ask(&mut dial("10.9.0.2")).unwrap(), truth);
    assert_eq!(told(&mut agent).len(), 1);
}

/// Connects from a chosen address.
fn bound(from: IpAddr, to: SocketAddr) -> TcpStream {
    use nix::sys::socket as s;
    use std::os::fd::AsRawFd;
    let socket =
        s::socket(s::AddressFamily::Inet, s::SockType::Stream, s::SockFlag::empty(), None).unwrap();
    let address = s::SockaddrStorage::from(SocketAddr::new(from, 0));
    s::bind(socket.as_raw_fd(), &address).unwrap();
    s::connect(socket.as_raw_fd(), &s::SockaddrStorage::from(to)).unwrap();
    TcpStream::from(socket)
}

#[test]
fn connections_of_before_are_cut_over() {
    use perjury_agent::proxy::spec::On;
    if !possible("cutting over", PROGRAMS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make("lc");
    let truth = seal("keyaaa", "writeone");
    pair.serve(NODE, PORT, &truth);
    pair.serve(OTHER, PORT, &truth);
    let mut before: Vec<TcpStream> =
        [(OTHER, "10.9.0.1"), (OTHER, "[fd00:9::1]"), (NODE, "10.9.0.2"), (NODE, "[fd00:9::2]")]
            .iter()
            .map(|(from, to)| pair.connect(*from, &format!("{to}:{PORT}")))
            .collect();
    // Another port, and the node with itself: none of our business.
    let mut own = pair.connect(NODE, &format!("10.9.0.1:{PORT}"));
    for socket in before.iter_mut().chain([&mut own]) {
        assert_eq!(ask(socket).unwrap(), truth);
    }
    let mut agent = pair.agent(NODE, &folder.path().join("state"));
    let deeds = lie(&mut agent, &forger(Who::Anyone, DialledBy::Either, On::Replies));
    assert_eq!((deeds.cut_over, deeds.kept), (4, 0));
    for socket in &mut before {
        assert!(ask(socket).is_err(), "a connection of before goes on");
    }
    assert_eq!(ask(&mut own).unwrap(), truth);
    let mut again = pair.connect(OTHER, &format!("10.9.0.1:{PORT}"));
    assert_ne!(ask(&mut again).unwrap(), truth);
}

#[test]
fn whatever_ends_the_agent_the_truth_is_back() {
    use perjury_agent::proxy::spec::On;
    if !possible("undoing a transparent liar", PROGRAMS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make("lu");
    let truth = seal("keyaaa", "writeone");
    pair.serve(NODE, PORT, &truth);
    for way in ["heal", "input", "worker", "both"] {
        let state = folder.path().join(way);
        let mut agent = pair.agent(NODE, &state);
        lie(&mut agent, &forger(Who::Anyone, DialledBy::Them, On::Says));
        let mut through = pair.connect(OTHER, &format!("10.9.0.1:{PORT}"));
        assert_ne!(ask(&mut through).unwrap(), truth, "{way}");
        assert!(tables(&pair).contains("_liar"), "{way}");
        match way {
            "heal" => {
                let healed = agent.ask(Body::Heal { services: false }).unwrap();
                let Answer::Healed(healed) = healed else { panic!() };
                assert!(healed.undone[0].starts_with("redirect"), "{healed:?}");
            }
            "input" => drop(agent.stdin.take()),
            "worker" => kill(agent.worker(), SIGKILL),
            _ => {
                agent.kill_both();
                assert!(tables(&pair).contains("_liar"));
                let state = state.to_str().unwrap();
                let enter = ["ip", "netns", "exec", &pair.names[NODE]];
                must(&[&enter[..], &[AGENT, "heal", "--state", state]].concat());
            }
        }
        eventually("the table is gone", || tables(&pair).is_empty());
        assert!(ask(&mut through).is_err(), "{way}: a connection through the liar goes on");
        let mut honest = pair.connect(OTHER, &format!("10.9.0.1:{PORT}"));
        assert_eq!(ask(&mut honest).unwrap(), truth, "{way}");
        if way == "heal" {
            assert_eq!(told(&mut agent).len(), 1);
            drop(agent.stdin.take());
        }
        agent.wait();
        assert!(!state.exists(), "{way}");
    }
}
