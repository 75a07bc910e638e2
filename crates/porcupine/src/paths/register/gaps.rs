//! Maps with deletes: one key, whose values were put once, and which may be deleted often.
//!
//! Not only zones: every delete leaves the same *nothing*, so which of them a read of nothing saw
//! is open. Values are clusters with zones as before. They are judged first, without deletes and
//! reads of nothing: taking those away takes away no reason why the rest is legal. Then there is an
//! instant in each backward zone at which its cluster may happen as a whole, and nothing but itself
//! happens within a forward zone, strictly between its first `end - 1` and its last `start`. What
//! is left is to give an instant outside of those to each backward cluster, delete and read of
//! nothing, such that before each such read a delete (or the beginning) is the last change.
//!
//! Lazily, at the last instant of each: where a cluster must happen, all that may happen do. Where
//! a delete must happen, all clusters that may happen do so before it. Where a read must happen and
//! a value is there, clusters likewise, then the delete that is the most urgent of those that may
//! happen. Reads happen as soon as nothing is there.
//!
//! *Why this decides.* Only reads ask for anything, and they ask for deletes. Let the path take
//! deletes at t1 < t2 < ... because a read had to happen, and let S be any linearization. Between
//! t(i-1) and the read of t(i) something changed nothing to a value, last at k. If that was a
//! forward zone, it is over before the read in S too. If it was a cluster that had to happen at k,
//! it could not happen at t(i-1) or at the own last instant of any delete before k, or it would
//! have been put before that delete; and the read could not happen at k, or it would have. So in S
//! too the cluster happens between, and S has a delete between it and the read, another one for
//! each i. None of these had its last instant before t(i): not before k, as it follows the cluster,
//! which could not happen at its last instant if that is before k; not from k on, as the path would
//! have taken it then and left nothing. So S gives each t(i) a delete of its own that may happen at
//! t(i), and then so does taking the most urgent first (exchange it with the one that S gives).
//! Where the path finds none, there is no S.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::Hash;

use super::super::{Judged, Watch, glances, illegal};
use super::chains::Chains;
use super::clusters::{Clusters, NONE};
use super::layout::lay_out;
use super::zones::{Zones, order};
use super::{Act, Source, clusters};
use crate::Kind;

/// What has to happen, some time between two instants (the last is the greatest number where it may
/// as well never happen).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Task {
    last: u64,
    what: What,
    first: u64,
}

/// At one instant, in this order: a forward zone begins after all that may happen before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// The read of nothing at this position.
    Absent(u32),
    /// The delete at this position.
    Delete(u32),
    /// This backward cluster.
    Cluster(u32),
    /// This cluster with a forward zone.
    Forward(u32),
}

pub(super) fn judge<'a, I, O, T, F>(
    source: &Source<'a, I, O, F>,
    watch: &Watch<'_>,
) -> Judged<Vec<usize>>
where
    T: Copy + Eq + Hash,
    F: Fn(&'a I, Option<&'a O>) -> Act<Option<T>>,
{
    let values = Source {
        history: source.history,
        part: source.part,
        classify: |input: &'a I, output: Option<&'a O>| match (source.classify)(input, output) {
            Act::Write(None) | Act::Read(None) => Act::Glance,
            act => act,
        },
    };
    let clusters = clusters::gather(&values, None, watch)?;
    let zones = Zones::of_clusters(&values, &clusters, watch)?;
    let chains = Chains::new(&values, &clusters, &zones)?;
    let blocks = order(&values, &clusters, &chains, &zones)?;
    let (mut tasks, forward) = cluster_tasks(&zones, &blocks);
    let mut free = Vec::new();
    for at in source.positions() {
        watch.step(at as usize)?;
        let what = match source.act(at) {
            Act::Write(None) => What::Delete(at),
            Act::Read(None) if source.completed(at) => What::Absent(at),
            Act::Glance if source.completed(at) => {
                free.push(source.index(at));
                continue;
            }
            _ => continue,
        };
        let span = source.span(at)?;
        let last = if source.completed(at) { span.end - 1 } else { u64::MAX };
        let Some((first, last)) = outside(&forward, span.start, last) else {
            return inside(&values, &clusters, &zones, &forward, at);
        };
        tasks.push(Task { last, what, first });
    }
    let items = happen(source, tasks, watch)?;
    let order = write_down(&values, &clusters, &chains, &items, watch)?;
    glances::merge(source.history, order, free)
}

/// A forward zone: its cluster, the instant before which it must begin, and after which it may end.
type Forward = (u32, u64, u64);

/// The tasks of the clusters, and the forward zones in their order.
fn cluster_tasks(zones: &Zones, blocks: &[u32]) -> (Vec<Task>, Vec<Forward>) {
    let mut tasks = Vec::new();
    let mut forward = Vec::new();
    for &cluster in blocks.iter().filter(|cluster| **cluster != 0) {
        let (end, start) = (zones.end[cluster as usize], zones.start[cluster as usize]);
        let is_forward = end <= start;
        let (what, first) = match is_forward {
            true => (What::Forward(cluster), 0),
            false => (What::Cluster(cluster), start),
        };
        if is_forward {
            forward.push((cluster, end - 1, start));
        }
        tasks.push(Task { last: end - 1, what, first });
    }
    // Zones do not contain each other, but a backward one may begin or end within a forward one.
    for task in tasks.iter_mut().filter(|task| matches!(task.what, What::Cluster(_))) {
        if let Some((first, last)) = outside(&forward, task.first, task.last) {
            (task.first, task.last) = (first, last);
        }
    }
    (tasks, forward)
}

/// The first and the last instant that are not within a forward zone.
fn outside(forward: &[Forward], first: u64, last: u64) -> Option<(u64, u64)> {
    let around = |instant: u64| {
        let at = forward.partition_point(|(_, _, end)| *end <= instant);
        forward.get(at).filter(|(_, begin, _)| *begin < instant)
    };
    let first = around(first).map_or(first, |(_, _, end)| *end);
    let last = around(last).map_or(last, |(_, begin, _)| *begin);
    (first <= last).then_some((first, last))
}

/// Names the value that was there all the time while it was deleted, or read as nothing.
fn inside<I, O, F>(
    source: &Source<'_, I, O, F>,
    clusters: &Clusters,
    zones: &Zones,
    forward: &[Forward],
    at: u32,
) -> Judged<Vec<usize>> {
    let span = source.span(at)?;
    let zone = forward.partition_point(|(_, _, end)| *end <= span.start);
    let cluster = forward[zone].0;
    let mut bounds = Vec::new();
    for other in source.positions().filter(|&at| clusters.home[at as usize] == cluster) {
        let bound = source.span(other)?;
        if bound.end == zones.end[cluster as usize] {
            bounds.insert(0, other);
        } else if bound.start == zones.start[cluster as usize] {
            bounds.push(other);
        }
    }
    let ends = bounds.first().into_iter().chain(bounds.last()).chain([&at]);
    illegal(Kind::Inside, ends.map(|at| source.index(*at)))
}

struct Present {
    /// Whether nothing is there.
    nothing: bool,
    clusters: Vec<u32>,
    absent: Vec<u32>,
    deletes: BinaryHeap<Reverse<(u64, u32)>>,
    done: Vec<bool>,
    items: Vec<What>,
}

/// Lets everything happen, at the last instant.
fn happen<I, O, F>(
    source: &Source<'_, I, O, F>,
    mut tasks: Vec<Task>,
    watch: &Watch<'_>,
) -> Judged<Vec<What>> {
    tasks.sort_unstable();
    let mut arrivals: Vec<(u64, usize)> =
        tasks.iter().enumerate().map(|(number, task)| (task.first, number)).collect();
    arrivals.sort_unstable();
    let mut arrivals = arrivals.into_iter().peekable();
    let mut present = Present {
        nothing: true,
        clusters: Vec::new(),
        absent: Vec::new(),
        deletes: BinaryHeap::new(),
        done: vec![false; tasks.len()],
        items: Vec::with_capacity(tasks.len()),
    };
    for (number, task) in tasks.iter().enumerate() {
        watch.step(number)?;
        if task.last == u64::MAX {
            break;
        }
        while let Some((_, arriving)) = arrivals.next_if(|(first, _)| *first <= task.last) {
            present.arrive(&tasks, arriving as u32);
        }
        if present.done[number] {
            continue;
        }
        match task.what {
            What::Absent(at) => {
                present.flush(&tasks);
                let Some(Reverse((_, delete))) = present.deletes.pop() else {
                    return illegal(Kind::NeverDeleted, [source.index(at)]);
                };
                present.delete(&tasks, delete);
            }
            What::Delete(_) => {
                present.flush(&tasks);
                // Those that are at least as urgent are done, or are deletes at this instant too.
                while !present.done[number]
                    && let Some(Reverse((_, delete))) = present.deletes.pop()
                {
                    present.delete(&tasks, delete);
                }
            }
            What::Cluster(_) => present.flush(&tasks),
            What::Forward(_) => {
                present.flush(&tasks);
                present.take(&tasks, number as u32);
                present.nothing = false;
            }
        }
    }
    Ok(present.items)
}

impl Present {
    fn take(&mut self, tasks: &[Task], number: u32) {
        self.done[number as usize] = true;
        self.items.push(tasks[number as usize].what);
    }

    fn arrive(&mut self, tasks: &[Task], number: u32) {
        let task = tasks[number as usize];
        match task.what {
            What::Absent(_) if self.nothing => self.take(tasks, number),
            What::Absent(_) => self.absent.push(number),
            What::Delete(_) => self.deletes.push(Reverse((task.last, number))),
            What::Cluster(_) => self.clusters.push(number),
            What::Forward(_) => {}
        }
    }

    /// Lets all clusters happen that may.
    fn flush(&mut self, tasks: &[Task]) {
        for cluster in std::mem::take(&mut self.clusters) {
            self.take(tasks, cluster);
            self.nothing = false;
        }
    }

    fn delete(&mut self, tasks: &[Task], number: u32) {
        self.take(tasks, number);
        self.nothing = true;
        for absent in std::mem::take(&mut self.absent) {
            self.take(tasks, absent);
        }
    }
}

/// The operations of what happened, in order.
fn write_down<I, O, F>(
    source: &Source<'_, I, O, F>,
    clusters: &Clusters,
    chains: &Chains,
    items: &[What],
    watch: &Watch<'_>,
) -> Judged<Vec<usize>> {
    let mut sizes = vec![0usize; clusters.count()];
    for &cluster in clusters.home.iter().filter(|cluster| **cluster != NONE) {
        sizes[cluster as usize] += 1;
    }
    let blocks = items.iter().filter_map(|item| match item {
        What::Cluster(cluster) | What::Forward(cluster) => Some(*cluster),
        _ => None,
    });
    let blocks: Vec<u32> = blocks.collect();
    let mut laid = lay_out(source, clusters, chains, &blocks, watch)?.into_iter();
    let mut order = Vec::with_capacity(source.part.len());
    for item in items {
        match item {
            What::Absent(at) | What::Delete(at) => order.push(source.index(*at)),
            What::Cluster(cluster) | What::Forward(cluster) => {
                order.extend(laid.by_ref().take(sizes[*cluster as usize]));
            }
        }
    }
    Ok(order)
}
