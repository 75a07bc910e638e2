//! Logs: appends, reads at a position, and reads of the whole. O(n log n) in the size of the
//! answers.
//!
//! Not where an element that was read could be any of several appends that were not told their
//! position, nor where a position that nobody saw could be that of an answered append: those go to
//! the search. The steps: which append made each entry; whether there is one for each; and whether
//! the order of the entries respects real time.
//!
//! *Why this decides.* Each entry was made by one append: that which was told the position, or the
//! only one left that appends the element seen there. The entries that nobody saw, below one that
//! somebody did, must have been made by appends that were not answered; any of them will do that
//! has started by then, and the order is a chain, so the one that starts k-th makes the k-th of
//! them: if any choice fits, then k of them start early enough for the k-th. Appends that were
//! answered, but not with their position, and that nobody saw, come after all that was seen. There,
//! too, only times matter, and the one that ends first comes first: it is the most urgent, and the
//! bounds from below rise along the chain. What was not answered and is not needed is left out.
//!
//! A read of k entries lies between the appends that make entries k - 1 and k, a read of an entry
//! after its append, and one that found none before it. Let each take effect as early as it may:
//! at its start, or when what must come before does, if that is later. If that is within all spans,
//! it is an order. If not, what delayed the operation started after it ended, and must come before.
//!
//! Source: the argument above.

use std::hash::Hash;

use super::source::{NONE, Source};
use super::values::{Values, Writer};
use super::{Halt, Judged, Watch, concluded, glances};
use crate::{Kind, Meter, Operation, Shortcut};

/// What an operation does to a log.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Entry<'a, V> {
    /// Appends an element, and is told its position.
    Append(&'a V, Option<u64>),
    /// Finds this at the position, or nothing yet.
    At(u64, Option<&'a V>),
    /// Finds exactly these.
    All(&'a [V]),
    /// Finds anything.
    Glance,
    /// Fits nowhere.
    Never,
}

/// Judges a log that is empty at first.
pub(crate) fn decide_log<'a, I, O, V: Eq + Hash + 'a>(
    history: &'a [Operation<I, O>],
    part: &'a [usize],
    classify: impl Fn(&'a I, Option<&'a O>) -> Entry<'a, V>,
    meter: &Meter,
) -> Option<Shortcut> {
    concluded("entries", judge(&Source { history, part, classify }, meter))
}

fn judge<'a, I, O, V, F>(source: &Source<'a, I, O, F>, meter: &Meter) -> Judged<Vec<usize>>
where
    V: Eq + Hash + 'a,
    F: Fn(&'a I, Option<&'a O>) -> Entry<'a, V>,
{
    let watch = Watch::new(meter, source.part.len())?;
    let mut log = gather(source, &watch)?;
    see(source, &mut log, &watch)?;
    find_appends(source, &mut log)?;
    fill(source, &mut log)?;
    let order = respect_time(source, &log, &watch)?;
    let order = order.into_iter().map(|at| source.part[at as usize]).collect();
    glances::merge(source.history, order, log.free)
}

/// One entry: an element, by the position in the part of an operation that tells of it, and its
/// place in the answer of that; and the append that made it.
struct Made<'a, V> {
    element: Option<&'a V>,
    seen_by: u32,
    append: u32,
    /// Whether the append was not told, but is the only one it can be, or one of several.
    guessed: bool,
}

struct Known<'a, V> {
    entries: Vec<Made<'a, V>>,
    /// Appends that were not told their position, and whether they made an entry.
    untold: Vec<(u32, bool)>,
    /// Answered reads that found something particular.
    reads: Vec<u32>,
    free: Vec<usize>,
}

fn gather<'a, I, O, V, F>(source: &Source<'a, I, O, F>, watch: &Watch<'_>) -> Judged<Known<'a, V>>
where
    V: Eq + Hash + 'a,
    F: Fn(&'a I, Option<&'a O>) -> Entry<'a, V>,
{
    let mut log =
        Known { entries: Vec::new(), untold: Vec::new(), reads: Vec::new(), free: Vec::new() };
    // How many entries there are at least, and who says so.
    let (mut length, mut says, mut appends) = (0u64, NONE, 0u64);
    for at in 0..source.part.len() as u32 {
        watch.step(at as usize)?;
        let answered = !source.operation(at).is_indeterminate();
        let reach = match source.word(at) {
            Entry::Append(_, position) => {
                appends += 1;
                if position.is_none() {
                    log.untold.push((at, false));
                }
                position.map_or(0, |position| position.saturating_add(1))
            }
            Entry::At(_, None) => 0,
            Entry::At(position, Some(_)) => position.saturating_add(1),
            Entry::All(all) => all.len() as u64,
            Entry::Glance if answered => {
                log.free.push(source.part[at as usize]);
                continue;
            }
            Entry::Never if answered => return source.illegal(Kind::Misanswered, [at]),
            Entry::Glance | Entry::Never => continue,
        };
        if !matches!(source.word(at), Entry::Append(..)) {
            log.reads.push(at);
        }
        if reach > length {
            (length, says) = (reach, at);
        }
    }
    if length > appends {
        return source.illegal(Kind::NoPlace, [says]);
    }
    let nothing = || Made { element: None, seen_by: NONE, append: NONE, guessed: false };
    log.entries.resize_with(length as usize, nothing);
    Ok(log)
}

/// What is at each position, by what was told and read.
fn see<'a, I, O, V, F>(
    source: &Source<'a, I, O, F>,
    log: &mut Known<'a, V>,
    watch: &Watch<'_>,
) -> Judged<()>
where
    V: Eq + Hash + 'a,
    F: Fn(&'a I, Option<&'a O>) -> Entry<'a, V>,
{
    for at in 0..source.part.len() as u32 {
        watch.step(at as usize)?;
        if let Entry::Append(element, Some(position)) = source.word(at) {
            let entry = &mut log.entries[position as usize];
            if entry.append != NONE {
                return source.illegal(Kind::GivenTwice, [entry.append, at]);
            }
            *entry = Made { element: Some(element), seen_by: at, append: at, guessed: false };
        }
    }
    let mut note = |position: usize, element: &'a V, at: u32| {
        let entry = &mut log.entries[position];
        match entry.element {
            None => (entry.element, entry.seen_by) = (Some(element), at),
            Some(other) if other == element => {}
            Some(_) => return source.illegal(Kind::Mismatch, [entry.seen_by, at]),
        }
        Ok(())
    };
    for &at in &log.reads {
        match source.word(at) {
            Entry::At(position, Some(element)) => note(position as usize, element, at)?,
            Entry::All(all) => {
                for (position, element) in all.iter().enumerate() {
                    watch.step(position)?;
                    note(position, element, at)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Finds the append of each element that was seen where none was told to be.
fn find_appends<'a, I, O, V, F>(source: &Source<'a, I, O, F>, log: &mut Known<'a, V>) -> Judged<()>
where
    V: Eq + Hash + 'a,
    F: Fn(&'a I, Option<&'a O>) -> Entry<'a, V>,
{
    let mut values = Values::new(log.untold.len());
    let value_of = |number: u32| match source.word(log.untold[number as usize].0) {
        Entry::Append(element, _) => Some(element),
        _ => None,
    };
    for number in 0..log.untold.len() as u32 {
        if let Some(element) = value_of(number) {
            values.insert(element, values.touch(element), number, value_of);
        }
    }
    let mut used: Vec<Option<u32>> = vec![None; log.untold.len()];
    for entry in &mut log.entries {
        let (NONE, Some(element)) = (entry.append, entry.element) else { continue };
        let number = match values.find(element, values.touch(element), value_of) {
            Writer::Nobody => return source.illegal(Kind::NobodyWrote, [entry.seen_by]),
            Writer::Several => return Err(Halt::Unfit),
            Writer::Cluster(number) => number as usize,
        };
        if let Some(other) = used[number].replace(entry.seen_by) {
            let both = [log.untold[number].0, other, entry.seen_by];
            return source.illegal(Kind::Mismatch, both);
        }
        entry.append = log.untold[number].0;
    }
    for (untold, used) in log.untold.iter_mut().zip(used) {
        untold.1 = used.is_some();
    }
    Ok(())
}

/// Finds an append for each entry that nobody saw, and puts what must come after all behind.
fn fill<'a, I, O, V, F>(source: &Source<'a, I, O, F>, log: &mut Known<'a, V>) -> Judged<()> {
    let left = log.untold.iter().filter(|(_, used)| !used).map(|(at, _)| *at);
    let (unanswered, mut behind): (Vec<u32>, Vec<u32>) =
        left.partition(|at| source.operation(*at).is_indeterminate());
    let mut starts = Vec::with_capacity(unanswered.len());
    for at in unanswered {
        starts.push((source.span(at)?.start, at));
    }
    starts.sort_unstable();
    let mut starts = starts.into_iter();
    let length = log.entries.len();
    for number in 0..length {
        if log.entries[number].append != NONE {
            continue;
        }
        // One that was answered might be it.
        if !behind.is_empty() {
            return Err(Halt::Unfit);
        }
        let Some((_, append)) = starts.next() else {
            let told = log.entries[number..].iter().find(|entry| entry.append != NONE);
            return source.illegal(Kind::NoPlace, told.map(|entry| entry.seen_by));
        };
        (log.entries[number].append, log.entries[number].guessed) = (append, true);
    }
    behind.sort_unstable_by_key(|&at| source.operation(at).interval().1);
    for append in behind {
        log.entries.push(Made { element: None, seen_by: NONE, append, guessed: true });
    }
    Ok(())
}

/// What takes effect at the same instant is in the order of these: entries are twice their
/// position and one more, reads are between them.
type Event = (u64, u64, u32);

fn respect_time<'a, I, O, V, F>(
    source: &Source<'a, I, O, F>,
    log: &Known<'a, V>,
    watch: &Watch<'_>,
) -> Judged<Vec<u32>>
where
    V: Eq + Hash + 'a,
    F: Fn(&'a I, Option<&'a O>) -> Entry<'a, V>,
{
    let length = log.entries.len() as u64;
    // Where each read belongs: before the entry of half that number, or right after it.
    let mut reads: Vec<Event> = Vec::with_capacity(log.reads.len());
    for &at in &log.reads {
        let place = match source.word(at) {
            Entry::At(position, None) => 2 * position.min(length),
            Entry::At(position, Some(_)) => 2 * position + 2,
            Entry::All(all) => 2 * all.len() as u64,
            _ => continue,
        };
        reads.push((place, source.span(at)?.start, at));
    }
    reads.sort_unstable();
    let mut reads = reads.into_iter().peekable();
    let mut chain = Chain { instant: 0, by: NONE, guessed: false };
    let mut events: Vec<Event> = Vec::with_capacity(reads.len() + log.entries.len());
    for number in 0..=log.entries.len() {
        watch.step(number)?;
        let now = chain;
        while let Some((place, _, at)) = reads.next_if(|(place, ..)| *place == 2 * number as u64) {
            let span = source.span(at)?;
            // What found nothing here has to wait for no entry, but entries for it.
            let waits = !matches!(source.word(at), Entry::At(_, None));
            let instant = if waits { now.instant.max(span.start) } else { span.start };
            if waits && span.end <= now.instant {
                return late(source, log, &now, (at, NONE, false));
            }
            if !matches!(source.word(at), Entry::At(_, Some(_))) {
                chain.delay(span.start, at, false);
            }
            events.push((instant, place, at));
        }
        let Some(entry) = log.entries.get(number) else { break };
        let span = source.span(entry.append)?;
        chain.delay(span.start, entry.append, entry.guessed);
        if span.end <= chain.instant {
            let it = (entry.append, entry.seen_by, entry.guessed);
            return late(source, log, &chain, it);
        }
        events.push((chain.instant, 2 * number as u64 + 1, entry.append));
    }
    events.sort_unstable();
    Ok(events.into_iter().map(|(.., at)| at).collect())
}

/// When the last entry was made, and what it had to wait for.
#[derive(Clone, Copy)]
struct Chain {
    instant: u64,
    by: u32,
    guessed: bool,
}

impl Chain {
    fn delay(&mut self, start: u64, by: u32, guessed: bool) {
        if start > self.instant {
            *self = Self { instant: start, by, guessed };
        }
    }
}

/// An operation that had ended before one that must come first began.
fn late<'a, I, O, V, F>(
    source: &Source<'a, I, O, F>,
    log: &Known<'a, V>,
    early: &Chain,
    (at, seen_by, guessed): (u32, u32, bool),
) -> Judged<Vec<u32>> {
    // An entry that nobody saw proves something only together with all others.
    if early.guessed || guessed {
        return source.illegal(Kind::NoPlace, [at]);
    }
    let maker = log.entries.iter().find(|entry| entry.append == early.by);
    let shows = maker.map_or(NONE, |entry| entry.seen_by);
    source.illegal(Kind::AgainstTime, [early.by, shows, seen_by, at])
}
