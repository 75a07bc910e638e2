//! Cutting what this node hears, with a table of our own in the packet filter.
//!
//! The `nft` program does it in one transaction, so a new cut replaces the old one with no gap in
//! which everything or nothing passes. Only our own table is ever touched: a node may have others.
//! Each source has a rule with a counter, which proves that the cut cuts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::agent::Agent;
use crate::journal::Change;
use crate::protocol::{Ability, Answer, Failure, FailureKind};

/// How long `nft` may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many datagrams a probe sends to each address.
const DATAGRAMS: u64 = 3;

/// The discard port: nobody is disturbed, and a dropped datagram is counted before any port.
const PORT: u16 = 9;

fn table_of(agent: &Agent) -> String {
    format!("perjury_{}", agent.id())
}

/// Drops what comes from these addresses, and nothing else any more.
pub fn cut(agent: &Agent, drop_from: &[IpAddr]) -> Result<Answer, Failure> {
    let _one = agent.cutting.lock();
    let table = table_of(agent);
    let sources: BTreeSet<IpAddr> = drop_from.iter().map(IpAddr::to_canonical).collect();
    let known = agent.journal().entries().any(|(_, change)| is_table(change, &table));
    let begun = match known {
        true => None,
        false => {
            let change = Change::Table { table: table.clone() };
            let begun = agent.journal().begin(change);
            Some(begun.map_err(|error| agent.journal_failure(&error))?)
        }
    };
    if let Err(failure) = nft(&["-f", "-"], &script(&table, &sources)) {
        // A refused transaction changed nothing, so there is nothing to undo; of one that was
        // broken off nobody knows.
        if let Some(seq) = begun.filter(|_| failure.kind != FailureKind::Timeout) {
            agent.journal().healed(seq);
        }
        return Err(failure);
    }
    let present = counters_of(&table)?;
    if !present.keys().eq(sources.iter()) {
        let message = format!("table {table} does not hold the {} rules asked for", sources.len());
        return Err(Failure::new(FailureKind::Io, message));
    }
    Ok(Answer::Cut { table, rules: sources.len() as u64 })
}

fn is_table(change: &Change, name: &str) -> bool {
    matches!(change, Change::Table { table } if table == name)
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

/// Removes the cut and sees it gone.
pub fn mend(agent: &Agent) -> Result<Answer, Failure> {
    let _one = agent.cutting.lock();
    let table = table_of(agent);
    delete(&table)?;
    let mut journal = agent.journal();
    let done: Vec<_> = journal
        .entries()
        .filter(|(_, change)| is_table(change, &table))
        .map(|(seq, _)| seq)
        .collect();
    for seq in done {
        journal.healed(seq);
    }
    Ok(Answer::Done)
}

/// Deletes a table, if it is there, and sees it gone.
pub fn delete(table: &str) -> Result<(), Failure> {
    nft(&["-f", "-"], &format!("add table inet {table}\ndelete table inet {table}\n"))?;
    let left = nft(&["list", "tables", "inet"], "")?;
    if left.lines().any(|line| line.trim() == format!("table inet {table}")) {
        let message = format!("table {table} is still there after its deletion");
        return Err(Failure::new(FailureKind::Io, message));
    }
    Ok(())
}

/// Packets dropped by the present cut.
pub fn counters(agent: &Agent) -> Result<Answer, Failure> {
    let table = table_of(agent);
    if !agent.journal().entries().any(|(_, change)| is_table(change, &table)) {
        return Err(Failure::new(FailureKind::NotFound, "no cut is in force"));
    }
    Ok(Answer::Counters { dropped: counters_of(&table)? })
}

fn counters_of(table: &str) -> Result<BTreeMap<IpAddr, u64>, Failure> {
    let text = nft(&["-n", "list", "table", "inet", table], "")?;
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

/// Sends a few datagrams to each address.
pub fn probe(to: &[IpAddr]) -> Answer {
    let mut sent = BTreeMap::new();
    for address in to {
        let own: IpAddr = match address {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let mut count = 0;
        if let Ok(socket) = UdpSocket::bind((own, 0)) {
            for _ in 0..DATAGRAMS {
                count += u64::from(socket.send_to(b"perjury", (*address, PORT)).is_ok());
            }
        }
        sent.insert(*address, count);
    }
    Answer::Probed { sent }
}

/// Could a cut be made here? Asks the kernel, which checks the transaction without doing it.
pub fn ability(agent: &Agent) -> Ability {
    let sources = BTreeSet::from([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    match nft(&["-c", "-f", "-"], &script(&table_of(agent), &sources)) {
        Ok(_) => Ability::Yes,
        Err(failure) => Ability::No(failure.message),
    }
}

/// Runs `nft` to its end and answers what it printed.
pub fn nft(arguments: &[&str], input: &str) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::new(FailureKind::Io, format!("nft: {error}"));
    let Some(program) = program() else {
        let message = "the program nft is not installed here (package nftables)";
        return Err(Failure::new(FailureKind::Unsupported, message));
    };
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // If it does not read, its status says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_micros(200);
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if Instant::now() >= deadline {
            let _ = child.kill().and_then(|()| child.wait());
            let message = format!("nft took more than {} s", PATIENCE.as_secs());
            return Err(Failure::new(FailureKind::Timeout, message));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    };
    let (stdout, stderr) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
    if status.success() {
        return Ok(stdout);
    }
    let kind = match () {
        () if stderr.contains("not permitted") => FailureKind::NotPermitted,
        () if stderr.contains("No such file") => FailureKind::NotFound,
        () if stderr.contains("not supported") => FailureKind::Unsupported,
        () => FailureKind::Io,
    };
    let said = stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or("it failed");
    Err(Failure::new(kind, format!("nft: {}", said.trim())))
}

fn collect<R: std::io::Read + Send + 'static>(
    reader: Option<R>,
) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut reader) = reader {
            let _ = reader.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A session over SSH often has no `sbin` in its path.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join("nft")).find(|file| file.is_file())
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
