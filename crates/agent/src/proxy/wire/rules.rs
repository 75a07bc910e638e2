//! Which packets wait for a verdict: rules of our own, by `nft` or, where its kernel part for
//! queues is missing, by `iptables`.
//!
//! Invariant: they are in the undo journal before they are made, and both say *bypass*: without
//! anybody to judge, packets pass.
//!
//! Source: nft(8), queue statement; iptables-extensions(8), NFQUEUE.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::super::redirect::whom;
use super::super::spec::{DialledBy, Who};
use crate::agent::Agent;
use crate::iptables::{self, Family};
use crate::journal::{Change, Seq};
use crate::protocol::{Failure, FailureKind};
use crate::{nft, tool};

/// Which packets.
#[derive(Clone, Copy, Debug)]
pub struct Which<'a> {
    /// The ports that are dialled.
    pub ports: &'a [u16],
    /// The other end.
    pub with: &'a Who,
    /// Who dialled.
    pub by: DialledBy,
    /// What this node hears.
    pub hears: bool,
    /// What it says.
    pub says: bool,
}

/// One hook, and how the ends of a packet are called there.
struct Hook {
    nft: &'static str,
    iptables: &'static str,
    /// The other end's address, as nft and iptables say it, and the interface.
    address: (&'static str, &'static str),
    interface: (&'static str, &'static str),
    /// The port of this node.
    own: (&'static str, &'static str),
    /// The port of the other one.
    other: (&'static str, &'static str),
}

const HEARS: Hook = Hook {
    nft: "input",
    iptables: "INPUT",
    address: ("saddr", "-s"),
    interface: ("iifname", "-i"),
    own: ("dport", "--dport"),
    other: ("sport", "--sport"),
};

const SAYS: Hook = Hook {
    nft: "output",
    iptables: "OUTPUT",
    address: ("daddr", "-d"),
    interface: ("oifname", "-o"),
    own: ("sport", "--sport"),
    other: ("dport", "--dport"),
};

impl Which<'_> {
    fn hooks(&self) -> impl Iterator<Item = &'static Hook> {
        let (hears, says) = (self.hears.then_some(&HEARS), self.says.then_some(&SAYS));
        hears.into_iter().chain(says)
    }

    /// The ports that tell these connections: of this node if others dialled, of them if it did.
    fn ends(&self, hook: &'static Hook) -> Vec<(&'static str, &'static str)> {
        match self.by {
            DialledBy::Them => vec![hook.own],
            DialledBy::Us => vec![hook.other],
            DialledBy::Either => vec![hook.own, hook.other],
        }
    }
}

/// Rules in force.
#[derive(Debug)]
pub struct Rules {
    made: Vec<(Change, Seq)>,
}

impl Rules {
    /// Makes them, and sees them there.
    pub fn make(
        agent: &Agent,
        name: &str,
        which: &Which<'_>,
        queue: u16,
    ) -> Result<Rules, Failure> {
        let mut rules = Rules { made: Vec::new() };
        let by_nft = rules.by_nft(agent, name, which, queue);
        let done = match by_nft {
            Err(failure) if is_missing(&failure) && tool::find("iptables").is_some() => {
                rules.by_iptables(agent, name, which, queue).map_err(|other| {
                    let why = format!("no packets can be queued here: {failure}; {other}");
                    Failure::new(other.kind, why)
                })
            }
            other => other,
        };
        if let Err(failure) = done {
            // Of what was broken off nobody knows; what is not there is no error to undo.
            rules.undo(agent)?;
            return Err(failure);
        }
        Ok(rules)
    }

    fn begin(&mut self, agent: &Agent, change: Change) -> Result<(), Failure> {
        let begun = agent.journal().begin(change.clone());
        let seq = begun.map_err(|error| agent.journal_failure(&error))?;
        self.made.push((change, seq));
        Ok(())
    }

    fn by_nft(
        &mut self,
        agent: &Agent,
        name: &str,
        which: &Which<'_>,
        queue: u16,
    ) -> Result<(), Failure> {
        if tool::find("nft").is_none() {
            return Err(Failure::new(FailureKind::Unsupported, "nft is not installed here"));
        }
        self.begin(agent, Change::Queue { name: name.to_owned(), nft: true })?;
        let text = nft_script(name, which, queue);
        tool::run("nft", &["-f", "-"], &text)?;
        let seen = tool::run("nft", &["list", "table", "inet", name], "")?;
        expect(name, &seen, " queue ", text.matches(" queue ").count())
    }

    fn by_iptables(
        &mut self,
        agent: &Agent,
        name: &str,
        which: &Which<'_>,
        queue: u16,
    ) -> Result<(), Failure> {
        // The refused attempt by nft has changed nothing.
        self.undo(agent)?;
        for hook in which.hooks() {
            let chain = format!("{name}{}", if hook.nft == "input" { "i" } else { "o" });
            self.begin(agent, Change::Queue { name: chain.clone(), nft: false })?;
            let mut wanted = 0;
            let mut seen = String::new();
            for family in iptables::BOTH.into_iter().filter(|family| family.known()) {
                let rules = chain_rules(&chain, family, hook, which, queue);
                let count = rules.matches("NFQUEUE").count();
                if count == 0 {
                    continue;
                }
                match iptables::hang(family, &chain, hook.iptables, &rules) {
                    Ok(text) => seen += &text,
                    // A node without IPv6 has none to lie about.
                    Err(_) if family == Family::V6 => continue,
                    Err(failure) => return Err(failure),
                }
                wanted += count;
            }
            expect(&chain, &seen, "NFQUEUE", wanted)?;
        }
        Ok(())
    }

    /// Removes them, and sees them gone.
    pub fn undo(&mut self, agent: &Agent) -> Result<(), Failure> {
        while let Some((change, seq)) = self.made.last() {
            if let Change::Queue { name, nft } = change {
                delete(name, *nft)?;
            }
            agent.journal().healed(*seq);
            self.made.pop();
        }
        Ok(())
    }
}

/// Removes rules of that name, if they are there.
pub fn delete(name: &str, by_nft: bool) -> Result<(), Failure> {
    match by_nft {
        true => nft::delete(name),
        false => iptables::delete(name),
    }
}

fn is_missing(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::NotFound | FailureKind::Unsupported)
}

fn expect(name: &str, seen: &str, word: &str, wanted: usize) -> Result<(), Failure> {
    let there = seen.lines().filter(|line| line.contains(word)).count();
    if there == wanted && wanted > 0 {
        return Ok(());
    }
    let why = format!("{name} holds {there} rules for a queue, not {wanted}");
    Err(Failure::new(FailureKind::Io, why))
}

fn nft_script(table: &str, which: &Which<'_>, queue: u16) -> String {
    let ports = which.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let mut text = format!("add table inet {table}\ntable inet {table} {{\n");
    for hook in which.hooks() {
        let (name, interface) = (hook.nft, hook.interface.0);
        let _ = writeln!(
            text,
            "  chain {name} {{\n    type filter hook {name} priority -5; policy accept;\n    \
             {interface} \"lo\" accept"
        );
        for v4 in [true, false] {
            let family = if v4 { "ipv4" } else { "ipv6" };
            let Some(whom) = whom(which.with, v4, hook.address.0) else { continue };
            for (end, _) in which.ends(hook) {
                for protocol in ["tcp", "udp"] {
                    let _ = writeln!(
                        text,
                        "    meta nfproto {family} {whom}{protocol} {end} {{ {ports} }} counter \
                         queue num {queue} bypass"
                    );
                }
            }
        }
        text.push_str("  }\n");
    }
    text.push_str("}\n");
    text
}

/// The rules of one chain, for `iptables-restore`.
fn chain_rules(
    chain: &str,
    family: Family,
    hook: &'static Hook,
    which: &Which<'_>,
    queue: u16,
) -> String {
    let mut text = format!("-A {chain} {} lo -j RETURN\n", hook.interface.1);
    let of_family = |all: &[IpAddr]| -> Vec<String> {
        let all = all.iter().map(IpAddr::to_canonical).filter(|one| Family::of(one) == family);
        all.map(|one| format!("{} {one} ", hook.address.1)).collect()
    };
    let whom = match which.with {
        Who::Anyone | Who::OneIn(_) => vec![String::new()],
        Who::Only(list) => of_family(list),
        Who::Except(list) => {
            for one in of_family(list) {
                let _ = writeln!(text, "-A {chain} {one}-j RETURN");
            }
            vec![String::new()]
        }
    };
    for one in whom {
        for (_, end) in which.ends(hook) {
            for (protocol, port) in
                ["tcp", "udp"].iter().flat_map(|name| which.ports.iter().map(move |at| (name, at)))
            {
                let _ = writeln!(
                    text,
                    "-A {chain} {one}-p {protocol} {end} {port} -j NFQUEUE --queue-num {queue} \
                     --queue-bypass"
                );
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_meant_is_queued_and_nobody_is_cut_off() {
        let with = Who::Only(vec!["10.0.0.2".parse().unwrap()]);
        let which =
            Which { ports: &[5, 6], with: &with, by: DialledBy::Them, hears: false, says: true };
        let text = nft_script("t", &which, 9);
        let wanted = "    meta nfproto ipv4 ip daddr { 10.0.0.2 } tcp sport { 5, 6 } counter queue \
                      num 9 bypass\n";
        assert!(text.contains(wanted) && !text.contains("hook input"), "{text}");
        assert_eq!(text.matches(" queue ").count(), 2, "{text}");
        let text = chain_rules("c", Family::V4, &SAYS, &which, 9);
        let wanted = "-A c -d 10.0.0.2 -p udp --sport 6 -j NFQUEUE --queue-num 9 --queue-bypass\n";
        assert!(text.contains(wanted), "{text}");
        assert_eq!(text.matches("--queue-bypass").count(), 4, "{text}");
        assert_eq!(chain_rules("c", Family::V6, &SAYS, &which, 9).matches("NFQUEUE").count(), 0);
        let with = Who::Except(vec!["fd00::2".parse().unwrap()]);
        let which = Which { with: &with, by: DialledBy::Either, hears: true, ..which };
        let text = chain_rules("c", Family::V6, &HEARS, &which, 9);
        assert!(text.contains("-A c -s fd00::2 -j RETURN\n") && text.contains("--sport 5"));
    }
}
