//! The linearization: blocks in their order, clusters in theirs, operations in theirs.
//!
//! Nothing is decided here. Within a cluster the write comes first and its readers follow by their
//! starts, which respects real time: what ended before another began also began before it.

use super::super::{Judged, Watch};
use super::Source;
use super::chains::Chains;
use super::clusters::{Clusters, NONE};

/// The history's indices of all operations that are in clusters.
pub(crate) fn lay_out<I, O, F>(
    source: &Source<'_, I, O, F>,
    clusters: &Clusters,
    chains: &Chains,
    blocks: &[u32],
    watch: &Watch<'_>,
) -> Judged<Vec<usize>> {
    // First the sizes of the clusters, then where the next operation of each belongs.
    let mut place = vec![0u32; clusters.count()];
    for &cluster in clusters.home.iter().filter(|cluster| **cluster != NONE) {
        place[cluster as usize] += 1;
    }
    let in_order = || blocks.iter().flat_map(|&block| chains.chain(block));
    let mut total = 0;
    for cluster in in_order() {
        let size = std::mem::replace(&mut place[cluster as usize], total);
        total += size;
    }
    let mut order = vec![0; total as usize];
    for cluster in in_order().filter(|cluster| *cluster != 0) {
        order[place[cluster as usize] as usize] = source.index(clusters.writer[cluster as usize]);
        place[cluster as usize] += 1;
    }
    for (at, &cluster) in (0..).zip(&clusters.home) {
        watch.step(at as usize)?;
        if cluster != NONE && clusters.writer[cluster as usize] != at {
            order[place[cluster as usize] as usize] = source.index(at);
            place[cluster as usize] += 1;
        }
    }
    let mut begin = 0;
    for cluster in in_order() {
        let end = place[cluster as usize] as usize;
        let readers = begin + usize::from(cluster != 0);
        order[readers..end].sort_unstable_by_key(|&index| source.history[index].interval().0);
        begin = end;
    }
    Ok(order)
}
