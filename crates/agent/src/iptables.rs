//! A cut by `iptables` and `ip6tables`, where there is no `nft`: a chain of our own in each.
//!
//! One transaction for each family makes the chain anew, with the jump to it if that is not there,
//! so a new cut replaces the old one without a gap. No other chain is touched but for that one rule
//! in INPUT, which is removed as exactly as it was made; nothing is ever flushed that is not ours.
//! (The empty standard chains, which iptables makes whenever it is used, stay.)

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::protocol::{Failure, FailureKind};
use crate::tool;

/// Wait for whoever else changes rules at the moment, but not for ever.
const WAIT: [&str; 2] = ["-w", "5"];

/// IPv6 finds its neighbours by these (solicitation, advertisement); IPv4 does not need the filter
/// for that. Without them a cut in one direction would soon cut both. They go on to the other
/// rules of the node as if we were not there.
const NEIGHBOURS: [u8; 2] = [135, 136];

/// The packet filter has tables of its own for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Both.
pub const BOTH: [Family; 2] = [Family::V4, Family::V6];

/// The chains of the kernel's that lead to ours.
const HOOKS: [&str; 2] = ["INPUT", "OUTPUT"];

/// What there is of a chain.
#[derive(Debug, PartialEq, Eq)]
struct Present {
    chain: bool,
    /// From where each jump to it leads.
    jumps: Vec<&'static str>,
}

impl Family {
    /// Of that address.
    pub fn of(address: &IpAddr) -> Family {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }

    fn program(self) -> &'static str {
        match self {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        }
    }

    /// Is its program here?
    pub fn known(self) -> bool {
        tool::find(self.program()).is_some()
    }

    fn list(self, more: &[&str]) -> Result<String, Failure> {
        tool::run(self.program(), &[&WAIT[..], &["-v", "-S"], more].concat(), "")
    }

    fn present(self, chain: &str) -> Result<Present, Failure> {
        let text = self.list(&[])?;
        let (mut found, mut jumps) = (false, Vec::new());
        for line in text.lines() {
            found |= line == format!("-N {chain}");
            jumps.extend(HOOKS.into_iter().filter(|hook| {
                let rule = line.strip_prefix("-A ").and_then(|rest| rest.strip_prefix(hook));
                rule.is_some_and(|rule| rule.split_whitespace().last() == Some(chain))
            }));
        }
        Ok(Present { chain: found, jumps })
    }

    /// Does these lines in one step, and leaves everything else as it is.
    fn restore(self, lines: &str, more: &[&str]) -> Result<(), Failure> {
        let program = format!("{}-restore", self.program());
        let arguments = [&["--noflush"], &WAIT[..], more].concat();
        tool::run(&program, &arguments, &format!("*filter\n{lines}COMMIT\n")).map(drop)
    }

    /// The chain anew. To declare one that is there empties it.
    fn script(self, chain: &str, sources: &BTreeSet<IpAddr>, jump: bool) -> String {
        let mut lines = format!(":{chain} - [0:0]\n");
        if self == Family::V6 {
            for kind in NEIGHBOURS {
                let what = format!("-p ipv6-icmp -m icmp6 --icmpv6-type {kind}");
                lines.push_str(&format!("-A {chain} {what} -j RETURN\n"));
            }
        }
        for source in sources.iter().filter(|source| Family::of(source) == self) {
            lines.push_str(&format!("-A {chain} -s {source} -j DROP\n"));
        }
        if jump {
            // Before all others: one of them may accept what comes.
            lines.push_str(&format!("-I INPUT 1 -j {chain}\n"));
        }
        lines
    }

    fn delete(self, chain: &str) -> Result<(), Failure> {
        let Present { chain: there, jumps } = self.present(chain)?;
        let mut lines: String =
            jumps.iter().map(|hook| format!("-D {hook} -j {chain}\n")).collect();
        if there {
            lines.push_str(&format!("-F {chain}\n-X {chain}\n"));
        }
        if lines.is_empty() {
            return Ok(());
        }
        self.restore(&lines, &[])?;
        match self.present(chain)? {
            Present { chain: false, jumps } if jumps.is_empty() => Ok(()),
            left => {
                let message = format!("{}: chain {chain} is still there: {left:?}", self.program());
                Err(Failure::new(FailureKind::Io, message))
            }
        }
    }
}

/// Drops what comes from these addresses, and nothing else any more.
pub fn replace(chain: &str, sources: &BTreeSet<IpAddr>) -> Result<(), Failure> {
    for family in BOTH {
        let some = sources.iter().any(|source| Family::of(source) == family);
        if some {
            let jump = family.present(chain)?.jumps.is_empty();
            family.restore(&family.script(chain, sources, jump), &[])?;
        } else if family.known() {
            family.delete(chain)?;
        }
    }
    Ok(())
}

/// Makes a chain with these rules, before all others of a hook, and answers what stands there.
pub fn hang(family: Family, chain: &str, hook: &str, rules: &str) -> Result<String, Failure> {
    let lines = format!(":{chain} - [0:0]\n{rules}-I {hook} 1 -j {chain}\n");
    family.restore(&lines, &[])?;
    family.list(&[chain])
}

/// Could a cut be made, in one family at least? Reads the rules and tries the others out.
pub fn check(chain: &str, sources: &BTreeSet<IpAddr>) -> Result<(), Failure> {
    let mut result = Ok(());
    for family in BOTH.into_iter().filter(|family| family.known()) {
        let script = family.script(chain, sources, false);
        result = family.list(&[]).and_then(|_| family.restore(&script, &["--test"]));
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Deletes the chain and the jumps to it, if they are there, and sees them gone.
pub fn delete(chain: &str) -> Result<(), Failure> {
    if !BOTH.into_iter().any(Family::known) {
        let message = format!("iptables is not installed any more: chain {chain} may be there");
        return Err(Failure::new(FailureKind::Unsupported, message));
    }
    for family in BOTH.into_iter().filter(|family| family.known()) {
        family.delete(chain)?;
    }
    Ok(())
}

/// How many packets from each source were dropped.
pub fn counters(chain: &str) -> Result<BTreeMap<IpAddr, u64>, Failure> {
    let mut all = BTreeMap::new();
    for family in BOTH.into_iter().filter(|family| family.known()) {
        if family.present(chain)?.chain {
            all.extend(family.list(&[chain])?.lines().filter_map(rule));
        }
    }
    Ok(all)
}

/// Reads `-A CHAIN -s ADDRESS/BITS -c PACKETS BYTES -j DROP`.
fn rule(line: &str) -> Option<(IpAddr, u64)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let after = |flag: &str| words.iter().skip_while(move |word| **word != flag).nth(1);
    if after("-j") != Some(&"DROP") {
        return None;
    }
    let source = after("-s")?.split('/').next()?.parse().ok()?;
    Some((source, after("-c")?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_and_read_back() {
        let sources = BTreeSet::from(["10.0.0.2", "fd00::2"].map(|text| text.parse().unwrap()));
        let text = Family::V4.script("perjury_x", &sources, true);
        let four =
            ":perjury_x - [0:0]\n-A perjury_x -s 10.0.0.2 -j DROP\n-I INPUT 1 -j perjury_x\n";
        assert_eq!(text, four);
        let text = Family::V6.script("perjury_x", &sources, false);
        assert!(text.ends_with("-A perjury_x -s fd00::2 -j DROP\n"), "{text}");
        assert_eq!(text.matches("-j RETURN").count(), 2, "{text}");
        let listed = "-A perjury_x -s 10.0.0.2/32 -c 12 90 -j DROP";
        assert_eq!(rule(listed), Some(("10.0.0.2".parse().unwrap(), 12)));
        assert_eq!(rule("-A perjury_x -p ipv6-icmp -c 1 2 -j RETURN"), None);
        assert_eq!(rule("-N perjury_x"), None);
    }
}
