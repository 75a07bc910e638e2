//! Cuts between two network namespaces, seen by the counters of the node that does not hear.
#![allow(clippy::unwrap_used, reason = "helpers of tests are no #[test] functions")]

mod support;

use std::process::Command;
use std::time::Instant;

use nix::sys::signal::Signal::SIGKILL;
use perjury_agent::protocol::{Ability, Answer, Body, FailureKind};
use support::pair::{Pair, addresses, counters, eventually_counts};
use support::{AGENT, Agent, eventually, has, kill, must, possible};

const PROGRAMS: &[&str] = &["nft", "ip"];

#[test]
fn a_cut_cuts_one_way_and_is_replaced_and_mended() {
    if !possible("cuts", PROGRAMS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make("c");
    let mut a = pair.agent(0, &folder.path().join("a"));
    let mut b = pair.agent(1, &folder.path().join("b"));
    let Answer::Hello(hello) = b.ask(Body::Hello).unwrap() else { panic!() };
    assert_eq!((hello.cut, hello.net_admin), (Ability::Yes, true));
    assert_eq!(b.ask(Body::CutCounters).unwrap_err().kind, FailureKind::NotFound);
    // A table of somebody else's, which counts what the other end hears.
    let watch = "table inet watch { chain in { type filter hook input priority 0; \
                 udp dport 9 counter; }; }";
    pair.nft(0, &[watch]);
    let probe = |last| Body::Probe { to: addresses(last) };
    let started = Instant::now();
    let Answer::Cut { rules, .. } = b.ask(Body::Cut { drop_from: addresses(1) }).unwrap() else {
        panic!()
    };
    let first = started.elapsed();
    assert_eq!((rules, counters(&mut b)), (2, vec![0, 0]));
    a.ask(probe(2)).unwrap();
    eventually_counts(&mut b, &[3, 3]);
    // The other direction is open.
    b.ask(probe(1)).unwrap();
    eventually("the other end hears", || {
        pair.nft(0, &["list", "table", "inet", "watch"]).contains("packets 6")
    });
    // Even after the neighbours were forgotten.
    for end in 0..2 {
        must(&["ip", "-n", &pair.names[end], "neigh", "flush", "all"]);
    }
    b.ask(probe(1)).unwrap();
    eventually("the other end still hears", || {
        pair.nft(0, &["list", "table", "inet", "watch"]).contains("packets 12")
    });
    let started = Instant::now();
    b.ask(Body::Cut { drop_from: addresses(1)[1..].to_vec() }).unwrap();
    let replaced = started.elapsed();
    eprintln!("first cut {first:.1?}, replaced {replaced:.1?}");
    a.ask(probe(2)).unwrap();
    eventually_counts(&mut b, &[3]);
    let started = Instant::now();
    assert_eq!(b.ask(Body::Mend), Ok(Answer::Done));
    eprintln!("mended {:.1?}", started.elapsed());
    assert_eq!(b.ask(Body::CutCounters).unwrap_err().kind, FailureKind::NotFound);
    assert_eq!(pair.nft(1, &["list", "tables"]), "");
    assert_eq!(b.ask(Body::Mend), Ok(Answer::Done));
    assert_eq!(a.close().code(), Some(0));
    assert_eq!(pair.nft(0, &["list", "tables"]), "table inet watch\n");
}

#[test]
fn every_end_of_the_agent_removes_its_own_table_only() {
    if !possible("tables of two runs", PROGRAMS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make("t");
    let cut = || Body::Cut { drop_from: addresses(1) };
    let mut other = pair.agent(1, &folder.path().join("other"));
    let Answer::Cut { table: others, .. } = other.ask(cut()).unwrap() else { panic!() };
    let tables = || pair.nft(1, &["list", "tables"]);
    let left = format!("table inet {others}\n");
    for way in ["input", "worker", "both"] {
        let state = folder.path().join(way);
        let mut agent = pair.agent(1, &state);
        let Answer::Cut { table, .. } = agent.ask(cut()).unwrap() else { panic!() };
        assert!(tables().contains(&table) && tables().contains(&others));
        match way {
            "input" => drop(agent.stdin.take()),
            "worker" => kill(agent.worker(), SIGKILL),
            _ => {
                agent.kill_both();
                assert!(tables().contains(&table));
                let state = state.to_str().unwrap();
                let enter = ["ip", "netns", "exec", &pair.names[1]];
                must(&[&enter[..], &[AGENT, "heal", "--state", state]].concat());
            }
        }
        eventually("only the other table is left", || tables() == left);
        agent.wait();
    }
}

#[test]
fn without_the_right_a_cut_is_refused_and_nothing_is_left() {
    if !possible("a cut without permission", PROGRAMS) || !has("setpriv") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-net_admin", "--inh-caps", "-net_admin", AGENT]);
    let mut agent = Agent::start_by(command, &folder.path().join("state"), 30);
    let Answer::Hello(hello) = agent.ask(Body::Hello).unwrap() else { panic!() };
    assert!(matches!(hello.cut, Ability::No(why) if why.contains("not permitted")));
    assert!(!hello.net_admin);
    let failure = agent.ask(Body::Cut { drop_from: addresses(1) }).unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotPermitted, "{failure}");
    assert_eq!(agent.close().code(), Some(0));
}
