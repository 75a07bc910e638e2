//! Zones, and the order of the blocks that have them.
//!
//! A *block* is a set of operations that follow each other without any other change between: a
//! cluster, or a chain of clusters tied by compare-and-sets. Its *zone* is the pair of the first
//! `end` and the last `start` of its operations. Block A must precede block B if and only if an
//! operation of A precedes one of B: `A.end <= B.start`. A zone is *forward* if `end <= start` (two
//! of its operations cannot share an instant), else *backward*.
//!
//! *Legal if and only if* the blocks are legal within and no two of them must precede each other.
//! Suppose none must, and order them by their key: `start` of a forward zone, the last instant
//! `end - 1` of a backward one, forward before backward where keys are equal. Let A have to precede
//! B, `A.end <= B.start`.
//! - A backward: `key(A) = A.end - 1 < B.start <= key(B)`.
//! - A forward, B forward: not `B.end <= A.start`, so `key(A) = A.start < B.end <= B.start`.
//! - A forward, B backward: not `B.end <= A.start`, so `key(A) = A.start <= B.end - 1 = key(B)`,
//!   and at equal keys A comes first.
//!
//! So the order respects every constraint. Two backward zones never must precede each other (it
//! would need `A.end <= B.start < B.end <= A.start < A.end`). So a contradiction has a forward zone
//! in it: two that overlap, or a backward one inside it. (Gibbons and Korach
//! 1997, the case in which it is known which write each read saw.)
//!
//! The initial value begins before everything: its zone's `end` is 0, which precedes all.

use super::super::{Judged, Watch, illegal};
use super::Source;
use super::chains::Chains;
use super::clusters::{Clusters, NONE};
use crate::Kind;

/// For each cluster or block its zone.
#[derive(Clone)]
pub(crate) struct Zones {
    pub(crate) end: Vec<u64>,
    pub(crate) start: Vec<u64>,
}

impl Zones {
    /// The zones of the clusters, and whether each value was written before it was read: a read
    /// that ended before the write began contradicts it, and if there is none, the write may come
    /// first.
    pub(crate) fn of_clusters<I, O, F>(
        source: &Source<'_, I, O, F>,
        clusters: &Clusters,
        watch: &Watch<'_>,
    ) -> Judged<Self> {
        let mut zones =
            Self { end: vec![u64::MAX; clusters.count()], start: vec![0; clusters.count()] };
        zones.end[0] = 0;
        for at in source.positions() {
            watch.step(at as usize)?;
            let span = source.span(at)?;
            let cluster = clusters.home[at as usize];
            if cluster == NONE {
                continue;
            }
            let writer = clusters.writer[cluster as usize];
            if writer != NONE && span.end <= source.span(writer)?.start {
                let both = [source.index(writer), source.index(at)];
                return illegal(Kind::ReadBeforeWrite, both);
            }
            zones.include(cluster as usize, span.end, span.start);
        }
        Ok(zones)
    }

    pub(crate) fn include(&mut self, zone: usize, end: u64, start: u64) {
        self.end[zone] = self.end[zone].min(end);
        self.start[zone] = self.start[zone].max(start);
    }

    fn is_forward(&self, zone: u32) -> bool {
        self.end[zone as usize] <= self.start[zone as usize]
    }

    /// Sorts as described above: the last instant of the zone, and whether it is backward.
    fn key(&self, zone: u32) -> (u64, bool) {
        let (end, start) = (self.end[zone as usize], self.start[zone as usize]);
        if end <= start { (start, false) } else { (end - 1, true) }
    }
}

/// The blocks, by the clusters that they begin with, in an order that respects real time.
pub(crate) fn order<I, O, F>(
    source: &Source<'_, I, O, F>,
    clusters: &Clusters,
    chains: &Chains,
    zones: &Zones,
) -> Judged<Vec<u32>> {
    const BACKWARD: u32 = 1 << 31;
    let mut keyed: Vec<(u64, u32)> = Vec::with_capacity(clusters.count());
    keyed.extend(
        (0..clusters.count() as u32)
            .filter(|&cluster| clusters.is_present(cluster) && chains.is_first(cluster))
            .map(|cluster| {
                let (key, backward) = zones.key(cluster);
                (key, cluster | if backward { BACKWARD } else { 0 })
            }),
    );
    keyed.sort_unstable();
    let mut blocks = Vec::with_capacity(keyed.len());
    blocks.extend(keyed.iter().map(|(_, block)| block & !BACKWARD));
    drop(keyed);
    // Two blocks that must precede each other show at the next forward zone. Let forward F contain
    // or overlap an earlier block B, `F.end <= B.start`, and let N be the first forward one after
    // B: either it is F, or N comes before F and `N.start >= B.start >= F.end`, so F and N overlap,
    // and F is found with whatever forward zone comes before it. The other half of the
    // contradiction, `B.end <= N.start`, follows from the order.
    let mut next: Option<u32> = None;
    for &block in blocks.iter().rev() {
        if let Some(next) = next
            && zones.end[next as usize] <= zones.start[block as usize]
        {
            return contradict(source, clusters, chains, next, block, zones.is_forward(block));
        }
        if zones.is_forward(block) {
            next = Some(block);
        }
    }
    Ok(blocks)
}

/// Names the operations that bound both zones.
fn contradict<I, O, F>(
    source: &Source<'_, I, O, F>,
    clusters: &Clusters,
    chains: &Chains,
    outer: u32,
    inner: u32,
    overlap: bool,
) -> Judged<Vec<u32>> {
    let mut operations = Vec::new();
    for block in [outer, inner] {
        let members = chains.members(block);
        // The operation that ends first (cluster 0 has ended before all), and the one that starts
        // last, each with its place in the chain.
        let mut first = (u64::MAX, NONE, 0);
        let mut last = (0, NONE, 0);
        for at in source.positions() {
            let cluster = clusters.home[at as usize];
            let Ok(place) = members.binary_search_by_key(&cluster, |(cluster, _)| *cluster) else {
                continue;
            };
            let (span, place) = (source.span(at)?, members[place].1);
            if first.1 == NONE || span.end < first.0 {
                first = (span.end, at, place);
            }
            if last.1 == NONE || span.start > last.0 {
                last = (span.start, at, place);
            }
        }
        if block == 0 {
            first = (0, NONE, 0);
        }
        let between = chains.between(clusters, block, first.2, last.2);
        let ends = [first.1].into_iter().chain(between).chain([last.1]);
        operations.extend(ends.filter(|at| *at != NONE).map(|at| source.index(at)));
        let furthest = chains.chain(block).nth(first.2.max(last.2)).unwrap_or(block);
        operations.extend(clusters.evidence(source, furthest));
    }
    illegal(if overlap { Kind::Overlap } else { Kind::Inside }, operations)
}
