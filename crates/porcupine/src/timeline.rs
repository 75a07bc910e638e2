//! A partition prepared for the search: its operations in order, its returns, and their slots.
//!
//! Operations are renumbered from 0: completed ones that only read, then the other completed ones,
//! then the indeterminate ones, those that overwrite last. *The frontier* counts returns in time
//! order: the search stands at frontier `f` when the first `f` returns have been passed, that is,
//! when their operations are linearized (or hidden, see `order`) and that of return `f` is not.
//!
//! The invariant that makes configurations small: at frontier `f` every operation that returned
//! earlier is linearized and none that was called later can be. What is left to remember is which
//! of the operations open across return `f` are linearized. They overlap in that instant, so each
//! gets a slot that no operation overlapping it shares, and one bit per slot is enough; there are
//! as many slots as operations were ever open at once. The history's length does not enter. (The
//! windows of Lowe's just-in-time linearization; Porcupine keeps one bit per operation of the
//! history.)
//!
//! Dropped are indeterminate operations that change nothing, for what may be left out and changes
//! nothing constrains nothing.

use crate::pace::{OutOfBudget, each, look, sort};
use crate::{Model, Operation};

/// What a timeline and a worker's lists take for an operation, roughly.
pub(crate) const BYTES_PER_OPERATION: usize = 48;

/// No operation.
pub(crate) const NONE: u32 = u32::MAX;

/// An operation of which it is not known which others do the same.
pub(crate) const NO_KIND: u8 = 64;

pub(crate) struct Timeline {
    /// For each operation its index in the history. Completed operations are in the order of their
    /// returns within each class, indeterminate ones in the order of their calls.
    pub(crate) origin: Vec<usize>,
    /// For each operation the number of returns before its call: it can be linearized from this
    /// frontier on.
    pub(crate) opens_at: Vec<u32>,
    /// The least `opens_at` of an operation and those behind it in its class.
    pub(crate) opens_behind: Vec<u32>,
    /// For each return, in time order, the operation.
    pub(crate) returns: Vec<u32>,
    /// How many completed operations only read.
    pub(crate) reads: usize,
    /// The number of the first indeterminate operation that overwrites.
    pub(crate) hiders: usize,
    /// For each completed operation its slot.
    pub(crate) slots: Vec<u32>,
    /// Number of slots.
    pub(crate) width: usize,
    /// For each operation whether it overwrites, as [`Model::is_overwrite`] has it.
    pub(crate) overwrites: Vec<bool>,
    /// For each return the slots of the completed operations that are open across it and
    /// overwrite; as many words for each as `width` needs. Empty where there are none.
    pub(crate) overwrites_open: Vec<u64>,
    /// For each return whether only its own operation is open across it.
    pub(crate) cuts: Vec<bool>,
    /// For each operation but the last class a number that only operations share which do the same
    /// in every state, or [`NO_KIND`].
    pub(crate) kinds: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Read,
    Change,
    Optional,
    Hider,
}

impl Timeline {
    /// Prepares the operations of `history` with the indices `part`.
    pub(crate) fn new<M: Model>(
        model: &M,
        history: &[Operation<M::Input, M::Output>],
        part: &[usize],
        exceeded: &impl Fn() -> bool,
    ) -> Result<Self, OutOfBudget> {
        let mut order: Vec<(Class, u64, usize)> = Vec::new();
        each(part, exceeded, |&index| {
            let operation = &history[index];
            let (call, end) = operation.interval();
            let reads = model.is_read_only(&operation.input, operation.output.as_ref());
            match end {
                Some(end) if reads => order.push((Class::Read, end, index)),
                Some(end) => order.push((Class::Change, end, index)),
                None if reads => {}
                None if model.is_overwrite(&operation.input, None) => {
                    order.push((Class::Hider, call, index));
                }
                None => order.push((Class::Optional, call, index)),
            }
        })?;
        // Ties by index: the answer must not depend on the order within a partition.
        sort(&mut order, exceeded)?;
        let reads = order.partition_point(|(class, ..)| *class == Class::Read);
        let completed = order.partition_point(|(class, ..)| *class <= Class::Change);
        let hiders = order.partition_point(|(class, ..)| *class <= Class::Optional);
        let mut ends: Vec<(u64, u32)> = Vec::new();
        each((0..).zip(&order[..completed]), exceeded, |(op, (_, end, _))| ends.push((*end, op)))?;
        sort(&mut ends, exceeded)?;
        let mut line = Self {
            origin: order.into_iter().map(|(.., index)| index).collect(),
            opens_at: Vec::new(),
            opens_behind: Vec::new(),
            returns: ends.iter().map(|(_, op)| *op).collect(),
            reads,
            hiders,
            slots: Vec::new(),
            width: 0,
            overwrites: Vec::new(),
            overwrites_open: Vec::new(),
            cuts: Vec::new(),
            kinds: vec![NO_KIND; hiders],
        };
        line.set_openings(history, &ends, exceeded)?;
        line.set_slots(exceeded)?;
        each(0..line.origin.len(), exceeded, |op| {
            let operation = &history[line.origin[op]];
            let overwrites = model.is_overwrite(&operation.input, operation.output.as_ref());
            line.overwrites.push(overwrites && op >= line.reads);
        })?;
        line.set_windows(exceeded)?;
        line.set_kinds(model, history, exceeded)?;
        Ok(line)
    }

    pub(crate) fn completed(&self) -> usize {
        self.returns.len()
    }

    /// Words that a bit for each slot takes.
    pub(crate) fn words(&self) -> usize {
        self.width.div_ceil(64)
    }

    fn set_openings<I, O>(
        &mut self,
        history: &[Operation<I, O>],
        ends: &[(u64, u32)],
        exceeded: &impl Fn() -> bool,
    ) -> Result<(), OutOfBudget> {
        self.opens_at.reserve_exact(self.origin.len());
        each(&self.origin, exceeded, |index| {
            let call = history[*index].interval().0;
            // Strictly before the call: at equal times the call comes first (see
            // Operation::interval).
            self.opens_at.push(number(ends.partition_point(|(end, _)| *end < call)));
        })?;
        self.opens_behind = self.opens_at.clone();
        let borders = [self.reads, self.completed(), self.hiders];
        each((1..self.opens_at.len()).rev(), exceeded, |op| {
            if !borders.contains(&op) {
                let behind = self.opens_behind[op];
                self.opens_behind[op - 1] = self.opens_behind[op - 1].min(behind);
            }
        })
    }

    /// Gives each completed operation a slot that is free at its call.
    fn set_slots(&mut self, exceeded: &impl Fn() -> bool) -> Result<(), OutOfBudget> {
        let by_call = self.by_opening(exceeded)?;
        let mut slots = vec![0; by_call.len()];
        let mut free = Vec::new();
        let mut width = 0;
        let mut passed = 0;
        each(by_call, exceeded, |(opens_at, op)| {
            while passed < opens_at {
                free.push(slots[self.returns[passed as usize] as usize]);
                passed += 1;
            }
            slots[op as usize] = free.pop().unwrap_or_else(|| {
                width += 1;
                width - 1
            });
        })?;
        (self.slots, self.width) = (slots, width as usize);
        Ok(())
    }

    /// The completed operations with their `opens_at`, by that.
    fn by_opening(&self, exceeded: &impl Fn() -> bool) -> Result<Vec<(u32, u32)>, OutOfBudget> {
        let mut by_call: Vec<(u32, u32)> =
            self.opens_at[..self.completed()].iter().copied().zip(0..).collect();
        sort(&mut by_call, exceeded)?;
        Ok(by_call)
    }

    /// Finds what is open across each return.
    fn set_windows(&mut self, exceeded: &impl Fn() -> bool) -> Result<(), OutOfBudget> {
        let words = self.words();
        let any = self.overwrites[..self.completed()].contains(&true);
        let by_call = self.by_opening(exceeded)?;
        let mut entering = by_call.into_iter().peekable();
        let mut mask = vec![0u64; words];
        let mut open = 0usize;
        each(0..number(self.completed()), exceeded, |frontier| {
            while let Some((_, op)) = entering.next_if(|(opens_at, _)| *opens_at <= frontier) {
                let slot = self.slots[op as usize] as usize;
                mask[slot / 64] |= u64::from(self.overwrites[op as usize]) << (slot % 64);
                open += 1;
            }
            if any {
                self.overwrites_open.extend(&mask);
            }
            self.cuts.push(open == 1);
            let slot = self.slots[self.returns[frontier as usize] as usize] as usize;
            mask[slot / 64] &= !(1 << (slot % 64));
            open -= 1;
        })
    }

    /// Finds operations that do the same. Only so many kinds are told apart, and where hardly any
    /// two operations are of a kind, it is given up.
    fn set_kinds<M: Model>(
        &mut self,
        model: &M,
        history: &[Operation<M::Input, M::Output>],
        exceeded: &impl Fn() -> bool,
    ) -> Result<(), OutOfBudget> {
        const TRIAL: usize = 128;
        let mut examples: Vec<&Operation<M::Input, M::Output>> = Vec::new();
        let mut hits = 0;
        for (tried, op) in (self.reads..self.hiders).enumerate() {
            if tried % 1024 == 0 {
                look(exceeded)?;
            }
            if tried > TRIAL && hits * 2 < tried {
                break;
            }
            let this = &history[self.origin[op]];
            let kind = examples.iter().position(|example| {
                let (input, output) = (&example.input, example.output.as_ref());
                model.is_twin((input, output), (&this.input, this.output.as_ref()))
            });
            if let Some(kind) = kind {
                hits += 1;
                self.kinds[op] = kind as u8;
            } else if examples.len() < usize::from(NO_KIND) {
                self.kinds[op] = examples.len() as u8;
                examples.push(this);
            }
        }
        Ok(())
    }
}

/// A position as the search stores it.
///
/// # Panics
/// If it is 2^32 or more: a history of so many operations fills hundreds of gigabytes by itself.
pub(crate) fn number(position: usize) -> u32 {
    u32::try_from(position).expect("fewer than 2^32 operations and configurations")
}
