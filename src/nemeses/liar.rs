//! From a declared deceit to a concrete lie, and from that to what the agents are told. Pure.

use std::net::IpAddr;

use perjury_agent::proxy::spec as agent;
use perjury_history::{
    Deceived, Framing, Instead, Lie, Lying, NodeName, Omit, On, Part, Tell, Topology,
};

use super::{Deceit, Whomever};
use crate::databases::Wires;
use crate::seed::Stream;

impl Deceit {
    /// The liars, their victims and their seed. A liar is never its own victim.
    pub fn choose(
        &self,
        topology: &Topology,
        primaries: &[NodeName],
        wires: &Wires,
        stream: &mut Stream,
    ) -> Lying {
        let nodes = self.targets.choose(topology, primaries, stream);
        let deceived = match &self.deceive {
            Whomever::Clients => Deceived::Clients,
            Whomever::Peers => Deceived::Peers,
            Whomever::Nodes(targets) => {
                let others = |node: &&perjury_history::Node| !nodes.contains(&node.name);
                let rest = topology.nodes.iter().filter(others).cloned().collect();
                let rest = Topology { nodes: rest };
                Deceived::Nodes(targets.choose(&rest, primaries, stream))
            }
        };
        let wire = match deceived {
            Deceived::Clients => &wires.clients,
            Deceived::Peers | Deceived::Nodes(_) => &wires.peers,
        };
        Lying {
            nodes,
            deceived,
            ports: self.ports.clone().unwrap_or_else(|| wire.ports.clone()),
            // Packets are no messages.
            framing: self.framing.unwrap_or(match self.wire {
                true => Framing::None,
                false => wire.framing,
            }),
            lies: self.lies.iter().map(|lie| self.informed(lie)).collect(),
            // A number that every reader of JSON keeps.
            seed: stream.below(1 << 53),
            collude: self.collude,
            wire: self.wire,
        }
    }

    /// The lie as somebody tells it who may know the run's secret.
    fn informed(&self, lie: &Lie) -> Lie {
        let mut lie = lie.clone();
        if let Tell::Substitute(instead) | Tell::Equivocate(instead) = &mut lie.tell
            && self.insider
            && *instead == Instead::Forged
        {
            *instead = Instead::Insider;
        }
        lie
    }

    /// Does somebody else lie when somebody else becomes primary?
    pub fn follows(&self) -> bool {
        self.follow && self.aims_at_primaries()
    }

    /// Has somebody to be asked who is primary?
    pub fn aims_at_primaries(&self) -> bool {
        let whom = match &self.deceive {
            Whomever::Nodes(targets) => targets.aims_at_primaries(),
            Whomever::Clients | Whomever::Peers => false,
        };
        self.targets.aims_at_primaries() || whom
    }
}

/// The addresses of the nodes, in their order.
pub(super) type Addresses<'a> = &'a dyn Fn(&NodeName) -> Vec<IpAddr>;

/// What the agent of one liar is told. `all` are the nodes of the cluster, `pool` the valid seals
/// that nobody wrote.
pub(super) fn liar(
    name: &str,
    lying: &Lying,
    node: &NodeName,
    all: &[NodeName],
    addresses: Addresses<'_>,
    pool: &[String],
) -> agent::Liar {
    let of = |nodes: &mut dyn Iterator<Item = &NodeName>| nodes.flat_map(addresses).collect();
    let (with, dialled_by) = match &lying.deceived {
        Deceived::Clients => (agent::Who::Except(of(&mut all.iter())), agent::DialledBy::Them),
        Deceived::Peers => {
            let mut others = all.iter().filter(|other| *other != node);
            (agent::Who::Only(of(&mut others)), agent::DialledBy::Either)
        }
        Deceived::Nodes(victims) => {
            let mut others = victims.iter().filter(|other| *other != node);
            (agent::Who::Only(of(&mut others)), agent::DialledBy::Either)
        }
    };
    let place = lying.nodes.iter().position(|other| other == node).unwrap_or(0) as u64;
    let ports = lying.ports.clone();
    agent::Liar {
        name: name.to_owned(),
        place: match lying.wire {
            true => agent::Place::Wire { ports, with, dialled_by },
            false => agent::Place::Transparent { ports, with, dialled_by },
        },
        framing: match lying.framing {
            Framing::None => agent::FramingName::None,
            Framing::Resp => agent::FramingName::Resp,
            Framing::Http => agent::FramingName::Http,
            Framing::Postgres => agent::FramingName::Postgres,
        },
        pattern: Default::default(),
        seed: if lying.collude { lying.seed } else { lying.seed.wrapping_add(place << 53) },
        // All clients dial from the controller.
        by_connection: lying.deceived == Deceived::Clients,
        lies: lying.lies.iter().map(|one| lie(one, pool)).collect(),
    }
}

fn lie(lie: &Lie, pool: &[String]) -> agent::Lie {
    agent::Lie {
        tell: tell(&lie.tell, pool),
        on: match lie.on {
            Some(On::Requests) => agent::On::Requests,
            Some(On::Replies) => agent::On::Replies,
            Some(On::Hears) => agent::On::Hears,
            Some(On::Both) => agent::On::Both,
            Some(On::Says) | None => agent::On::Says,
        },
        to: lie.to_one_in.map_or(agent::Who::Anyone, agent::Who::OneIn),
        rate: match (lie.every, lie.one_in) {
            (Some(n), _) => agent::Rate::Every(n),
            (None, n) => agent::Rate::OneIn(n.unwrap_or(1)),
        },
        window: lie
            .turns
            .map(|turns| agent::Window { lie_ms: turns.lie_ms, honest_ms: turns.honest_ms }),
        words: lie.words.clone(),
        spare: lie.spare.clone(),
    }
}

fn tell(tell: &Tell, pool: &[String]) -> agent::Tell {
    let instead = |instead: &Instead| match instead {
        Instead::Forged => agent::Instead::Forged,
        Instead::Insider => agent::Instead::Insider(pool.to_vec()),
        Instead::Misdirected => agent::Instead::Misdirected,
        Instead::Replayed => agent::Instead::Replayed,
    };
    match tell {
        Tell::Omit(Omit::Requests) => agent::Tell::Omit(agent::Omit::Requests),
        Tell::Omit(Omit::Replies) => agent::Tell::Omit(agent::Omit::Replies),
        Tell::Omit(Omit::Acknowledgements) => agent::Tell::Omit(agent::Omit::Acknowledgements),
        Tell::BlackHole => agent::Tell::BlackHole,
        Tell::Delay { ms, jitter_ms } => agent::Tell::Delay { ms: *ms, jitter_ms: *jitter_ms },
        Tell::Drip { bytes, every_ms } => {
            agent::Tell::Drip { bytes: *bytes as usize, every_ms: *every_ms }
        }
        Tell::Duplicate => agent::Tell::Duplicate,
        Tell::Reorder { hold_ms } => agent::Tell::Reorder { hold_ms: *hold_ms },
        Tell::Corrupt(Part::Body) => agent::Tell::Corrupt(agent::Part::Body),
        Tell::Corrupt(Part::Code) => agent::Tell::Corrupt(agent::Part::Code),
        Tell::Corrupt(Part::Stream { block }) => {
            agent::Tell::Corrupt(agent::Part::Stream { block: *block })
        }
        Tell::Substitute(other) => agent::Tell::Substitute(instead(other)),
        Tell::Equivocate(other) => agent::Tell::Equivocate(instead(other)),
        Tell::Acknowledge => agent::Tell::Acknowledge,
        Tell::Default { value } => agent::Tell::Default { value: value.clone() },
        Tell::Refuse { text, done } => agent::Tell::Refuse { text: text.clone(), done: *done },
        Tell::Truncate { within } => agent::Tell::Truncate { within: *within },
    }
}
