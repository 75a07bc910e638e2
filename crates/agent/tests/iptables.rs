//! Cuts on a node that has no `nft`, by `iptables`: what was there before is there afterwards.
#![allow(clippy::unwrap_used, reason = "helpers of tests are no #[test] functions")]

mod support;

use std::process::Command;
use std::time::Instant;

use nix::sys::signal::Signal::SIGKILL;
use perjury_agent::protocol::{Ability, Answer, Body, FailureKind};
use support::pair::{Pair, addresses, counters, eventually_counts};
use support::{AGENT, Agent, eventually, has, kill, possible};

const PROGRAMS: &[&str] = &["iptables", "ip6tables", "ip"];

/// Rules of somebody else's, who also has a chain, and whose jumps look like ours.
fn firewall(pair: &Pair, end: usize) {
    for program in ["iptables", "ip6tables"] {
        for rule in [
            "-N theirs",
            "-A theirs -p tcp --dport 9999 -j ACCEPT",
            "-A INPUT -p udp --dport 9",
            "-A INPUT -j theirs",
            "-A FORWARD -j DROP",
        ] {
            let words: Vec<&str> = rule.split(' ').collect();
            pair.on(end, &[&[program, "-w", "5"][..], &words].concat());
        }
    }
}

fn rules(pair: &Pair, end: usize) -> String {
    ["iptables", "ip6tables"].map(|program| pair.on(end, &[program, "-w", "5", "-S"])).concat()
}

/// How many datagrams of a probe an end has heard, by both families.
fn heard(pair: &Pair, end: usize) -> Vec<u64> {
    let count = |program: &str| {
        let text = pair.on(end, &[program, "-w", "5", "-v", "-S", "INPUT"]);
        let line = text.lines().find(|line| line.contains("--dport 9 ")).unwrap().to_string();
        line.split(" -c ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
    };
    ["iptables", "ip6tables"].map(count).into()
}

#[test]
fn without_nft_a_cut_cuts_one_way_and_is_replaced_and_mended() {
    if !possible("cuts without nft", PROGRAMS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make("i");
    firewall(&pair, 0);
    firewall(&pair, 1);
    let before = rules(&pair, 1);
    let mut a = pair.agent(0, &folder.path().join("a"));
    let mut b = pair.agent_without_nft(1, &folder.path().join("b"));
    let Answer::Hello(hello) = b.ask(Body::Hello).unwrap() else { panic!() };
    assert_eq!(hello.cut, Ability::Yes);
    assert_eq!(rules(&pair, 1), before, "asking changes nothing");
    let probe = |last| Body::Probe { to: addresses(last) };
    let started = Instant::now();
    let Answer::Cut { table, rules: count } = b.ask(Body::Cut { drop_from: addresses(1) }).unwrap()
    else {
        panic!()
    };
    let first = started.elapsed();
    assert_eq!((count, counters(&mut b)), (2, vec![0, 0]));
    let jump = format!("-A INPUT -j {table}");
    assert_eq!(rules(&pair, 1).matches(&jump).count(), 2);
    a.ask(probe(2)).unwrap();
    eventually_counts(&mut b, &[3, 3]);
    assert_eq!(heard(&pair, 1), [0, 0]);
    // The other direction is open, even after the neighbours were forgotten.
    b.ask(probe(1)).unwrap();
    eventually("the other end hears", || heard(&pair, 0) == [3, 3]);
    for name in &pair.names {
        support::must(&["ip", "-n", name, "neigh", "flush", "all"]);
    }
    b.ask(probe(1)).unwrap();
    eventually("the other end still hears", || heard(&pair, 0) == [6, 6]);
    // One family alone, then both again: one jump each, and nothing twice.
    let started = Instant::now();
    b.ask(Body::Cut { drop_from: addresses(1)[1..].to_vec() }).unwrap();
    eprintln!("first cut {first:.1?}, replaced {:.1?}", started.elapsed());
    a.ask(probe(2)).unwrap();
    eventually_counts(&mut b, &[3]);
    eventually("the other family is heard", || heard(&pair, 1) == [3, 0]);
    b.ask(Body::Cut { drop_from: addresses(1) }).unwrap();
    b.ask(Body::Cut { drop_from: addresses(1) }).unwrap();
    assert_eq!(rules(&pair, 1).matches(&jump).count(), 2);
    // Somebody changes their own rules meanwhile.
    pair.on(1, &["iptables", "-w", "5", "-I", "INPUT", "1", "-s", "10.7.0.1", "-j", "DROP"]);
    assert_eq!(b.ask(Body::Mend), Ok(Answer::Done));
    assert_eq!(b.ask(Body::CutCounters).unwrap_err().kind, FailureKind::NotFound);
    pair.on(1, &["iptables", "-w", "5", "-D", "INPUT", "-s", "10.7.0.1", "-j", "DROP"]);
    assert_eq!(rules(&pair, 1), before);
    assert_eq!(b.ask(Body::Mend), Ok(Answer::Done));
    assert_eq!((a.close().code(), b.close().code()), (Some(0), Some(0)));
}

#[test]
fn every_end_of_the_agent_puts_the_rules_back() {
    if !possible("undoing cuts without nft", PROGRAMS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = Pair::make("j");
    firewall(&pair, 1);
    let cut = || Body::Cut { drop_from: addresses(1) };
    // Another run is at work on the node.
    let mut other = pair.agent_without_nft(1, &folder.path().join("other"));
    let Answer::Cut { table: others, .. } = other.ask(cut()).unwrap() else { panic!() };
    let before = rules(&pair, 1);
    assert!(before.contains(&others));
    for way in ["input", "worker", "both"] {
        let state = folder.path().join(way);
        let mut agent = pair.agent_without_nft(1, &state);
        let Answer::Cut { table, .. } = agent.ask(cut()).unwrap() else { panic!() };
        assert!(rules(&pair, 1).contains(&table));
        match way {
            "input" => drop(agent.stdin.take()),
            "worker" => kill(agent.worker(), SIGKILL),
            _ => {
                agent.kill_both();
                assert!(rules(&pair, 1).contains(&table));
                // Even with `nft` at hand: the journal knows what made the cut.
                pair.on(1, &[AGENT, "heal", "--state", state.to_str().unwrap()]);
            }
        }
        eventually("the rules are as before", || rules(&pair, 1) == before);
        agent.wait();
    }
    assert_eq!(other.close().code(), Some(0));
    assert!(!rules(&pair, 1).contains(&others));
}

#[test]
fn without_any_filter_the_package_is_named() {
    if !possible("a node without any packet filter", PROGRAMS) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let hide = "for name in nft iptables ip6tables; do \
                for file in /usr/sbin/$name /sbin/$name /usr/bin/$name; do \
                if [ -f $file ]; then mount --bind /dev/null $file || exit 1; fi; done; done; \
                exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", hide, AGENT]);
    let mut agent = Agent::start_by(command, &folder.path().join("state"), 30);
    let Answer::Hello(hello) = agent.ask(Body::Hello).unwrap() else { panic!() };
    let Ability::No(why) = hello.cut else { panic!() };
    assert!(why.contains("package nftables") && why.contains("package iptables"), "{why}");
    let failure = agent.ask(Body::Cut { drop_from: addresses(1) }).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unsupported, "{failure}");
    assert_eq!(agent.close().code(), Some(0));
}

#[test]
fn without_the_right_nothing_is_cut_and_nothing_is_left() {
    if !possible("a cut without nft and without permission", PROGRAMS) || !has("setpriv") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let hide = "if [ -f /usr/sbin/nft ]; then mount --bind /dev/null /usr/sbin/nft; fi; \
                exec setpriv --bounding-set -net_admin --inh-caps -net_admin \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--net", "sh", "-c", hide, AGENT]);
    let mut agent = Agent::start_by(command, &folder.path().join("state"), 30);
    let Answer::Hello(hello) = agent.ask(Body::Hello).unwrap() else { panic!() };
    assert!(matches!(&hello.cut, Ability::No(why) if why.contains("must be root")), "{hello:?}");
    let failure = agent.ask(Body::Cut { drop_from: addresses(1) }).unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotPermitted, "{failure}");
    assert_eq!(agent.close().code(), Some(0));
}
