//! An explicit liar in front of a small server, asked for and asked about through the protocol.
#![allow(clippy::unwrap_used, reason = "helpers of tests are no #[test] functions")]

mod support;
#[path = "support/tape.rs"]
mod tape;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use perjury_agent::protocol::{Answer, Body, FailureKind};
use perjury_agent::proxy::spec::{FramingName, Instead, Liar, Lie, Place, Tell};
use perjury_agent::proxy::{Deeds, Lies};
use support::Agent;
use tape::seal;

/// Answers each line with what `reply` makes of it, and counts lines. In threads of their own.
struct Server {
    address: SocketAddr,
    lines: Arc<AtomicUsize>,
}

impl Server {
    fn start(reply: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let lines = Arc::new(AtomicUsize::new(0));
        let (counted, reply) = (lines.clone(), Arc::new(reply));
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let (counted, reply, mut socket) =
                    (counted.clone(), reply.clone(), socket.unwrap());
                std::thread::spawn(move || {
                    let reader = BufReader::new(socket.try_clone().unwrap());
                    for line in reader.lines().map_while(Result::ok) {
                        counted.fetch_add(1, Ordering::SeqCst);
                        if socket.write_all(reply(&line).as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Server { address, lines }
    }
}

fn before(server: SocketAddr, framing: FramingName, lies: Vec<Lie>) -> Liar {
    let listen = "127.0.0.1:0".parse().unwrap();
    Liar { place: Place::Explicit { listen, forward: server }, ..tape::liar(framing, lies) }
}

fn install(agent: &mut Agent, liar: &Liar) -> SocketAddr {
    let Answer::Deeds(deeds) = agent.ask(Body::Lie(liar.clone())).unwrap() else { panic!() };
    assert_eq!((deeds.connections, deeds.told.len()), (0, 0));
    deeds.listens[0]
}

fn lies(agent: &mut Agent, from: u64) -> Lies {
    match agent.ask(Body::Lies { name: "l".into(), from }).unwrap() {
        Answer::Lies(lies) => lies,
        other => panic!("{other:?}"),
    }
}

fn recant(agent: &mut Agent) -> Deeds {
    match agent.ask(Body::Recant { name: "l".into() }).unwrap() {
        Answer::Deeds(deeds) => deeds,
        other => panic!("{other:?}"),
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn exchange(socket: &mut TcpStream, line: &str, length: usize) -> String {
    socket.write_all(format!("{line}\n").as_bytes()).unwrap();
    let mut reply = vec![0; length];
    socket.read_exact(&mut reply).unwrap();
    String::from_utf8(reply).unwrap()
}

#[test]
fn a_lie_is_told_and_recorded_and_recanted() {
    let folder = tempfile::tempdir().unwrap();
    let true_one = seal("keyaaa", "writeone");
    let said = true_one.clone();
    let server = Server::start(move |_| said.clone());
    let mut agent = Agent::start(&folder.path().join("state"));
    let forge = Lie::always(Tell::Substitute(Instead::Forged));
    let liar = before(server.address, FramingName::None, vec![forge]);
    let address = install(&mut agent, &liar);
    let mut socket = connect(address);
    let heard = exchange(&mut socket, "what", 43);
    let Lies { records, deeds } = lies(&mut agent, 0);
    assert_eq!(records[0].seal_before.as_ref(), Some(&true_one));
    assert_eq!(records[0].seal_after.as_ref(), Some(&heard));
    assert_eq!(records[0].link.dialler, socket.local_addr().unwrap());
    assert_eq!(records[0].link.listener, server.address);
    assert!(records[0].at_ns < deeds.now_ns);
    assert_eq!((deeds.connections, deeds.open, deeds.told["forge"]), (1, 1, 1));
    exchange(&mut socket, "what", 43);
    let more = lies(&mut agent, 1);
    assert_eq!((more.records.len(), more.records[0].number, more.deeds.lost), (1, 1, 0));
    let deeds = recant(&mut agent);
    assert_eq!((deeds.open, deeds.told["forge"]), (0, 2));
    // Its connections break off, new ones are refused, and the records are still there.
    let end = socket.read(&mut [0; 9]);
    assert!(matches!(&end, Err(error) if error.kind() == ErrorKind::ConnectionReset), "{end:?}");
    assert!(TcpStream::connect(address).is_err());
    assert_eq!(lies(&mut agent, 1).records.len(), 1);
    assert_eq!(lies(&mut agent, 2).records.len(), 0);
    assert_eq!(agent.close().code(), Some(0));
}

#[test]
fn ends_of_either_side_are_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::start(&folder.path().join("state"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let liar = before(listener.local_addr().unwrap(), FramingName::None, Vec::new());
    let address = install(&mut agent, &liar);
    // The client ends first and still hears the answer.
    let mut client = connect(address);
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(b"all").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut text = String::new();
    server.read_to_string(&mut text).unwrap();
    server.write_all(b"of it").unwrap();
    drop(server);
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text, "allof it");
    // A server that ends, and one that is not there.
    let mut client = connect(address);
    drop(listener.accept().unwrap());
    assert_eq!(client.read(&mut [0; 9]).unwrap(), 0);
    drop((client, listener));
    let mut client = connect(address);
    assert!(client.read(&mut [0; 9]).is_err(), "nobody listens any more");
    drop(client);
    let deadline = Instant::now() + Duration::from_secs(10);
    while lies(&mut agent, 0).deeds.open > 0 {
        assert!(Instant::now() < deadline, "a connection stays open");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(lies(&mut agent, 0).deeds.told.len(), 0);
}

#[test]
fn large_streams_go_through_both_ways_at_once() {
    const SIZE: usize = 64 << 20;
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::start(&folder.path().join("state"));
    // Honest, and with a lie that looks at every byte.
    let nothing = Lie::always(Tell::Substitute(Instead::Misdirected));
    for lies in [Vec::new(), vec![nothing]] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut liar = before(listener.local_addr().unwrap(), FramingName::None, lies);
        liar.name = format!("l{}", liar.lies.len());
        let client = connect(install(&mut agent, &liar));
        let (server, _) = listener.accept().unwrap();
        let sum = |mut socket: TcpStream| {
            let (mut sum, mut count, mut buffer) = (0_u64, 0_usize, vec![0; 1 << 16]);
            loop {
                match socket.read(&mut buffer).unwrap() {
                    0 => return (sum, count),
                    some => {
                        let values = buffer[..some].iter().zip(count..);
                        sum = values.fold(sum, |sum, (byte, at)| {
                            sum.wrapping_mul(31).wrapping_add(u64::from(*byte) + at as u64)
                        });
                        count += some;
                    }
                }
            }
        };
        let pour = |mut socket: TcpStream, salt: usize| {
            let piece: Vec<u8> = (0..1 << 16).map(|at| (at * salt) as u8).collect();
            for _ in 0..SIZE >> 16 {
                socket.write_all(&piece).unwrap();
            }
            socket.shutdown(Shutdown::Write).unwrap();
        };
        let clone = |socket: &TcpStream| socket.try_clone().unwrap();
        let (a, b) = std::thread::scope(|scope| {
            let (c, s) = (clone(&client), clone(&server));
            scope.spawn(move || pour(c, 3));
            scope.spawn(move || pour(s, 5));
            let at_client = scope.spawn(|| sum(clone(&client)));
            let at_server = scope.spawn(|| sum(clone(&server)));
            (at_client.join().unwrap(), at_server.join().unwrap())
        });
        assert_eq!((a.1, b.1), (SIZE, SIZE));
        assert_ne!(a.0, b.0);
    }
}

#[test]
fn requests_are_really_withheld_from_a_real_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(|line| match line.starts_with("SET") {
        true => "+OK\r\n".into(),
        false => "$-1\r\n".into(),
    });
    let mut agent = Agent::start(&folder.path().join("state"));
    let told = [Tell::Acknowledge, Tell::Default { value: "0".into() }].map(Lie::always);
    let liar = before(server.address, FramingName::Resp, told.into());
    let mut socket = connect(install(&mut agent, &liar));
    assert_eq!(exchange(&mut socket, "SET k v\r", 5), "+OK\r\n");
    assert_eq!(exchange(&mut socket, "GET k\r", 7), "$1\r\n0\r\n");
    assert_eq!(server.lines.load(Ordering::SeqCst), 1);
    let deeds = lies(&mut agent, 0).deeds;
    assert_eq!((deeds.told["acknowledge"], deeds.told["default"]), (1, 1));
}

#[test]
fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = Agent::start(&folder.path().join("state"));
    let server = "127.0.0.1:1".parse().unwrap();
    let refused = |agent: &mut Agent, liar: Liar| {
        let failure = agent.ask(Body::Lie(liar)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::BadRequest, "{failure}");
        failure.message
    };
    let duplicate = vec![Lie::always(Tell::Duplicate)];
    let why = refused(&mut agent, before(server, FramingName::None, duplicate));
    assert!(why.contains("set the framing"), "{why}");
    let mut open = before(server, FramingName::None, Vec::new());
    open.place = Place::Explicit { listen: "0.0.0.0:0".parse().unwrap(), forward: server };
    assert!(refused(&mut agent, open).contains("loopback only"));
    let liar = before(server, FramingName::None, Vec::new());
    install(&mut agent, &liar);
    assert!(refused(&mut agent, liar).contains("choose another name"));
    let failure = agent.ask(Body::Recant { name: "nobody".into() }).unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotFound);
    let Answer::Healed(healed) = agent.ask(Body::Heal { services: false }).unwrap() else {
        panic!()
    };
    assert_eq!(healed.undone, ["liar l silenced"]);
    assert_eq!(agent.close().code(), Some(0));
}
