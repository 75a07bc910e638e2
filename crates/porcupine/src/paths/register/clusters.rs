//! The operations of a register, gathered around the writes whose values they saw.
//!
//! Not yet an order. A *cluster* is a write (or a compare-and-set, by the value that it left) with
//! the reads that saw it; cluster 0 is the initial value. The invariant: each operation that must
//! be ordered by its value is in exactly one cluster, and those in none take no effect, or change
//! and see nothing in particular ([`Clusters::floaters`]).
//!
//! A value may have several possible writers as long as nobody saw it: each is then a cluster of
//! its own, since renaming an unseen value changes nothing.

use std::hash::Hash;

use super::super::values::{Values, Writer};
use super::super::{Judged, Watch, illegal};
use super::{Act, Source};
use crate::Kind;
use crate::paths::Halt;

/// In place of a cluster or a position: none.
pub(crate) const NONE: u32 = u32::MAX;

/// How many values are looked up together.
const BATCH: usize = 64;

pub(crate) struct Clusters {
    /// For each position its cluster, or [`NONE`].
    pub(crate) home: Vec<u32>,
    /// For each cluster the position of its write; [`NONE`] for the initial value.
    pub(crate) writer: Vec<u32>,
    /// The compare-and-sets that took effect: the cluster they ended, and the one they began.
    pub(crate) swaps: Vec<(u32, u32)>,
    /// Completed operations that change nothing and fit several values.
    pub(crate) floaters: Vec<Floater>,
}

/// A completed operation that found any value, or any but one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Floater {
    pub(crate) at: u32,
    /// Who wrote the value that it did not find.
    pub(crate) avoids: Option<Writer>,
}

/// Clusters that are being gathered.
struct Gathering {
    clusters: Clusters,
    values: Values,
    /// For each cluster whether its value was seen.
    needed: Vec<bool>,
}

pub(crate) fn gather<'a, I, O, T, F>(
    source: &Source<'a, I, O, F>,
    initial: T,
    watch: &Watch<'_>,
) -> Judged<Clusters>
where
    T: Copy + Eq + Hash,
    F: Fn(&'a I, Option<&'a O>) -> Act<T>,
{
    let writers = source.positions().filter(|&at| source.written(at).is_some()).count();
    let mut gathering = Gathering {
        clusters: Clusters {
            home: vec![NONE; source.part.len()],
            writer: Vec::with_capacity(writers + 1),
            swaps: Vec::new(),
            floaters: Vec::new(),
        },
        values: Values::new(writers + 1),
        needed: vec![false; writers + 1],
    };
    gathering.number_writes(source, initial, watch)?;
    gathering.attach_the_rest(source, initial, watch)?;
    gathering.follow_swaps(source, initial)?;
    Ok(gathering.drop_unneeded(source))
}

/// The value of a cluster.
macro_rules! value_of {
    ($clusters:expr, $source:expr, $initial:expr) => {
        |cluster: u32| match $clusters.writer[cluster as usize] {
            NONE => Some($initial),
            at => $source.written(at),
        }
    };
}

impl Gathering {
    fn number_writes<'a, I, O, T, F>(
        &mut self,
        source: &Source<'a, I, O, F>,
        initial: T,
        watch: &Watch<'_>,
    ) -> Judged<()>
    where
        T: Copy + Eq + Hash,
        F: Fn(&'a I, Option<&'a O>) -> Act<T>,
    {
        let Self { clusters, values, .. } = self;
        clusters.writer.push(NONE);
        values.insert(initial, values.touch(initial), 0, |_| None);
        let mut batch = Vec::with_capacity(BATCH);
        for begin in source.positions().step_by(BATCH) {
            watch.step(begin as usize + BATCH - 1)?;
            let written = |at| source.written(at).map(|value| (at, value, values.touch(value)));
            batch.extend(source.batch(begin, BATCH).filter_map(written));
            for (at, value, touched) in batch.drain(..) {
                let cluster = clusters.writer.len() as u32;
                clusters.writer.push(at);
                clusters.home[at as usize] = cluster;
                values.insert(value, touched, cluster, value_of!(clusters, source, initial));
            }
        }
        Ok(())
    }

    /// Sorts in what saw a value and was answered; what was not answered and changes nothing needs
    /// no place.
    fn attach_the_rest<'a, I, O, T, F>(
        &mut self,
        source: &Source<'a, I, O, F>,
        initial: T,
        watch: &Watch<'_>,
    ) -> Judged<()>
    where
        T: Copy + Eq + Hash,
        F: Fn(&'a I, Option<&'a O>) -> Act<T>,
    {
        let mut batch = Vec::with_capacity(BATCH);
        for begin in source.positions().step_by(BATCH) {
            watch.step(begin as usize + BATCH - 1)?;
            for at in source.batch(begin, BATCH).filter(|&at| source.completed(at)) {
                match source.act(at) {
                    Act::Write(_) => {}
                    Act::Glance => self.clusters.floaters.push(Floater { at, avoids: None }),
                    Act::Never => return illegal(Kind::Misanswered, [source.index(at)]),
                    act @ (Act::Read(value) | Act::Swap(value, _) | Act::Differs(value)) => {
                        batch.push((at, act, value, self.values.touch(value)));
                    }
                }
            }
            for (at, act, value, touched) in batch.drain(..) {
                let value_of = value_of!(self.clusters, source, initial);
                let writer = self.values.find(value, touched, value_of);
                if let Act::Differs(_) = act {
                    self.clusters.floaters.push(Floater { at, avoids: Some(writer) });
                    continue;
                }
                let cluster = self.seen(source, at, writer)?;
                match act {
                    Act::Read(_) => self.clusters.home[at as usize] = cluster,
                    _ => self.clusters.swaps.push((cluster, self.clusters.home[at as usize])),
                }
            }
        }
        Ok(())
    }

    fn seen<I, O, F>(
        &mut self,
        source: &Source<'_, I, O, F>,
        at: u32,
        writer: Writer,
    ) -> Judged<u32> {
        match writer {
            Writer::Nobody => illegal(Kind::NobodyWrote, [source.index(at)]),
            Writer::Several => Err(Halt::Unfit),
            Writer::Cluster(cluster) => {
                self.needed[cluster as usize] = true;
                Ok(cluster)
            }
        }
    }

    /// An indeterminate compare-and-set whose value was seen took effect, so the value that it
    /// expects was there, and so on.
    fn follow_swaps<'a, I, O, T, F>(
        &mut self,
        source: &Source<'a, I, O, F>,
        initial: T,
    ) -> Judged<()>
    where
        T: Copy + Eq + Hash,
        F: Fn(&'a I, Option<&'a O>) -> Act<T>,
    {
        let is_needed = |cluster: &u32| self.needed[*cluster as usize];
        let mut pending: Vec<u32> =
            (1..self.clusters.writer.len() as u32).filter(is_needed).collect();
        while let Some(to) = pending.pop() {
            let at = self.clusters.writer[to as usize];
            let (false, Act::Swap(from, _)) = (source.completed(at), source.act(at)) else {
                continue;
            };
            let value_of = value_of!(self.clusters, source, initial);
            let writer = self.values.find(from, self.values.touch(from), value_of);
            if writer == Writer::Nobody {
                let shows = self.clusters.shown_by(source, to);
                return illegal(Kind::NobodyWrote, [source.index(at)].into_iter().chain(shows));
            }
            let before = match writer {
                Writer::Cluster(from) => self.needed[from as usize],
                _ => false,
            };
            let from = self.seen(source, at, writer)?;
            self.clusters.swaps.push((from, to));
            if !before && from != 0 {
                pending.push(from);
            }
        }
        Ok(())
    }

    fn drop_unneeded<I, O, F>(mut self, source: &Source<'_, I, O, F>) -> Clusters {
        for (cluster, &at) in self.clusters.writer.iter().enumerate().skip(1) {
            if !self.needed[cluster] && !source.completed(at) {
                self.clusters.home[at as usize] = NONE;
            }
        }
        self.clusters
    }
}

impl Clusters {
    /// How many clusters there are, those that were dropped included.
    pub(crate) fn count(&self) -> usize {
        self.writer.len()
    }

    /// Whether the cluster takes part: its write was not dropped.
    pub(crate) fn is_present(&self, cluster: u32) -> bool {
        let at = self.writer[cluster as usize];
        at == NONE || self.home[at as usize] == cluster
    }

    /// What shows that the write of `cluster` took effect, where it was not answered itself.
    pub(crate) fn evidence<I, O, F>(
        &self,
        source: &Source<'_, I, O, F>,
        cluster: u32,
    ) -> Vec<usize> {
        match self.writer[cluster as usize] {
            NONE => Vec::new(),
            at if source.completed(at) => Vec::new(),
            _ => self.shown_by(source, cluster),
        }
    }

    /// The operations that show that the write of `cluster` took effect, by their indices: itself
    /// if it was answered; else a reader of its value; else the compare-and-sets that follow from
    /// it, to one that was answered or has a reader.
    pub(crate) fn shown_by<I, O, F>(
        &self,
        source: &Source<'_, I, O, F>,
        cluster: u32,
    ) -> Vec<usize> {
        let mut shows = Vec::new();
        let mut cluster = cluster;
        loop {
            let at = self.writer[cluster as usize];
            shows.extend((at != NONE).then(|| source.index(at)));
            if at == NONE || source.completed(at) || shows.len() > self.swaps.len() + 1 {
                return shows;
            }
            let reads = |other: &u32| *other != at && self.home[*other as usize] == cluster;
            if let Some(reader) = source.positions().find(reads) {
                shows.push(source.index(reader));
                return shows;
            }
            let Some((_, next)) = self.swaps.iter().find(|(from, _)| *from == cluster) else {
                return shows;
            };
            cluster = *next;
        }
    }
}
