//! Chains of compare-and-sets: clusters that must follow each other directly.
//!
//! Not an order of the chains among themselves ([`zones`](super::zones)). A compare-and-set from
//! `a` to `b` that took effect found the value `a`, which was written once: so nothing was written
//! between the write of `a` and it, and only one compare-and-set can have found `a`. The clusters
//! of `a` and `b` form one block: the write of `a`, its readers, the compare-and-set, the readers
//! of `b`, and so on. The invariant: every cluster that takes part is in one chain, the order
//! within each chain is the only one up to the order of readers of one value, and it respects real
//! time.

use super::super::{Judged, illegal};
use super::Source;
use super::clusters::{Clusters, NONE};
use super::zones::Zones;
use crate::Kind;

pub(crate) struct Chains {
    /// For each cluster the one after it in its chain; empty where there are no compare-and-sets.
    next: Vec<u32>,
    /// For each cluster the first of its chain.
    first: Vec<u32>,
}

impl Chains {
    /// Ties the clusters, and judges each chain by itself.
    pub(crate) fn new<I, O, F>(
        source: &Source<'_, I, O, F>,
        clusters: &Clusters,
        zones: &Zones,
    ) -> Judged<Self> {
        if clusters.swaps.is_empty() {
            return Ok(Self { next: Vec::new(), first: Vec::new() });
        }
        let mut next = vec![NONE; clusters.count()];
        let mut is_swap = vec![false; clusters.count()];
        for &(from, to) in &clusters.swaps {
            let other = std::mem::replace(&mut next[from as usize], to);
            if other != NONE {
                let mut both = [other, to].map(|swap| clusters.shown_by(source, swap));
                let swaps = both.each_mut().map(|shown| shown.remove(0));
                return illegal(Kind::TwoSwaps, swaps.into_iter().chain(both.concat()));
            }
            is_swap[to as usize] = true;
        }
        let mut first: Vec<u32> = vec![NONE; clusters.count()];
        for root in (0..clusters.count() as u32).filter(|&root| !is_swap[root as usize]) {
            let mut cluster = root;
            while cluster != NONE {
                first[cluster as usize] = root;
                cluster = next[cluster as usize];
            }
        }
        let chains = Self { next, first };
        // What is not reached from a plain write goes round in a ring.
        let ring = |&&(from, _): &&(u32, u32)| chains.first[from as usize] == NONE;
        if let Some((from, _)) = clusters.swaps.iter().find(ring) {
            let ring = chains.walk(*from, Some(*from));
            let swaps = ring.map(|cluster| source.index(clusters.writer[cluster as usize]));
            let shows = clusters.evidence(source, *from);
            return illegal(Kind::SwapRing, swaps.chain(shows));
        }
        for root in (0..clusters.count() as u32).filter(|&root| chains.next_of(root) != NONE) {
            if chains.is_first(root) {
                chains.respect_time(source, clusters, zones, root)?;
            }
        }
        Ok(chains)
    }

    fn next_of(&self, cluster: u32) -> u32 {
        self.next.get(cluster as usize).copied().unwrap_or(NONE)
    }

    /// The clusters from `start` to the end of its chain, or until it comes to `stop` again.
    fn walk(&self, start: u32, stop: Option<u32>) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(start), move |cluster| {
            let next = self.next_of(*cluster);
            (next != NONE && Some(next) != stop).then_some(next)
        })
    }

    /// The clusters of the chain that begins with `first`, in their order.
    pub(crate) fn chain(&self, first: u32) -> impl Iterator<Item = u32> {
        self.walk(first, None)
    }

    pub(crate) fn is_first(&self, cluster: u32) -> bool {
        self.first.is_empty() || self.first[cluster as usize] == cluster
    }

    /// An operation on a later value must not have ended before one on an earlier value began. Each
    /// cluster is in order by itself already, so its earliest end and latest start tell all.
    fn respect_time<I, O, F>(
        &self,
        source: &Source<'_, I, O, F>,
        clusters: &Clusters,
        zones: &Zones,
        root: u32,
    ) -> Judged<()> {
        let mut latest = 0;
        for cluster in self.chain(root) {
            let end = zones.end[cluster as usize];
            if cluster != root && end <= latest {
                return self.out_of_order(source, clusters, zones, (root, cluster));
            }
            latest = latest.max(zones.start[cluster as usize]);
        }
        Ok(())
    }

    /// Names the contradiction that [`Chains::respect_time`] found at a cluster of a chain.
    fn out_of_order<I, O, F>(
        &self,
        source: &Source<'_, I, O, F>,
        clusters: &Clusters,
        zones: &Zones,
        (root, late): (u32, u32),
    ) -> Judged<()> {
        let chain: Vec<u32> = self.chain(root).take_while(|cluster| *cluster != late).collect();
        let end = zones.end[late as usize];
        let mut early = chain.len();
        // The closest one: the fewer compare-and-sets between, the easier to follow.
        while early > 0 {
            early -= 1;
            if zones.start[chain[early] as usize] >= end {
                break;
            }
        }
        let find = |cluster: u32, is: &dyn Fn(crate::paths::Span) -> bool| {
            let bound =
                |at: &u32| clusters.home[*at as usize] == cluster && source.span(*at).is_ok_and(is);
            source.positions().find(bound)
        };
        let start = zones.start[chain[early] as usize];
        let before = find(chain[early], &|span| span.start == start);
        let after = find(late, &|span| span.end == end);
        let swaps = chain[early + 1..].iter().chain([&late]);
        let swaps = swaps.map(|cluster| clusters.writer[*cluster as usize]);
        let all = before.into_iter().chain(swaps).chain(after);
        illegal(Kind::SwapOrder, all.map(|at| source.index(at)))
    }

    /// The zones of the chains, at the places of their first clusters; `None` where each cluster is
    /// its own chain.
    pub(crate) fn merge(&self, zones: &Zones) -> Option<Zones> {
        if self.next.is_empty() {
            return None;
        }
        let mut merged = zones.clone();
        for (cluster, &first) in self.first.iter().enumerate() {
            merged.include(first as usize, zones.end[cluster], zones.start[cluster]);
        }
        Some(merged)
    }

    /// The clusters of a chain, sorted, each with its place in it.
    pub(crate) fn members(&self, first: u32) -> Vec<(u32, usize)> {
        let mut members: Vec<(u32, usize)> = self.chain(first).zip(0..).collect();
        members.sort_unstable();
        members
    }

    /// The compare-and-sets (positions) that lead from one place in a chain to another.
    pub(crate) fn between(
        &self,
        clusters: &Clusters,
        first: u32,
        one: usize,
        other: usize,
    ) -> Vec<u32> {
        let (from, to) = (one.min(other), one.max(other));
        let links = self.chain(first).skip(from + 1).take(to - from);
        links.map(|cluster| clusters.writer[cluster as usize]).collect()
    }

    /// The cluster that replaced this one by compare-and-set.
    pub(crate) fn replaced_by(&self, cluster: u32) -> Option<u32> {
        Some(self.next_of(cluster)).filter(|next| *next != NONE)
    }
}
