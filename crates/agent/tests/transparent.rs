//! A transparent liar in a node of its own: what comes in and what goes out, connections of before,
//! and undoing it, whatever ends the agent.
#![allow(clippy::unwrap_used, reason = "helpers of tests are no #[test] functions")]

mod support;
#[path = "support/tape.rs"]
mod tape;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal::{SIGKILL, SIGSTOP};
use perjury_agent::protocol::{Answer, Body};
use perjury_agent::proxy::spec::{DialledBy, FramingName, Instead, Liar, Lie, Place, Tell, Who};
use perjury_agent::proxy::{Deeds, Told};
use support::{AGENT, Agent, eventually, has, is_root, kill, must, skipped};
use tape::seal;

const PORT: u16 = 7400;

/// Two namespaces with a cable between them, removed at the end: the node, and another one.
struct Pair {
    node: String,
    other: String,
}

impl Pair {
    fn make(test: &str) -> Pair {
        let me = std::process::id();
        let pair = Pair { node: format!("pjl{test}a{me}"), other: format!("pjl{test}b{me}") };
        for name in [&pair.node, &pair.other] {
            must(&["ip", "netns", "add", name]);
            must(&["ip", "-n", name, "link", "set", "lo", "up"]);
        }
        let (a, b) = (&pair.node, &pair.other);
        let cable = ["link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", b];
        must(&[&["ip", "-n", a][..], &cable].concat());
        for (name, last) in [(a, 1), (b, 2)] {
            let v4 = format!("10.94.0.{last}/24");
            must(&["ip", "-n", name, "addr", "add", &v4, "dev", "eth0"]);
            let v6 = format!("fd00:94::{last}/64");
            must(&["ip", "-n", name, "addr", "add", &v6, "dev", "eth0", "nodad"]);
            must(&["ip", "-n", name, "link", "set", "eth0", "up"]);
        }
        pair
    }

    fn agent(&self, state: &Path) -> Agent {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.node, AGENT]);
        Agent::start_by(command, state, 30)
    }

    fn tables(&self) -> String {
        must(&["ip", "netns", "exec", &self.node, "nft", "list", "tables"])
    }

    /// Does something in a namespace; a socket that is made there stays there.
    fn within<T: Send>(name: &str, act: impl FnOnce() -> T + Send) -> T {
        let namespace = std::fs::File::open(format!("/run/netns/{name}")).unwrap();
        let enter = move || {
            let flags = nix::sched::CloneFlags::CLONE_NEWNET;
            nix::sched::setns(namespace.as_fd(), flags).unwrap();
            act()
        };
        std::thread::scope(|scope| scope.spawn(enter).join().unwrap())
    }

    /// Says the same seal to every line, in a namespace, to IPv4 and IPv6.
    fn serve(name: &str, said: &str) {
        for any in ["0.0.0.0", "::"] {
            let ip: IpAddr = any.parse().unwrap();
            let listener = Pair::within(name, || listener(SocketAddr::new(ip, PORT)));
            let said = said.to_string();
            std::thread::spawn(move || {
                for socket in listener.incoming() {
                    let (mut socket, said) = (socket.unwrap(), said.clone());
                    std::thread::spawn(move || {
                        let lines = BufReader::new(socket.try_clone().unwrap()).lines();
                        for _ in lines.map_while(Result::ok) {
                            if socket.write_all(said.as_bytes()).is_err() {
                                return;
                            }
                        }
                    });
                }
            });
        }
    }

    fn connect(name: &str, to: &str) -> TcpStream {
        let to: SocketAddr = to.parse().unwrap();
        let socket = Pair::within(name, || TcpStream::connect(to)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }
}

fn listener(address: SocketAddr) -> TcpListener {
    perjury_agent::proxy::listener(address)
        .inspect(|listener| listener.set_nonblocking(false).unwrap())
        .unwrap()
}

impl Drop for Pair {
    fn drop(&mut self) {
        for name in [&self.node, &self.other] {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

fn possible(test: &str) -> bool {
    let why = match () {
        () if !is_root() => "not root",
        () if !has("nft") => "nft is not installed",
        () if !has("ip") => "ip is not installed",
        () => return true,
    };
    skipped(test, why);
    false
}

fn ask(socket: &mut TcpStream) -> std::io::Result<String> {
    socket.write_all(b"what\n")?;
    let mut reply = vec![0; 43];
    socket.read_exact(&mut reply)?;
    Ok(String::from_utf8(reply).unwrap())
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
    if !possible("a transparent liar") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make("w");
    let (ours, theirs) = (seal("keyaaa", "writeone"), seal("keybbb", "writetwo"));
    Pair::serve(&pair.node, &ours);
    Pair::serve(&pair.other, &theirs);
    let mut agent = pair.agent(&folder.path().join("state"));
    let started = Instant::now();
    lie(&mut agent, &forger(Who::Anyone, DialledBy::Either, On::Replies));
    eprintln!("installed in {:.1?}", started.elapsed());
    let mut count = 0;
    for (from, to, truth, outgoing) in [
        (&pair.other, "10.94.0.1", &ours, false),
        (&pair.other, "[fd00:94::1]", &ours, false),
        (&pair.node, "10.94.0.2", &theirs, true),
        (&pair.node, "[fd00:94::2]", &theirs, true),
    ] {
        let mut socket = Pair::connect(from, &format!("{to}:{PORT}"));
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
    let mut own = Pair::connect(&pair.node, &format!("127.0.0.1:{PORT}"));
    assert_eq!(ask(&mut own).unwrap(), ours);
    // Whoever dials the liar itself reaches nobody.
    let door = match agent.ask(Body::Lies { name: "l".into(), from: 0 }).unwrap() {
        Answer::Lies(lies) => lies.deeds.listens[0].port(),
        other => panic!("{other:?}"),
    };
    let mut direct = Pair::connect(&pair.other, &format!("10.94.0.1:{door}"));
    assert!(!matches!(direct.read(&mut [0]), Ok(1..)));
    let Answer::Deeds(deeds) = agent.ask(Body::Recant { name: "l".into() }).unwrap() else {
        panic!()
    };
    assert_eq!((deeds.told["forge"], pair.tables().as_str()), (4, ""));
    let mut honest = Pair::connect(&pair.other, &format!("10.94.0.1:{PORT}"));
    assert_eq!(ask(&mut honest).unwrap(), ours);
    assert_eq!(agent.close().code(), Some(0));
}

#[test]
fn only_the_pair_that_is_meant_is_lied_to() {
    use perjury_agent::proxy::spec::On;
    if !possible("a lie on one ordered pair") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make("p");
    let more = ["ip", "-n", &pair.other, "addr", "add", "10.94.0.3/24", "dev", "eth0"];
    must(&more);
    let truth = seal("keyaaa", "writeone");
    Pair::serve(&pair.node, &truth);
    Pair::serve(&pair.other, &truth);
    let mut agent = pair.agent(&folder.path().join("state"));
    // What the node says to .3, whoever dialled; a second liar at the same time for .2.
    let only = |last: &str| Who::Only(vec![last.parse().unwrap()]);
    lie(&mut agent, &forger(only("10.94.0.3"), DialledBy::Either, On::Says));
    let mut second = forger(only("10.94.0.2"), DialledBy::Us, On::Hears);
    second.name = "second".into();
    lie(&mut agent, &second);
    let from = |address: &str| {
        let to: SocketAddr = format!("10.94.0.1:{PORT}").parse().unwrap();
        let from: IpAddr = address.parse().unwrap();
        Pair::within(&pair.other, || bound(from, to))
    };
    assert_eq!(ask(&mut from("10.94.0.2")).unwrap(), truth);
    assert_ne!(ask(&mut from("10.94.0.3")).unwrap(), truth);
    let dial = |to: &str| Pair::connect(&pair.node, &format!("{to}:{PORT}"));
    // It says nothing false when it asks, and hears something false from .2.
    assert_eq!(ask(&mut dial("10.94.0.3")).unwrap(), truth);
    assert_ne!(ask(&mut dial("10.94.0.2")).unwrap(), truth);
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
    if !possible("cutting over") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make("c");
    let truth = seal("keyaaa", "writeone");
    Pair::serve(&pair.node, &truth);
    Pair::serve(&pair.other, &truth);
    let mut before: Vec<TcpStream> = [
        (&pair.other, "10.94.0.1"),
        (&pair.other, "[fd00:94::1]"),
        (&pair.node, "10.94.0.2"),
        (&pair.node, "[fd00:94::2]"),
    ]
    .iter()
    .map(|(from, to)| Pair::connect(from, &format!("{to}:{PORT}")))
    .collect();
    // Another port, and the node with itself: none of our business.
    let mut own = Pair::connect(&pair.node, &format!("10.94.0.1:{PORT}"));
    for socket in before.iter_mut().chain([&mut own]) {
        assert_eq!(ask(socket).unwrap(), truth);
    }
    let mut agent = pair.agent(&folder.path().join("state"));
    let deeds = lie(&mut agent, &forger(Who::Anyone, DialledBy::Either, On::Replies));
    assert_eq!((deeds.cut_over, deeds.kept), (4, 0));
    for socket in &mut before {
        assert!(ask(socket).is_err(), "a connection of before goes on");
    }
    assert_eq!(ask(&mut own).unwrap(), truth);
    let mut again = Pair::connect(&pair.other, &format!("10.94.0.1:{PORT}"));
    assert_ne!(ask(&mut again).unwrap(), truth);
}

#[test]
fn whatever_ends_the_agent_the_truth_is_back() {
    use perjury_agent::proxy::spec::On;
    if !possible("undoing a transparent liar") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make("u");
    let truth = seal("keyaaa", "writeone");
    Pair::serve(&pair.node, &truth);
    for way in ["heal", "input", "worker", "both"] {
        let state = folder.path().join(way);
        let mut agent = pair.agent(&state);
        lie(&mut agent, &forger(Who::Anyone, DialledBy::Them, On::Says));
        let mut through = Pair::connect(&pair.other, &format!("10.94.0.1:{PORT}"));
        assert_ne!(ask(&mut through).unwrap(), truth, "{way}");
        assert!(pair.tables().contains("_liar"), "{way}");
        match way {
            "heal" => {
                let healed = agent.ask(Body::Heal { services: false }).unwrap();
                let Answer::Healed(healed) = healed else { panic!() };
                assert!(healed.undone[0].starts_with("redirect"), "{healed:?}");
            }
            "input" => drop(agent.stdin.take()),
            "worker" => kill(agent.worker(), SIGKILL),
            _ => {
                let worker = agent.worker();
                let guardian = i32::try_from(agent.child.id()).unwrap();
                kill(guardian, SIGSTOP);
                kill(worker, SIGKILL);
                kill(guardian, SIGKILL);
                agent.wait();
                assert!(pair.tables().contains("_liar"));
                let state = state.to_str().unwrap();
                let enter = ["ip", "netns", "exec", &pair.node];
                must(&[&enter[..], &[AGENT, "heal", "--state", state]].concat());
            }
        }
        eventually("the table is gone", || pair.tables().is_empty());
        assert!(ask(&mut through).is_err(), "{way}: a connection through the liar goes on");
        let mut honest = Pair::connect(&pair.other, &format!("10.94.0.1:{PORT}"));
        assert_eq!(ask(&mut honest).unwrap(), truth, "{way}");
        if way == "heal" {
            assert_eq!(told(&mut agent).len(), 1);
            drop(agent.stdin.take());
        }
        agent.wait();
        assert!(!state.exists(), "{way}");
    }
}
