//! Cutting what this node hears, with rules of our own in the packet filter.
//!
//! `nft` makes them, or `iptables` where that is all there is. Each source has a rule with a
//! counter, which proves that the cut cuts. Only what is named for this agent is ever touched: a
//! node may have other rules.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use crate::agent::Agent;
use crate::journal::Change;
use crate::protocol::{Ability, Answer, Failure, FailureKind};
use crate::{iptables, nft, tool};

/// How many datagrams a probe sends to each address.
const DATAGRAMS: u64 = 3;

/// The discard port: nobody is disturbed, and a dropped datagram is counted before any port.
const PORT: u16 = 9;

/// What makes the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    Nft,
    Iptables,
}

impl Filter {
    /// The one that is used for new cuts.
    fn here() -> Result<Filter, Failure> {
        match (tool::find("nft"), tool::find("iptables"), tool::find("ip6tables")) {
            (Some(_), ..) => Ok(Filter::Nft),
            (None, Some(_), _) | (None, _, Some(_)) => Ok(Filter::Iptables),
            (None, None, None) => {
                let message = "neither nft (package nftables) nor iptables (package iptables) is \
                               installed here: no link can be cut";
                Err(Failure::new(FailureKind::Unsupported, message))
            }
        }
    }

    /// The change of a cut, for the journal.
    fn change(self, name: &str) -> Change {
        match self {
            Filter::Nft => Change::Table { table: name.to_string() },
            Filter::Iptables => Change::Chain { chain: name.to_string() },
        }
    }

    fn replace(self, name: &str, sources: &BTreeSet<IpAddr>) -> Result<(), Failure> {
        match self {
            Filter::Nft => nft::replace(name, sources),
            Filter::Iptables => iptables::replace(name, sources),
        }
    }

    /// After a first cut that failed: is certainly nothing of it there?
    fn left_nothing(self, name: &str, failure: &Failure) -> bool {
        match (self, failure.kind) {
            // It was broken off, and nobody knows.
            (_, FailureKind::Timeout) => false,
            (_, FailureKind::NotPermitted) | (Filter::Nft, _) => true,
            // One family may have been cut before the other was refused.
            (Filter::Iptables, _) => self.delete(name).is_ok(),
        }
    }

    fn delete(self, name: &str) -> Result<(), Failure> {
        match self {
            Filter::Nft => nft::delete(name),
            Filter::Iptables => iptables::delete(name),
        }
    }

    fn counters(self, name: &str) -> Result<BTreeMap<IpAddr, u64>, Failure> {
        match self {
            Filter::Nft => nft::counters(name),
            Filter::Iptables => iptables::counters(name),
        }
    }
}

fn name_of(agent: &Agent) -> String {
    format!("perjury_{}", agent.id())
}

/// What made the cut that is in force, if one is.
fn in_force(agent: &Agent, name: &str) -> Option<Filter> {
    let is_it = |filter: &Filter| {
        let change = filter.change(name);
        agent.journal().entries().any(|(_, entry)| *entry == change)
    };
    [Filter::Nft, Filter::Iptables].into_iter().find(is_it)
}

/// Drops what comes from these addresses, and nothing else any more.
pub fn cut(agent: &Agent, drop_from: &[IpAddr]) -> Result<Answer, Failure> {
    let _one = agent.cutting.lock();
    let name = name_of(agent);
    let sources: BTreeSet<IpAddr> = drop_from.iter().map(IpAddr::to_canonical).collect();
    let (filter, begun) = match in_force(agent, &name) {
        Some(filter) => (filter, None),
        None => {
            let filter = Filter::here()?;
            let begun = agent.journal().begin(filter.change(&name));
            (filter, Some(begun.map_err(|error| agent.journal_failure(&error))?))
        }
    };
    if let Err(failure) = filter.replace(&name, &sources) {
        if let Some(seq) = begun.filter(|_| filter.left_nothing(&name, &failure)) {
            agent.journal().healed(seq);
        }
        return Err(failure);
    }
    let present = filter.counters(&name)?;
    if !present.keys().eq(sources.iter()) {
        let message = format!("cut {name} does not hold the {} rules asked for", sources.len());
        return Err(Failure::new(FailureKind::Io, message));
    }
    Ok(Answer::Cut { table: name, rules: sources.len() as u64 })
}

/// Removes the cut and sees it gone.
pub fn mend(agent: &Agent) -> Result<Answer, Failure> {
    let _one = agent.cutting.lock();
    let name = name_of(agent);
    while let Some(filter) = in_force(agent, &name) {
        filter.delete(&name)?;
        let change = filter.change(&name);
        let mut journal = agent.journal();
        let done: Vec<_> =
            journal.entries().filter(|(_, entry)| **entry == change).map(|(seq, _)| seq).collect();
        for seq in done {
            journal.healed(seq);
        }
    }
    Ok(Answer::Done)
}

/// Packets dropped by the present cut.
pub fn counters(agent: &Agent) -> Result<Answer, Failure> {
    let name = name_of(agent);
    let Some(filter) = in_force(agent, &name) else {
        return Err(Failure::new(FailureKind::NotFound, "no cut is in force"));
    };
    Ok(Answer::Counters { dropped: filter.counters(&name)? })
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

/// Could a cut be made here? Asks the kernel, and changes nothing.
pub fn ability(agent: &Agent) -> Ability {
    let sources = BTreeSet::from([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    let name = name_of(agent);
    let able = Filter::here().and_then(|filter| match filter {
        Filter::Nft => nft::check(&name, &sources),
        Filter::Iptables => iptables::check(&name, &sources),
    });
    match able {
        Ok(()) => Ability::Yes,
        Err(failure) => Ability::No(failure.message),
    }
}
