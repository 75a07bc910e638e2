//! A cut by `nft`: a table of our own with one chain.
//!
//! One transaction does it, so a new cut replaces the old one with no gap in which everything or
//! nothing passes. No other table is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::protocol::{Failure, FailureKind};
use crate::tool;

/// Drops what comes from these addresses, and nothing else any more.
pub fn replace(table: &str, sources: &BTreeSet<IpAddr>) -> Result<(), Failure> {
    tool::run("nft", &["-f", "-"], &script(table, sources)).map(drop)
}

/// Could that be done? The kernel checks the transaction without doing it.
pub fn check(table: &str, sources: &BTreeSet<IpAddr>) -> Result<(), Failure> {
    tool::run("nft", &["-c", "-f", "-"], &script(table, sources)).map(drop)
}

/// `add` before `delete` because deleting what is not there is an error. IPv6 finds its neighbours
/// by packets that these rules would drop (IPv4 does not); without them a cut in one direction
/// would soon cut both.
fn script(table: &str, sources: &BTreeSet<IpAddr>) -> String {
    let mut rules = String::new();
    if sources.iter().any(IpAddr::is_ipv6) {
        for kind in ["nd-neighbor-solicit", "nd-neighbor-advert"] {
            rules.push_str(&format!("    icmpv6 type {kind} accept\n"));
        }
    }
    for source in sources {
        let family = if source.is_ipv4() { "ip" } else { "ip6" };
        rules.push_str(&format!("    {family} saddr {source} counter drop\n"));
    }
    format!(
        "add table inet {table}\n\
         delete table inet {table}\n\
         table inet {table} {{\n\
         \x20 chain cut {{\n\
         \x20   type filter hook input priority -10; policy accept;\n\
         {rules}\x20 }}\n\
         }}\n"
    )
}

/// Deletes a table, if it is there, and sees it gone.
pub fn delete(table: &str) -> Result<(), Failure> {
    tool::run(
        "nft",
        &["-f", "-"],
        &format!("add table inet {table}\ndelete table inet {table}\n"),
    )?;
    let left = tool::run("nft", &["list", "tables", "inet"], "")?;
    if left.lines().any(|line| line.trim() == format!("table inet {table}")) {
        let message = format!("table {table} is still there after its deletion");
        return Err(Failure::new(FailureKind::Io, message));
    }
    Ok(())
}

/// How many packets from each source were dropped.
pub fn counters(table: &str) -> Result<BTreeMap<IpAddr, u64>, Failure> {
    let text = tool::run("nft", &["-n", "list", "table", "inet", table], "")?;
    Ok(text.lines().filter_map(rule).collect())
}

/// Reads `ip saddr ADDRESS counter packets N bytes M drop`.
fn rule(line: &str) -> Option<(IpAddr, u64)> {
    let mut words = line.split_whitespace();
    let family = words.next()?;
    if !matches!(family, "ip" | "ip6") || words.next()? != "saddr" {
        return None;
    }
    let source = words.next()?.parse().ok()?;
    let packets = words.skip_while(|word| *word != "packets").nth(1)?;
    Some((source, packets.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_and_read_back() {
        let sources = ["10.0.0.2", "fd00::2"].map(|text| text.parse().unwrap());
        let text = script("perjury_x", &sources.into());
        assert!(text.contains("    ip saddr 10.0.0.2 counter drop\n"), "{text}");
        assert!(text.contains("    ip6 saddr fd00::2 counter drop\n"), "{text}");
        let listed = "\t\tip6 saddr fd00::2 counter packets 12 bytes 90 drop";
        assert_eq!(rule(listed), Some((sources[1], 12)));
        assert_eq!(rule("\t\ttype filter hook input priority -10; policy accept;"), None);
    }
}
