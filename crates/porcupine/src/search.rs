//! The search for a linearization of one partition.
//!
//! Depth first: from a configuration, linearize in turn each operation that was called before the
//! frontier's return, and go back where nothing leads on. Not recursive, so depth is bounded by
//! memory alone. Everything else in the crate sees only [`search`] and [`Found`]: this module, with
//! those that only it uses, may be replaced by a faster one.
//!
//! Invariant: a configuration is entered unless it, or one that differs only in having spent fewer
//! indeterminate operations, was entered before. Termination without success is then exhaustive:
//! what can follow a configuration does not depend on how it was reached, and what can follow it
//! can follow one that has more indeterminate operations left, since those may stay unused.
//!
//! Source: Wing and Gong, "Testing and verifying concurrent objects" (1993), section 4; Lowe,
//! "Testing for linearizability" (2017), section 3; Porcupine's `checkSingle`.

use std::sync::atomic::AtomicBool;

use crate::configurations::{Configurations, Origin, Position, hash};
use crate::gauge::Gauge;
use crate::intern::{OptionalSets, States};
use crate::links::Links;
use crate::timeline::Timeline;
use crate::{Meter, Model, Operation, PartitionEvidence, Path, Progress, Witness};

/// What the timeline and the links take, roughly.
const BYTES_PER_OPERATION: usize = 32;

/// What is known about a partition when its search ends.
pub(crate) struct Found {
    pub(crate) progress: Progress,
    /// As [`PartitionEvidence::partials`].
    pub(crate) partials: Vec<Vec<usize>>,
    /// As [`PartitionEvidence::blocked`].
    pub(crate) blocked: Option<usize>,
    /// As [`PartitionEvidence::witness`]; the search finds none.
    pub(crate) witness: Option<Witness>,
    pub(crate) path: Path,
}

impl Found {
    /// What the search knows.
    fn searched(progress: Progress, partials: Vec<Vec<usize>>, blocked: Option<usize>) -> Self {
        Self { progress, partials, blocked, witness: None, path: Path::Search }
    }
}

/// Searches the operations of `history` with the indices `part`, until it knows, the meter is
/// exceeded, or `stop` is set.
pub(crate) fn search<M: Model>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    part: &[usize],
    meter: &Meter,
    stop: &AtomicBool,
) -> Found {
    let reads = |operation: &Operation<M::Input, M::Output>| {
        model.is_read_only(&operation.input, operation.output.as_ref())
    };
    let timeline = Timeline::new(history, part, reads);
    let mut walk = Walk::new(model, history, &timeline, Gauge::new(meter, stop));
    let progress = walk.run();
    walk.found(progress)
}

struct Walk<'a, M: Model> {
    model: &'a M,
    history: &'a [Operation<M::Input, M::Output>],
    timeline: &'a Timeline,
    gauge: Gauge<'a>,
    links: Links,
    states: States<M::State>,
    optional: OptionalSets,
    cache: Configurations,
    /// The configuration that the search is at, its slot bits, and space for those of the next.
    current: u32,
    at: Position,
    depth: u32,
    bits: Vec<u64>,
    next_bits: Vec<u64>,
    /// The furthest configurations, ending in different states: what evidence is made of.
    furthest: Vec<u32>,
}

impl<'a, M: Model> Walk<'a, M> {
    fn new(
        model: &'a M,
        history: &'a [Operation<M::Input, M::Output>],
        timeline: &'a Timeline,
        gauge: Gauge<'a>,
    ) -> Self {
        let total = timeline.origin.len();
        let words = timeline.width.div_ceil(64);
        let mut walk = Self {
            model,
            history,
            timeline,
            gauge,
            links: Links::new(timeline.reads, timeline.completed(), total),
            states: States::new(),
            optional: OptionalSets::new(total - timeline.completed()),
            cache: Configurations::new(words),
            current: 0,
            at: Position::default(),
            depth: 0,
            bits: vec![0; words],
            next_bits: vec![0; words],
            furthest: vec![0],
        };
        // The first state, the empty set and the root each get the number 0 that `at` says.
        walk.states.intern(model.init(), |state| model.heap_bytes(state));
        walk.cache.add(hash(walk.at, &walk.bits), walk.at, &walk.bits, Origin::default());
        walk
    }

    fn run(&mut self) -> Progress {
        let mut candidate = self.links.first();
        loop {
            if self.gauge.is_due() && self.must_stop() {
                return Progress::Unfinished;
            }
            if self.at.frontier as usize == self.timeline.completed() {
                return self.unless_stopped(Progress::Linearizable);
            }
            candidate = match self.links.callable(candidate, self.at.frontier, self.timeline) {
                Some(op) if self.linearize(op) => self.links.first(),
                Some(op) => self.links.after(op),
                None if self.current == 0 => return self.unless_stopped(Progress::Illegal),
                None => {
                    let op = self.go_back();
                    if self.reads(op) { self.links.end() } else { self.links.after(op) }
                }
            };
        }
    }

    /// Soundness of early exits: a model may answer anything once it has seen an exceeded meter,
    /// so no conclusion is drawn without reading the meter after the last step.
    fn unless_stopped(&mut self, conclusion: Progress) -> Progress {
        if self.must_stop() { Progress::Unfinished } else { conclusion }
    }

    fn must_stop(&mut self) -> bool {
        let bytes = self.cache.bytes()
            + self.states.bytes()
            + self.optional.bytes()
            + self.timeline.origin.len() * BYTES_PER_OPERATION;
        self.gauge.must_stop(self.cache.len(), bytes)
    }

    /// Whether `op` is a completed operation that only reads.
    ///
    /// Why nothing else need be tried where one of those fits: it must be linearized at some point,
    /// and moving it from there to the front changes no state on the way and breaks no real-time
    /// order, since it is callable already. So what can follow without it first can follow with it.
    fn reads(&self, op: u32) -> bool {
        (op as usize) < self.timeline.reads
    }

    /// Enters the configuration in which `op` is linearized next, if the model allows it and it was
    /// not visited before.
    fn linearize(&mut self, op: u32) -> bool {
        let operation = &self.history[self.timeline.origin[op as usize]];
        let before = self.states.get(self.at.state);
        let output = operation.output.as_ref();
        let Some(after) = self.model.step(before, &operation.input, output) else {
            return false;
        };
        let optional = op as usize >= self.timeline.completed();
        // An indeterminate operation that changes nothing now: whatever can follow it can follow
        // without it, so leaving it out loses no linearization.
        if optional && after == *before {
            return false;
        }
        let state = if self.reads(op) {
            assert!(
                after == *before,
                "the model calls an operation read-only that changes a state"
            );
            self.at.state
        } else {
            self.states.intern(after, |state| self.model.heap_bytes(state))
        };
        let mut next = Position { state, ..self.at };
        self.next_bits.copy_from_slice(&self.bits);
        if optional {
            self.optional.toggle(op as usize - self.timeline.completed());
        } else {
            next.frontier = self.advance(op);
        }
        let hash = hash(next, &self.next_bits);
        if self.cache.knows(hash, next, &self.next_bits, |set| self.optional.covers(set)) {
            if optional {
                self.optional.toggle(op as usize - self.timeline.completed());
            }
            return false;
        }
        if optional {
            next.optional = self.optional.intern();
        }
        let origin = Origin { op, parent: self.current, depth: self.depth + 1 };
        self.current = self.cache.add(hash, next, &self.next_bits, origin);
        std::mem::swap(&mut self.bits, &mut self.next_bits);
        self.links.lift(op);
        self.at = next;
        self.depth += 1;
        self.note_furthest();
        true
    }

    /// Marks `op` in `next_bits` and returns the frontier that follows: past the returns of all
    /// linearized operations. A slot is cleared when its operation's return is passed, before
    /// the next operation in that slot can be linearized.
    fn advance(&mut self, op: u32) -> u32 {
        let timeline = self.timeline;
        let slot = |op: u32| timeline.slots[op as usize] as usize;
        let bits = &mut self.next_bits;
        bits[slot(op) / 64] |= 1 << (slot(op) % 64);
        let mut frontier = self.at.frontier;
        while let Some(&returning) = timeline.returns.get(frontier as usize) {
            let (word, bit) = (slot(returning) / 64, 1 << (slot(returning) % 64));
            if bits[word] & bit == 0 {
                break;
            }
            bits[word] &= !bit;
            frontier += 1;
        }
        frontier
    }

    /// Returns to the configuration before, and to the operation that led on from there.
    fn go_back(&mut self) -> u32 {
        let Origin { op, parent, depth } = self.cache.origin(self.current);
        self.links.unlift(op);
        if op as usize >= self.timeline.completed() {
            self.optional.toggle(op as usize - self.timeline.completed());
        }
        self.current = parent;
        self.at = self.cache.position(parent);
        self.bits.copy_from_slice(self.cache.bits(parent));
        self.depth = depth - 1;
        op
    }

    fn note_furthest(&mut self) {
        let best = self.cache.position(self.furthest[0]).frontier;
        if self.at.frontier < best {
            return;
        }
        if self.at.frontier > best {
            self.furthest.clear();
        }
        let same = |id: &&mut u32| self.cache.position(**id).state == self.at.state;
        if let Some(known) = self.furthest.iter_mut().find(same) {
            if self.cache.origin(*known).depth < self.depth {
                *known = self.current;
            }
        } else if self.furthest.len() < PartitionEvidence::MOST_PARTIALS {
            self.furthest.push(self.current);
        }
    }

    fn found(self, progress: Progress) -> Found {
        let original = |op: u32| self.timeline.origin[op as usize];
        let path = |id: u32| self.cache.path(id).into_iter().map(original).collect();
        if progress == Progress::Linearizable {
            return Found::searched(progress, vec![path(self.current)], None);
        }
        let frontier = self.cache.position(self.furthest[0]).frontier;
        let blocked = self.timeline.returns.get(frontier as usize).map(|&op| original(op));
        let mut partials: Vec<Vec<usize>> = self.furthest.iter().map(|&id| path(id)).collect();
        partials.sort_by_key(|partial| std::cmp::Reverse(partial.len()));
        Found::searched(progress, partials, blocked)
    }
}
