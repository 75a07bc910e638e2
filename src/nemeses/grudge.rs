//! Which links a partition cuts: the shapes of the literature, as lists of directed cuts.

use perjury_history::{Cut, NodeName, Topology};
use serde::{Deserialize, Serialize};

use crate::seed::Stream;

/// A shape of partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Two groups of (nearly) equal size, at random.
    Halves,
    /// A random minority, as large as can be, against the rest.
    MajorityMinority,
    /// One random node against the rest.
    IsolateOne,
    /// The primary (each of them, if there are several) against the rest.
    IsolatePrimary,
    /// Every node sees a majority, but no two the same one: nodes in a random ring, and each hears
    /// only its nearest.
    MajoritiesRing,
    /// Two halves that do not hear each other, and one node that both hear.
    Bridge,
    /// One random node does not hear the others; they hear it.
    OneWay,
}

impl Shape {
    /// The word for the shape.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Halves => "halves",
            Shape::MajorityMinority => "majority-minority",
            Shape::IsolateOne => "isolate-one",
            Shape::IsolatePrimary => "isolate-primary",
            Shape::MajoritiesRing => "majorities-ring",
            Shape::Bridge => "bridge",
            Shape::OneWay => "one-way",
        }
    }

    /// The cuts, in the order of the topology. Empty when there is nothing to cut: one node, or no
    /// primary.
    pub fn cuts(
        self,
        topology: &Topology,
        primaries: &[NodeName],
        stream: &mut Stream,
    ) -> Vec<Cut> {
        let mut names = topology.names();
        stream.shuffle(&mut names);
        let count = names.len();
        let hears = |left: &NodeName, right: &NodeName| -> bool {
            let at = |name| names.iter().position(|other| other == name).unwrap_or(0);
            let (a, b) = (at(left), at(right));
            match self {
                Shape::Halves => (a < count / 2) == (b < count / 2),
                Shape::MajorityMinority => {
                    let minority = count.saturating_sub(1) / 2;
                    (a < minority) == (b < minority)
                }
                Shape::IsolateOne => (a == 0) == (b == 0),
                Shape::IsolatePrimary => !primaries.contains(left) && !primaries.contains(right),
                Shape::MajoritiesRing => {
                    let distance = a.abs_diff(b).min(count - a.abs_diff(b));
                    distance <= topology.majority() / 2
                }
                Shape::Bridge => {
                    a == 0 || b == 0 || (a <= (count - 1) / 2) == (b <= (count - 1) / 2)
                }
                Shape::OneWay => a != 0,
            }
        };
        cuts(topology, hears)
    }
}

/// Every ordered pair of nodes that must not hear each other.
fn cuts(topology: &Topology, hears: impl Fn(&NodeName, &NodeName) -> bool) -> Vec<Cut> {
    let names = topology.names();
    let deaf = |node: &NodeName| -> Vec<NodeName> {
        names.iter().filter(|from| *from != node && !hears(node, from)).cloned().collect()
    };
    names
        .iter()
        .map(|node| Cut { node: node.clone(), from: deaf(node) })
        .filter(|cut| !cut.from.is_empty())
        .collect()
}
