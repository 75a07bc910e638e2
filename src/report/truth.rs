//! The ground truth: every lie that was told and every place that was corrupted, as the run's
//! folder has them, in groups and in bounded memory.
//!
//! It comes from whoever lied, not from what was found: the checkers never see it. Counts are
//! always those of the whole files; of each group a few lies are kept, first of all those that a
//! client was given.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::Path;

use perjury_history::{
    CorruptionMade, FaultId, LieTold, Nanos, NodeName, Operation, Topology, Value,
};
use serde::de::DeserializeOwned;

use super::evidence::Evidence;
use super::sightings;
use super::values::Values;
use crate::store::RunFolder;

/// How many groups are told apart, and how many lies of each are kept.
const MOST_GROUPS: usize = 48;
const MOST_KEPT: usize = 8;

/// The word for what was corrupted, beside those of lies.
pub const ROT: &str = "corrupted";

/// The word for a write that is answered and never done.
pub const ACKNOWLEDGE: &str = "acknowledge";

/// Everything that is known of it.
#[derive(Debug, Default)]
pub struct Truth {
    /// Lies of one kind in one fault from one to another, in the order of the first of each.
    pub groups: Vec<Group>,
    /// How many lies and places are in no group, because there are too many groups.
    pub ungrouped: u64,
    /// Of each node that lied or was corrupted.
    pub nodes: BTreeMap<NodeName, Liar>,
    /// Who was lied to by whom, and how often; only nodes.
    pub deceived: BTreeMap<NodeName, BTreeMap<NodeName, u64>>,
    /// How many lies were told, and how many places corrupted.
    pub lies: u64,
    /// See `lies`.
    pub places: u64,
    /// How many lines could not be read.
    pub unreadable: u64,
}

/// What one node did.
#[derive(Debug, Default)]
pub struct Liar {
    /// When it lied: from the first to the last lie of each fault.
    pub stretches: BTreeMap<FaultId, (Nanos, Nanos)>,
    /// When it was first corrupted.
    pub corrupted: Option<Nanos>,
    /// How many places were.
    pub places: u64,
    /// How many lies it told.
    pub told: u64,
    /// How many lies and places, by interval of the survey.
    pub intervals: Vec<u64>,
}

/// Lies of one kind.
#[derive(Debug)]
pub struct Group {
    /// The fault.
    pub fault: FaultId,
    /// Who lied or is confused.
    pub node: NodeName,
    /// The word.
    pub word: String,
    /// To whom, or of whom the lie was heard: a node or `clients`. Empty of a corruption.
    pub other: String,
    /// Did the node say it? Else it was made to hear it.
    pub says: bool,
    /// How many.
    pub count: u64,
    /// When the first and the last one was.
    pub first: Nanos,
    /// See `first`.
    pub last: Nanos,
    /// How many were given to a client.
    pub seen: u64,
    /// The operations that were given one: places in the evidence.
    pub readers: HashSet<usize>,
    /// Some of them.
    pub kept: Vec<Kept>,
}

/// One lie or place.
#[derive(Clone, Debug)]
pub struct Kept {
    /// When, at the earliest.
    pub time: Nanos,
    /// And so much later at the most.
    pub within: Nanos,
    /// The connection or the place.
    pub at: String,
    /// What was true.
    pub before: Value,
    /// What was said.
    pub after: Value,
    /// The seals, if it was about one.
    pub seals: Option<(String, String)>,
    /// What else there is to say.
    pub detail: String,
    /// The operations that were given it.
    pub readers: Vec<usize>,
    /// The operation that asked for what was true to be written.
    pub about: Option<usize>,
}

/// Whom, where, which word: what makes lies one group.
type GroupKey = (FaultId, NodeName, String, String, bool);

struct Reader<'a> {
    truth: Truth,
    places: HashMap<GroupKey, usize>,
    names: HashMap<IpAddr, NodeName>,
    evidence: &'a Evidence,
    values: &'a Values<'a>,
}

impl Truth {
    /// Reads both files of a folder.
    pub fn of(folder: &RunFolder, evidence: &Evidence, values: &Values<'_>) -> Truth {
        let names = names(&evidence.nodes);
        let (truth, places) = Default::default();
        let mut reader = Reader { truth, places, names, evidence, values };
        let mut unreadable = 0;
        unreadable += each(&folder.lies_path(), |lie: LieTold| reader.lie(lie));
        unreadable +=
            each(&folder.corruptions_path(), |place: CorruptionMade| reader.corruption(place));
        reader.truth.unreadable = unreadable;
        reader.truth.groups.sort_by_key(|group| (group.first, group.fault));
        reader.truth
    }

    /// Was anything told or corrupted?
    pub fn is_empty(&self) -> bool {
        self.lies == 0 && self.places == 0
    }

    /// How many were given to a client, and how many operations were given one.
    pub fn seen(&self) -> (u64, u64) {
        let readers: HashSet<usize> =
            self.groups.iter().flat_map(|group| group.readers.iter().copied()).collect();
        (self.groups.iter().map(|group| group.seen).sum(), readers.len() as u64)
    }
}

fn names(nodes: &Topology) -> HashMap<IpAddr, NodeName> {
    nodes.nodes.iter().map(|node| (node.address, node.name.clone())).collect()
}

/// Hands each line on; answers how many are none. Only a file is read.
fn each<T: DeserializeOwned>(path: &Path, mut take: impl FnMut(T)) -> u64 {
    let is_file = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
    let Some(file) = is_file.then(|| File::open(path).ok()).flatten() else { return 0 };
    let mut unreadable = 0;
    for line in BufReader::new(file).split(b'\n') {
        let Ok(line) = line else { return unreadable + 1 };
        match serde_json::from_slice(&line) {
            Ok(one) => take(one),
            Err(_) if line.is_empty() => {}
            Err(_) => unreadable += 1,
        }
    }
    unreadable
}

impl Reader<'_> {
    fn lie(&mut self, lie: LieTold) {
        let end = if lie.outgoing { lie.listener } else { lie.dialler };
        let far = self.names.get(&end.ip()).filter(|name| **name != lie.node).cloned();
        // What stands for a reply is said, whatever it was made of.
        let says = lie.request == lie.outgoing || lie.lie == ACKNOWLEDGE;
        let last = lie.time.saturating_add(lie.within);
        self.truth.lies += 1;
        let liar = self.liar(&lie.node, lie.time, lie.time.saturating_add(lie.within / 2));
        liar.told += 1;
        let stretch = liar.stretches.entry(lie.fault).or_insert((lie.time, last));
        *stretch = (stretch.0.min(lie.time), stretch.1.max(last));
        if let Some(hearer) = far.as_ref().filter(|_| says) {
            let of = self.truth.deceived.entry(hearer.clone()).or_default();
            *of.entry(lie.node.clone()).or_default() += 1;
        }
        let operations = &self.evidence.operations;
        let about = sightings::about(&lie.before, self.values, operations);
        let readers = match lie.lie == ACKNOWLEDGE {
            true => sightings::of_acknowledgement(about, operations),
            false => sightings::of_lie(&lie, far.is_none() && says, self.values, operations),
        };
        let other = far.map_or_else(|| "clients".to_owned(), |name| name.to_string());
        let (time, within) = (lie.time, lie.within);
        let (from, to) = match lie.request {
            true => (lie.dialler, lie.listener),
            false => (lie.listener, lie.dialler),
        };
        let at = format!("connection {}, {from} to {to}", lie.connection);
        let seals = lie.seal_before.zip(lie.seal_after);
        let (before, after, detail) = (lie.before, lie.after, lie.detail);
        let kept = Kept { time, within, at, before, after, seals, detail, readers, about };
        self.group((lie.fault, lie.node, lie.lie, other, says), kept);
    }

    fn corruption(&mut self, place: CorruptionMade) {
        // Its time is the latest, not the earliest.
        let time = place.time.saturating_sub(place.within);
        self.truth.places += 1;
        let liar = self.liar(&place.node, time, place.time);
        liar.places += 1;
        liar.corrupted = Some(liar.corrupted.map_or(time, |first| first.min(time)));
        let readers = sightings::of_value(&place.after, time, self.values, self.operations());
        let about = sightings::about(&place.before, self.values, self.operations());
        let detail = format!("{} bytes", place.length);
        let (within, at, before, after) = (place.within, place.at, place.before, place.after);
        let seals = None;
        let kept = Kept { time, within, at, before, after, seals, detail, readers, about };
        self.group((place.fault, place.node, ROT.into(), String::new(), true), kept);
    }

    fn operations(&self) -> &[Operation] {
        &self.evidence.operations
    }

    /// What one node did; it did something in the interval of that moment.
    fn liar(&mut self, node: &NodeName, first: Nanos, moment: Nanos) -> &mut Liar {
        let survey = &self.evidence.survey;
        let at = survey.interval_at(moment.max(first));
        let liar = self.truth.nodes.entry(node.clone()).or_default();
        liar.intervals.resize(survey.intervals.len(), 0);
        liar.intervals[at] += 1;
        liar
    }

    fn group(&mut self, key: GroupKey, kept: Kept) {
        let place = self.places.get(&key).copied();
        let place = match place {
            Some(place) => place,
            None if self.truth.groups.len() == MOST_GROUPS => {
                self.truth.ungrouped += 1;
                return;
            }
            None => {
                let (fault, node, word, other, says) = key.clone();
                let (first, last, readers) = (kept.time, kept.time, HashSet::new());
                let (count, seen, list) = (0, 0, Vec::new());
                self.truth.groups.push(Group {
                    fault,
                    node,
                    word,
                    other,
                    says,
                    count,
                    first,
                    last,
                    seen,
                    readers,
                    kept: list,
                });
                self.places.insert(key, self.truth.groups.len() - 1);
                self.truth.groups.len() - 1
            }
        };
        self.truth.groups[place].take(kept);
    }
}

impl Group {
    fn take(&mut self, kept: Kept) {
        self.count += 1;
        self.first = self.first.min(kept.time);
        self.last = self.last.max(kept.time.saturating_add(kept.within));
        self.seen += u64::from(!kept.readers.is_empty());
        self.readers.extend(&kept.readers);
        // The same lie is often told again and again: the next one says more.
        let said = |one: &Kept| one.before == kept.before && one.after == kept.after;
        if self.kept.iter().any(said) {
            return;
        }
        if self.kept.len() < MOST_KEPT {
            self.kept.push(kept);
        } else if !kept.readers.is_empty()
            && let Some(at) = self.kept.iter().rposition(|one| one.readers.is_empty())
        {
            self.kept.remove(at);
            self.kept.push(kept);
        }
    }
}
