//! Lies in packets, in a node of its own: a flipped bit arrives, because the sums are mended.
#![allow(clippy::unwrap_used, reason = "helpers of tests are no #[test] functions")]

mod support;
#[path = "support/tape.rs"]
mod tape;

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal::SIGKILL;
use perjury_agent::protocol::{Answer, Body, FailureKind};
use perjury_agent::proxy::Told;
use perjury_agent::proxy::spec::{
    DialledBy, FramingName, Instead, Liar, Lie, On, Part, Place, Tell, Who,
};
use support::pair::{Pair, ask};
use support::{AGENT, Agent, eventually, kill, possible, skipped};
use tape::seal;

const PORT: u16 = 7500;
const NODE: usize = 0;
const OTHER: usize = 1;

fn liar(tell: Tell, on: On, dialled_by: DialledBy) -> Liar {
    let place = Place::Wire { ports: vec![PORT], with: Who::Anyone, dialled_by };
    Liar { place, ..tape::liar(FramingName::None, vec![Lie { on, ..Lie::always(tell) }]) }
}

/// Installs it; says so where this kernel cannot.
fn lie(agent: &mut Agent, liar: &Liar) -> bool {
    match agent.ask(Body::Lie(liar.clone())) {
        Ok(Answer::Deeds(_)) => true,
        Err(failure) if failure.kind == FailureKind::Unsupported => {
            skipped("lies in packets", &failure.message);
            false
        }
        other => panic!("{other:?}"),
    }
}

fn recant(agent: &mut Agent) {
    agent.ask(Body::Recant { name: "l".into() }).unwrap();
}

fn told(agent: &mut Agent) -> Vec<Told> {
    match agent.ask(Body::Lies { name: "l".into(), from: 0 }).unwrap() {
        Answer::Lies(lies) => lies.records,
        other => panic!("{other:?}"),
    }
}

/// All that is left of rules for queues on the node.
fn rules(pair: &Pair) -> String {
    let script = "nft list ruleset 2>/dev/null | grep perjury; \
                  for p in iptables ip6tables; do $p -w 5 -S | grep perjury; done; true";
    pair.on(NODE, &["sh", "-c", script])
}

fn bits(one: &[u8], other: &[u8]) -> u32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(a, b)| (a ^ b).count_ones()).sum()
}

#[test]
fn one_bit_of_a_value_is_wrong_on_a_connection_of_before_and_the_sums_fit() {
    if !possible("lies in packets", &["ip"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make("wa");
    let (ours, theirs) = (seal("keyaaa", "writeone"), seal("keybbb", "writetwo"));
    pair.serve(NODE, PORT, &ours);
    pair.serve(OTHER, PORT, &theirs);
    let mut agent = pair.agent(NODE, &folder.path().join("state"));
    let ends = [
        (OTHER, "10.9.0.1", &ours, false),
        (OTHER, "[fd00:9::1]", &ours, false),
        (NODE, "10.9.0.2", &theirs, true),
        (NODE, "[fd00:9::2]", &theirs, true),
    ];
    let mut before: Vec<_> =
        ends.iter().map(|(from, to, ..)| pair.connect(*from, &format!("{to}:{PORT}"))).collect();
    for (socket, (_, _, truth, _)) in before.iter_mut().zip(&ends) {
        assert_eq!(ask(socket).unwrap(), **truth);
    }
    // Replies: what it says where others dialled, and what it hears where it did.
    if !lie(&mut agent, &liar(Tell::Corrupt(Part::Body), On::Replies, DialledBy::Either)) {
        return;
    }
    for (count, (socket, (_, to, truth, outgoing))) in before.iter_mut().zip(&ends).enumerate() {
        let heard = ask(socket).unwrap();
        assert_eq!(bits(heard.as_bytes(), truth.as_bytes()), 1, "{to}");
        let all = told(&mut agent);
        assert_eq!(all.len(), 2 * count + 1, "{to}");
        let last = all.last().unwrap();
        assert_eq!(last.seal_before.as_ref(), Some(*truth));
        assert_eq!(last.seal_after.as_ref(), Some(&heard));
        assert_eq!(last.link.listener, format!("{to}:{PORT}").parse().unwrap());
        assert_eq!(last.link.dialler, socket.local_addr().unwrap());
        assert_eq!((last.link.outgoing, last.lie.as_str()), (*outgoing, "corrupt"));
        // The same lie whenever it is said again.
        assert_eq!(ask(socket).unwrap(), heard);
    }
    let mut own = pair.connect(NODE, &format!("127.0.0.1:{PORT}"));
    assert_eq!(ask(&mut own).unwrap(), ours, "what a node says to itself is the truth");
    recant(&mut agent);
    assert_eq!(rules(&pair), "");
    for (socket, (_, _, truth, _)) in before.iter_mut().zip(&ends) {
        assert_eq!(ask(socket).unwrap(), **truth, "the connection goes on, honestly");
    }
    // Another value of the same length, with the code that nobody could make.
    let mut second = liar(Tell::Substitute(Instead::Forged), On::Says, DialledBy::Them);
    second.name = "second".into();
    assert!(lie(&mut agent, &second));
    let heard = ask(&mut before[0]).unwrap();
    assert!(heard != ours && heard[..17] == ours[..17], "{heard}");
    assert_eq!(ask(&mut before[2]).unwrap(), theirs);
    assert_eq!(agent.close().code(), Some(0));
    assert_eq!(rules(&pair), "");
    assert_eq!(ask(&mut before[0]).unwrap(), ours);
}

#[test]
fn random_bits_turn_over_in_streams_and_datagrams_and_each_is_recorded() {
    if !possible("flips in packets", &["ip"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make("wb");
    let mut agent = pair.agent(NODE, &folder.path().join("state"));
    let listener = pair.within(NODE, || std::net::TcpListener::bind(("10.9.0.1", PORT))).unwrap();
    let datagrams = pair.within(NODE, || UdpSocket::bind(("10.9.0.1", PORT))).unwrap();
    let flips = Tell::Corrupt(Part::Stream { block: 10_000 });
    if !lie(&mut agent, &liar(flips, On::Hears, DialledBy::Them)) {
        return;
    }
    let sent: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
    let mut client = pair.connect(OTHER, &format!("10.9.0.1:{PORT}"));
    let copy = sent.clone();
    let sender = std::thread::spawn(move || client.write_all(&copy).map(|()| client));
    let (mut server, _) = listener.accept().unwrap();
    let mut heard = vec![0; sent.len()];
    server.read_exact(&mut heard).unwrap();
    drop(sender.join().unwrap().unwrap());
    let count = bits(&sent, &heard);
    // One in each block; what was sent again is on top, and in the record.
    assert!((90..=100).contains(&count), "{count}");
    let records = told(&mut agent).len() as u32;
    assert!(count <= records && records < 2 * count, "{records} records of {count} flips");
    let other = pair.within(OTHER, || UdpSocket::bind(("10.9.0.2", 0))).unwrap();
    datagrams.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut wrong = 0;
    for _ in 0..20 {
        other.send_to(&sent[..1000], ("10.9.0.1", PORT)).unwrap();
        let mut heard = [0; 2000];
        let length = datagrams.recv(&mut heard).unwrap();
        wrong += bits(&sent[..1000], &heard[..length]);
    }
    assert!((1..=3).contains(&wrong), "{wrong} in 20000 bytes");
    assert_eq!(told(&mut agent).len() as u32, records + wrong);
}

#[test]
fn whatever_ends_the_agent_packets_pass_as_they_are() {
    if !possible("undoing lies in packets", &["ip"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make("wc");
    let truth = seal("keyaaa", "writeone");
    pair.serve(NODE, PORT, &truth);
    let mut socket = pair.connect(OTHER, &format!("10.9.0.1:{PORT}"));
    for way in ["heal", "input", "worker", "both"] {
        let state = folder.path().join(way);
        let mut agent = pair.agent(NODE, &state);
        if !lie(&mut agent, &liar(Tell::Corrupt(Part::Code), On::Says, DialledBy::Them)) {
            return;
        }
        assert_ne!(ask(&mut socket).unwrap(), truth, "{way}");
        assert_ne!(rules(&pair), "", "{way}");
        match way {
            "heal" => {
                let healed = agent.ask(Body::Heal { services: false }).unwrap();
                let Answer::Healed(healed) = healed else { panic!() };
                assert!(healed.undone[0].starts_with("queue"), "{healed:?}");
                assert!(healed.failed.is_empty(), "{healed:?}");
            }
            "input" => drop(agent.stdin.take()),
            "worker" => kill(agent.worker(), SIGKILL),
            _ => {
                agent.kill_both();
                // The rules are still there, and nobody judges: packets pass.
                assert_ne!(rules(&pair), "");
                assert_eq!(ask(&mut socket).unwrap(), truth);
                pair.on(NODE, &[AGENT, "heal", "--state", state.to_str().unwrap()]);
            }
        }
        eventually("the rules are gone", || rules(&pair).is_empty());
        assert_eq!(ask(&mut socket).unwrap(), truth, "{way}");
        if way == "heal" {
            assert_eq!(told(&mut agent).len(), 1);
            drop(agent.stdin.take());
        }
        agent.wait();
        assert!(!state.exists(), "{way}");
    }
}

#[test]
fn what_cannot_be_told_in_packets_is_refused_and_leaves_nothing() {
    if !possible("refused lies in packets", &["ip", "unshare"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make("wd");
    let mut agent = pair.agent(NODE, &folder.path().join("state"));
    let refused = agent.ask(Body::Lie(liar(Tell::BlackHole, On::Says, DialledBy::Them)));
    let failure = refused.unwrap_err();
    assert_eq!(failure.kind, FailureKind::BadRequest, "{failure}");
    assert!(failure.message.contains("only bits and values"), "{failure}");
    drop(agent);
    // Without any program for rules.
    let hide = "for name in nft iptables ip6tables; do \
                for file in /usr/sbin/$name /sbin/$name /usr/bin/$name; do \
                if [ -f $file ]; then mount --bind /dev/null $file || exit 1; fi; done; done; \
                exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "sh", "-c", hide, AGENT]);
    let state = folder.path().join("without");
    let mut agent = Agent::start_by(command, &state, 30);
    let refused = agent.ask(Body::Lie(liar(Tell::Corrupt(Part::Body), On::Says, DialledBy::Us)));
    let failure = refused.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unsupported, "{failure}");
    assert!(failure.message.contains("not installed"), "{failure}");
    assert_eq!(agent.close().code(), Some(0));
    assert!(!state.exists());
}
