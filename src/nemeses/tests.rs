use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use perjury_history::{Deceived, Instead, Node, NodeName, Omit, Part, Tell, Topology};

use super::*;
use crate::databases::{Wire, Wires};
use crate::seed::{Seed, Stream};

fn topology(count: u8) -> Topology {
    let node = |at| Node {
        name: format!("n{at}").into(),
        address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, at)),
    };
    Topology { nodes: (1..=count).map(node).collect() }
}

fn stream() -> Stream {
    Seed(9).stream("nemesis")
}

/// The pairs (a, b) such that a does not hear b.
fn deaf(shape: Shape, count: u8, primaries: &[NodeName]) -> BTreeSet<(String, String)> {
    let cuts = shape.cuts(&topology(count), primaries, &mut stream());
    let pair = |node: &NodeName, from: &NodeName| (node.to_string(), from.to_string());
    cuts.iter().flat_map(|cut| cut.from.iter().map(move |from| pair(&cut.node, from))).collect()
}

fn is_mutual(deaf: &BTreeSet<(String, String)>) -> bool {
    deaf.iter().all(|(a, b)| deaf.contains(&(b.clone(), a.clone())))
}

#[test]
fn each_shape_cuts_what_its_name_says() {
    for (shape, count, cut) in [
        (Shape::Halves, 5, 2 * 2 * 3),
        (Shape::Halves, 4, 2 * 2 * 2),
        (Shape::MajorityMinority, 5, 2 * 2 * 3),
        (Shape::MajorityMinority, 4, 2 * 3),
        (Shape::IsolateOne, 5, 2 * 4),
        (Shape::MajoritiesRing, 5, 5 * 2),
        (Shape::Bridge, 5, 2 * 2 * 2),
        (Shape::OneWay, 5, 4),
        (Shape::Halves, 1, 0),
        (Shape::IsolatePrimary, 5, 0),
    ] {
        let deaf = deaf(shape, count, &[]);
        assert_eq!(deaf.len(), cut, "{} of {count}: {deaf:?}", shape.name());
        assert_eq!(is_mutual(&deaf), shape != Shape::OneWay, "{}", shape.name());
    }
}

#[test]
fn the_primary_is_cut_off_from_everybody() {
    let deaf = deaf(Shape::IsolatePrimary, 5, &["n2".into()]);
    assert_eq!(deaf.len(), 8);
    assert!(deaf.iter().all(|(a, b)| a == "n2" || b == "n2"));
}

#[test]
fn in_a_majorities_ring_every_node_hears_a_majority() {
    for count in [3, 5, 7, 9] {
        let deaf = deaf(Shape::MajoritiesRing, count, &[]);
        for node in topology(count).names() {
            let cut = deaf.iter().filter(|(a, _)| *a == node.to_string()).count();
            let hears = usize::from(count) - cut;
            assert!(hears >= topology(count).majority(), "{node} of {count} hears {hears}");
            assert!(count == 3 || cut > 0, "{node} of {count} hears all");
        }
    }
}

#[test]
fn targets_are_as_many_as_their_name_says() {
    let topology = topology(5);
    let primaries = ["n4".into()];
    for (targets, count) in [
        (Targets::One, 1),
        (Targets::Minority, 2),
        (Targets::Majority, 3),
        (Targets::All, 5),
        (Targets::Primaries, 1),
        (Targets::Nodes(vec!["n5".into(), "n1".into(), "n9".into()]), 2),
    ] {
        let chosen = targets.choose(&topology, &primaries, &mut stream());
        assert_eq!(chosen.len(), count, "{targets:?}: {chosen:?}");
    }
    assert_eq!(Targets::Primaries.choose(&topology, &primaries, &mut stream()), primaries);
    assert!(Targets::Primaries.choose(&topology, &[], &mut stream()).is_empty());
}

fn spec(order: Order) -> Spec {
    let track = |every, hold| Track {
        every: Duration::from_secs(every),
        hold: Duration::from_secs(hold),
        inject: Word::Kill(Whom { targets: Targets::One }),
    };
    Spec { order, settle: Duration::ZERO, fault: vec![track(10, 5), track(4, 2)] }
}

#[test]
fn in_turn_one_fault_ends_before_the_next_begins() {
    let steps = schedule(&spec(Order::InTurn), Duration::from_secs(200), &mut stream());
    let acts: Vec<Act> = steps.iter().map(|step| step.act).collect();
    for (turn, pair) in acts.chunks_exact(2).enumerate() {
        assert_eq!(pair, [Act::Inject(turn % 2), Act::Heal]);
    }
    assert!((14..30).contains(&(acts.len() / 2)), "{}", acts.len());
    assert!(steps.iter().all(|step| step.at < 200_000_000_000));
}

#[test]
fn together_each_keeps_its_own_rhythm_and_they_overlap() {
    let steps = schedule(&spec(Order::Together), Duration::from_secs(200), &mut stream());
    let mut on = 0_i32;
    let mut most = 0;
    for step in &steps {
        on += if step.act == Act::Heal { -1 } else { 1 };
        most = most.max(on);
    }
    assert_eq!(most, 2);
    assert!(steps.windows(2).all(|pair| pair[0].at <= pair[1].at));
}

#[test]
fn the_same_seed_makes_the_same_schedule_and_no_fault_makes_none() {
    let of = |order| schedule(&spec(order), Duration::from_secs(60), &mut stream());
    assert_eq!(of(Order::Together), of(Order::Together));
    assert_eq!(schedule(&Spec::default(), Duration::from_secs(60), &mut stream()), []);
}

fn addresses(node: &NodeName) -> Vec<IpAddr> {
    let last: u8 = node.as_str()[1..].parse().unwrap();
    vec![IpAddr::V4(Ipv4Addr::new(10, 0, 0, last))]
}

fn deceit(targets: Targets, deceive: Whomever) -> Deceit {
    let lie = Lie {
        tell: Tell::Substitute(Instead::Replayed),
        on: None,
        one_in: Some(3),
        every: None,
        to_one_in: None,
        turns: None,
        words: Vec::new(),
        spare: Vec::new(),
    };
    Deceit {
        targets,
        deceive,
        lies: vec![lie],
        collude: false,
        insider: false,
        follow: false,
        wire: false,
        ports: None,
        framing: None,
    }
}

fn wires() -> Wires {
    Wires {
        clients: Wire { ports: vec![2379], framing: Framing::Http },
        peers: Wire { ports: vec![2380], framing: Framing::None },
    }
}

#[test]
fn a_liar_is_never_its_own_victim_and_the_ports_are_those_of_the_link() {
    let primaries = ["n4".into()];
    let choose = |deceive| {
        let deceit = deceit(Targets::Primaries, deceive);
        deceit.choose(&topology(5), &primaries, &wires(), &mut stream())
    };
    let all = choose(Whomever::Nodes(Targets::All));
    let others: Vec<NodeName> = ["n1", "n2", "n3", "n5"].map(NodeName::from).into();
    assert_eq!((all.nodes, all.deceived), (primaries.to_vec(), Deceived::Nodes(others)));
    assert_eq!((all.ports, all.framing), (vec![2380], Framing::None));
    let clients = choose(Whomever::Clients);
    assert_eq!((&clients.ports[..], clients.framing), (&[2379][..], Framing::Http));
    // The same choice again, and a seed that JSON keeps.
    assert_eq!(clients, choose(Whomever::Clients));
    assert!(clients.seed < 1 << 53);
}

#[test]
fn agents_are_told_whom_to_deceive_and_colluders_have_one_seed() {
    use perjury_agent::proxy::spec::{DialledBy, Place, Who};
    let names = topology(3).names();
    let ip = |last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
    let told = |deceive, collude| {
        let deceit = Deceit { collude, ..deceit(Targets::Minority, deceive) };
        let lying = deceit.choose(&topology(5), &[], &wires(), &mut stream());
        let liars: Vec<_> = lying
            .nodes
            .iter()
            .map(|node| liar::liar("f", &lying, node, &names, &addresses, &[]))
            .collect();
        assert_eq!(liars.len(), 2);
        liars
    };
    let clients = told(Whomever::Clients, true);
    let Place::Transparent { with, dialled_by, .. } = &clients[0].place else { panic!() };
    assert_eq!((with, dialled_by), (&Who::Except(vec![ip(1), ip(2), ip(3)]), &DialledBy::Them));
    assert_eq!(clients[0].seed, clients[1].seed);
    assert!(clients[0].by_connection);
    let peers = told(Whomever::Peers, false);
    let Place::Transparent { with: Who::Only(others), dialled_by, .. } = &peers[0].place else {
        panic!()
    };
    assert_eq!(*dialled_by, DialledBy::Either);
    assert!((2..=3).contains(&others.len()));
    assert_ne!(peers[0].seed, peers[1].seed);
    assert!(!peers[0].by_connection);
}

#[test]
fn an_insider_forges_from_its_pool_and_keeps_the_other_lies() {
    use perjury_agent::proxy::spec as agent;
    let mut deceit = deceit(Targets::One, Whomever::Clients);
    let one = deceit.lies[0].clone();
    let tells = [Instead::Forged, Instead::Replayed]
        .map(|instead| [Tell::Substitute(instead), Tell::Equivocate(instead)]);
    deceit.lies = tells.concat().into_iter().map(|tell| Lie { tell, ..one.clone() }).collect();
    let names = topology(3).names();
    let pool = vec!["pj1runrunrnkeyaaanobody22procsmacmacmacmacm".to_owned()];
    let mut told = |insider| -> Vec<agent::Tell> {
        deceit.insider = insider;
        let lying = deceit.choose(&topology(3), &[], &wires(), &mut stream());
        let liar = liar::liar("f", &lying, &lying.nodes[0], &names, &addresses, &pool);
        liar.check().unwrap();
        liar.lies.into_iter().map(|lie| lie.tell).collect()
    };
    let of = |forged: agent::Instead| {
        use agent::Tell::{Equivocate, Substitute};
        let replayed = agent::Instead::Replayed;
        let (both, others) = (
            [Substitute(forged.clone()), Equivocate(forged)],
            [Substitute(replayed.clone()), Equivocate(replayed)],
        );
        [both, others].concat()
    };
    assert_eq!(told(false), of(agent::Instead::Forged));
    assert_eq!(told(true), of(agent::Instead::Insider(pool.clone())));
}

#[test]
fn in_packets_there_are_no_messages_and_the_ends_are_the_same() {
    use perjury_agent::proxy::spec::{FramingName, Place};
    let mut deceit = deceit(Targets::One, Whomever::Clients);
    let names = topology(3).names();
    let mut liar = |wire| {
        deceit.wire = wire;
        let lying = deceit.choose(&topology(3), &[], &wires(), &mut stream());
        liar::liar("f", &lying, &lying.nodes[0], &names, &addresses, &[])
    };
    let (proxy, packets) = (liar(false), liar(true));
    packets.check().unwrap();
    assert_eq!((proxy.framing, packets.framing), (FramingName::Http, FramingName::None));
    let Place::Transparent { ports, with, dialled_by } = proxy.place else { panic!() };
    assert_eq!(packets.place, Place::Wire { ports, with, dialled_by });
}

/// The words of `lies.jsonl` come from the agents, those of the plan from the history.
#[test]
fn every_lie_has_one_word_on_both_sides_and_agents_accept_it() {
    let tells = [
        Tell::Omit(Omit::Requests),
        Tell::Omit(Omit::Replies),
        Tell::Omit(Omit::Acknowledgements),
        Tell::BlackHole,
        Tell::Delay { ms: 1, jitter_ms: 0 },
        Tell::Drip { bytes: 1, every_ms: 1 },
        Tell::Duplicate,
        Tell::Reorder { hold_ms: 1 },
        Tell::Corrupt(Part::Body),
        Tell::Corrupt(Part::Code),
        Tell::Corrupt(Part::Stream { block: 1 }),
        Tell::Substitute(Instead::Forged),
        Tell::Substitute(Instead::Insider),
        Tell::Substitute(Instead::Misdirected),
        Tell::Substitute(Instead::Replayed),
        Tell::Equivocate(Instead::Forged),
        Tell::Acknowledge,
        Tell::Default { value: "0".into() },
        Tell::Refuse { text: "no".into(), done: true },
        Tell::Truncate { within: 2 },
    ];
    let mut deceit = deceit(Targets::One, Whomever::Clients);
    let one = deceit.lies[0].clone();
    deceit.lies = tells.into_iter().map(|tell| Lie { tell, ..one.clone() }).collect();
    let lying = deceit.choose(&topology(3), &[], &wires(), &mut stream());
    let names = topology(3).names();
    let liar = liar::liar("f", &lying, &lying.nodes[0], &names, &addresses, &[]);
    liar.check().unwrap();
    let ours: Vec<_> = lying.lies.iter().map(|lie| lie.tell.name()).collect();
    let theirs: Vec<_> = liar.lies.iter().map(|lie| lie.tell.name()).collect();
    assert_eq!(ours, theirs);
}
