//! Bringing the node's own connections to a liar, with a table of our own in the packet filter.
//!
//! What comes in is redirected at prerouting, what goes out at output: a proxy on one of the two
//! sees only one direction of dialling, and databases use both. Our own connections carry a mark
//! and are left alone. Only first packets are redirected; connections of before are ended by
//! [`cut_over`], so that their ends connect again.
//!
//! Invariant: the table is in the undo journal before it is made.
//!
//! Source: nft(8), redirect statement and chain priorities.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::connections::{self, Connection};
use super::sockets::MARK;
use super::spec::{DialledBy, Who};
use crate::agent::Agent;
use crate::journal::{Change, Seq};
use crate::protocol::{Failure, FailureKind};
use crate::{nft, tool};

/// How long the ends of old connections may take to notice.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tables of one agent are counted.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A listening socket of the liar.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// Where it listens.
    pub address: SocketAddr,
    /// For what this node dials, or for what comes in.
    pub outgoing: bool,
}

/// A redirect in force.
#[derive(Debug)]
pub struct Redirect {
    table: String,
    seq: Seq,
}

/// What became of the connections of before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CutOver {
    /// Ended, and seen gone.
    pub ended: u64,
    /// Still there.
    pub kept: u64,
}

impl Redirect {
    /// Makes it, and sees it there.
    pub fn make(
        agent: &Agent,
        ports: &[u16],
        with: &Who,
        doors: &[Door],
    ) -> Result<Redirect, Failure> {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let table = format!("perjury_{}_liar{count}", agent.id());
        let change = Change::Redirect { table: table.clone() };
        let begun = agent.journal().begin(change);
        let seq = begun.map_err(|error| agent.journal_failure(&error))?;
        let redirect = Redirect { table, seq };
        let text = script(&redirect.table, ports, with, doors);
        if let Err(failure) = tool::run("nft", &["-f", "-"], &text) {
            // A refused transaction changed nothing; of one that was broken off nobody knows.
            if failure.kind != FailureKind::Timeout {
                agent.journal().healed(seq);
            }
            return Err(failure);
        }
        let seen = tool::run("nft", &["list", "table", "inet", &redirect.table], "")?;
        let rules = seen.lines().filter(|line| line.contains("redirect to")).count();
        if rules != doors.len() {
            let why = format!("table {} holds {rules} rules, not {}", redirect.table, doors.len());
            redirect.undo(agent)?;
            return Err(Failure::new(FailureKind::Io, why));
        }
        Ok(redirect)
    }

    /// Removes it, and sees it gone.
    pub fn undo(&self, agent: &Agent) -> Result<(), Failure> {
        nft::delete(&self.table)?;
        agent.journal().healed(self.seq);
        Ok(())
    }
}

/// One transaction. The redirected first packet is the one with SYN alone: a connection of before
/// would otherwise be torn into halves.
fn script(table: &str, ports: &[u16], with: &Who, doors: &[Door]) -> String {
    let list = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let mut text = format!("add table inet {table}\ntable inet {table} {{\n");
    for (chain, hook, outgoing) in [("incoming", "prerouting", false), ("outgoing", "output", true)]
    {
        let _ = writeln!(
            text,
            "  chain {chain} {{\n    type nat hook {hook} priority -100; policy accept;\n    \
             meta mark {MARK:#x} accept"
        );
        if outgoing {
            // What a node says to itself nobody else hears.
            text.push_str("    oifname \"lo\" accept\n");
        }
        for door in doors.iter().filter(|door| door.outgoing == outgoing) {
            let v4 = door.address.is_ipv4();
            let end = if outgoing { "daddr" } else { "saddr" };
            let Some(whom) = whom(with, v4, end) else {
                // Nobody of this family is meant: the door stays, and the rule fits nothing.
                let _ = writeln!(text, "    meta mark {MARK:#x} tcp dport 0 redirect to :1");
                continue;
            };
            let family = if v4 { "ipv4" } else { "ipv6" };
            let _ = writeln!(
                text,
                "    meta nfproto {family} {whom}tcp dport {{ {list} }} tcp flags & \
                 (fin|syn|rst|ack) == syn counter redirect to :{}",
                door.address.port()
            );
        }
        text.push_str("  }\n");
    }
    text.push_str("}\n");
    text
}

/// The match of the other end's address. `None` if it can fit nobody.
pub(super) fn whom(with: &Who, v4: bool, end: &str) -> Option<String> {
    let family = if v4 { "ip" } else { "ip6" };
    let of_family = |all: &[IpAddr]| -> Vec<String> {
        let all = all.iter().map(IpAddr::to_canonical).filter(|one| one.is_ipv4() == v4);
        all.map(|one| one.to_string()).collect()
    };
    match with {
        Who::Anyone | Who::OneIn(_) => Some(String::new()),
        Who::Only(all) => {
            let all = of_family(all);
            (!all.is_empty()).then(|| format!("{family} {end} {{ {} }} ", all.join(", ")))
        }
        Who::Except(all) => {
            let all = of_family(all);
            Some(match all.is_empty() {
                true => String::new(),
                false => format!("{family} {end} != {{ {} }} ", all.join(", ")),
            })
        }
    }
}

/// Ends the connections of before: with the kernel's own call, or where it has none by answering
/// their next packets with a reset.
pub fn cut_over(redirect: &Redirect, ports: &[u16], with: &Who, by: DialledBy) -> CutOver {
    let old = connections::matching(ports, with, by);
    let mut left: Vec<Connection> =
        old.iter().filter(|one| connections::destroy(one).is_err()).copied().collect();
    if !left.is_empty() {
        left = reset(redirect, &left);
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let open = connections::matching(ports, with, by);
        let kept = old.iter().filter(|one| open.contains(one)).count() as u64;
        if kept == 0 || kept <= left.len() as u64 || Instant::now() >= deadline {
            return CutOver { ended: old.len() as u64 - kept, kept };
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Answers every packet of these connections with a reset, until they are gone or the patience is.
/// Answers those that are left: an idle connection has no packets.
fn reset(redirect: &Redirect, old: &[Connection]) -> Vec<Connection> {
    let table = &redirect.table;
    let mut text = String::new();
    for hook in ["input", "output"] {
        let _ = writeln!(
            text,
            "add chain inet {table} reset_{hook} {{ type filter hook {hook} priority -11; }}"
        );
        for one in old {
            let (from, to) = match hook {
                "input" => (one.remote, one.local),
                _ => (one.local, one.remote),
            };
            let family = if from.is_ipv4() { "ip" } else { "ip6" };
            let _ = writeln!(
                text,
                "add rule inet {table} reset_{hook} {family} saddr {} tcp sport {} {family} \
                 daddr {} tcp dport {} counter reject with tcp reset",
                from.ip(),
                from.port(),
                to.ip(),
                to.port()
            );
        }
    }
    let mut left = old.to_vec();
    if tool::run("nft", &["-f", "-"], &text).is_ok() {
        let deadline = Instant::now() + PATIENCE;
        while !left.is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
            let open = connections::all();
            left.retain(|one| open.contains(one));
        }
        let gone = format!(
            "delete chain inet {table} reset_input\ndelete chain inet {table} reset_output\n"
        );
        // What cannot be removed now goes with the whole table.
        let _ = tool::run("nft", &["-f", "-"], &gone);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_for_each_door_and_never_for_ourselves() {
        let door = |text: &str, outgoing| Door { address: text.parse().unwrap(), outgoing };
        let doors = [door("0.0.0.0:9001", false), door("[::]:9002", true)];
        let with = Who::Only(vec!["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()]);
        let text = script("t", &[2379, 2380], &with, &doors);
        let wanted = "    meta nfproto ipv4 ip saddr { 10.0.0.2 } tcp dport { 2379, 2380 } tcp \
                      flags & (fin|syn|rst|ack) == syn counter redirect to :9001\n";
        assert!(text.contains(wanted), "{text}");
        assert!(text.contains("ip6 daddr { fd00::2 }") && text.contains("redirect to :9002"));
        assert_eq!(text.matches("meta mark 0x706a accept").count(), 2);
        assert_eq!(whom(&Who::Only(vec!["fd00::2".parse().unwrap()]), true, "saddr"), None);
    }
}
