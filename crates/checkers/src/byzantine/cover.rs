//! Link lies charged to nodes: the smallest set of nodes that covers every lying link.
//!
//! A lie told on the link of two nodes is explained by either of them; one that was told to
//! clients, and a corruption, by its node alone, a link of the node with itself. Whoever explains
//! all of it is a vertex cover, and no fewer liars than the smallest one has can have told it all:
//! one lying link is one liar, a star is one, a cycle of four is two.
//!
//! Minimum vertex cover is NP-hard (Karp 1972) and clusters are small: all sets of up to
//! [`MOST_NODES`] nodes are tried by size. With more nodes everybody is charged in whose name a lie
//! was told, which is a cover too, though maybe not the smallest.

use std::collections::BTreeSet;

use perjury_history::NodeName;

const MOST_NODES: usize = 16;

/// A link on which a lie was told in the name of the first; a node with itself if it alone is
/// behind it.
pub(super) type Link = (NodeName, NodeName);

/// The smallest cover. Of several the one with the most nodes in whose name a lie was told, then
/// the first by name.
pub(super) fn cover(links: &BTreeSet<Link>) -> BTreeSet<NodeName> {
    let speakers: BTreeSet<NodeName> = links.iter().map(|(speaker, _)| speaker.clone()).collect();
    let nodes: BTreeSet<&NodeName> = links.iter().flat_map(|(one, other)| [one, other]).collect();
    let nodes: Vec<&NodeName> = nodes.into_iter().collect();
    if nodes.len() > MOST_NODES {
        return speakers;
    }
    let bit = |node: &NodeName| 1_u32 << nodes.iter().position(|one| *one == node).unwrap_or(0);
    let edges: BTreeSet<u32> = links.iter().map(|(one, other)| bit(one) | bit(other)).collect();
    let spoke: u32 = speakers.iter().map(bit).fold(0, |bits, bit| bits | bit);
    let covers = |set: &u32| edges.iter().all(|edge| edge & set != 0);
    let rank = |set: &u32| {
        let silent = (set & !spoke).count_ones();
        (set.count_ones(), silent, set.reverse_bits())
    };
    let smallest = (0..1_u32 << nodes.len()).filter(covers).min_by_key(|set| {
        let (size, silent, order) = rank(set);
        (size, silent, std::cmp::Reverse(order))
    });
    let chosen = smallest.unwrap_or(0);
    (0..nodes.len()).filter(|at| chosen >> at & 1 == 1).map(|at| nodes[at].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(links: &[(&str, &str)]) -> Vec<String> {
        let links = links.iter().map(|(one, other)| ((*one).into(), (*other).into())).collect();
        cover(&links).iter().map(NodeName::to_string).collect()
    }

    #[test]
    fn a_link_and_a_star_are_one_liar_and_a_cycle_of_four_is_two() {
        assert_eq!(covered(&[]), [""; 0]);
        assert_eq!(covered(&[("b", "a")]), ["b"], "who spoke, of two that explain it alike");
        assert_eq!(covered(&[("a", "h"), ("b", "h"), ("c", "h")]), ["h"]);
        let cycle = [("a", "b"), ("b", "c"), ("c", "d"), ("d", "a")];
        assert_eq!(covered(&cycle), ["a", "c"]);
    }

    #[test]
    fn who_lied_to_clients_is_charged_whatever_else_is() {
        assert_eq!(covered(&[("a", "a")]), ["a"]);
        assert_eq!(covered(&[("a", "a"), ("a", "b")]), ["a"]);
        assert_eq!(covered(&[("a", "a"), ("b", "c")]), ["a", "b"]);
    }

    #[test]
    fn it_is_as_small_as_the_smallest_by_brute_force() {
        let name = |at: u32| NodeName::from(format!("n{at}"));
        for graph in 0..1_u32 << 10 {
            let pairs = (0..5).flat_map(|one| (0..one).map(move |other| (one, other)));
            let edges: Vec<(u32, u32)> = pairs
                .enumerate()
                .filter_map(|(at, edge)| (graph >> at & 1 == 1).then_some(edge))
                .collect();
            let links = edges.iter().map(|(one, other)| (name(*one), name(*other))).collect();
            let found = cover(&links);
            let is_cover = |has: &dyn Fn(u32) -> bool| {
                edges.iter().all(|(one, other)| has(*one) || has(*other))
            };
            assert!(is_cover(&|node| found.contains(&name(node))), "{edges:?}");
            let least = (0..1_u32 << 5)
                .filter(|set| is_cover(&|node| set >> node & 1 == 1))
                .map(u32::count_ones)
                .min();
            assert_eq!(Some(found.len() as u32), least, "{edges:?}");
        }
    }
}
